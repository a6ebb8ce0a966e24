import { expect } from "chai";
import { FileClient } from "../../../services/console/file-client.ts";
import { O_WRONLY } from "../../../services/secure9p/constants.ts";
import { PERMISSION, type Refusal, TIMED_OUT } from "../../../services/secure9p/refusal.ts";
import { TestHive } from "../hive/support.ts";
import { nodeBytes, text, utf8 } from "../support/ports.ts";
import { heartbeats } from "./terminal.ts";

/** A client of an operator, and what its requests end with. */
function client(all = new TestHive(), login = all.operator()) {
  const errors: unknown[] = [];
  const session = login.open9p();
  const files = new FileClient({ session, bytes: nodeBytes, failed: (error) => errors.push(error) });
  const open = (path: string, flags = 0): { fid: number; directory: boolean } | string => {
    let outcome: { fid: number; directory: boolean } | string = "nothing";
    const names = path.split("/").filter((name) => name !== "");
    files.open(names, flags, (opened, error) => (outcome = opened ?? error?.code ?? "?"));
    files.pump();
    return outcome;
  };
  const opened = (path: string, flags = 0): number => {
    const outcome = open(path, flags);
    if (typeof outcome === "string") throw new Error(`${path}: ${outcome}`);
    return outcome.fid;
  };
  return { all, login, session, files, errors, open, opened };
}

describe("file client", () => {
  it("opens files and directories, and says which it was", () => {
    const { open, files } = client();
    expect([open("/"), open("/log"), open("/proc/time")]).to.deep.equal([
      { fid: 1, directory: true },
      { fid: 2, directory: true },
      { fid: 3, directory: false },
    ]);
    expect(open("/log")).to.equal("EBUSY");
    files.clunk(2);
    files.pump();
    expect(open("/log")).to.deep.equal({ fid: 2, directory: true });
  });

  it("says why a path does not lead anywhere, of its first name and of a later one, and keeps no fid", () => {
    const all = new TestHive();
    const { open, files } = client(all, all.login("observer"));
    expect(open("/queen")).to.equal("EPERM");
    expect(open("/proc/x")).to.equal("ENOENT");
    expect(open("/proc/time/x")).to.equal("ENOENT");
    expect(open("/proc/x/y/z")).to.equal("ENOENT");
    expect(open("/log/queen.log", O_WRONLY)).to.equal("EPERM");
    expect(files.fids).to.equal(1);
  });

  it("asks one thing at a time", () => {
    const { files } = client();
    files.open(["log"], 0, () => undefined);
    expect(files.busy).to.equal(true);
    expect(() => files.open(["log"], 0, () => undefined)).to.throw("a request is under way");
    files.pump();
    expect(files.busy).to.equal(false);
  });

  it("serves what a done asks for within the same pump", () => {
    const { files, opened } = client();
    const fid = opened("/log/queen.log");
    const read: string[] = [];
    const next = (offset: number): void =>
      files.read(fid, offset, 10, ({ data }, error) => {
        expect(error).to.equal(undefined);
        if (data.length === 0) return;
        read.push(text(data.bytes.slice(data.start, data.start + data.length)));
        next(offset + data.length);
      });
    next(0);
    files.pump();
    expect(read.join("")).to.equal("[   0.000000] login: admitted role=queen session=1 from=serial by=token\n");
    expect(read.length).to.be.greaterThan(5);
  });

  it("waits, is told of an answer that came meanwhile, and lets go when it is cancelled", () => {
    const { all, append } = heartbeats(0);
    const { files, opened } = client(all);
    const fid = opened("/worker/worker-1/telemetry.follow");
    const got: string[] = [];
    const read = (offset: number): void => {
      files.read(fid, offset, 100, ({ data }, error) => got.push(error?.code ?? String(data.length)));
      files.pump();
    };
    read(0);
    expect([files.busy, files.waiting]).to.deep.equal([true, false]);
    append("four");
    expect(files.waiting).to.equal(true);
    files.pump();
    read(5);
    files.cancel(TIMED_OUT);
    expect(got).to.deep.equal(["5", "ETIMEDOUT"]);
    files.cancel(TIMED_OUT);
    read(5);
    files.clunk(fid);
    files.pump();
    expect(got).to.deep.equal(["5", "ETIMEDOUT", "EBADF"]);
    expect([files.busy, files.fids]).to.deep.equal([false, 1]);
  });

  it("writes", () => {
    const { all, files, opened } = client();
    const fid = opened("/log/queen.log", O_WRONLY);
    let written = 0;
    files.write(fid, 0, utf8("hello\n"), 0, 6, ({ count }) => (written = count));
    files.pump();
    expect(written).to.equal(6);
    expect(all.log().at(-1)).to.equal("client session=1 role=queen: hello");
  });

  for (const [how, code] of [
    ["closes it", "ESHUTDOWN"],
    ["revokes it", "ESHUTDOWN"],
  ] as const) {
    it(`tells who waits when the hive ${how}`, () => {
      const { all } = heartbeats(0);
      const { files, opened, login, session } = client(all);
      const fid = opened("/worker/worker-1/telemetry.follow");
      let why: Refusal | undefined;
      files.read(fid, 0, 100, (_, error) => (why = error));
      files.pump();
      if (how === "closes it") login.close();
      else session.revoke();
      expect(files.waiting).to.equal(true);
      files.pump();
      expect(why?.code).to.equal(code);
      expect(files.waiting).to.equal(false);
      files.getattr(fid, (_, error) => (why = error));
      files.pump();
      expect(why?.code).to.equal(code);
    });
  }

  it("tells who waits when it is closed itself, and ends its session", () => {
    const { all } = heartbeats(0);
    const { files, opened, session } = client(all);
    const fid = opened("/worker/worker-1/telemetry.follow");
    let why: Refusal | undefined;
    files.read(fid, 0, 100, (_, error) => (why = error));
    files.pump();
    files.close();
    files.close();
    expect([why?.code, session.ended]).to.deep.equal(["ESHUTDOWN", true]);
  });

  it("is refused everything where there is nothing to attach to", () => {
    const all = new TestHive();
    const { files, open } = client(all, all.login("service", all.ticket("service", { subject: "gpu-bridge" })));
    expect(files.ended).to.equal(PERMISSION);
    expect(open("/")).to.equal("EPERM");
  });

  it("reports what a done throws and goes on", () => {
    const { files, errors, open } = client();
    files.open([], 0, () => {
      throw new Error("thrown");
    });
    files.pump();
    expect(errors.map(String)).to.deep.equal(["Error: thrown"]);
    expect(open("/")).to.deep.equal({ fid: 2, directory: true });
  });
});

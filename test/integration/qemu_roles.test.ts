import { expect } from "chai";
import { type Role, ROLES } from "../../services/roles/roles.ts";
import { O_RDONLY, O_WRONLY, QTDIR } from "../../services/secure9p/constants.ts";
import { attemptsOf, withSelf, wrongWith } from "../services/hive/attempts.ts";
import { auditLog, DoorHive } from "./door-hive.ts";
import type { NineClient } from "./nine-client.ts";
import { needsQemu } from "./qemu-image.ts";

const NOBODYS = { isLessee: () => false };
/** Nobody can have one of these without a GPU bridge, and a service has no 9P. */
const WALKING = ROLES.filter((role) => role !== "worker-gpu" && role !== "service");

/** Every path that a listing of the whole tree shows, with its qid's type. */
async function everyPath(queen: NineClient): Promise<Map<string, number>> {
  const found = new Map([["/", QTDIR]]);
  for (const [path, type] of found) {
    if ((type & QTDIR) === 0) continue;
    const listed = await queen.list(path);
    if (typeof listed === "string") throw new Error(`${path}: ${listed}`);
    for (const entry of listed) found.set(`${path === "/" ? "" : path}/${entry.name}`, entry.type);
  }
  return found;
}

/** An acknowledgement in the words of a 9P client. */
function said(acknowledgement: string | undefined): string {
  if (acknowledgement?.startsWith("OK ") === true) return "";
  const code = / error=(\w+)$/.exec(acknowledgement ?? "")?.[1];
  if (code === undefined) throw new Error(`no acknowledgement: ${acknowledgement ?? "closed"}`);
  return `!${code}`;
}

describe("roles of a hive on seL4, over TCP", function () {
  needsQemu(this);
  let hive: DoorHive;
  let queen: NineClient;
  before(async () => {
    hive = await DoorHive.boot();
    queen = await hive.nine("queen");
    for (const id of ["worker-1", "worker-2"]) {
      expect(await queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl")).to.equal("22");
      // What they do in the meantime would only be in the way.
      expect(await queen.echo("pause\n", `/worker/${id}/ctl`)).to.equal("6");
    }
  });
  after(async () => {
    expect(await hive.end(), hive.process.messages).to.equal(0);
  });

  const ticketOf = (role: Role): string =>
    hive.ticket(role, { subject: { "worker-heartbeat": "worker-1", service: "gpu-bridge" }[role as string] ?? "" });

  for (const role of WALKING) {
    it(`meet the policy's table at every path, whatever they ask, and each denial is counted once: ${role}`, async () => {
      const paths = withSelf(await everyPath(queen), "worker-1");
      expect([...paths.keys()]).to.include.members(["/queen/ctl", "/proc/9p/workers", "/worker/worker-2/ctl"]);
      const nine = await hive.nine(role, ticketOf(role));
      const lines = await hive.lines(role, ticketOf(role));
      const attempts = attemptsOf({ role, subject: role === "worker-heartbeat" ? "worker-1" : "" }, paths, NOBODYS);
      const denials = await queen.counter("/proc/9p/ninedoor", "denied");
      const wrong: string[] = [];
      for (const attempt of attempts) {
        const { operation, path, flags } = attempt;
        let result: number | string;
        if (operation === "bind") result = said(await lines.ask(`BIND /proc/time ${path}`));
        else if (operation === "mount") result = said(await lines.ask(`MOUNT proc ${path}`));
        else result = await (operation === "walk" ? nine.walk(path) : nine.open(path, flags));
        if (typeof result === "number") await nine.clunk(result);
        const why = wrongWith(attempt, result);
        if (why !== undefined) wrong.push(why);
      }
      expect(wrong).to.deep.equal([]);
      expect(attempts.length).to.be.greaterThan(paths.size * 4);
      const expected = attempts.filter(({ comes }) => comes === "denied").length;
      expect((await queen.counter("/proc/9p/ninedoor", "denied")) - denials).to.equal(expected);
      nine.close();
      lines.close();
    });
  }

  it("leave a service nothing to see: it may not speak 9P, and its lines are denied", async () => {
    const ticket = ticketOf("service");
    let refused = "";
    try {
      await hive.nine("service", ticket);
    } catch (error) {
      refused = error instanceof Error ? error.message : String(error);
    }
    expect(refused).to.match(/^the hive at \S+ refuses 9P: denied$/);
    const lines = await hive.lines("service", ticket);
    for (const line of ["LS /", "CAT /proc/boot", "ECHO /log/queen.log x", "BIND /proc /x", "KILL worker-1", "LOG"]) {
      expect(await lines.ask(line), line).to.match(/^ERR \w+ reason=policy detail=denied( |$)/);
    }
    lines.close();
  });

  it("let a Queen turn her own view around, which no other session sees, nor she herself afterwards", async () => {
    const [first, second] = [await hive.nine("queen"), await hive.nine("queen")];
    const lines = await hive.lines("queen");
    const ctl = await first.opened("/queen/ctl", O_WRONLY);
    for (const command of ['{"mount":{"service":"log","at":"/audit"}}', '{"bind":{"from":"/proc","to":"/queen"}}']) {
      expect(await first.write(ctl, `${command}\n`)).to.equal(String(command.length + 1));
    }
    const proc = await second.names("/proc");
    expect(await first.names("/queen")).to.deep.equal(proc);
    expect(await first.names("/")).to.deep.equal(["proc", "log", "worker", "audit", "queen"]);
    expect(await first.cat("/queen/time")).to.match(/^uptime_ms \d+\n/);
    expect(await first.open("/queen/ctl", O_WRONLY)).to.equal("!ENOENT");
    expect(await first.echo("by another name\n", "/audit/queen.log")).to.equal("16");
    // What was open before goes on leading where it led.
    expect(await first.write(ctl, '{"kill":"worker-99"}\n')).to.equal("!ENOENT");
    for (const other of [second, queen]) {
      expect(await other.names("/queen")).to.deep.equal(["ctl"]);
      expect(await other.names("/")).to.deep.equal(["proc", "log", "queen", "worker"]);
      expect(await other.open("/audit/queen.log")).to.equal("!ENOENT");
    }
    expect(await lines.ask("LS /queen")).to.equal("OK LS path=/queen entries=1");
    expect(await lines.stream()).to.deep.equal(["ctl", "END"]);
    // The same on a console, whose 9P afterwards sees what its lines saw.
    expect(await lines.ask("BIND /worker /queen")).to.equal("OK BIND from=/worker to=/queen");
    expect(await lines.ask("LS /queen")).to.equal("OK LS path=/queen entries=2");
    expect(await lines.stream()).to.deep.equal(["worker-1", "worker-2", "END"]);
    expect(await second.names("/queen")).to.deep.equal(["ctl"]);
    first.close();
    expect(await (await hive.nine("queen")).names("/queen")).to.deep.equal(["ctl"]);
    expect((await auditLog(queen)).filter((line) => line.includes("by another name"))).to.have.length(1);
  });

  it("refuse a worker a bind, a mount and every command, and say in the log who wanted it", async () => {
    // In a hive of its own: beyond a rate denials are summed up, and those before were many.
    const own = await DoorHive.boot();
    try {
      await acceptDenials(own);
    } finally {
      expect(await own.end(), own.process.messages).to.equal(0);
    }
  });

  async function acceptDenials(hive: DoorHive): Promise<void> {
    const queen = await hive.nine("queen");
    expect(await queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl")).to.equal("22");
    const ticket = hive.ticket("worker-heartbeat", { subject: "worker-1" });
    const before = (await auditLog(queen)).length;
    const worker = await hive.nine("worker-heartbeat", ticket);
    const lines = await hive.lines("worker-heartbeat", ticket);
    expect(await worker.echo('{"bind":{"from":"/proc","to":"/worker/self/x"}}\n', "/queen/ctl")).to.equal("!EPERM");
    for (const line of [
      "BIND /proc/time /worker/self/x",
      "MOUNT log /worker/self/x",
      "KILL worker-2",
      'SPAWN {"spawn":"heartbeat"}',
    ]) {
      expect(await lines.ask(line), line).to.match(/^ERR \w+ reason=policy detail=denied [^]*error=EPERM$/);
    }
    expect(await worker.names("/worker/self"))
      .to.include.members(["telemetry", "yield"])
      .and.not.include("x");
    const denied = (await auditLog(queen)).slice(before).filter((line) => line.startsWith("audit: "));
    const who = "role=worker-heartbeat subject=worker-1 why=not-granted session=<n>";
    expect(denied.map((line) => line.replace(/session=\d+/, "session=<n>"))).to.deep.equal([
      `audit: denied walk path=/queen ${who}`,
      ...Array.from({ length: 4 }, () => `audit: denied append path=/queen/ctl ${who}`),
    ]);
    worker.close();
    lines.close();
  }

  it("end a worker's other logins with the worker, however they look at it", async () => {
    const worker = await hive.nine("worker-heartbeat", hive.ticket("worker-heartbeat", { subject: "worker-2" }));
    const observer = await hive.nine("observer");
    const theirs = await observer.opened("/worker/worker-2/telemetry.follow", O_RDONLY);
    const own = await worker.opened("/worker/self/telemetry", O_WRONLY);
    expect(await worker.write(own, "the last record\n")).to.equal("16");
    const records = await observer.read(theirs, 0);
    expect(String(records)).to.match(/(^|\n)the last record\n$/);
    const waits = observer.read(theirs, records.length);
    expect(await queen.echo('{"kill":"worker-2"}\n', "/queen/ctl")).to.equal("20");
    expect(await waits).to.equal("!ESHUTDOWN");
    expect(await worker.write(own, "not any more\n")).to.equal("!ESHUTDOWN");
    expect(await observer.open("/worker/worker-2/status")).to.equal("!ENOENT");
  });
});

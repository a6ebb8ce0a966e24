import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { nodeBytes } from "../../../scripts/lib/node-bytes.ts";
import { Folder } from "../../../cohsh/export/folder.ts";
import { Client } from "../../../services/secure9p/client.ts";
import * as p9 from "../../../services/secure9p/constants.ts";
import { Entries } from "../../../services/secure9p/entries.ts";
import { Message } from "../../../services/secure9p/message.ts";
import { CLOSED, type Refusal } from "../../../services/secure9p/refusal.ts";
import { Session } from "../../../services/secure9p/session.ts";

/** A client of a folder in this process. Each request is answered before the next is made. */
class Guest {
  readonly client = new Client({ bytes: nodeBytes, fids: 4096 });
  readonly session: Session;
  readonly failures: unknown[] = [];
  static readonly all: Guest[] = [];

  constructor(folder: Folder) {
    Guest.all.push(this);
    this.session = new Session({
      tree: folder,
      bytes: nodeBytes,
      fids: 4096,
      tags: 64,
      replied: () => setImmediate(() => this.pump()),
      failed: (error) => this.failures.push(error),
    });
  }

  static async of(path: string): Promise<Guest> {
    const guest = new Guest(await Folder.at(path));
    await guest.ask((done) => Number(guest.client.version(done)));
    await guest.ask((done) => guest.client.attach(guest.client.fids.take(), "", "", done));
    return guest;
  }

  pump(): void {
    const { client, session } = this;
    while (client.unsent + session.unsent > 0) {
      if (client.unsent > 0) client.sent(session.receive(client.out, client.start, client.run));
      if (session.unsent > 0) {
        const { run } = session;
        client.receive(session.out, session.start, run);
        session.sent(run);
      }
    }
  }

  /** @returns what `take` makes of the reply, or why there is none as `!EPERM` */
  ask<T = string>(
    send: (done: (reply: Message, error: Refusal | undefined) => void) => number,
    take?: (reply: Message) => T,
  ) {
    return new Promise<T | string>((resolve) => {
      send((reply, error) => resolve(error === undefined ? (take?.(reply) ?? "") : `!${error.code}`));
      this.pump();
    });
  }

  async walk(path: string): Promise<number | string> {
    const fid = this.client.fids.take();
    const names = path.split("/").filter((name) => name !== "");
    let at = 0;
    const why = await this.ask(
      (done) => this.client.walk(0, fid, names, done),
      ({ nwqid }) => {
        at = nwqid;
        return "";
      },
    );
    return why !== "" ? why : at === names.length ? fid : "!ENOENT";
  }

  async open(path: string, flags = 0): Promise<number | string> {
    const fid = await this.walk(path);
    if (typeof fid === "string") return fid;
    const why = await this.ask((done) => this.client.open(fid, flags, done));
    if (why === "") return fid;
    await this.clunk(fid);
    return why;
  }

  read(fid: number, offset: number, count = 8192): Promise<string> {
    return this.ask(
      (done) => this.client.read(fid, offset, count, done),
      ({ data }) => Buffer.from(data.bytes.slice(data.start, data.start + data.length)).toString("latin1"),
    );
  }

  async cat(path: string): Promise<string> {
    const fid = await this.open(path);
    if (typeof fid === "string") return fid;
    let all = "";
    for (;;) {
      const part = await this.read(fid, all.length);
      if (part === "" || part.startsWith("!")) break;
      all += part;
    }
    await this.clunk(fid);
    return all;
  }

  async list(path: string, count = 8192): Promise<string[] | string> {
    const fid = await this.open(path);
    if (typeof fid === "string") return fid;
    const names: string[] = [];
    for (let offset = 0; ;) {
      const before = names.length;
      const why = await this.ask(
        (done) => this.client.readdir(fid, offset, count, done),
        ({ data }) => {
          const entries = new Entries(nodeBytes);
          entries.begin(data);
          while (entries.next()) {
            names.push(entries.name.text(nodeBytes) + (entries.type === p9.DT_DIR ? "/" : ""));
            offset = entries.offset;
          }
          return "";
        },
      );
      if (why !== "") return why;
      if (names.length === before) break;
    }
    await this.clunk(fid);
    return names;
  }

  stat(path: string) {
    return this.walk(path).then((fid) =>
      typeof fid === "string"
        ? fid
        : this.ask(
            (done) => this.client.getattr(fid, p9.GETATTR_BASIC, done),
            ({ attributes: { mode, size, nlink, mtimeSec, uid }, qid: { path: number, version, type } }) => ({
              ...{ mode, size, nlink, mtimeSec, uid, number, version, type },
            }),
          ),
    );
  }

  clunk(fid: number): Promise<string> {
    return this.ask((done) => this.client.clunk(fid, done));
  }
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe("cohsh export: a folder", () => {
  let top: string;
  let folder: string;

  beforeEach(() => {
    top = realpathSync(mkdtempSync(join(tmpdir(), "cohsh-export-")));
    folder = join(top, "shown");
    mkdirSync(join(folder, "sub", "deep"), { recursive: true });
    writeFileSync(join(top, "secret"), "secret");
    writeFileSync(join(folder, "a"), "text\n");
    writeFileSync(join(folder, "sub", "größe"), "fünf");
  });
  afterEach(() => {
    for (const { session, failures } of Guest.all.splice(0)) {
      session.close();
      expect(failures).to.deep.equal([]);
    }
    rmSync(top, { recursive: true });
  });

  it("is listed and read, at offsets too, and what is not there is not found", async () => {
    const guest = await Guest.of(folder);
    expect(await guest.list("/")).to.deep.equal(["a", "sub/"]);
    expect(await guest.list("/sub")).to.deep.equal(["deep/", "größe"]);
    expect(await guest.list("/sub/deep")).to.deep.equal([]);
    expect(await guest.cat("/a")).to.equal("text\n");
    expect(await guest.cat("/sub/../a")).to.equal("text\n");
    const fid = (await guest.open("/a")) as number;
    expect([await guest.read(fid, 2, 2), await guest.read(fid, 5), await guest.read(fid, 2 ** 40)]).to.deep.equal([
      "xt",
      "",
      "",
    ]);
    expect([await guest.cat("/none"), await guest.cat("/a/b"), await guest.read(fid, 0)]).to.deep.equal([
      "!ENOENT",
      "!ENOENT",
      "text\n",
    ]);
  });

  it("has a large file whole, however it is asked for", async () => {
    // A `!` would look like a refusal.
    const bytes = randomBytes(300_000).map((byte) => (byte === 0x21 ? 0 : byte)) as Buffer;
    writeFileSync(join(folder, "big"), bytes);
    const guest = await Guest.of(folder);
    expect((await guest.cat("/big")) === bytes.toString("latin1")).to.equal(true);
    const fid = (await guest.open("/big")) as number;
    const parts = await Promise.all(Array.from({ length: 16 }, (_, i) => guest.read(fid, i * 7000, 7000)));
    expect(parts.join("") === bytes.subarray(0, 112_000).toString("latin1")).to.equal(true);
    // It may shrink while it is read.
    truncateSync(join(folder, "big"), 100);
    expect([(await guest.read(fid, 50)).length, await guest.read(fid, 7000)]).to.deep.equal([50, ""]);
  });

  it("says of a file what is true of it, and that nobody may write it", async () => {
    utimesSync(join(folder, "a"), 1000, 2000);
    chmodSync(join(folder, "a"), 0o666);
    const guest = await Guest.of(folder);
    const file = await guest.stat("/a");
    expect(file).to.include({ mode: p9.S_IFREG | 0o444, size: 5, nlink: 1, mtimeSec: 2000, uid: 0, type: 0 });
    expect(await guest.stat("/sub")).to.include({ mode: p9.S_IFDIR | 0o555, type: p9.QTDIR });
    writeFileSync(join(folder, "a"), "longer text\n");
    const { version, number } = file as { version: number; number: number };
    const later = (await guest.stat("/a")) as { version: number; number: number };
    expect(later.number).to.equal(number);
    expect(later.version).to.not.equal(version);
    const numbers = [];
    for (const path of ["/", "/a", "/sub", "/sub/deep", "/sub/größe"]) numbers.push(await guest.stat(path));
    expect(new Set(numbers.map((stat) => (stat as { number: number }).number)).size).to.equal(5);
  });

  it("cannot be written, made, removed or changed", async () => {
    const guest = await Guest.of(folder);
    for (const flags of [p9.O_WRONLY, p9.O_RDWR, p9.O_RDONLY | p9.O_TRUNC, p9.O_WRONLY | p9.O_CREAT]) {
      expect(await guest.open("/a", flags), String(flags)).to.equal("!EPERM");
    }
    const fid = (await guest.walk("/a")) as number;
    const change = Object.assign(new Message().change, { valid: p9.SETATTR_SIZE, size: 0 });
    expect(await guest.ask((done) => guest.client.setattr(fid, change, done))).to.equal("!EPERM");
    expect(await guest.ask((done) => guest.client.remove(fid, done))).to.equal("!EOPNOTSUPP");
    const read = (await guest.open("/a")) as number;
    expect(await guest.ask((done) => guest.client.write(read, 0, Buffer.from("x"), 0, 1, done))).to.equal("!EBADF");
    expect(await guest.cat("/a")).to.equal("text\n");
  });

  it("is not left: by links, by names, or by a folder that is replaced by a link", async () => {
    symlinkSync("../secret", join(folder, "out"));
    symlinkSync(join(top, "secret"), join(folder, "absolute"));
    symlinkSync("..", join(folder, "up"));
    symlinkSync("/", join(folder, "root"));
    symlinkSync("sub/größe", join(folder, "in"));
    symlinkSync("sub", join(folder, "folder"));
    symlinkSync("self", join(folder, "self"));
    symlinkSync("nowhere", join(folder, "dangling"));
    mkdirSync(join(top, "shown-not"));
    symlinkSync("../shown-not", join(folder, "prefix"));
    const guest = await Guest.of(folder);
    // A link to a file within is that file.
    expect(await guest.list("/")).to.deep.equal(["a", "in", "sub/"]);
    expect(await guest.cat("/in")).to.equal(Buffer.from("fünf").toString("latin1"));
    for (const name of ["out", "absolute", "up", "root", "folder", "self", "dangling", "prefix"]) {
      expect(await guest.walk(`/${name}`), name).to.equal("!ENOENT");
    }
    expect(await guest.cat("/../secret")).to.equal("!ENOENT");
    expect(await guest.cat("/../../../../../../etc/passwd")).to.equal("!ENOENT");
    // Fids that stand in a folder and on a file when what they are replaced.
    mkdirSync(join(top, "elsewhere"));
    writeFileSync(join(top, "elsewhere", "größe"), "secret");
    const within = (await guest.walk("/sub")) as number;
    const file = (await guest.walk("/sub/größe")) as number;
    renameSync(join(folder, "sub"), join(top, "sub-before"));
    symlinkSync("../elsewhere", join(folder, "sub"));
    const next = guest.client.fids.take();
    expect(await guest.ask((done) => guest.client.walk(within, next, ["größe"], done))).to.equal("!ENOENT");
    expect(await guest.ask((done) => guest.client.open(within, 0, done))).to.equal("!ENOENT");
    expect(await guest.ask((done) => guest.client.open(file, 0, done))).to.equal("!ENOENT");
    expect(await guest.ask((done) => guest.client.getattr(file, p9.GETATTR_BASIC, done))).to.equal("!ENOENT");
    expect(await guest.list("/sub")).to.equal("!ENOENT");
  });

  it("has a file opened that is the one that was found, though it is a link by now, or another", async () => {
    const guest = await Guest.of(folder);
    const fid = (await guest.walk("/a")) as number;
    rmSync(join(folder, "a"));
    symlinkSync("../secret", join(folder, "a"));
    expect(await guest.ask((done) => guest.client.open(fid, 0, done))).to.equal("!ENOENT");
    rmSync(join(folder, "a"));
    renameSync(join(top, "secret"), join(folder, "a"));
    expect(await guest.ask((done) => guest.client.open(fid, 0, done))).to.equal("!ENOENT");
    expect(await guest.cat("/a")).to.equal("secret");
    expect(guest.session.fids).to.equal(2);
  });

  it("leaves out what is neither a file nor a folder, and does not wait for it", async () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(folder, "socket"), resolve));
    symlinkSync("pipe", join(folder, "link"));
    symlinkSync("/dev/zero", join(folder, "zero"));
    const guest = await Guest.of(folder);
    expect(await guest.list("/")).to.deep.equal(["a", "sub/"]);
    for (const name of ["pipe", "socket", "link", "zero"]) expect(await guest.walk(`/${name}`)).to.equal("!ENOENT");
    // One that takes a file's place is not opened either, though nobody writes to it.
    const fid = (await guest.walk("/a")) as number;
    rmSync(join(folder, "a"));
    execFileSync("mkfifo", [join(folder, "a")]);
    expect(await guest.ask((done) => guest.client.open(fid, 0, done))).to.equal("!ENOENT");
    await new Promise((resolve) => server.close(resolve));
  });

  it("leaves out names that are no text, and shows those that are odd", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xff, 0xfe)]), "x");
    writeFileSync(join(folder, "line\nbreak"), "odd");
    writeFileSync(join(folder, "ÿ".repeat(127)), "long");
    const guest = await Guest.of(folder);
    expect(await guest.list("/")).to.deep.equal(["a", "line\nbreak", "sub/", "ÿ".repeat(127)]);
    expect(await guest.cat("/line\nbreak")).to.equal("odd");
  });

  it("is listed in pages of any size, each name once, and none for those that are left out", async () => {
    for (let i = 0; i < 300; i++) {
      if (i % 3 === 0) writeFileSync(join(folder, "sub", "deep", `file-${i}`), "");
      else symlinkSync("/etc", join(folder, "sub", "deep", `link-${i}`));
    }
    const guest = await Guest.of(folder);
    for (const count of [40, 500, 8192]) {
      const names = (await guest.list("/sub/deep", count)) as string[];
      expect(names, String(count)).to.have.length(100);
      expect(new Set(names).size).to.equal(100);
    }
    expect(await guest.list("/sub/deep", 20)).to.equal("!EINVAL");
  });

  it("has so many files open at once, gives back each, and those whose opening is given up too", async () => {
    const open = await Folder.at(folder);
    const guest = new Guest(open);
    await guest.ask((done) => Number(guest.client.version(done)));
    await guest.ask((done) => guest.client.attach(guest.client.fids.take(), "", "", done));
    const fids = [];
    for (let i = 0; i < 257; i++) fids.push(await guest.open("/a"));
    expect([typeof fids[255], fids[256], open.open]).to.deep.equal(["number", "!EBUSY", 256]);
    await guest.clunk(fids[0] as number);
    const again = await guest.open("/a");
    expect(typeof again).to.equal("number");
    await guest.clunk(again as number);
    const fid = (await guest.walk("/a")) as number;
    const given = guest.ask((done) => {
      const tag = guest.client.open(fid, 0, done);
      guest.client.flush(tag, CLOSED);
      return tag;
    });
    expect(await given).to.equal("!ESHUTDOWN");
    guest.session.close();
    while (open.open > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });

  it("is a folder, or nothing is exported, and a sentence says why", async () => {
    const gone = join(top, "gone");
    expect(await failure(Folder.at(gone))).to.equal(`${gone} is not there`);
    expect(await failure(Folder.at(join(folder, "a")))).to.equal(`${join(folder, "a")} is no folder`);
    symlinkSync("shown", join(top, "link"));
    expect((await Folder.at(join(top, "link"))).path).to.equal(folder);
    expect((await Folder.at("/")).path).to.equal("/");
    expect(await (await Guest.of("/")).cat(join(folder, "a"))).to.equal("text\n");
  });

  it("is the same file under all of its names", async () => {
    linkSync(join(folder, "a"), join(folder, "b"));
    const guest = await Guest.of(folder);
    expect(((await guest.stat("/a")) as { number: number }).number).to.equal(
      ((await guest.stat("/b")) as { number: number }).number,
    );
  });
});

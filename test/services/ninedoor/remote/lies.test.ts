import { expect } from "chai";
import * as p9 from "../../../../services/secure9p/constants.ts";
import type { Done } from "../../../../services/secure9p/client-calls.ts";
import type { Attributes } from "../../../../services/secure9p/message.ts";
import { REFUSALS } from "../../../../services/secure9p/refusal.ts";
import { concat, frame } from "../../secure9p/fixture.ts";
import { emit, integer, message } from "../../secure9p/layouts.ts";
import { utf8 } from "../../support/ports.ts";
import { type Visitor, WAITS } from "../support.ts";
import { type Exporter, ExportHive, lopened, walked } from "./support.ts";

const FID = 9;

/** A hive whose Queen has `/mnt/<name>` open, of a service that the test plays. */
function opened(name = "a", type: number = p9.QTFILE) {
  const hive = new ExportHive();
  const exporter = hive.dial("files").welcome();
  const queen = hive.mounted("files");
  const root = queen.walk("/mnt") as number;
  queen.ask((done) => queen.client.walk(root, FID, [name], done));
  exporter.say(walked(exporter.one(p9.TWALK).tag, { type, version: 0, path: 7 }));
  exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
  queen.pump();
  queen.ask((done) => queen.client.open(FID, 0, done));
  const theirs = exporter.opened(7, type);
  queen.pump();
  return { hive, exporter, queen, root, theirs };
}

const qids = (count: number): number[] =>
  emit(
    "*13",
    Array.from({ length: count }, () => ({ type: p9.QTDIR, version: 0, path: 1 })),
  );

describe("RemoteService: an exporter that lies", () => {
  // A walk waits with tag 0, a read of 10 bytes with tag 1.
  const lies: [string, Uint8Array][] = [
    ["answers what nobody asked", frame(p9.RREAD, 7, { data: "x" })],
    ["answers a tag that there is not", frame(p9.RREAD, 1000, { data: "x" })],
    ["answers with another kind", frame(p9.RWRITE, 1, { count: 1 })],
    ["answers the read where the walk waits", frame(p9.RREAD, 0, { data: "x" })],
    ["answers with a request", frame(p9.TREAD, 1, {})],
    ["answers twice", concat(frame(p9.RREAD, 1, { data: "x" }), frame(p9.RREAD, 1, { data: "x" }))],
    ["gives more than was asked for", frame(p9.RREAD, 1, { data: "x".repeat(11) })],
    ["walks further than it was asked to", message(p9.RWALK, 0, qids(2))],
    ["says a count that the frame has not", message(p9.RREAD, 1, [...integer(9, 4), 1])],
    ["says a count beyond msize", message(p9.RREAD, 1, [...integer(0xffffffff, 4), 1])],
    ["sends more than msize", message(p9.RREAD, 1, Array<number>(9000).fill(0))],
    ["claims more than msize", Uint8Array.from([...integer(8193, 4), p9.RREAD, 1, 0])],
    ["claims 4 GiB", Uint8Array.from([...integer(0xffffffff, 4), p9.RREAD, 1, 0])],
    ["sends a length that cannot be", Uint8Array.of(3, 0, 0, 0)],
    ["sends a type that there is not", message(199, 1, [])],
    ["agrees again", frame(p9.RVERSION, p9.NOTAG, { msize: 8192, version: "9P2000.L" })],
    ["says that it flushed what was not to be", frame(p9.RFLUSH, 33)],
    [
      "has a qid that no number holds",
      message(p9.RWALK, 0, [...integer(1, 2), 0, 0, 0, 0, 0, ...Array<number>(8).fill(255)]),
    ],
  ];
  for (const [name, bytes] of lies) {
    it(`and ${name} is left, at once or a byte at a time, and who waits is told`, () => {
      for (const piece of [bytes.length, 1]) {
        const { hive, exporter, queen, root } = opened();
        const walking = queen.ask((done) => queen.client.walk(root, FID + 1, ["b"], done));
        const reading = queen.readLater(FID, 0, 10);
        expect(exporter.asked().map(({ tag }) => tag)).to.deep.equal([0, 1]);
        for (let at = 0; at < bytes.length; at += piece) exporter.say(bytes.subarray(at, at + piece));
        queen.pump();
        expect(walking.result).to.equal("!EBUSY");
        expect(reading.result).to.equal(name === "answers twice" ? "x" : "!ESHUTDOWN");
        expect(exporter.service.ended).to.equal(true);
        expect(hive.audited().at(-1)).to.equal("gone service=files session=101 why=it broke the protocol");
        expect([hive.timers.size, exporter.service.inFlight]).to.deep.equal([0, 0]);
        expect(queen.read(FID, 0)).to.equal("!ESHUTDOWN");
        const back = hive.dial("files").welcome();
        expect(back.service.ended).to.equal(false);
      }
    });
  }

  it("and has written more than was said is left", () => {
    const { hive, exporter } = opened();
    const view = hive.view("queen");
    view.may = () => undefined;
    view.mount("files", "/mnt");
    const writer = hive.enter(view);
    const root = writer.walk("/mnt") as number;
    writer.ask((done) => writer.client.walk(root, FID, ["a"], done));
    exporter.walked(exporter.one(p9.TWALK).tag, 7);
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    writer.pump();
    writer.ask((done) => writer.client.open(FID, p9.O_WRONLY, done));
    exporter.opened();
    writer.pump();
    const writing = writer.ask((done) => writer.client.write(FID, 0, utf8("abc"), 0, 3, done));
    exporter.reply(p9.RWRITE, exporter.one(p9.TWRITE).tag, { count: 4 });
    writer.pump();
    expect([writing.result, exporter.service.ended]).to.deep.equal(["!ESHUTDOWN", true]);
  });

  it("takes frames that come a byte at a time, and tells that one is not whole", () => {
    const { exporter, queen } = opened();
    const reading = queen.readLater(FID, 0, 10);
    const answer = frame(p9.RREAD, exporter.one(p9.TREAD).tag, { data: "0123456789" });
    for (const [at, byte] of answer.entries()) {
      expect([reading.result, exporter.service.partial]).to.deep.equal([WAITS, at > 0]);
      exporter.say(Uint8Array.of(byte));
      queen.pump();
    }
    expect([reading.result, exporter.service.partial]).to.deep.equal(["0123456789", false]);
  });

  it("gives fewer bytes than were asked for, or none, and that is the answer", () => {
    const { exporter, queen } = opened();
    for (const data of ["abc", ""]) {
      const reading = queen.readLater(FID, 0, 10);
      exporter.reply(p9.RREAD, exporter.one(p9.TREAD).tag, { data });
      queen.pump();
      expect(reading.result).to.equal(data);
    }
  });
});

/** Bytes of an entry. */
function entry(name: string | readonly number[], offset: number | readonly number[], type = 0, path = 3): number[] {
  const bytes = typeof name === "string" ? [...utf8(name)] : [...name];
  const at = typeof offset === "number" ? integer(offset, 8) : offset;
  return [...emit("13", { type, version: 1, path }), ...at, 4, ...emit("s", bytes)];
}

function rreaddir(tag: number, ...entries: readonly number[][]): Uint8Array {
  return message(p9.RREADDIR, tag, emit("d", entries.flat()));
}

/** Ask for a page and have it answered. */
function page(queen: Visitor, exporter: Exporter, ...entries: readonly number[][]): unknown {
  const names: string[] = [];
  const asked = queen.ask(
    (done: Done) => queen.client.readdir(FID, 0, 4096, done),
    (reply) => names.push(...pageOf(reply.data)),
  );
  exporter.say(rreaddir(exporter.one(p9.TREADDIR).tag, ...entries));
  queen.pump();
  return asked.result === "" ? names : asked.result;
}

function pageOf(data: { bytes: Uint8Array; start: number; length: number }): string[] {
  const names: string[] = [];
  const view = new DataView(data.bytes.buffer, data.bytes.byteOffset + data.start, data.length);
  for (let at = 0; at < data.length;) {
    const length = view.getUint16(at + 22, true);
    const name = Buffer.from(data.bytes.subarray(data.start + at + 24, data.start + at + 24 + length)).toString();
    names.push(`${name} ${view.getUint8(at)} ${view.getUint8(at + 21)} ${view.getUint32(at + 13, true)}`);
    at += 24 + length;
  }
  return names;
}

describe("RemoteService: listings of an exporter", () => {
  it("have the names and offsets that it gives, and kinds that agree with them", () => {
    const { exporter, queen } = opened("d", p9.QTDIR);
    expect(
      page(queen, exporter, entry(".", 1, p9.QTDIR), entry("..", 2, p9.QTDIR), entry("a", 3), entry("b", 5, 0xff)),
    ).to.deep.equal(["a 0 8 3", "b 192 4 5"]);
    expect(page(queen, exporter)).to.deep.equal([]);
  });

  const wrong: [string, number[]][] = [
    ["with a slash", entry("a/b", 1)],
    ["with a NUL", entry([97, 0], 1)],
    ["that is empty", entry("", 1)],
    ["that is no UTF-8", entry([0xff, 0xfe], 1)],
    ["of half a surrogate", entry([0xed, 0xa0, 0x80], 1)],
    ["of 256 bytes", entry("x".repeat(256), 1)],
    ["whose offset no number holds", entry("a", Array<number>(8).fill(255))],
    ["whose offset is one of our mount points'", entry("a", Number.MAX_SAFE_INTEGER - 255)],
    ["that is cut", entry("name", 1).slice(0, -1)],
  ];
  for (const [what, bytes] of wrong) {
    it(`with a name ${what} are refused, and the exporter is still asked`, () => {
      const { exporter, queen } = opened("d", p9.QTDIR);
      expect(page(queen, exporter, entry("good", 1), bytes)).to.equal("!EINVAL");
      expect(page(queen, exporter, entry("good", 1))).to.deep.equal(["good 0 8 1"]);
      expect(queen.session.counters).to.include({ providerErrors: 0, late: 0 });
    });
  }

  it("of nothing but the directory itself are read on, and end where they go in a circle or take too long", () => {
    const { hive, exporter, queen } = opened("d", p9.QTDIR);
    const listing = queen.ask((done) => queen.client.readdir(FID, 0, 4096, done));
    exporter.say(rreaddir(exporter.one(p9.TREADDIR).tag, entry(".", 4)));
    const second = exporter.one(p9.TREADDIR);
    expect(second.offset).to.equal(4);
    exporter.say(rreaddir(second.tag, entry("..", 4)));
    queen.pump();
    expect([listing.result, exporter.asked()]).to.deep.equal(["", []]);
    const endless = queen.ask((done) => queen.client.readdir(FID, 0, 4096, done));
    for (let i = 1; i <= 50; i++) {
      exporter.say(rreaddir(exporter.one(p9.TREADDIR).tag, entry(".", i)));
      hive.pass(99);
    }
    expect(endless.result).to.equal(WAITS);
    hive.pass(50);
    queen.pump();
    expect(endless.result).to.equal("!ETIMEDOUT");
  });

  it("of nothing but what a mount covers are read on as often as there are mounts", () => {
    const { hive, exporter } = opened("d", p9.QTDIR);
    const view = hive.view("queen");
    view.mount("files", "/mnt");
    expect(view.bind("/proc", "/mnt/d/covered")).to.equal(undefined);
    const queen = hive.enter(view);
    const root = queen.walk("/mnt") as number;
    queen.ask((done) => queen.client.walk(root, FID, ["d"], done));
    exporter.say(walked(exporter.one(p9.TWALK).tag, { type: p9.QTDIR, version: 0, path: 7 }));
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    queen.pump();
    queen.ask((done) => queen.client.open(FID, 0, done));
    exporter.opened(7, p9.QTDIR);
    queen.pump();
    const names: string[] = [];
    queen.ask(
      (done) => queen.client.readdir(FID, 0, 4096, done),
      (reply) => names.push(...pageOf(reply.data)),
    );
    let asked = 0;
    for (let requests = exporter.asked(); requests.length > 0; requests = exporter.asked()) {
      exporter.say(rreaddir(requests[0]!.tag, entry("covered", ++asked)));
    }
    queen.pump();
    expect(asked).to.equal(3);
    expect(names.map((line) => line.split(" ")[0])).to.deep.equal(["covered"]);
  });
});

describe("RemoteService: what an exporter says of a file", () => {
  /** Bytes of Rgetattr. */
  function rgetattr(tag: number, said: Partial<Attributes>, huge: readonly string[] = [], path = 7): Uint8Array {
    const u64 = (name: string): number[] =>
      huge.includes(name) ? Array<number>(8).fill(255) : integer(said[name as keyof Attributes] ?? 0, 8);
    return message(p9.RGETATTR, tag, [
      ...integer(said.valid ?? p9.GETATTR_BASIC, 8),
      ...emit("13", { type: 0, version: 5, path }),
      ...["mode", "uid", "gid"].flatMap((name) => integer(said[name as keyof Attributes] ?? 0, 4)),
      ...["nlink", "rdev", "size", "blksize", "blocks"].flatMap(u64),
      ...["atime", "mtime", "ctime", "btime"].flatMap((name) => [...u64(`${name}Sec`), ...u64(`${name}Nsec`)]),
      ...["gen", "dataVersion"].flatMap(u64),
    ]);
  }

  function getattr(said: Partial<Attributes>, huge: readonly string[] = [], path = 7): Partial<Attributes> | string {
    const { exporter, queen } = opened();
    let seen: Partial<Attributes> = {};
    const asked = queen.ask(
      (done) => queen.client.getattr(FID, p9.GETATTR_BASIC, done),
      (reply) => {
        seen = { ...reply.attributes };
      },
    );
    exporter.say(rgetattr(exporter.one(p9.TGETATTR).tag, said, huge, path));
    queen.pump();
    expect(queen.session.counters.providerErrors).to.equal(0);
    return asked.result === "" ? seen : asked.result;
  }

  it("is passed on as far as it can be true here", () => {
    const said = {
      mode: 0o106777,
      uid: 1000,
      gid: 100,
      nlink: 2,
      rdev: 9,
      size: 5,
      blksize: 512,
      blocks: 1,
      mtimeSec: 7,
    };
    expect(getattr({ ...said, valid: 0xffff_ffff, dataVersion: 4 })).to.include({
      ...said,
      valid: p9.GETATTR_BASIC,
      mode: p9.S_IFREG | 0o777,
      uid: 0,
      gid: 0,
      rdev: 0,
    });
    expect(getattr({ ...said, valid: 0xffff_ffff, dataVersion: 5, mode: p9.S_IFDIR })).to.include({
      valid: p9.GETATTR_BASIC | p9.GETATTR_DATA_VERSION,
      dataVersion: 5,
      mode: p9.S_IFREG,
    });
  });

  it("is refused if it is another file, or so large that no number holds it; other such numbers are 0", () => {
    expect(getattr({}, [], 8)).to.equal("!ENOENT");
    expect(getattr({}, ["size"])).to.equal("!EMSGSIZE");
    const others = ["nlink", "rdev", "blksize", "blocks", "atimeSec", "mtimeNsec", "gen", "dataVersion"];
    expect(getattr({ size: 1, valid: 0xffff_ffff }, others)).to.include({ size: 1, nlink: 0, valid: p9.GETATTR_BASIC });
  });

  it("is refused with our errors, and what is none of ours is one of them", () => {
    const { exporter, queen } = opened();
    const answer = (ecode: number): string => {
      const reading = queen.readLater(FID, 0);
      exporter.reply(p9.RLERROR, exporter.one(p9.TREAD).tag, { ecode });
      queen.pump();
      return reading.result;
    };
    for (const { errno, code } of REFUSALS) expect(answer(errno)).to.equal(`!${code}`);
    const foreign: [number, string][] = [
      [13, "EPERM"],
      [20, "ENOENT"],
      [21, "EINVAL"],
      [30, "EPERM"],
      [36, "EMSGSIZE"],
      [38, "EOPNOTSUPP"],
      [5, "EBUSY"],
      [0, "EBUSY"],
      [0xffffffff, "EBUSY"],
    ];
    for (const [errno, code] of foreign) expect(answer(errno), String(errno)).to.equal(`!${code}`);
  });

  it("is how much of it fits a request, up to what fits one of the connection's", () => {
    for (const [iounit, shown] of [
      [0, 8168],
      [100, 100],
      [8169, 8168],
      [0xffffffff, 8168],
    ] as const) {
      const hive = new ExportHive();
      const exporter = hive.dial("files").welcome();
      const queen = hive.mounted("files");
      const root = queen.walk("/mnt") as number;
      queen.ask((done) => queen.client.walk(root, FID, ["a"], done));
      exporter.walked(exporter.one(p9.TWALK).tag, 7);
      exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
      queen.pump();
      let seen = -1;
      queen.ask(
        (done) => queen.client.open(FID, p9.O_RDONLY | 0o7000000, done),
        (reply) => (seen = reply.iounit),
      );
      exporter.walked(exporter.one(p9.TWALK).tag, 7);
      const open = exporter.one(p9.TLOPEN);
      expect(open.flags, "flags that nobody here knows").to.equal(0);
      exporter.say(lopened(open.tag, { type: 0, version: 0, path: 7 }, iounit));
      queen.pump();
      expect(seen).to.equal(shown);
    }
  });
});

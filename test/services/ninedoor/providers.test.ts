import { expect } from "chai";
import { ControlFile } from "../../../services/ninedoor/control-file.ts";
import { Directory } from "../../../services/ninedoor/directory.ts";
import { FollowFile } from "../../../services/ninedoor/follow-file.ts";
import { Lifetime } from "../../../services/ninedoor/place.ts";
import { RecordAppender, RingFile } from "../../../services/ninedoor/ring-file.ts";
import { Ring } from "../../../services/ninedoor/ring.ts";
import { TextFile } from "../../../services/ninedoor/text-file.ts";
import { O_RDWR, O_WRONLY, QTAPPEND, QTDIR, QTFILE } from "../../../services/secure9p/constants.ts";
import { OWN_SESSION } from "../../../services/ninedoor/place.ts";
import { YieldFile } from "../../../services/ninedoor/yield-file.ts";
import { INVALID } from "../../../services/secure9p/refusal.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";
import { acceptsAsProvider, place, visitorOf } from "./provider.acceptance.ts";
import { Commands, Hive, WAITS } from "./support.ts";

function parts(type: number) {
  const hive = new Hive();
  const life = new Lifetime();
  const { counters, files } = hive.namespace;
  return {
    hive,
    life,
    end: () => life.end(),
    options: { qid: files.qids.next(type), bytes: nodeBytes, counters, life },
  };
}

function filledRing(capacity = 64): { ring: Ring; add: (record: string) => void } {
  const ring = new Ring(nodeBytes, capacity, 20);
  const add = (record: string): void => void ring.append(utf8(record), 0, utf8(record).length);
  for (const record of ["zero", "one", "two"]) add(record);
  return { ring, add };
}

const CONTENT = "zero\none\ntwo\n";

function textFile(limit = 100, openLimit = 131_072) {
  const { hive, end, options } = parts(QTFILE);
  let made = 0;
  const file = new TextFile({ ...options, limit, openLimit, text: () => `text ${made}\n` });
  return { hive, end, visitor: place(hive, file), content: "text 0\n", change: () => void made++ };
}

function ringFile(appending: boolean, capacity?: number) {
  const { hive, end, options } = parts(appending ? QTAPPEND : QTFILE);
  const { ring, add } = filledRing(capacity);
  const handler = new RecordAppender(nodeBytes, ring);
  const file = new RingFile({ ...options, ring, appending: appending ? { handler, lineBytes: 20 } : undefined });
  return { hive, end, ring, add, visitor: place(hive, file), content: CONTENT, change: () => add("more") };
}

function followFile(waiters = 4, capacity?: number) {
  const { hive, end, options } = parts(QTFILE);
  const { ring, add } = filledRing(capacity);
  const file = new FollowFile({ ...options, ring, waiters });
  return { hive, end, ring, add, file, visitor: place(hive, file), content: CONTENT, change: () => add("more") };
}

function controlFile() {
  const { hive, end, options } = parts(QTAPPEND);
  const commands = new Commands();
  const file = new ControlFile({ ...options, handler: commands, lineBytes: 16 });
  return { hive, end, commands, visitor: place(hive, file), content: "" };
}

/** @param prompt whether time passes at once */
function yieldFile(prompt = false) {
  const { hive, end, options } = parts(QTAPPEND);
  const alarms: (number | "cleared")[] = [];
  const alarm = {
    set(ms: number) {
      alarms.push(ms);
      if (prompt) file.due();
    },
    clear: () => void alarms.push("cleared"),
  };
  const file: YieldFile = new YieldFile({ ...options, alarm, most: 1000 });
  const visitor = place(hive, file);
  const write = (fid: number, line: string): { result: string; tag: unknown } =>
    visitor.ask((done) => visitor.client.write(fid, 0, utf8(line), 0, line.length, done));
  return { hive, end, alarms, file, visitor, write, content: "" };
}

function directory() {
  const { hive, end, options } = parts(QTDIR);
  const file = new Directory(options);
  const add = (name: string): void =>
    file.add(
      name,
      hive.namespace.files.text(hive.namespace.files.qids.next(QTFILE), options.life, () => name),
    );
  add("child");
  return { hive, end, file, add, visitor: place(hive, file), content: "" };
}

acceptsAsProvider("computed text", {}, textFile);
acceptsAsProvider("ring, read-only", { grows: true }, () => ringFile(false));
acceptsAsProvider("ring, append-only", { grows: true, line: "record" }, () => ringFile(true));
acceptsAsProvider("ring, followed", { grows: true, waits: true }, followFile);
acceptsAsProvider("control", { line: "command" }, controlFile);
acceptsAsProvider("yield", { line: "7" }, () => yieldFile(true));
acceptsAsProvider("directory", { directory: true }, directory);

describe("computed text", () => {
  it("is refused, not cut, when it is too long", () => {
    const { hive, visitor } = textFile(6);
    expect(visitor.open("/file")).to.equal("!EMSGSIZE");
    expect(visitor.size(visitor.walk("/file") as number)).to.equal("!EMSGSIZE");
    expect(hive.namespace.counters.textsTooLong).to.equal(2);
  });

  it("is refused to a session that has as many open as it may, however many fids it has, until it closes one", () => {
    const { visitor, content } = textFile(100, 2 * "text 0\n".length + 3);
    const first = visitor.opened("/file");
    visitor.opened("/file");
    expect(visitor.open("/file")).to.equal("!EBUSY");
    expect(visitor.size(visitor.walk("/file") as number)).to.equal(content.length);
    visitor.clunk(first);
    expect(visitor.cat("/file")).to.equal(content);
    expect(visitor.cat("/file")).to.equal(content);
  });
});

describe("ring file", () => {
  it("counts offsets from the oldest record kept when the fid was opened", () => {
    const { visitor, add } = ringFile(false, 24);
    const early = visitor.opened("/file");
    add("0123456789");
    add("abc");
    // zero had to go: 13 + 11 + 4 bytes do not fit 24.
    const late = visitor.opened("/file");
    expect(visitor.read(late, 0)).to.equal("one\ntwo\n0123456789\nabc\n");
    expect(visitor.read(early, 5)).to.equal("one\ntwo\n0123456789\nabc\n");
  });

  it("tells an overtaken fid once, and then goes on with the oldest record kept", () => {
    const { hive, visitor, add } = ringFile(false, 24);
    const fid = visitor.opened("/file");
    expect(visitor.read(fid, 0, 2)).to.equal("ze");
    add("0123456789abcdef");
    add("x");
    expect(visitor.read(fid, 2)).to.equal("!ESTALE");
    expect(visitor.read(fid, 2)).to.equal("two\n0123456789abcdef\nx\n");
    expect(visitor.read(fid, 2 + 23)).to.equal("");
    expect(visitor.size(fid)).to.equal(2 + 23);
    add("more");
    expect(visitor.read(fid, 2 + 23)).to.equal("more\n");
    expect(hive.namespace.counters.stale).to.equal(1);
    expect(visitor.cat("/file")).to.equal("0123456789abcdef\nx\nmore\n");
  });

  for (const [what, make] of [
    ["ring", ringFile.bind(undefined, true)],
    ["ring that is followed", followFile.bind(undefined, 4)],
  ] as const) {
    it(`says of a ${what} where it ends since boot, and by that where a fid stands, before it was overtaken and after`, () => {
      const { visitor, ring, add } = make(24);
      add("0123456789");
      const fid = visitor.opened("/file");
      expect(visitor.span(fid)).to.deep.equal({ start: ring.start, end: ring.end, valid: 0x27ff });
      const before = ring.start;
      add("four");
      expect(visitor.span(fid)).to.deep.equal({ start: before, end: ring.end, valid: 0x27ff });
      while (ring.start <= before + 4) add("five");
      expect(visitor.read(fid, 4)).to.equal("!ESTALE");
      expect(visitor.span(fid)).to.deep.equal({ start: ring.start - 4, end: ring.end, valid: 0x27ff });
      const unopened = visitor.walk("/file");
      expect(visitor.span(Number(unopened))).to.deep.equal({ start: ring.start, end: ring.end, valid: 0x27ff });
    });
  }

  it("has no end since boot for a text, which is made anew each time", () => {
    const { visitor } = textFile();
    expect(visitor.span(visitor.opened("/file"))).to.deep.equal({ start: -7, end: 0, valid: 0x7ff });
  });

  it("joins halves to records per fid, and keeps the last one without newline at the clunk", () => {
    const { visitor } = ringFile(true);
    const a = visitor.opened("/file", O_WRONLY);
    const b = visitor.opened("/file", O_RDWR);
    expect(visitor.write(a, "from ")).to.equal("5");
    expect(visitor.write(b, "b\n")).to.equal("2");
    expect(visitor.write(a, "a\nrest")).to.equal("6");
    expect(visitor.read(b, CONTENT.length)).to.equal("b\nfrom a\n");
    visitor.clunk(a);
    expect(visitor.read(b, CONTENT.length)).to.equal("b\nfrom a\nrest\n");
  });
});

describe("follow file", () => {
  it("wakes every reader with the append that brings what it waits for, and nothing else does", () => {
    const { hive, visitor, add, file } = followFile();
    const other = hive.visit("queen");
    const [a, b] = [visitor.opened("/file"), other.opened("/file")];
    const first = visitor.readLater(a, 13);
    const second = other.readLater(b, 13, 2);
    const ahead = visitor.readLater(a, 18);
    expect(file.waiting).to.equal(3);
    add("news");
    visitor.pump();
    other.pump();
    expect([first.result, second.result, ahead.result]).to.deep.equal(["news\n", "ne", WAITS]);
    add("later");
    visitor.pump();
    expect(ahead.result).to.equal("later\n");
    expect(file.waiting).to.equal(0);
    expect(hive.namespace.counters.waitersHighWater).to.equal(3);
  });

  it("lets go of a reader at a flush, a clunk and the session's end", () => {
    const { hive, visitor, add, file } = followFile();
    const fid = visitor.opened("/file");
    const flushed = visitor.readLater(fid, 13);
    visitor.client.flush(flushed.tag as number, { name: "Busy", code: "FLUSHED", errno: 0 });
    visitor.pump();
    expect([flushed.result, file.waiting]).to.deep.equal(["!FLUSHED", 0]);
    const clunked = visitor.readLater(fid, 13);
    visitor.clunk(fid);
    expect([clunked.result, file.waiting]).to.deep.equal(["!EBADF", 0]);
    const gone = hive.visit("queen");
    gone.readLater(gone.opened("/file"), 13);
    expect(file.waiting).to.equal(1);
    gone.session.close();
    expect(file.waiting).to.equal(0);
    add("nobody");
    expect(visitor.session.counters.late + gone.session.counters.late).to.equal(0);
  });

  it("has places for so many, refuses the next, and gives a place that is free again", () => {
    const { hive, visitor, add, file } = followFile(2);
    const fid = visitor.opened("/file");
    visitor.readLater(fid, 13);
    visitor.readLater(fid, 13);
    expect(visitor.read(fid, 13)).to.equal("!EBUSY");
    expect(hive.namespace.counters.waitersRefused).to.equal(1);
    expect(visitor.read(fid, 0)).to.equal(CONTENT);
    add("x");
    visitor.pump();
    expect(file.waiting).to.equal(0);
    expect(visitor.readLater(fid, 15).result).to.equal(WAITS);
  });

  it("tells a reader that was overtaken and does not let it wait", () => {
    const { visitor, add } = followFile(4, 24);
    const fid = visitor.opened("/file");
    add("0123456789abcdef");
    expect(visitor.read(fid, 0)).to.equal("!ESTALE");
    expect(visitor.read(fid, 0)).to.equal("two\n0123456789abcdef\n");
    expect(visitor.readLater(fid, 21).result).to.equal(WAITS);
  });

  it("lets a reader append and be woken in one session", () => {
    const hive = new Hive();
    const queen = hive.visit("queen");
    const reading = queen.readLater(queen.opened("/log/queen.log.follow"), 0);
    expect(queen.echo("hi\n", "/log/queen.log")).to.equal("3");
    expect(reading.result).to.match(/queen: hi\n$/);
    expect(queen.errors).to.deep.equal([]);
  });
});

describe("control file", () => {
  const open = () => {
    const { hive, visitor, commands } = controlFile();
    return { visitor, commands, counters: hive.namespace.counters, fid: visitor.opened("/file", O_WRONLY) };
  };

  it("does one line of a write, whose rest the client sends again, and a line in two writes once", () => {
    const { visitor, commands, fid } = open();
    expect(visitor.write(fid, "one\ntwo\nthr")).to.equal("4");
    expect(commands.lines).to.deep.equal(["one"]);
    expect(visitor.write(fid, "two\nthr")).to.equal("7");
    expect(commands.lines).to.deep.equal(["one", "two"]);
    expect(visitor.write(fid, "ee\n")).to.equal("3");
    expect(visitor.write(fid, "")).to.equal("0");
    expect(commands.lines).to.deep.equal(["one", "two", "three"]);
  });

  it("refuses a line alone: what came before it is done, what comes after is not", () => {
    const { visitor, commands, counters, fid } = open();
    expect(visitor.write(fid, "yes\nno way\nnever\n")).to.equal("4");
    expect(visitor.write(fid, "no way\nnever\n")).to.equal("!EINVAL");
    expect(commands.lines).to.deep.equal(["yes"]);
    expect(counters.linesRefused).to.equal(1);
  });

  it("forgets the half of a line that is refused, so the next command stands alone", () => {
    const { visitor, commands, fid } = open();
    expect(visitor.write(fid, "no")).to.equal("2");
    expect(visitor.write(fid, " way\n")).to.equal("!EINVAL");
    expect(visitor.write(fid, "fine\n")).to.equal("5");
    expect(commands.lines).to.deep.equal(["fine"]);
  });

  it("refuses a write with a line that is too long whole, in one piece or two", () => {
    const { visitor, commands, counters, fid } = open();
    expect(visitor.write(fid, `${"x".repeat(16)}\n`)).to.equal("17");
    expect(visitor.write(fid, `before\n${"x".repeat(17)}\nafter\n`)).to.equal("!EMSGSIZE");
    expect(visitor.write(fid, "x".repeat(10))).to.equal("10");
    expect(visitor.write(fid, "x".repeat(7))).to.equal("!EMSGSIZE");
    expect(visitor.write(fid, "fine\n")).to.equal("5");
    expect(commands.lines).to.deep.equal(["x".repeat(16), "fine"]);
    expect([counters.linesTooLong, counters.halfLines]).to.deep.equal([2, 1]);
  });

  it("does not do a command that has no newline when the file is closed", () => {
    const { visitor, commands, counters, fid } = open();
    visitor.write(fid, "kill");
    visitor.clunk(fid);
    expect(commands.lines).to.deep.equal([]);
    expect(counters.halfLines).to.equal(1);
  });
});

describe("yield file", () => {
  it("answers a write when its time has come, and not before", () => {
    const { visitor, write, file, alarms, hive } = yieldFile();
    const fid = visitor.opened("/file", O_WRONLY);
    const waiting = write(fid, "250\n");
    expect([waiting.result, alarms]).to.deep.equal([WAITS, [250]]);
    expect(visitor.write(fid, "1\n")).to.equal("!EBUSY");
    expect(hive.namespace.counters.waitersRefused).to.equal(1);
    file.due();
    visitor.pump();
    expect([waiting.result, file.waiting, alarms]).to.deep.equal(["", false, [250, "cleared"]]);
    file.due();
    expect(write(fid, "0\n").result).to.equal(WAITS);
    expect(visitor.session.counters.late).to.equal(0);
  });

  for (const line of ["", "\n", "5", "x\n", "-1\n", "1.5\n", " 1\n", "1001\n", "9999999999\n", "1\n2\n", "1\n\n"]) {
    it(`refuses ${JSON.stringify(line)}, and nothing waits`, () => {
      const { visitor, file, alarms } = yieldFile();
      expect(visitor.write(visitor.opened("/file", O_WRONLY), line)).to.equal("!EINVAL");
      expect([file.waiting, alarms]).to.deep.equal([false, []]);
    });
  }

  it("lets go for a flush, a clunk and the end of the session, and clears its alarm", () => {
    const { visitor, write, file, alarms } = yieldFile();
    const fid = visitor.opened("/file", O_WRONLY);
    const flushed = write(fid, "1\n");
    visitor.client.flush(flushed.tag as number, INVALID);
    visitor.pump();
    expect([flushed.result, file.waiting]).to.deep.equal(["!EINVAL", false]);
    const clunked = write(fid, "2\n");
    visitor.clunk(fid);
    expect([clunked.result, file.waiting]).to.deep.equal(["!EBADF", false]);
    write(visitor.opened("/file", O_WRONLY), "3\n");
    visitor.session.close();
    expect([file.waiting, alarms]).to.deep.equal([false, [1, "cleared", 2, "cleared", 3, "cleared"]]);
  });

  it("has a place for the worker itself, whoever is logged in as it", () => {
    const { hive, visitor, write, file, alarms } = yieldFile();
    const own = visitorOf(hive, OWN_SESSION);
    const other = write(visitor.opened("/file", O_WRONLY), "1\n");
    const line = utf8("2\n");
    const fid = own.opened("/file", O_WRONLY);
    const mine = own.ask((done) => own.client.write(fid, 0, line, 0, line.length, done));
    visitor.pump();
    expect([other.result, mine.result, alarms]).to.deep.equal(["!EBUSY", WAITS, [1, "cleared", 2]]);
    expect(visitor.write(visitor.opened("/file", O_WRONLY), "3\n")).to.equal("!EBUSY");
    file.due();
    own.pump();
    expect(mine.result).to.equal("");
  });

  it("answers what waits with Closed when the worker ends", () => {
    const { visitor, write, end, alarms } = yieldFile();
    const waiting = write(visitor.opened("/file", O_WRONLY), "1000\n");
    end();
    visitor.pump();
    expect([waiting.result, alarms]).to.deep.equal(["!ESHUTDOWN", [1000, "cleared"]]);
  });
});

describe("directory", () => {
  it("lists in pieces what stays exactly once, whatever comes and goes between them", () => {
    const { visitor, file, add } = directory();
    for (const name of ["b", "c", "d", "e"]) add(name);
    const fid = visitor.opened("/file");
    const first = visitor.page(fid, 0, 70);
    if (typeof first === "string") throw new Error(first);
    expect(first.map(({ name }) => name)).to.deep.equal(["child", "b"]);
    file.remove("child");
    file.remove("d");
    add("f");
    const rest = visitor.page(fid, first[1]!.offset, 4096);
    expect(typeof rest === "string" ? rest : rest.map(({ name }) => name)).to.deep.equal(["c", "e", "f"]);
    expect(visitor.list("/file", 40)).to.deep.equal(["b", "c", "e", "f"]);
    expect(visitor.page(fid, 0, 10)).to.equal("!EINVAL");
    expect(file.remove("child")).to.equal(false);
    expect(() => file.add("b", file)).to.throw("there is a b already");
  });
});

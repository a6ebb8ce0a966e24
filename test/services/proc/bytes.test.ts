/**
 * What pools of objects say that they take, against what they take in the engine itself, 64 bits wide as on the board: no entry
 * takes more than its pool says, and none so much less that the report would say nothing.
 */
import { expect } from "chai";
import { build } from "esbuild";
import { inRepository } from "../../../scripts/lib/repository.ts";
import { buildOrSkip, Workshop } from "../../engine/native/native-build.ts";
import { QUICKJS_HIVE } from "../support/quickjs-hive.ts";

const ENTRY = `${QUICKJS_HIVE}
import { FileClient } from "./services/console/file-client.ts";
import { LineBuffer } from "./services/console/line-buffer.ts";
import { DoorServer } from "./services/console/door/server.ts";
import { ControlBlock } from "./services/net/tcp/control-block.ts";
import { DeliveryRate } from "./services/net/tcp/delivery-rate.ts";
import { tcpSettings } from "./services/net/tcp/settings.ts";
import { Jobs } from "./services/pump/jobs.ts";
import { Ledger } from "./services/roles/ledger.ts";
import { RemoteQids } from "./services/ninedoor/remote/qids.ts";
import { LoginThrottle } from "./services/roles/throttle.ts";
import { Session } from "./services/secure9p/session.ts";

const kept = [];
/** Bytes that each of so many takes. */
function taken(count, make) {
  host.gc();
  const before = host.memory().heapUsed;
  for (let i = 0; i < count; i++) kept.push(make(i));
  host.gc();
  return (host.memory().heapUsed - before) / count;
}
const say = (name, declared, measured) => host.log(JSON.stringify({ name, declared, measured }) + "\\n");
const each = (pools, name) => { const found = pools.find((pool) => pool[0] === name); return found[1] / found[3]; };
/** What each of so many takes, against what these pools have for one. */
const measure = (name, pools, count, make) => say(name, each(pools, name), taken(count, make));

const u16 = (n) => [n & 255, n >> 8];
const u32 = (n) => [...u16(n & 65535), ...u16(n >>> 16)];
const str = (text) => [...u16(text.length), ...[...text].map((c) => c.charCodeAt(0))];
/** Have a 9P session do a request. @returns the type of its reply */
function ask(session, type, ...fields) {
  const body = fields.flat();
  const frame = Uint8Array.from([...u32(7 + body.length), type, ...u16(type === 100 ? 65535 : 1), ...body]);
  session.receive(frame, 0, frame.length);
  const reply = session.out[session.start + 4];
  while (session.unsent > 0) session.sent(session.run);
  if (reply !== type + 1) throw new Error("9P " + type + " got " + reply);
}
function attached(session) {
  ask(session, 100, u32(8192), str("9P2000.L"));
  ask(session, 104, u32(0), u32(0xffffffff), str("u"), str(""), u32(0xffffffff));
  return session;
}

const source = { name: "serial", throttle: 1, local: true };
const login = () => hive.attach("queen", "operator-token", source).session;
const claims = () => ({
  role: "observer", subject: "o".repeat(32), issuedAtMs: 0, mountService: "log", mountAt: "/x", ttlS: 10, ops: 1, ticks: 1,
  scopes: Array.from({ length: 8 }, (_, i) => ({ path: "/proc/a" + i, verb: "read", ratePerSecond: 5 })),
  quotas: { bandwidthBytes: 1, cursorResumes: 1, cursorAdvances: 1 },
});
hive.namespace.addProc("a/b/c/d/e/f", () => "x");
const settings = tcpSettings({});

export function turn() {
  const pools = hive.pools();
  const buffers = settings.receiveBytes + settings.sendBytes + 37 * settings.segments + 16 * 32;
  say("tcp.sockets", 8192, taken(8, (i) => new ControlBlock(i, bytes, settings, new DeliveryRate())) - buffers);
  kept.length = 0;
  const jobs = new Jobs({ capacity: 32, now: () => 0, failed() {} });
  measure("pump.jobs", jobs.pools(), 32, (i) => jobs.add({ name: "job" + i, restarts: 3, start: () => () => Infinity }));
  say("pump.timers", each(new Timers(512).pools(), "pump.timers"), taken(1, () => new Timers(512)) / 512);
  const throttle = new LoginThrottle();
  measure("roles.sources", throttle.pools(), 64, (i) => throttle.failed(i, 0));
  const ledger = new Ledger({ workers: { find: () => undefined } });
  measure("roles.tickets", ledger.pools(), 64, (i) =>
    ledger.admit({ mac: "x".repeat(61) + (100 + i), claims: claims() }, "observer", 0, undefined).kind);
  measure("roles.verified", pools, 64, (i) =>
    ({ payload: new Uint8Array(76), ticket: { mac: "y".repeat(61) + (100 + i), claims: claims() } }));

  const views = Array.from({ length: 8 }, login);
  measure("login.mounts", views[0].view.pools(), 64, (i) =>
    views[i >> 3].view.bind("/proc/a/b/c/d/e", "/proc/a/b/c/d/m" + (i & 7)));
  const deep = attached(views[0].open9p());
  const nine = deep.pools("9p");
  const session = (tags) => new Session({ tree: { attach() {} }, bytes, tags, fids: 1 });
  say("9p.tags", each(nine, "9p.tags"), (taken(4, () => session(16)) - taken(4, () => session(1))) / 15);
  const names = ["proc", "a", "b", "c", "d", "e", "f"];
  measure("9p.fids", nine, 60, (i) => {
    ask(deep, 110, u32(0), u32(i + 1), u16(names.length), ...names.map(str));
    ask(deep, 12, u32(i + 1), u32(0));
  });
  const writing = attached(views[1].open9p());
  measure("9p.fids", nine, 60, (i) => {
    ask(writing, 110, u32(0), u32(i + 1), u16(2), str("log"), str("queen.log"));
    ask(writing, 12, u32(i + 1), u32(0o2001));
    ask(writing, 118, u32(i + 1), u32(0), u32(0), u32(900), new Array(900).fill(121));
  });
  const known = new RemoteQids({ next: (type) => ({ type, version: 0, path: kept.length }) }, { qidsHighWater: 0, forgotten: 0 });
  say("export.qids", each(pools, "export.qids") / 16, taken(1024, (path) => known.of({ type: 0, version: 0, path: 2 ** 40 + path }).type));
  say("login.sessions", each(pools, "login.sessions") + 16 * each(nine, "9p.tags"), taken(8, () => {
    const files = new FileClient({ session: attached(login().open9p()), bytes, failed() {} });
    return [files, new LineBuffer(bytes, files.iounit)];
  }));

  const none = (answer) => answer.err({ reason: "busy" });
  const verbs = { HELP: none, BI: none, CAPS: none, MEM: none, PS: none, NETSTATS: none };
  const waiting = [];
  const failed = (what, error) => { throw error; };
  const listener = { get pending() { return waiting.length; }, accept: () => waiting.shift() };
  const door = new DoorServer({ listener, bytes, clock, timers, hive: () => hive, verbs, failed });
  class Caller {
    connected = true; ended = false; remoteAddress = 1; remotePort = 2; memory = new Uint8Array(64); head = 0; readable = 0;
    writable = 65536;
    get run() { return this.readable; }
    skip(count) { this.head += count; this.readable -= count; }
    write(from, start, length) { return length; }
    shutdown() {} close() {} abort() {}
  }
  const stages = [door.receive, door.dispatch, door.transmit];
  const callers = Array.from({ length: 8 }, () => new Caller());
  measure("door.sessions", door.pools(), 8, (i) => {
    const caller = callers[i];
    caller.memory[0] = 4 + bytes.encode("AUTH operator-token", caller.memory, 4);
    caller.readable = caller.memory[0];
    waiting.push(caller);
    for (let turns = 0; turns < 3; turns++) for (const stage of stages) stage.serve(320, 0);
  });
  if (door.sessions !== 8) throw new Error(door.sessions + " sessions");
  host.halt("end of the test");
}`;

interface Measured {
  readonly name: string;
  /** What the report has for one. */
  readonly declared: number;
  readonly measured: number;
}

describe("what pools say that they take", function () {
  before(buildOrSkip);
  let shop: Workshop;
  let all: Measured[];

  before(async () => {
    const built = await build({
      stdin: { contents: ENTRY, resolveDir: inRepository() },
      bundle: true,
      write: false,
      format: "esm",
      platform: "neutral",
      mainFields: ["module", "main"],
      target: "es2022",
    });
    shop = new Workshop();
    const archive = shop.archive(built.outputFiles[0]!.text, { "engine.conf": "heap=33554432\n" });
    const { lines, errors } = shop.boot(archive);
    expect(lines.pop(), errors || lines.join("\n")).to.equal("halt: end of the test");
    all = lines.map((line) => JSON.parse(line) as Measured);
  });
  after(() => shop.dispose());

  const names = ["tcp.sockets", "pump.jobs", "pump.timers", "roles.sources", "roles.tickets", "roles.verified"];
  for (const name of [
    ...names,
    "9p.tags",
    "login.mounts",
    "9p.fids",
    "login.sessions",
    "export.qids",
    "door.sessions",
  ]) {
    it(`is no less than one of ${name} takes, and no more than six times that`, () => {
      const found = all.filter((one) => one.name === name);
      expect(found).to.not.deep.equal([]);
      for (const { measured, declared } of found) expect(measured, `measured of ${name}`).to.be.at.most(declared);
      const shares = found.map(({ measured, declared }) => measured / declared);
      expect(Math.max(...shares), `share of ${name}`).to.be.at.least(1 / 6);
    });
  }
});

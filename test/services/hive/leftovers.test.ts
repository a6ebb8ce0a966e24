import { expect } from "chai";
import { CountedHeap } from "../support/quickjs.ts";
import { QUICKJS_HIVE } from "../support/quickjs-hive.ts";

/** Each function makes something, uses it and ends it. */
const ROOT = `
import { ConsoleSession } from "./services/console/session.ts";
import { FileClient } from "./services/console/file-client.ts";
import { Session } from "./services/secure9p/session.ts";
${QUICKJS_HIVE}
const failed = (error) => { throw error; };
const source = { name: "serial", throttle: 1, local: true };
const login = () => {
  const admitted = hive.attach("queen", "operator-token", source);
  if (admitted.kind !== "admitted") throw new Error(admitted.tag);
  return admitted.session;
};
const rest = () => timers.fire(clock.us += 1000, 64);
const filesOf = (session, names, then) => {
  const files = new FileClient({ session, bytes, failed });
  let fid;
  files.open(names, 0, (opened, error) => { fid = opened?.fid; });
  files.pump();
  if (fid === undefined) throw new Error("not opened");
  then(files, fid);
  files.pump();
  return files;
};
globalThis.session = (end) => {
  const parked = [];
  const qid = { type: 0x80, version: 0, path: 1 };
  const tree = { attach: (request) => { parked.push(request); request.park({ cancelled() {} }); } };
  const session = new Session({ tree, bytes });
  const tversion = [21, 0, 0, 0, 100, 255, 255, 0, 32, 0, 0, 8, 0, 57, 80, 50, 48, 48, 48, 46, 76];
  const tattach = [23, 0, 0, 0, 104, 1, 0, 1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255];
  session.receive(new Uint8Array([...tversion, ...tattach]), 0, 44);
  if (parked.length !== 1) throw new Error("not parked");
  session[end]();
  parked.pop().found({ qid });
  if (session.counters.late !== 1) throw new Error("not late");
};
globalThis.loginAlone = () => { login().close(); rest(); };
globalThis.loginWith9p = (names, ask) => {
  const at = login();
  const files = filesOf(at.open9p(), names, ask);
  files.close();
  at.close();
  rest();
};
globalThis.revoked = (names, ask) => {
  const at = login();
  const session = at.open9p();
  const files = filesOf(session, names, ask);
  at.onRevoked(() => files.close());
  at.view.grant.account.revoke("a test");
  hive.workers.kill({ worker: "" });
  at.revoke(at.view.grant.account.check(clock.us));
  rest();
};
globalThis.list = (files, fid) => files.readdir(fid, 0, () => undefined);
globalThis.read = (files, fid) => files.read(fid, 0, 100, () => undefined);
globalThis.wait = (files, fid) => files.read(fid, 1e9, 100, () => undefined);
globalThis.line = (...lines) => {
  let said = "";
  const line = (text) => { said += text + "\\n"; };
  const plain = (from, start, size) => line(bytes.decode(from, start, size));
  const sink = { free: 1e6, line, plain, close() {} };
  const verbs = {};
  const it = new ConsoleSession({ sink, bytes, clock, timers, source, hive: () => hive, verbs, farewell: "", failed: (_, error) => failed(error) });
  for (const text of lines) {
    it.line(text);
    while (it.run(4096) > 0);
  }
  it.close();
  rest();
  if (said.includes("ERR") || !said.includes("OK")) throw new Error(said);
};
globalThis.worker = () => {
  const { worker } = hive.workers.spawn({ verb: "spawn", kind: "heartbeat", heartbeats: undefined, budget: {}, priority: "worker" });
  for (const [label, words] of [[0x200, 1], [0x202, 21]]) {
    frame.set([21, 0, 0, 0, 100, 255, 255, 0, 8, 0, 0, 8, 0, 57, 80, 50, 48, 48, 48, 46, 76]);
    events.push({ id: last, kind: "call", label, words: [words, 0, 0, 0] });
    supervisor.raise();
    supervisor.serve(16, clock.us);
    if (!replies.delete(last)) throw new Error("no reply");
  }
  hive.workers.kill({ worker });
  rest();
};
// The audit log's ring grows until it is full, which is not what is looked at.
for (let i = 0; i < 1000; i++) hive.queenLog.line("test", "x".repeat(100));
`;

const BYTES = 1024;

describe("what has ended, in QuickJS without any collection,", () => {
  let vm: CountedHeap;
  before(async function () {
    this.timeout(60_000);
    vm = await CountedHeap.load(ROOT);
  });

  for (const [what, script] of [
    ["a 9P session with a request that is answered late", "session('close')"],
    ["a 9P session that was revoked", "session('revoke')"],
    ["a login", "loginAlone()"],
    ["a login that has listed a directory", "loginWith9p(['log'], list)"],
    ["a login that has read a file", "loginWith9p(['proc', '9p', 'sessions'], read)"],
    ["a login that waits for a log to grow", "loginWith9p(['log', 'queen.log.follow'], wait)"],
    ["a login that is revoked while it waits", "revoked(['log', 'queen.log.follow'], wait)"],
    ["a console's client", "line('ATTACH queen operator-token', 'LS /log')"],
    ["a console's client that followed a log", "line('ATTACH queen operator-token', 'TAIL /log/queen.log.follow')"],
    ["a worker", "worker()"],
  ] as const) {
    it(`leaves nothing of ${what}`, function () {
      this.timeout(20_000);
      expect(vm.leftBy(script), "bytes each").to.be.below(BYTES);
    });
  }
});

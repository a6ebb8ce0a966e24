import { expect } from "chai";
import { ASCII_BYTES, QuickJs } from "../../support/quickjs.ts";

const ENTRY = `
import { DoorServer } from "./services/console/door/server.ts";
import { Timers } from "./services/pump/timers.ts";
${ASCII_BYTES}
let nowUs = 0;
const clock = { nowUs: () => nowUs };
const timers = new Timers(256);
const hive = { authenticate: () => ({ kind: "authenticated" }), attach: () => undefined, control: undefined };
const none = (answer) => answer.err({ reason: "busy" });
const verbs = { HELP: none, BI: none, CAPS: none, MEM: none, PS: none, NETSTATS: none };
const waiting = [];
const server = new DoorServer({
  listener: { get pending() { return waiting.length; }, accept: () => waiting.shift() },
  bytes, clock, timers, hive: () => hive, verbs, failed: (what, error) => { throw error; },
});
class Caller {
  remoteAddress = 1; remotePort = 2; connected = true; ended = false; writable = 65536;
  memory = new Uint8Array(256); head = 0; readable = 0; sent = 0;
  get run() { return this.readable; }
  skip(count) { this.head += count; this.readable -= count; }
  write(from, start, length) { this.sent += length; return length; }
  shutdown() {}
  close() { this.connected = false; }
  abort() { this.connected = false; }
  say(line) {
    this.memory[0] = line.length + 4;
    bytes.encode(line, this.memory, 4);
    this.head = 0;
    this.readable = line.length + 4;
    turn();
  }
}
function turn() {
  nowUs += 100;
  timers.fire(nowUs, 16);
  for (const stage of [server.receive, server.dispatch, server.transmit]) stage.serve(320, nowUs);
}
function call() {
  const caller = new Caller();
  waiting.push(caller);
  caller.say("AUTH x");
  return caller;
}
globalThis.caller = undefined;
globalThis.open = () => { globalThis.caller = call(); };
globalThis.pings = (count) => { for (let i = 0; i < count; i++) caller.say("PING"); return caller.sent; };
globalThis.visits = (count) => {
  for (let i = 0; i < count; i++) {
    const visitor = call();
    visitor.say("PING");
    visitor.say("QUIT");
    visitor.ended = true;
    turn();
  }
  return server.counters.ends.quit;
};
globalThis.connections = () => server.connections;
`;

describe("console door: memory", () => {
  it("keeps nothing of frames that were answered, nor of connections that are over", async () => {
    const vm = await QuickJs.load(ENTRY);
    vm.run("open()");
    vm.run("pings(100); visits(20)");
    const before = vm.heapUsed;
    vm.run("pings(5000)");
    expect(vm.heapUsed - before).to.be.within(-512, 512);
    expect(vm.run("visits(200)")).to.equal(220);
    expect(vm.run("connections()")).to.equal(1);
    expect(vm.heapUsed - before).to.be.within(-4096, 4096);
  });

  it("takes less than 20 KiB for a client that is idle", async () => {
    const vm = await QuickJs.load(ENTRY);
    vm.run("open(); pings(1)");
    const before = vm.heapUsed;
    vm.run("for (let i = 0; i < 10; i++) { open(); pings(1); }");
    expect((vm.heapUsed - before) / 10).to.be.below(20_480);
  });
});

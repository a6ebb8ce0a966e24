import { expect } from "chai";
import { RREAD } from "../../../../services/secure9p/constants.ts";
import { Client } from "../../../../services/secure9p/client.ts";
import type { Done } from "../../../../services/secure9p/client-calls.ts";
import { expectNoErrors, TestHive } from "../../hive/support.ts";
import { nodeBytes, text } from "../../support/ports.ts";
import { type Caller, DoorTest } from "./support.ts";
import { frame } from "./wire.ts";

const PONG = ["OK PING reply=pong", "PONG"];
const SWITCHED = "OK SECURE9P msize=8192";
const WAITS = "waits";

afterEach(expectNoErrors);

/** A 9P client at the other end of a connection that was switched to 9P. */
class Guest {
  readonly client = new Client({ bytes: nodeBytes });
  readonly caller: Caller;
  #fid = 0;

  constructor(caller: Caller) {
    this.caller = caller;
    this.client.version(() => this.client.attach(0, "", "", () => undefined));
    this.pump();
  }

  pump(): void {
    const { client, caller } = this;
    for (;;) {
      while (client.unsent > 0) {
        const { run } = client;
        caller.send(client.out.slice(client.start, client.start + run));
        client.sent(run);
      }
      const come = caller.bytes();
      if (come.length === 0) return;
      client.receive(come, 0, come.length);
    }
  }

  ask(send: (done: Done) => unknown): { result: string } {
    const asked = { result: WAITS };
    send((reply, error) => {
      asked.result = error === undefined ? "" : `!${error.code}`;
      if (error === undefined && reply.type === RREAD) {
        const { bytes, start, length } = reply.data;
        asked.result = text(bytes.slice(start, start + length));
      }
    });
    this.pump();
    return asked;
  }

  open(path: string): number {
    const fid = ++this.#fid;
    this.ask((done) => this.client.walk(0, fid, path.slice(1).split("/"), done));
    expect(this.ask((done) => this.client.open(fid, 0, done)).result, path).to.equal("");
    return fid;
  }

  read(fid: number, offset = 0): { result: string } {
    return this.ask((done) => this.client.read(fid, offset, 4096, done));
  }
}

describe("console door: SECURE9P", () => {
  it("switches an attached connection to 9P of that login", () => {
    const door = new DoorTest();
    const caller = door.attach("observer");
    expect(caller.say("ls /", "secure9p").at(-1)).to.equal(SWITCHED);
    const guest = new Guest(caller);
    expect(guest.read(guest.open("/proc/time")).result).to.match(/^uptime_ms 0\n/);
    expect(guest.ask((done) => guest.client.walk(0, 77, ["queen", "ctl"], done)).result).to.equal("!EPERM");
    expect(door.server.lines().at(-1)).to.match(/^connection 1 9p observer tcp 10\.0\.2\.2:40000 unsent=0$/);
    expect(door.server.counters.upgraded).to.equal(1);
  });

  it("takes the first 9P bytes though they came along with the line", () => {
    const door = new DoorTest();
    const caller = door.attach("observer");
    const client = new Client({ bytes: nodeBytes });
    let msize = 0;
    client.version((reply) => (msize = reply.msize));
    const version = client.out.slice(client.start, client.start + client.run);
    client.sent(version.length);
    const come = caller.send(frame("PING"), frame("SECURE9P"), version).bytes();
    const lines = Buffer.concat([...PONG, SWITCHED].map(frame));
    expect(come.subarray(0, lines.length)).to.deep.equal(lines);
    client.receive(come, lines.length, come.length - lines.length);
    expect(msize).to.equal(8192);
  });

  it("goes on with lines where it is refused", () => {
    const door = new DoorTest();
    expect(door.enter().say("SECURE9P", "PING")).to.deep.equal([
      "ERR SECURE9P reason=policy detail=unauthenticated",
      ...PONG,
    ]);
    expect(door.attach().say("SECURE9P now", "EXPORT gpu-bridge", "PING")).to.deep.equal([
      "ERR SECURE9P reason=policy detail=invalid-payload",
      "ERR EXPORT reason=policy detail=denied error=EPERM",
      ...PONG,
    ]);
  });

  it("ends a stream without an end before it", () => {
    const caller = new DoorTest().attach();
    expect(caller.say("TAIL -f /log/queen.log", "SECURE9P").slice(-2)).to.deep.equal(["END", SWITCHED]);
  });

  it("takes requests byte by byte, eight at once, and in turns that do little", () => {
    const door = new DoorTest();
    door.budget = 1;
    const caller = door.attach("observer");
    caller.say("SECURE9P");
    const guest = new Guest(caller);
    const fid = guest.open("/proc/time");
    const { client } = guest;
    const results: string[] = [];
    for (let i = 0; i < 8; i++) {
      client.read(fid, 0, 9, ({ data }) => results.push(text(data.bytes.slice(data.start, data.start + data.length))));
    }
    const bytes = client.out.slice(client.start, client.start + client.run);
    client.sent(bytes.length);
    for (const byte of bytes) {
      const come = caller.send(Uint8Array.of(byte)).bytes();
      if (come.length > 0) client.receive(come, 0, come.length);
    }
    expect(results).to.deep.equal(new Array(8).fill("uptime_ms"));
  });

  it("answers later what waits, and cuts that when the client closes its side", () => {
    const door = new DoorTest();
    const caller = door.attach("observer");
    caller.say("SECURE9P");
    const guest = new Guest(caller);
    const fid = guest.open("/log/queen.log.follow");
    const { ring } = door.all.hive.queenLog;
    const waiting = guest.read(fid, ring.end);
    expect(waiting.result).to.equal(WAITS);
    door.all.hive.queenLog.line("test", "news");
    guest.pump();
    expect(waiting.result).to.match(/test: news\n$/);
    guest.read(fid, ring.end);
    caller.leave();
    expect([caller.over, door.server.connections]).to.deep.equal(["closed", 0]);
    expect(door.all.hive.sessions()).to.deep.equal([]);
    expect(door.ends).to.deep.equal({ left: 1 });
  });

  it("is closed when its login is revoked, and what waits is told so", () => {
    const all = new TestHive();
    const door = new DoorTest({ all });
    const caller = door.attach("observer", all.ticket("observer", { ttlS: 60 }));
    caller.say("SECURE9P");
    const guest = new Guest(caller);
    const waiting = guest.read(guest.open("/log/queen.log.follow"), 1e6);
    door.pass(59_999);
    expect(caller.over).to.equal("");
    door.pass(1);
    guest.pump();
    expect(waiting.result).to.equal("!ESHUTDOWN");
    expect(caller.over).to.equal("shut");
    expect(door.ends).to.deep.equal({ revoked: 1 });
    door.pass(5000);
    expect([caller.over, door.server.connections]).to.deep.equal(["closed", 0]);
  });

  it("is closed for a false length, half a request for 10 s, and replies that are not taken for 30 s", () => {
    const door = new DoorTest();
    const [broken, half, slow, idle] = [0, 1, 2, 3].map(() => door.attach("observer"));
    for (const caller of [broken!, half!, slow!, idle!]) caller.say("SECURE9P");
    const guest = new Guest(slow!);
    const fid = guest.open("/log/queen.log");
    for (let i = 0; i < 100; i++) door.all.hive.queenLog.line("test", "x".repeat(100));
    slow!.room = 0;
    for (let i = 0; i < 40; i++) {
      guest.client.read(fid, 0, 4096, () => undefined);
      guest.client.read(fid, 0, 4096, () => undefined);
      guest.pump();
    }
    broken!.send(Buffer.of(3, 0, 0, 0));
    half!.send(Buffer.of(19, 0, 0, 0, 100));
    door.pass(9999);
    expect(door.ends).to.deep.equal({ length: 1 });
    door.pass(1);
    expect(door.ends).to.deep.equal({ length: 1, half: 1 });
    door.pass(20_000);
    door.pass(5000);
    expect(door.ends).to.deep.equal({ length: 1, half: 1, slow: 1 });
    expect(slow!.over).to.equal("aborted");
    door.pass(300_000);
    expect(idle!.over).to.equal("");
  });

  it("frees everything when the connection breaks", () => {
    const door = new DoorTest();
    const timers = door.all.timers.size;
    for (let i = 0; i < 20; i++) {
      const caller = door.attach("observer");
      caller.say("SECURE9P");
      const guest = new Guest(caller);
      guest.read(guest.open("/log/queen.log.follow"), 1e6);
      caller.reset();
    }
    expect([door.server.connections, door.all.hive.sessions().length, door.all.timers.size]).to.deep.equal([
      0,
      0,
      timers,
    ]);
  });
});

/**
 * What upstream's shell does over TCP, held against a hive: attach, help, log, tail, cat, ls, echo, spawn, kill, ping, quit, its
 * heartbeats, its batches and its ways to get lost, with the exact frames where nothing in them is the machine's.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { framesOf, UpstreamClient } from "./upstream-client.ts";

export interface UpstreamHive {
  readonly port: number;
  readonly token: string;
  /** A Queen's. */
  readonly ticket: string;
  /** What the door reports of itself; without it, as it is to be read in the hive. */
  readonly report?: () => readonly string[];
  readonly close: () => Promise<void>;
}

const LOG = "/log/queen.log";
/** Commands that it sends without waiting. */
const BATCH = 8;
/** A log that takes longer to come than a heartbeat. */
const LONG_LINES = 480;
const LONG_LINE = 900;

/** Why it gave up. @throws Error if it did not */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error("it did not fail");
}

export function acceptUpstream(open: () => Promise<UpstreamHive>): void {
  let hive: UpstreamHive;
  let clients: UpstreamClient[];
  before(async () => {
    hive = await open();
  });
  after(() => hive.close());
  beforeEach(() => {
    clients = [];
  });
  afterEach(() => {
    for (const client of clients) client.cut();
  });

  const client = (token = hive.token): UpstreamClient => {
    const made = new UpstreamClient(hive.port, token);
    clients.push(made);
    return made;
  };
  const attached = async (): Promise<UpstreamClient> => {
    const made = client();
    await made.attach("queen", hive.ticket);
    made.drain();
    return made;
  };
  /** Lines of clients in the log, without what stands before them. */
  const written = (lines: readonly string[], prefix: string): string[] =>
    lines.flatMap((line) => {
      const text = /^\[ *\d+\.\d{6}\] client session=\d+ role=queen: (.*)$/.exec(line)?.[1];
      return text?.startsWith(prefix) === true ? [text] : [];
    });
  const counter = async (of: UpstreamClient, name: string): Promise<number> => {
    const lines = hive.report?.() ?? (await of.stream("CAT", "/proc/net/console"));
    return Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1));
  };

  it("is admitted with the token, attaches with the Queen's ticket, and hears nothing in between", async () => {
    const it = client();
    await it.attach("queen", hive.ticket);
    const heard = ["OK AUTH", "OK ATTACH role=queen"];
    expect(it.talk).to.deep.equal([
      `> AUTH ${hive.token}`,
      `< ${heard[0]}`,
      `> ATTACH queen ${hive.ticket}`,
      `< ${heard[1]}`,
    ]);
    expect(it.bytes).to.deep.equal(framesOf(heard));
    expect(it.drain()).to.deep.equal(heard);
  });

  it("is told that a role needs its ticket where it sends a blank for none, and may attach on", async () => {
    const it = client();
    expect(await failureOf(it.attach("queen", ""))).to.equal(
      "remote attach failed: ERR ATTACH reason=policy detail=missing required argument: ticket",
    );
    expect(it.talk.at(-2)).to.equal("> ATTACH queen ");
    await it.attach("queen", hive.ticket);
    expect(it.connects).to.equal(1);
  });

  it("gives up at once where the token is another's", async () => {
    expect(await failureOf(client(`${hive.token}x`).attach("queen", hive.ticket))).to.equal(
      "authentication rejected: ERR AUTH reason=policy detail=denied",
    );
  });

  it("hears of ping, ls, echo, cat and quit exactly what it goes by", async () => {
    const it = await attached();
    expect(await it.ping()).to.equal("pong");
    expect(await it.stream("LS", "/")).to.deep.equal(["proc", "log", "queen", "worker"]);
    await it.write(LOG, "hello");
    expect(await failureOf(it.stream("CAT", "/none"))).to.equal(
      "CAT failed: ERR CAT reason=policy detail=not-found path=/none error=ENOENT",
    );
    expect(await failureOf(it.write("/proc/boot", "x"))).to.equal(
      "echo failed: ERR ECHO reason=policy detail=denied path=/proc/boot error=EPERM",
    );
    expect(it.drain()).to.deep.equal([
      "OK PING reply=pong",
      "OK LS path=/ entries=4",
      `OK ECHO path=${LOG} bytes=6`,
      "ERR CAT reason=policy detail=not-found path=/none error=ENOENT",
      "ERR ECHO reason=policy detail=denied path=/proc/boot error=EPERM",
    ]);
    const { bytes: before } = it;
    const ended = it.quit();
    await ended;
    expect(it.drain()).to.deep.equal(["OK QUIT"]);
    expect(it.bytes).to.deep.equal(Buffer.concat([before, framesOf(["OK QUIT"])]));
    expect(before).to.deep.equal(
      framesOf([
        ...["OK AUTH", "OK ATTACH role=queen", "OK PING reply=pong", "PONG"],
        ...["OK LS path=/ entries=4", "proc", "log", "queen", "worker", "END"],
        `OK ECHO path=${LOG} bytes=6`,
        "ERR CAT reason=policy detail=not-found path=/none error=ENOENT",
        "ERR ECHO reason=policy detail=denied path=/proc/boot error=EPERM",
      ]),
    );
  });

  it("finds in the acknowledgement of cat what it wrote before", async () => {
    const it = await attached();
    for (const text of ["batch-1", "batch-2", "batch-3"]) await it.write(LOG, text);
    it.drain();
    const lines = await it.stream("CAT", LOG);
    // What others wrote before has its place if there is room.
    expect(it.drain().join("|")).to.match(/^OK CAT path=\/log\/queen\.log data=(?:.*\|)?batch-1\|batch-2\|batch-3$/);
    expect(written(lines, "batch-")).to.deep.equal(["batch-1", "batch-2", "batch-3"]);
    expect(await it.log()).to.deep.equal(lines);
    expect(it.drain()).to.deep.equal([`OK TAIL path=${LOG}`]);
  });

  it("spawns and kills by lines of /queen/ctl, and reads in between what the worker says", async () => {
    const it = await attached();
    const before = await it.stream("LS", "/worker");
    await it.spawn('{"spawn":"heartbeat","ticks":1000,"budget":{"ttl_s":60,"ops":5000}}');
    const [id = "none"] = (await it.stream("LS", "/worker")).filter((name) => !before.includes(name));
    let lines: string[] = [];
    for (let tries = 0; tries < 200 && lines.length < 2; tries++) {
      lines = await it.stream("TAIL", `/worker/${id}/telemetry`);
      if (lines.length < 2) await sleep(50);
    }
    expect(lines.slice(0, 2)).to.deep.equal(["heartbeat 1", "heartbeat 2"]);
    it.drain();
    await it.kill(id);
    expect(it.drain()).to.deep.equal([`OK ECHO path=/queen/ctl bytes=${`{"kill":"${id}"}`.length + 1}`]);
    expect(await it.stream("LS", "/worker")).to.deep.equal(before);
    expect(await failureOf(it.kill(id))).to.equal(
      "echo failed: ERR ECHO reason=policy detail=not-found path=/queen/ctl error=ENOENT",
    );
    expect(
      await failureOf(it.spawn('{"spawn":"gpu","lease":{"gpu_id":"GPU-0","mem_mb":1,"streams":1,"ttl_s":1}}')),
    ).to.equal("echo failed: ERR ECHO reason=busy detail=busy path=/queen/ctl error=EBUSY");
  });

  it("writes batches of eight without waiting, one of them over a connection that is cut within a frame", async () => {
    const it = await attached();
    const texts = Array.from({ length: 8 * BATCH }, (_, i) => `pool-${i}`);
    for (let at = 0; at < texts.length; at += BATCH) {
      if (at === 3 * BATCH) it.cutNextFrame(8);
      expect(await it.writeAll(LOG, texts.slice(at, at + BATCH))).to.equal(BATCH);
    }
    expect([it.connects, it.reconnects]).to.deep.equal([2, 1]);
    expect(written(await it.log(), "pool-")).to.deep.equal(texts);
  });

  it("comes back 200 ms after each of many cuts within a frame, and leaves nothing behind", async () => {
    const it = await attached();
    for (let round = 0; round < 10; round++) {
      it.cutNextFrame(1 + round);
      await it.write(LOG, `cut-${round}`);
    }
    expect(it.connects).to.equal(11);
    expect(written(await it.log(), "cut-")).to.deep.equal(Array.from({ length: 10 }, (_, round) => `cut-${round}`));
    let connections = Infinity;
    for (let tries = 0; tries < 100 && connections > 1; tries++) {
      connections = await counter(it, "connections");
      if (connections > 1) await sleep(50);
    }
    expect([connections, await counter(it, "sessions")]).to.deep.equal([1, 1]);
  });

  it("is refused a line of 8.4 kB, as its scripts expect, and goes on with the session", async () => {
    const it = await attached();
    const lease = `{"spawn":"gpu","lease":{"gpu_id":"${"X".repeat(8200)}","mem_mb":1,"streams":1,"ttl_s":1,"priority":1}}`;
    expect(await failureOf(it.write(LOG, lease))).to.equal(
      "echo failed: ERR FRAME reason=policy detail=invalid-length",
    );
    expect([await it.ping(), it.connects]).to.deep.equal(["pong", 1]);
  });

  it("is answered its heartbeat in the middle of a file that is still coming", async () => {
    const it = await attached();
    const line = "y".repeat(LONG_LINE);
    for (let at = 0; at < LONG_LINES; at += BATCH) await it.writeAll(LOG, new Array<string>(BATCH).fill(line));
    let amid = false;
    // Whether it asks in time is for the host's scheduler to say.
    for (let round = 0; round < 5 && !amid; round++) {
      const from = it.talk.length;
      const reading = it.stream("CAT", LOG);
      while (it.talk.length < from + 5) await sleep(1);
      await it.heartbeat();
      const lines = await reading;
      expect(written(lines, "yyy").length).to.be.at.least(LONG_LINES);
      const talk = it.talk.slice(from);
      const answered = talk.indexOf("< OK PING reply=pong");
      amid = answered >= 0 && answered < talk.indexOf("< END");
      if (amid) expect(talk[answered + 1]).to.equal("< PONG");
      if (amid) expect(answered).to.be.greaterThan(talk.indexOf("> PING"));
    }
    expect(amid).to.equal(true);
    expect(await it.ping()).to.equal("pong");
  });

  it("looks whether somebody listens, and goes without a word", async () => {
    const it = await attached();
    const before = await counter(it, "accepted");
    for (let round = 0; round < 10; round++) {
      const socket = connect(hive.port, "127.0.0.1");
      await once(socket, "connect");
      socket.end().resume();
      await once(socket, "close");
    }
    expect(await it.ping()).to.equal("pong");
    expect(await counter(it, "accepted")).to.equal(before + 10);
  });

  it("attaches anew once it has left", async () => {
    const it = await attached();
    await it.quit();
    await it.attach("queen", hive.ticket);
    expect([await it.ping(), it.connects]).to.deep.equal(["pong", 2]);
  });
}

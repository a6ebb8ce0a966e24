import { expect } from "chai";
import { Heartbeat } from "../../../cohsh/transports/heartbeat.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("cohsh heartbeat", () => {
  let sent: string[];
  let lines: string[];
  let deaths: number;
  let heartbeat: Heartbeat;
  const start = (silence: number, patience: number): void => {
    sent = [];
    lines = [];
    deaths = 0;
    heartbeat = new Heartbeat({
      silence,
      patience,
      send: (line) => sent.push(line),
      dead: () => deaths++,
      line: (text) => lines.push(text),
    });
  };
  afterEach(() => heartbeat.stop());

  it("asks after a silence, and keeps the answer to itself", async () => {
    start(20, 1000);
    await sleep(40);
    expect(sent).to.deep.equal(["ping"]);
    heartbeat.heard("OK PING reply=pong");
    heartbeat.heard("PONG");
    expect(lines).to.deep.equal([]);
    await sleep(40);
    expect(sent).to.deep.equal(["ping", "ping"]);
  });

  it("says nothing while something is said", async () => {
    start(60, 1000);
    for (let n = 0; n < 10; n++) {
      await sleep(15);
      if (n % 2 === 0) heartbeat.stir();
      else heartbeat.heard("line");
    }
    expect(sent).to.deep.equal([]);
  });

  it("takes its answer out of the middle of a stream, and nothing that only looks like it", async () => {
    start(10, 1000);
    await sleep(30);
    for (const line of ["one", "OK PING reply=pong", "two", "OK PING reply=pong", "PONG", "PONG", "three"]) {
      heartbeat.heard(line);
    }
    expect(lines).to.deep.equal(["one", "OK PING reply=pong", "two", "PONG", "three"]);
  });

  it("leaves the answers to others alone", () => {
    start(1000, 1000);
    heartbeat.heard("OK PING reply=pong");
    heartbeat.heard("PONG");
    expect(lines).to.deep.equal(["OK PING reply=pong", "PONG"]);
  });

  it("tells of a hive that says nothing at all, but not of one that is only busy", async () => {
    start(10, 50);
    await sleep(30);
    for (let n = 0; n < 5; n++) {
      await sleep(20);
      heartbeat.heard("a long answer");
    }
    expect(deaths).to.equal(0);
    await sleep(80);
    expect(deaths).to.equal(1);
  });

  it("is silent once it is stopped", async () => {
    start(10, 10);
    heartbeat.stop();
    heartbeat.stir();
    await sleep(40);
    expect([sent, deaths]).to.deep.equal([[], 0]);
  });
});

import { expect } from "chai";
import { createServer, type Socket } from "node:net";
import { TcpTransport, type TcpPatience } from "../../../cohsh/transports/tcp.ts";
import { honest, ScriptedHive, TOKEN } from "./scripted-hive.ts";

/** Keeps what a transport brings, in order. */
class Ear {
  readonly heard: string[] = [];
  #wake: (() => void) | undefined;

  reply(line: string): void {
    this.#keep(line);
  }

  log(line: string): void {
    this.#keep(`(log) ${line}`);
  }

  ended(reason: string): void {
    this.#keep(`(ended) ${reason}`);
  }

  interrupted(reason: string): void {
    this.#keep(`(interrupted) ${reason}`);
  }

  resumed(): void {
    this.#keep("(resumed)");
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  #keep(what: string): void {
    this.heard.push(what);
    this.#wake?.();
  }
}

async function message(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  return "it did not fail";
}

const QUICK: Partial<TcpPatience> = { backOff: { first: 10, most: 50 }, attempt: 200, lost: 1000, goodbye: 100 };
const FALLBACKS = "; without a network there are --serial PATH, --transport qemu, sim and mock";
const soon = (): AbortSignal => AbortSignal.timeout(5000);

describe("transport tcp", function () {
  this.timeout(10_000);
  let hive: ScriptedHive;
  let made: TcpTransport[];
  let where: string;
  beforeEach(async () => {
    hive = new ScriptedHive();
    await hive.listen();
    where = `127.0.0.1:${hive.port}`;
    made = [];
  });
  afterEach(async () => {
    await Promise.all(made.map((transport) => transport.close()));
    await hive.close();
  });

  function way(patience: Partial<TcpPatience> = {}, credential = TOKEN): TcpTransport {
    const token = (): { credential: string } => ({ credential });
    const transport = new TcpTransport({
      host: "127.0.0.1",
      port: hive.port,
      token,
      patience: { ...QUICK, ...patience },
    });
    made.push(transport);
    return transport;
  }

  async function opened(patience: Partial<TcpPatience> = {}): Promise<{ transport: TcpTransport; ear: Ear }> {
    const transport = way(patience);
    const ear = new Ear();
    await transport.open(ear, soon());
    return { transport, ear };
  }

  describe("opening", () => {
    it("is admitted with the token before anything else, and says QUIT when it leaves", async () => {
      const { transport, ear } = await opened();
      transport.send("ping");
      await ear.until(() => ear.heard.includes("PONG"));
      await transport.close();
      expect(hive.lines).to.deep.equal([`AUTH ${TOKEN}`, "ping", "quit"]);
      expect(ear.heard).to.deep.equal(["OK PING reply=pong", "PONG"]);
    });

    it("gives up at once, in a sentence without the token, when the token is refused", async () => {
      expect(await message(way({}, "wr0ng").open(new Ear(), soon()))).to.equal(
        `the hive at ${where} refuses the token: the credentials are another hive's`,
      );
      expect(hive.peers).to.have.length(1);
    });

    it("says in a sentence what there is no token in", async () => {
      const transport = new TcpTransport({
        host: "127.0.0.1",
        port: hive.port,
        token: () => ({ missing: "The credentials file c.json is not there." }),
      });
      expect(await message(transport.open(new Ear(), soon()))).to.equal("The credentials file c.json is not there.");
      expect(hive.peers).to.deep.equal([]);
    });

    it("says at once that nobody listens, and what there is besides", async () => {
      await hive.close();
      expect(await message(way().open(new Ear(), soon()))).to.equal(`nobody listens at ${where}${FALLBACKS}`);
    });

    it("says that there is no such host", async () => {
      const transport = new TcpTransport({ host: "no.such.invalid", port: 1, token: () => ({ credential: TOKEN }) });
      expect(await message(transport.open(new Ear(), soon()))).to.match(/^there is no host no\.such\.invalid; without/);
    });

    it("knows what is no hive", async () => {
      hive.script = (_line, peer) => peer.say("220 mail.example ESMTP");
      expect(await message(way().open(new Ear(), soon()))).to.equal(`what listens at ${where} is no hive's console`);
    });

    for (const [what, bytes, sentence] of [
      ["a length of all the memory that there is", [255, 255, 255, 255], "a frame of false length was sent"],
      ["a length below its own bytes", [0, 0, 0, 0], "a frame of false length was sent"],
      ["text without frames", [...Buffer.from("HTTP/1.1 400 Bad Request")], "a frame of false length was sent"],
      ["no UTF-8", [6, 0, 0, 0, 0xc3, 0x28], "a line was sent that is no UTF-8"],
    ] as const) {
      it(`does not believe ${what}`, async () => {
        hive.script = (_line, peer) => peer.raw(...bytes);
        const failure = await message(way().open(new Ear(), soon()));
        expect(failure).to.equal(`the hive at ${where} is none, or is out of step: ${sentence}`);
        expect(hive.peers).to.have.length(1);
      });
    }

    it("tries again when a connection is cut before it is answered, as a forwarded port's is while the hive boots", async () => {
      let count = 0;
      hive.onConnect = (peer) => {
        if (++count < 3) peer.socket.destroy();
      };
      await opened();
      expect(count).to.equal(3);
    });

    it("waits for no answer for ever", async () => {
      hive.script = () => undefined;
      expect(await message(way({ attempt: 50 }).open(new Ear(), AbortSignal.timeout(300)))).to.equal(
        `the hive at ${where} did not answer: it may be starting, be built without a network, or be something else${FALLBACKS}`,
      );
      expect(hive.peers.length).to.be.greaterThan(1);
    });

    it("comes back no sooner than a hive asked for that takes no logins for a while", async () => {
      const times: number[] = [];
      hive.script = (line, peer) => {
        times.push(performance.now());
        if (times.length > 1) return honest(line, peer);
        peer.say("ERR AUTH reason=quota detail=rate-limited delay_ms=300");
        peer.socket.end();
      };
      await opened();
      expect((times[1] ?? 0) - (times[0] ?? 0)).to.be.at.least(295);
    });
  });

  describe("a connection that is lost", () => {
    it("is told once and made again, and nothing is sent on it that was sent before", async () => {
      const { transport, ear } = await opened();
      transport.send("spawn {}");
      await hive.until(() => hive.lines.includes("spawn {}"));
      hive.cut();
      await ear.until(() => ear.heard.includes("(resumed)"));
      expect(ear.heard).to.have.length(2);
      expect(ear.heard[0]).to.match(/^\(interrupted\) the (?:connection to the )?hive at /);
      expect(hive.last.lines).to.deep.equal([`AUTH ${TOKEN}`]);
      transport.send("ping");
      await ear.until(() => ear.heard.includes("PONG"));
    });

    it("takes no line until it is there again", async () => {
      const { transport, ear } = await opened({ backOff: { first: 100, most: 100 } });
      hive.cut();
      await ear.until(() => ear.heard.length > 0);
      expect(() => transport.send("ping")).to.throw("is not open");
      await ear.until(() => ear.heard.includes("(resumed)"));
    });

    it("is waited for while nobody listens, and comes back with its hive", async () => {
      const { ear } = await opened();
      const { port } = hive;
      await hive.close();
      await ear.until(() => ear.heard.length > 0);
      await new Promise((resolve) => setTimeout(resolve, 150));
      await hive.listen(port);
      await ear.until(() => ear.heard.includes("(resumed)"));
    });

    it("is given up after a while, with why it was lost and why it does not come back", async () => {
      const { ear } = await opened({ lost: 200 });
      await hive.close();
      await ear.until(() => ear.heard.length > 1);
      expect(ear.heard[1]).to.match(new RegExp(`^\\(ended\\) the .*hive at ${where}.*; nobody listens at ${where}$`));
    });

    it("is given up at once when the token is refused, for the hive is another", async () => {
      const { ear } = await opened({ lost: 5000 });
      hive.script = (_line, peer) => peer.say("ERR AUTH reason=policy detail=denied");
      hive.cut();
      await ear.until(() => ear.heard.length > 1);
      expect(ear.heard[1]).to.match(/^\(ended\) .*refuses the token/);
    });

    for (const [what, act] of [
      ["cut in the middle of a frame", (peer) => (peer.raw(20, 0, 0, 0, 0x4f, 0x4b), peer.socket.end())],
      ["out of step", (peer) => peer.raw(0xff, 0xff, 0xff, 0x7f)],
    ] as const satisfies readonly (readonly [string, (peer: ScriptedHive["last"]) => unknown])[]) {
      it(`may have been ${what}`, async () => {
        const { ear } = await opened();
        act(hive.last);
        await ear.until(() => ear.heard.includes("(resumed)"));
        expect(ear.heard[0]).to.match(
          what === "out of step"
            ? /is none, or is out of step: a frame of false/
            : /closed .* in the middle of a line$/,
        );
      });
    }

    it("says why the hive ended it, and does not take that for a line of what was coming", async () => {
      const { ear } = await opened();
      hive.last.say("a line of a log", "ERR FRAME reason=quota detail=buffer-full");
      hive.last.socket.end();
      await ear.until(() => ear.heard.includes("(resumed)"));
      expect(ear.heard.slice(0, 2)).to.deep.equal([
        "a line of a log",
        `(interrupted) the hive at ${where} ended the session: what it said was not read`,
      ]);
      hive.last.say("ERR FRAME reason=quota detail=buffer-full", "said by a file");
      await ear.until(() => ear.heard.includes("said by a file"));
      expect(ear.heard.at(-2)).to.equal("ERR FRAME reason=quota detail=buffer-full");
    });

    it("is found by a heartbeat that nobody answers", async () => {
      const { ear } = await opened({ silence: 30, heartbeat: 50 });
      await hive.until(() => hive.lines.includes("ping"));
      hive.script = (line, peer) => {
        if (line !== "ping" || hive.peers.length > 1) honest(line, peer);
      };
      await ear.until(() => ear.heard.includes("(resumed)"));
      expect(ear.heard[0]).to.equal(`(interrupted) the hive at ${where} does not answer any more`);
    });

    it("is not looked for after QUIT, nor after the shell has left", async () => {
      const { transport, ear } = await opened();
      transport.send("quit");
      await ear.until(() => ear.heard.includes("OK QUIT"));
      await hive.until(() => hive.last.socket.closed);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(ear.heard).to.deep.equal(["OK QUIT"]);
      expect(transport.connected).to.equal(false);
      const other = await opened({ backOff: { first: 200, most: 200 } });
      hive.cut();
      await other.ear.until(() => other.ear.heard.length > 0);
      const count = hive.peers.length;
      await other.transport.close();
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(hive.peers).to.have.length(count);
      expect(other.ear.heard).to.have.length(1);
    });
  });

  it("keeps its heartbeats to itself", async () => {
    const { ear } = await opened({ silence: 20, heartbeat: 1000 });
    await hive.until(() => hive.lines.filter((line) => line === "ping").length > 2);
    expect(ear.heard).to.deep.equal([]);
  });

  it("leaves in time when the hive does not say goodbye", async () => {
    const { transport } = await opened();
    hive.script = () => undefined;
    const start = performance.now();
    await transport.close();
    expect(performance.now() - start).to.be.below(500);
  });

  it("can be closed while it is being opened", async () => {
    hive.script = () => undefined;
    const transport = way({ attempt: 5000 });
    const failure = message(transport.open(new Ear(), soon()));
    await hive.until(() => hive.lines.length > 0);
    await transport.close();
    expect(await failure).to.equal(`${where} was closed before a hive answered`);
  });

  it("is not put out by what takes connections and reads nothing", async () => {
    const sockets: Socket[] = [];
    const deaf = createServer((socket) => sockets.push(socket.pause()));
    await new Promise<void>((resolve) => deaf.listen(0, "127.0.0.1", resolve));
    const address = deaf.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const token = (): { credential: string } => ({ credential: TOKEN });
    const transport = new TcpTransport({ host: "127.0.0.1", port: address.port, token, patience: QUICK });
    expect(await message(transport.open(new Ear(), AbortSignal.timeout(250)))).to.match(/did not answer/);
    await transport.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => deaf.close(resolve));
  });
});

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import type { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { listeningHive } from "./listening-hive.ts";
import { needsQemu } from "./qemu-image.ts";

const patienceMs = 20_000;
const HEADER = 4;

/** One connection to the console, as any client of the wire makes it. */
class Wire {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #closed = false;
  #changed: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#changed();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#closed = true;
      this.#changed();
    });
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new Wire(socket);
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  send(...lines: string[]): void {
    const frames = lines.map((line) => {
      const text = Buffer.from(line, "utf8");
      const frame = Buffer.alloc(HEADER + text.length);
      frame.writeUInt32LE(frame.length);
      text.copy(frame, HEADER);
      return frame;
    });
    this.raw(Buffer.concat(frames));
  }

  /** The next line; `undefined` if the hive has closed. */
  async line(): Promise<string | undefined> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const size = this.#bytes.length >= HEADER ? this.#bytes.readUInt32LE() : Infinity;
      if (this.#bytes.length >= size) {
        const text = this.#bytes.toString("utf8", HEADER, size);
        this.#bytes = this.#bytes.subarray(size);
        return text;
      }
      if (this.#closed) return undefined;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no line within ${patienceMs} ms`);
      await new Promise<void>((settle) => {
        const timer = setTimeout(settle, left);
        this.#changed = () => {
          clearTimeout(timer);
          settle();
        };
      });
    }
  }

  async lines(count: number): Promise<(string | undefined)[]> {
    const lines = [];
    for (let i = 0; i < count; i++) lines.push(await this.line());
    return lines;
  }

  /** Lines up to and with `END`. */
  async stream(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined) throw new Error(`the stream was cut after ${lines.join("|")}`);
      lines.push(line);
      if (line === "END" || line.startsWith("ERR ")) return lines;
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

describe("the TCP console of a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(120_000);
  const { token, tickets } = (() => {
    try {
      return readCredentials(readFileSync(credentialsPath, "utf8"));
    } catch {
      return { token: "", tickets: { queen: "" } };
    }
  })();
  let hive: HiveProcess;
  let port: number;
  before(async () => {
    ({ hive, port } = await listeningHive());
  });
  after(async () => {
    expect(await hive.end(), hive.messages).to.equal(0);
  });

  const authenticated = async (): Promise<Wire> => {
    const wire = await Wire.open(port);
    wire.send(`AUTH ${token}`);
    expect(await wire.line()).to.equal("OK AUTH");
    return wire;
  };
  const attached = async (): Promise<Wire> => {
    const wire = await authenticated();
    wire.send(`ATTACH queen ${tickets.queen}`);
    expect(await wire.line()).to.equal("OK ATTACH role=queen");
    return wire;
  };

  it("asks for the token, then for a ticket, and tells nobody else anything", async () => {
    const wire = await Wire.open(port);
    wire.send("AUTH wrong");
    expect(await wire.line()).to.equal("ERR AUTH reason=policy detail=denied");
    expect(await wire.line()).to.equal(undefined);
    const early = await Wire.open(port);
    early.send("PING");
    expect(await early.line()).to.equal("ERR AUTH reason=policy detail=denied");
    expect(await early.line()).to.equal(undefined);
    const known = await authenticated();
    known.send("LS /", `ATTACH queen ${token}`, "QUIT");
    expect(await known.lines(2)).to.deep.equal([
      "ERR LS reason=policy detail=unauthenticated",
      // Over TCP the token stands for no ticket.
      "ERR ATTACH reason=policy detail=denied",
    ]);
    expect(await known.line()).to.equal("OK QUIT");
    expect(await known.line()).to.equal(undefined);
  });

  it("answers each of many frames that came at once, and many clients", async () => {
    const wires = await Promise.all(Array.from({ length: 8 }, () => attached()));
    for (const wire of wires) wire.send(...Array.from({ length: 8 }, () => "PING"));
    for (const wire of wires) {
      const lines = await wire.lines(16);
      expect(lines.filter((line) => line === "PONG")).to.have.length(8);
      expect(lines.filter((line) => line === "OK PING reply=pong")).to.have.length(8);
      wire.close();
    }
  });

  it("refuses what is no line, executes none of it, and goes on where it can", async () => {
    const wire = await attached();
    wire.send("x".repeat(8400));
    expect(await wire.line()).to.equal("ERR FRAME reason=policy detail=invalid-length");
    wire.send("ECHO /log/queen.log a\nb");
    expect(await wire.line()).to.equal("ERR PARSE reason=policy detail=invalid-character");
    wire.send("frobnicate");
    expect(await wire.line()).to.equal("ERR PARSE reason=policy detail=unsupported console command");
    wire.send("PING");
    expect(await wire.lines(2)).to.deep.equal(["OK PING reply=pong", "PONG"]);
    const huge = Buffer.alloc(HEADER);
    huge.writeUInt32LE(0x7fffffff);
    wire.raw(huge);
    expect(await wire.line()).to.equal("ERR FRAME reason=policy detail=invalid-length");
    expect(await wire.line()).to.equal(undefined);
  });

  it("spawns, follows, kills, and audits who did it from where", async () => {
    const wire = await attached();
    wire.send('SPAWN {"spawn":"heartbeat"}');
    const id = /^OK SPAWN id=(worker-\d+)$/.exec((await wire.line()) ?? "")?.[1];
    expect(id).to.not.equal(undefined);
    wire.send(`TAIL -f /worker/${id}/telemetry`);
    expect(await wire.lines(3)).to.deep.equal([`OK TAIL path=/worker/${id}/telemetry`, "heartbeat 1", "heartbeat 2"]);
    wire.send("STOP");
    await wire.stream();
    expect(await wire.line()).to.match(/^OK STOP/);
    wire.send(`KILL ${id}`, "LOG");
    expect(await wire.line()).to.equal(`OK KILL id=${id}`);
    const log = (await wire.stream()).join("\n");
    expect(log).to.match(/login: admitted role=queen session=\d+ from=tcp 10\.0\.2\.2 by=ticket/);
    expect(log).to.match(new RegExp(`worker: ${id} killed; destroyed`));
    expect(log).to.not.contain(token);
    wire.close();
  });

  it("serves again after clients were cut off in the middle of a frame", async () => {
    for (let i = 0; i < 40; i++) {
      const wire = await authenticated();
      wire.raw(Buffer.from([200, 0, 0, 0, 0x45]));
      wire.close();
    }
    const wire = await attached();
    wire.send("CAT /proc/boot");
    expect((await wire.stream())[0]).to.match(/^OK CAT path=\/proc\/boot data=/);
    wire.send("QUIT");
    expect(await wire.line()).to.equal("OK QUIT");
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { encodePacket, type GdbEvent, GdbSession, PacketReader } from "../../../scripts/lib/gdb-remote.ts";

async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const packet = (data: string): GdbEvent => ({ kind: "packet", data });

describe("gdb packets", () => {
  it("are `$`, the data, `#` and the sum of the data's characters", () => {
    // The GDB manual's own example, and what QEMU says when it stops.
    expect(encodePacket("OK")).to.equal("$OK#9a");
    expect(encodePacket("T02thread:01;")).to.equal("$T02thread:01;#04");
    expect(encodePacket("")).to.equal("$#00");
  });

  it("escape what would end them", () => {
    expect(encodePacket("a#$}*b")).to.equal("$a}\u0003}\u0004}]}\nb#25");
    expect(new PacketReader().feed(encodePacket("a#$}*b"))).to.deep.equal([packet("a#$}*b")]);
  });

  it("are read among acknowledgements, wherever the stream is cut", () => {
    const data = fc
      .array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 })
      .map((codes) => String.fromCharCode(...codes));
    fc.assert(
      fc.property(fc.array(data, { maxLength: 5 }), fc.integer({ min: 1, max: 7 }), (all, size) => {
        const stream = all.map((each) => `+${encodePacket(each)}-`).join("");
        const reader = new PacketReader();
        const events: GdbEvent[] = [];
        for (let at = 0; at < stream.length; at += size) events.push(...reader.feed(stream.slice(at, at + size)));
        expect(events).to.deep.equal(
          all.flatMap((each) => [{ kind: "acknowledged" }, packet(each), { kind: "refused" }]),
        );
      }),
    );
  });

  it("are refused with a wrong sum, a run length, without an end, or where none begins, and the next one is read", () => {
    for (const [text, why] of [
      ["$OK#9b", /^checksum 9b of OK$/],
      ["$0* #7a", /^a run length in 0\* $/],
      [`$${"0".repeat(16_400)}`, /^a packet of more than 16384 characters$/],
      ["x", /^"x" begins no packet$/],
    ] as const) {
      const reader = new PacketReader();
      const [damaged, ...more] = reader.feed(text);
      expect(damaged).to.have.property("kind", "damaged");
      expect(damaged).to.have.property("why").that.matches(why);
      expect(more).to.deep.equal([]);
      expect(reader.feed("$OK#9a")).to.deep.equal([packet("OK")]);
    }
  });
});

describe("GdbSession", () => {
  const memory = Buffer.from(Array.from({ length: 5000 }, (_, i) => (7 * i) & 0xff));
  let folder: string;
  let path: string;
  let server: Server;
  let peer: Socket | undefined;
  let heard: string[];
  /** What the stub does to the next packet that it sends. */
  let spoil: (packet: string) => string;
  let refuse = 0;

  const answer = (command: string): string => {
    const [, verb, address = "", length = "", hex = ""] =
      /^([mM])([0-9a-f]+),([0-9a-f]+):?([0-9a-f]*)$/.exec(command) ?? [];
    const at = parseInt(address, 16);
    const size = parseInt(length, 16);
    if (verb === undefined) return /^(?:Qqemu\.PhyMemMode:1|D)$/.test(command) ? "OK" : "";
    if (at + size > memory.length) return "E14";
    if (verb === "m") return memory.toString("hex", at, at + size);
    expect(hex).to.have.length(2 * size);
    memory.write(hex, at, "hex");
    return "OK";
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gdb-test-"));
    path = join(folder, "gdb");
    heard = [];
    spoil = (sent) => sent;
    refuse = 0;
    server = createServer((socket) => {
      peer = socket;
      const reader = new PacketReader();
      let last = "";
      const send = (text: string): void => {
        const cut = Math.ceil(text.length / 2);
        socket.write(text.slice(0, cut));
        setImmediate(() => socket.write(text.slice(cut)));
      };
      // It stands, and says so unasked.
      socket.write(encodePacket("T02thread:01;"));
      socket.setEncoding("latin1").on("data", (text: string) => {
        for (const event of reader.feed(text)) {
          if (event.kind === "refused") send(last);
          if (event.kind !== "packet") continue;
          if (refuse > 0) {
            refuse--;
            socket.write("-");
            continue;
          }
          heard.push(event.data);
          last = encodePacket(answer(event.data));
          send(`+${spoil(last)}`);
          spoil = (sent) => sent;
        }
      });
    }).listen(path);
    await new Promise((ready) => server.once("listening", ready));
  });
  afterEach(async () => {
    peer?.destroy();
    await new Promise((closed) => server.close(closed));
    rmSync(folder, { recursive: true });
  });

  it("reads and writes physical memory in pieces and lets the machine go on at the end", async () => {
    const session = await GdbSession.open(path, process.pid, 5000);
    expect(await session.read(3, 2500)).to.deep.equal(memory.subarray(3, 2503));
    const bytes = Uint8Array.from({ length: 1500 }, (_, i) => (3 * i) & 0xff);
    await session.write(1000, bytes);
    expect(Buffer.compare(memory.subarray(1000, 2500), bytes)).to.equal(0);
    await session.close();
    expect(heard.map((command) => command.split(":", 1)[0])).to.deep.equal([
      "Qqemu.PhyMemMode",
      ...["m3,400", "m403,400", "m803,1c4"],
      ...["M3e8,400", "M7e8,1dc"],
      "D",
    ]);
  });

  it("says where there is no memory", async () => {
    const session = await GdbSession.open(path, process.pid, 5000);
    expect(await failureOf(session.read(4999, 2))).to.equal("gdb stub: 2 bytes at 4999: E14");
    expect(await failureOf(session.write(4999, Uint8Array.of(1, 2)))).to.equal("gdb stub: M1387,2:0102: E14");
    await session.close();
  });

  it("asks for a damaged reply again, and says a refused packet again, a bounded number of times", async () => {
    const session = await GdbSession.open(path, process.pid, 5000);
    spoil = (sent) => sent.replace(/..$/, "zz");
    expect(await session.read(0, 2)).to.deep.equal(memory.subarray(0, 2));
    refuse = 2;
    expect(await session.read(2, 2)).to.deep.equal(memory.subarray(2, 4));
    refuse = 100;
    expect(await failureOf(session.read(4, 2))).to.equal("gdb stub: it refuses each packet");
  });

  it("fails, and does not wait for ever, when the stub is gone or says nothing", async () => {
    const session = await GdbSession.open(path, process.pid, 100);
    spoil = () => "";
    expect(await failureOf(session.read(0, 1))).to.equal("gdb stub: no answer to m0,1");
    peer?.destroy();
    expect(await failureOf(session.read(0, 1))).to.equal("gdb stub: QEMU closed its gdb stub");
  });
});

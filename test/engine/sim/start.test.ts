import { PassThrough, Writable } from "node:stream";
import { expect } from "chai";
import { Machine } from "../../../engine/sim/machine.ts";
import { makeRootfs } from "../../../engine/sim/rootfs.ts";
import { EscapeFilter, runHive } from "../../../engine/sim/start.ts";
import { bundle, credentials, manifestText } from "../../services/main/hive.ts";

/** Echoes in upper case; a line "halt" ends the machine. */
const SOURCE = `
const uart = host.mmioMap(0x9000000, 0x1000);
const bit = host.irqBind(33, "level");
host.mmioWrite32(uart, 0x2c, 0x70);
host.mmioWrite32(uart, 0x30, 0x301);
host.mmioWrite32(uart, 0x38, 0x70);
host.log("ready\\n");
let line = "", out = [];
export function turn() {
  host.mmioWrite32(uart, 0x44, 0x20);
  while (!(host.mmioRead32(uart, 0x18) & 0x10)) {
    const c = String.fromCharCode(host.mmioRead32(uart, 0));
    line = c === "\\n" ? "" : line + c;
    if (line === "halt") host.halt("asked to");
    out.push(c.toUpperCase().charCodeAt(0));
  }
  while (out.length && !(host.mmioRead32(uart, 0x18) & 0x20)) host.mmioWrite32(uart, 0, out.shift());
  host.irqAck(bit);
  return Infinity;
}`;

const hive = (onLog: (text: string) => void): Machine => new Machine({ source: SOURCE, clock: "real", onLog });

class Terminal extends PassThrough {
  isTTY = true;
  readonly modes: boolean[] = [];
  setRawMode(raw: boolean): void {
    this.modes.push(raw);
  }
}

function collector(): { output: PassThrough; text: () => string } {
  const output = new PassThrough();
  let text = "";
  output.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  return { output, text: () => text };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("a simulated hive on a terminal", () => {
  it("answers what is typed and leaves on Ctrl-A x with the terminal as it was", async () => {
    const input = new Terminal();
    const { output, text } = collector();
    const running = runHive(hive, { input, output });
    await until(() => text().includes("ready\n"));
    expect(input.modes).to.deep.equal([true]);
    input.write("help\x03");
    await until(() => text().includes("HELP\x03"));
    input.write("\x01");
    input.write("x");
    expect(await running).to.equal(0);
    expect(input.modes).to.deep.equal([true, false]);
    expect(input.listenerCount("data")).to.equal(0);
    expect(text()).to.equal("ready\nHELP\x03\r\n");
  });

  it("explains Ctrl-A h and sends Ctrl-A for two of them", async () => {
    const input = new Terminal();
    const { output, text } = collector();
    const running = runHive(hive, { input, output });
    input.write("a\x01\x01b\x01h");
    await until(() => text().includes("A\x01B"));
    expect(text()).to.include("Ctrl-A x  leave");
    input.write("\x01x");
    await running;
  });

  it("answers a pipe and leaves when it has ended and all is said", async () => {
    const input = new PassThrough();
    const { output, text } = collector();
    const many = "0123456789abcde\n".repeat(3000);
    input.end(`${many}\x01xend\n`);
    expect(await runHive(hive, { input, output })).to.equal(0);
    expect(text()).to.equal(`ready\n${many.toUpperCase()}\x01XEND\n\r\n`);
  });

  it("loses nothing when the reader of its output is slow", async () => {
    const input = new PassThrough();
    let text = "";
    let pause = 3;
    const output = new Writable({
      highWaterMark: 100,
      write: (chunk: Buffer, _encoding, done) => {
        text += chunk.toString("latin1");
        if (pause-- > 0) setTimeout(done, 10);
        else setImmediate(done);
      },
    });
    const many = "0123456789abcde\n".repeat(2000);
    input.end(many);
    expect(await runHive(hive, { input, output })).to.equal(0);
    expect(text).to.equal(`ready\n${many.toUpperCase()}\r\n`);
  });

  it("sits on the virtio console where there is one, and lets the UART's log go", async function () {
    this.timeout(60_000);
    const built = await bundle();
    const source = Buffer.from(built.js).toString("utf8");
    const rootfs = makeRootfs({
      "build.json": built.buildInfo,
      "credentials.json": JSON.stringify(credentials),
      "main.lines": built.lines,
      "manifest.json": manifestText,
    });
    let machine: Machine | undefined;
    const { output, text } = collector();
    const input = new PassThrough();
    input.end("ping\r");
    const virtio = (onLog: (text: string) => void): Machine =>
      (machine = new Machine({ source, rootfs, clock: "real", onLog, console: {} }));
    expect(await runHive(virtio, { input, output })).to.equal(0);
    expect(text()).to.contain("cohesix> ping\r\nOK PING reply=pong\r\nPONG\r\n");
    expect(text().split("Cohesix ").length, "the banner, once").to.equal(2);
    expect(machine?.serial.sent).to.be.greaterThan(100);
    expect(machine?.serial.readable).to.equal(0);
  });

  it("ends with status 1 when the machine halts, and says why", async () => {
    const input = new Terminal();
    const { output, text } = collector();
    const running = runHive(hive, { input, output });
    input.write("halt\n");
    expect(await running).to.equal(1);
    expect(text()).to.include("cohesix: halted: asked to");
    expect(input.modes).to.deep.equal([true, false]);
  });

  it("gives the terminal back when the hive cannot be run", async () => {
    const input = new Terminal();
    const { output } = collector();
    const broken = (): Machine => new Machine({ source: SOURCE, clock: "real", heapBytes: 1000 });
    let message = "";
    await runHive(broken, { input, output }).catch((error: unknown) => (message = String(error)));
    expect(message).to.contain("a heap of 1000 bytes is too small");
    expect(input.modes).to.deep.equal([true, false]);
  });

  it("filters commands from what is typed, also across pieces", () => {
    const filter = new EscapeFilter();
    const feed = (text: string): string => {
      const { forward, command } = filter.filter(Buffer.from(text, "latin1"));
      return `${Buffer.from(forward).toString("latin1")}|${command ?? ""}`;
    };
    expect(feed("abc")).to.equal("abc|");
    expect(feed("a\x01")).to.equal("a|");
    expect(feed("\x01b")).to.equal("\x01b|");
    expect(feed("\x01qz")).to.equal("z|");
    expect(feed("y\x01h")).to.equal("y|help");
    expect(feed("y\x01xignored")).to.equal("y|leave");
  });
});

import { expect } from "chai";
import { Machine } from "../../../engine/sim/machine.ts";
import { Terminal } from "../../../engine/sim/terminal.ts";

/** Prints its argument a second after each byte that it gets. */
const SOURCE = `
const uart = host.mmioMap(0x9000000, 0x1000);
const bit = host.irqBind(33, "level");
host.mmioWrite32(uart, 0x2c, 0x70);
host.mmioWrite32(uart, 0x30, 0x301);
host.mmioWrite32(uart, 0x38, 0x50);
let due = Infinity;
export function turn(raised, now) {
  if (now >= due) { due = Infinity; for (const c of "got é\\n") for (const b of c === "é" ? [0xc3, 0xa9] : [c.charCodeAt(0)]) host.mmioWrite32(uart, 0, b); }
  while (!(host.mmioRead32(uart, 0x18) & 0x10)) { if (host.mmioRead32(uart, 0) === 33) host.halt("asked to"); due = now + 1e6; }
  host.irqAck(bit);
  return due;
}`;

function terminalOf(): { machine: Machine; terminal: Terminal } {
  const machine = new Machine({ source: SOURCE });
  return { machine, terminal: new Terminal(machine) };
}

describe("terminal at a simulated machine", () => {
  it("waits for text on the machine's clock and returns what came", async () => {
    const { machine, terminal } = terminalOf();
    terminal.type("a");
    expect(await terminal.expect("é\n", 5e6)).to.equal("got é\n");
    expect(machine.nowUs()).to.be.within(1e6, 1.01e6);
  });

  it("looks only at what was not waited for before", async () => {
    const { terminal } = terminalOf();
    terminal.type("a");
    await terminal.expect(/g.t/g);
    await terminal.expect("é");
    let message = "";
    await terminal.expect("got", 3e6).catch((error: unknown) => (message = String(error)));
    expect(message).to.equal("Error: got did not come; the transcript ends: got é\n");
    terminal.type("b");
    expect(await terminal.expect(/got/)).to.equal("\ngot");
    expect(terminal.transcript).to.match(/^got é\ngot/);
  });

  it("says that the machine halted meanwhile", async () => {
    const { terminal } = terminalOf();
    terminal.type("!");
    let message = "";
    await terminal.expect("got").catch((error: unknown) => (message = String(error)));
    expect(message).to.contain("got did not come (halted: asked to)");
  });

  it("refuses to type more than the line takes", () => {
    const { terminal } = terminalOf();
    terminal.type(new Uint8Array(1024 * 1024));
    expect(() => {
      terminal.type("x");
    }).to.throw("the serial line's input buffer is full");
  });
});

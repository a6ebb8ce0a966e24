import { expect } from "chai";
import { Tracer } from "../../../../services/net/phy/tracer.ts";
import { LineLog } from "../../support/ports.ts";
import { FakeClock, icmpMessage, ipv4Frame } from "../fixture.ts";
import { MemoryPort } from "./memory-port.ts";

const ping = ipv4Frame(icmpMessage(8, 0, [0, 7, 0, 9]));

describe("Tracer", () => {
  const clock = new FakeClock();

  function traced(perSecond?: number, burst?: number): { port: Tracer; below: MemoryPort; log: LineLog } {
    const below = new MemoryPort();
    const log = new LineLog();
    const limits = perSecond === undefined || burst === undefined ? {} : { perSecond, burst };
    return { port: new Tracer({ port: below, clock, log, ...limits }), below, log };
  }

  it("says what comes in and goes out, once for each frame", () => {
    const { port, below, log } = traced();
    below.deliver(ping);
    port.receive();
    port.receive();
    port.release();
    port.reserve();
    port.tx.set(ping, port.txStart);
    port.commit(ping.length);
    expect(() => port.commit(5)).to.throw(RangeError);
    const what = "42 bytes IPv4 10.0.2.77 > 10.0.2.15 ICMP echo request id=7 seq=9";
    expect(log.lines).to.deep.equal([`net: rx ${what}`, `net: tx ${what}`]);
  });

  it("says no more than its rate, and how much it left out", () => {
    const { port, below, log } = traced(10, 2);
    const take = (count: number): void => {
      for (let i = 0; i < count; i++) {
        below.deliver(ping);
        port.receive();
        port.release();
      }
    };
    take(7);
    expect([log.lines.length, port.skipped]).to.deep.equal([2, 5]);
    clock.us += 100_000;
    take(1);
    expect(log.lines[2]).to.equal("net: … 5 frames not shown");
    expect(log.lines.length).to.equal(4);
  });
});

import { expect } from "chai";
import { NetSources, type RecoveringPort } from "../../../services/net/sources.ts";
import { NetStack } from "../../../services/net/stack.ts";
import { Timers } from "../../../services/pump/timers.ts";
import { LineLog } from "../support/ports.ts";
import { bytes, ethernet, FakeClock, FakePort, OWN_MAC, PEER_MAC } from "./fixture.ts";

class FailingPort extends FakePort implements RecoveringPort {
  trouble = "";
  retryUs = Infinity;
  /** How often it was asked for a frame. */
  asked = 0;
  retryAtUs(): number {
    return this.retryUs;
  }
  override receive(): boolean {
    this.asked++;
    return super.receive();
  }
}

function setup(capacity = 8) {
  const port = new FailingPort();
  const log = new LineLog();
  const clock = new FakeClock();
  const timers = new Timers(capacity);
  const random = { ready: true, fill: (into: Uint8Array) => into.fill(7).length > 0 };
  const ipv4 = { address: "10.0.2.15", prefix: 24 };
  const stack = new NetStack({ port, clock, bytes, random, timers, ipv4, addressed: () => undefined });
  const make = (): NetSources => new NetSources({ name: "virtio_mmio@1", port, stack, timers, log });
  return { port, log, clock, timers, stack, make };
}

const noise = ethernet(OWN_MAC, PEER_MAC, 0x88cc, [1, 2, 3]);

describe("network as sources of the pump", () => {
  it("takes frames within its budget, and is ready while more may wait", () => {
    const { port, make, stack } = setup();
    const { receive, transmit } = make();
    port.incoming.push(...Array.from({ length: 5 }, () => noise));
    expect(receive.ready(0)).to.equal(true);
    expect(receive.serve(3, 0)).to.equal(3);
    expect(receive.ready(0)).to.equal(true);
    expect(receive.serve(3, 0)).to.equal(2);
    expect(receive.ready(0)).to.equal(false);
    port.incoming.push(noise);
    expect(receive.serve(3, 0)).to.equal(0);
    stack.raise();
    expect(receive.serve(3, 0)).to.equal(1);
    expect(transmit.serve(8, 0)).to.equal(0);
    expect(port.flushes).to.be.greaterThan(0);
    port.counters.txFull = 4;
    expect(transmit.refused?.()).to.equal(4);
  });

  it("says once that the device is out of service, and looks at it again when it is time", () => {
    const { port, log, timers, stack, make } = setup();
    const { receive } = make();
    port.trouble = "its queue is inconsistent";
    port.retryUs = 5_000_000;
    receive.serve(16, 0);
    stack.raise();
    receive.serve(16, 1000);
    expect(log.lines).to.deep.equal(["net: virtio_mmio@1 is out of service: its queue is inconsistent"]);
    expect(timers.nextUs()).to.equal(5_000_000);
    expect(receive.ready(0)).to.equal(false);
    const { asked } = port;
    timers.fire(5_000_000, 16);
    expect(receive.ready(0)).to.equal(true);
    // It is not better: that is said again, once.
    port.retryUs = 9_000_000;
    receive.serve(16, 5_000_000);
    expect(port.asked).to.be.greaterThan(asked);
    expect(log.lines).to.have.length(2);
    timers.fire(9_000_000, 16);
    port.retryUs = Infinity;
    receive.serve(16, 9_000_000);
    expect(log.lines).to.have.length(2);
    expect(timers.nextUs()).to.equal(Infinity);
  });

  it("looks at the device again though all timers were in use when it failed", () => {
    const { port, timers, make } = setup();
    const { receive } = make();
    while (timers.schedule(1e12, () => undefined) !== undefined);
    port.retryUs = 5_000_000;
    receive.serve(16, 0);
    timers.fire(5_000_000, 16);
    expect(receive.ready(0)).to.equal(true);
  });

  it("does not come up without a timer", () => {
    const { make } = setup(1);
    expect(make).to.throw("NetSources: no timer is left");
  });
});

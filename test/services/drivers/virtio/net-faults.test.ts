/**
 * The virtio-net driver on the simulator's strict device while everything goes wrong by chance: lies in the used rings,
 * requests for a reset, link flaps, stalls, bursts. The seed stands in the test's name.
 */
import { expect } from "chai";
import { VirtioNet as Model } from "../../../../engine/sim/devices/virtio/net.ts";
import type { UsedEntry } from "../../../../engine/sim/devices/virtio/queue.ts";
import { VirtioNet } from "../../../../services/drivers/virtio/net.ts";
import { RESETS_PER_WINDOW, WINDOW_US } from "../../../../services/drivers/virtio/recovery.ts";
import { FaultInjector } from "../../../../services/net/phy/fault-injector.ts";
import { SeededRandom } from "../../../../services/net/phy/random.ts";
import { SEED, SEEDED } from "../../../fuzz/seed.ts";
import { bytes, icmpMessage, ipv4Frame } from "../../net/fixture.ts";
import { Interface } from "../../../../services/net/interface.ts";
import { SimulatedMachine } from "./simulated.ts";

const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
const BUFFERS = 128;
const STEPS = 4000;

class Machine {
  readonly machine: SimulatedMachine;
  readonly port: VirtioNet;
  readonly model: Model;
  sent = 0;
  links = 0;
  restarts = 0;
  lie: ((entry: UsedEntry) => void) | undefined;

  constructor() {
    let made: Model | undefined;
    const hooks = { used: (entry: UsedEntry) => this.lie?.(entry) };
    this.machine = new SimulatedMachine((slot) => (made = new Model(slot, MAC, false, () => undefined)), {
      version: 2,
      hooks,
    });
    this.model = made!;
    this.model.wire = { frame: () => void this.sent++ };
    this.port = new VirtioNet(this.machine, this.machine.transport(), {
      linkChanged: () => void this.links++,
      restarted: () => void this.restarts++,
    });
  }

  /** One interrupt, as a turn would serve it. */
  turn(): void {
    if (this.machine.raised(this.port.bit)) this.port.service();
  }

  /** Everything is well again: frames pass both ways and every buffer is where it belongs. */
  works(): void {
    const { machine, port, model } = this;
    this.lie = undefined;
    model.stalled = false;
    model.setLink(true);
    model.resume();
    // What the device said wrongly before shows now at the latest; then the budget of resets is full again.
    for (let i = 0; i < 4; i++) {
      machine.time += WINDOW_US + 1;
      for (let turn = 0; turn < 10; turn++) this.turn();
      model.inject(new Uint8Array(60));
      while (port.receive()) port.release();
      if (port.reserve()) port.commit(60);
      port.flush();
    }
    expect([port.trouble, port.linkUp, port.retryAtUs()]).to.deep.equal(["", true, Infinity]);
    // A device that gave back another buffer than it had used keeps that one, which nobody can see: a reset gets it back.
    expect(port.reset()).to.equal(true);
    const { rxFrames, txFrames } = port.counters;
    this.sent = 0;
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < BUFFERS; i++) expect(model.inject(new Uint8Array(60)), "a receive buffer").to.equal(true);
      let got = 0;
      for (this.turn(); port.receive(); got++) port.release();
      expect(got, "received in one round").to.equal(BUFFERS);
      port.flush();
      for (let i = 0; i < BUFFERS; i++) {
        expect(port.reserve(), `transmit buffer ${i}`).to.equal(true);
        port.commit(60);
      }
      port.flush();
    }
    expect(port.counters.rxFrames - rxFrames).to.equal(3 * BUFFERS);
    expect([port.counters.txFrames - txFrames, this.sent]).to.deep.equal([3 * BUFFERS, 3 * BUFFERS]);
  }
}

describe(`virtio-net when everything goes wrong (${SEEDED})`, function () {
  this.timeout(60_000);

  it("never throws, keeps to its resets a minute, counts what happened, and leaks nothing", () => {
    const random = new SeededRandom(SEED);
    const world = new Machine();
    const { machine, port, model } = world;
    let lies = 0;
    let flaps = 0;
    let handed = 0;
    const resets: number[] = [];
    const fields = ["id", "length", "index"] as const;
    for (let step = 0; step < STEPS; step++) {
      machine.time += random.below(1_000_000);
      const before = port.counters.resets;
      switch (random.below(12)) {
        case 0:
          world.lie = (entry) => {
            const field = fields[random.below(3)]!;
            entry[field] = random.chance(0.5) ? random.below(0x1_0000) : random.below(field === "id" ? BUFFERS : 2000);
            lies++;
            world.lie = undefined;
          };
          break;
        case 1:
          flaps++;
          model.setLink(!model.linkUp);
          break;
        case 2:
          model.stalled = random.chance(0.5);
          if (!model.stalled) model.resume();
          break;
        case 3:
          // The driver is told to start again by whoever composed it.
          if (random.chance(0.1)) port.reset();
          break;
        case 4:
          for (let i = random.below(200); i > 0; i--) if (port.reserve()) port.commit(14 + random.below(1501));
          break;
        default:
          for (let i = random.below(40); i > 0; i--) model.inject(new Uint8Array(random.below(1600)));
      }
      if (random.chance(0.8)) world.turn();
      for (let i = random.below(64); i > 0 && port.receive(); i--) {
        handed++;
        expect(port.rxStart % 1536).to.equal(12);
        expect(port.rxLength).to.be.within(0, 1524);
        if (random.chance(0.9)) port.release();
      }
      port.flush();
      for (let i = before; i < port.counters.resets; i++) resets.push(machine.time);
    }
    expect(lies).to.be.greaterThan(10);
    expect(flaps).to.be.greaterThan(10);
    expect(port.counters.deviceErrors).to.be.greaterThan(10);
    expect(handed).to.be.greaterThan(1000);
    expect(port.counters.rxFrames).to.be.at.most(handed);
    expect(world.links).to.equal(port.linkChanges - 1);
    expect(world.restarts).to.be.at.most(port.counters.resets);
    resets.forEach((us, i) => {
      const first = resets[i - RESETS_PER_WINDOW];
      if (first !== undefined) expect(us - first, "a minute of resets").to.be.at.least(WINDOW_US);
    });
    expect(machine.slot.badAccesses).to.equal(0);
    port.release();
    world.works();
  });

  it("lets the stack above answer what comes through, on a bad line and a device that is reset, and nothing else", () => {
    const random = new SeededRandom(SEED);
    const world = new Machine();
    const clock = { nowUs: () => world.machine.time };
    const faults = { loss: 0.1, corruption: 0.1, truncation: 0.1, duplication: 0.1, reordering: 0.1, delayUs: 100 };
    const bad = new FaultInjector({ port: world.port, clock, bytes, seed: SEED, receive: faults, transmit: faults });
    const ipv4 = { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" };
    const net = new Interface({ port: bad, clock, bytes, ipv4 });
    const ping = Uint8Array.from(ipv4Frame(icmpMessage(8, 0, [0, 1, 0, 2, 3, 4, 5, 6])));
    for (let i = 0; i < 3000; i++) {
      world.machine.time += 1000;
      if (random.chance(0.7)) world.model.inject(ping);
      if (random.chance(0.002)) world.port.reset();
      world.turn();
      while (net.poll(16) === 16);
    }
    const { counters } = net;
    const dropped = Object.values(counters.dropped).reduce((sum, count) => sum + count, 0);
    const handled = Object.values(counters.handled).reduce((sum, count) => sum + count, 0);
    expect(counters.frames, "each frame ends in one counter").to.equal(dropped + handled);
    expect(counters.sent.packets).to.be.greaterThan(500);
    expect(bad.received.lost + bad.transmitted.lost).to.be.greaterThan(100);
  });
});

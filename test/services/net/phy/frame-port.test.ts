import { VirtioNet as Model } from "../../../../engine/sim/devices/virtio/net.ts";
import { GatewayPort } from "../../../../engine/sim/gateway/port.ts";
import { VirtioNet } from "../../../../services/drivers/virtio/net.ts";
import { FaultInjector } from "../../../../services/net/phy/fault-injector.ts";
import { PcapWriter } from "../../../../services/net/phy/pcap-writer.ts";
import { Tracer } from "../../../../services/net/phy/tracer.ts";
import type { FramePort } from "../../../../services/ports/index.ts";
import { SimulatedMachine } from "../../drivers/virtio/simulated.ts";
import { LineLog } from "../../support/ports.ts";
import { bytes, FakeClock, FakePort } from "../fixture.ts";
import { framePortAcceptance, type PortRig } from "./frame-port.acceptance.ts";
import { MemoryPort } from "./memory-port.ts";

const clock = new FakeClock();

/** The driver on the simulator's device. */
function virtio(): PortRig {
  const frames: number[][] = [];
  let made: Model | undefined;
  const machine = new SimulatedMachine((slot) => (made = new Model(slot, MAC, false, () => undefined)));
  const model = made!;
  model.wire = { frame: (frame) => frames.push([...frame]) };
  const port = new VirtioNet(machine, machine.transport());
  const turns = (): void => {
    while (machine.raised(port.bit)) port.service();
  };
  return {
    port,
    deliver: (frame) => {
      const taken = model.inject(Uint8Array.from(frame));
      turns();
      return taken;
    },
    collect: () => {
      turns();
      return frames.splice(0);
    },
    hold: (on) => {
      model.stalled = on;
      if (!on) model.resume();
    },
    setLink: (up) => {
      model.setLink(up);
      turns();
    },
  };
}

const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);

/** The gateway's end of the simulator's cable; the peer is the driver at the other. */
function gateway(): PortRig {
  let made: Model | undefined;
  const machine = new SimulatedMachine((slot) => (made = new Model(slot, MAC, false, () => undefined)));
  const model = made!;
  const port = new GatewayPort(model, Uint8Array.of(0x52, 0x55, 10, 0, 2, 2), () => undefined);
  const driver = new VirtioNet(machine, machine.transport());
  const turns = (): void => {
    while (machine.raised(driver.bit)) driver.service();
  };
  return {
    port,
    deliver: (frame) => {
      const { overruns } = port;
      if (!driver.reserve()) return false;
      driver.tx.set(frame, driver.txStart);
      driver.commit(frame.length);
      driver.flush();
      return port.overruns === overruns;
    },
    collect: () => {
      const frames: number[][] = [];
      turns();
      while (driver.receive()) {
        frames.push([...driver.rx.subarray(driver.rxStart, driver.rxStart + driver.rxLength)]);
        driver.release();
        driver.flush();
        turns();
      }
      return frames;
    },
    hold: (on) => {
      model.stalled = on;
      if (!on) model.resume();
    },
    setLink: (up) => {
      model.setLink(up);
      turns();
    },
  };
}

/** A wrapper around a rig's port; the wire stays the rig's. */
function around(rig: PortRig, wrap: (port: FramePort) => FramePort): PortRig {
  const port = wrap(rig.port);
  return {
    port,
    deliver: (frame) => rig.deliver(frame),
    collect: () => rig.collect(),
    ...(rig.hold === undefined ? {} : { hold: (on: boolean) => rig.hold?.(on) }),
    ...(rig.setLink === undefined ? {} : { setLink: (up: boolean) => rig.setLink?.(up) }),
  };
}

const wrappers: [string, (port: FramePort) => FramePort][] = [
  ["a FaultInjector without faults", (port) => new FaultInjector({ port, clock, bytes, seed: 1 })],
  ["a Tracer", (port) => new Tracer({ port, clock, log: new LineLog() })],
  ["a PcapWriter", (port) => new PcapWriter({ port, clock, bytes, sink: () => true })],
  [
    "all of them on one another",
    (port) => {
      const bad = new FaultInjector({ port, clock, bytes, seed: 1 });
      const traced = new Tracer({ port: bad, clock, log: new LineLog() });
      return new PcapWriter({ port: traced, clock, bytes, sink: () => false });
    },
  ],
];

framePortAcceptance("the virtio-net driver over the simulator", virtio);
framePortAcceptance("the simulator's gateway", gateway);
framePortAcceptance("a port in memory", () => new MemoryPort());
framePortAcceptance("a port in memory with a small MTU", () => new MemoryPort(68));
framePortAcceptance("the network tests' port", () => {
  const port = new FakePort();
  return {
    port,
    deliver: (frame) => port.incoming.push(frame) > 0,
    collect: () => port.sent.splice(0),
  };
});
for (const [name, wrap] of wrappers) {
  framePortAcceptance(`${name} around a port in memory`, () => around(new MemoryPort(), wrap));
  framePortAcceptance(`${name} around the driver`, () => around(virtio(), wrap));
}

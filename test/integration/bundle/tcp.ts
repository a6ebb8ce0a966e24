/**
 * The network stack on its own: driver, stack and pump as in a hive, and above them small services (`tcp-services.ts`) instead of
 * a console. The line can be made a bad one while nothing is on it.
 */
import { DEVICE_IDS, probeVirtio, type VirtioMmio } from "../../../services/drivers/virtio/mmio.ts";
import { VirtioNet } from "../../../services/drivers/virtio/net.ts";
import { VirtioRng } from "../../../services/drivers/virtio/rng.ts";
import { BootLog } from "../../../services/log/boot-log.ts";
import { drainLog } from "../../../services/log/log-drain.ts";
import { FaultInjector } from "../../../services/net/phy/fault-injector.ts";
import type { Faults } from "../../../services/net/phy/fault-queue.ts";
import { NetStack } from "../../../services/net/stack.ts";
import type { Bytes, FramePort } from "../../../services/ports/index.ts";
import { HeldTimer } from "../../../services/pump/held-timer.ts";
import { Pump } from "../../../services/pump/pump.ts";
import type { StageName } from "../../../services/pump/schedule.ts";
import { abort, ask, chargen, echo, Services, sum } from "./tcp-services.ts";

/** Ports: RFC 862, 863 and 864, and what they have not. */
const PORTS = { echo: 7, sum: 9, chargen: 19, late: 20, abort: 21, status: 22, faults: 23 } as const;
const IPV4 = { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" };
const BACKLOG = 4;
const LATE_US = 1_500_000;
const LINE_BYTES = 256;
const nothing = (): void => undefined;

/* As in a hive (`services/main.ts`). */
/* eslint-disable @typescript-eslint/unbound-method */
const bytes: Bytes = {
  copy: host.copy,
  checksum: host.checksum,
  encode: host.utf8Encode,
  decode: host.utf8Decode,
  validate: host.utf8Validate,
  plain: host.plainRun,
};
/* eslint-enable @typescript-eslint/unbound-method */

/** A port that is now one and now another: what it shows of itself is always the one's. */
class Detour implements FramePort {
  through: FramePort;

  constructor(port: FramePort) {
    this.through = port;
  }

  get mac(): Uint8Array {
    return this.through.mac;
  }
  get mtu(): number {
    return this.through.mtu;
  }
  get linkUp(): boolean {
    return this.through.linkUp;
  }
  get rx(): Uint8Array {
    return this.through.rx;
  }
  get rxStart(): number {
    return this.through.rxStart;
  }
  get rxLength(): number {
    return this.through.rxLength;
  }
  get tx(): Uint8Array {
    return this.through.tx;
  }
  get txStart(): number {
    return this.through.txStart;
  }
  get counters(): FramePort["counters"] {
    return this.through.counters;
  }
  receive(): boolean {
    return this.through.receive();
  }
  release(): void {
    this.through.release();
  }
  reserve(): boolean {
    return this.through.reserve();
  }
  commit(length: number): void {
    this.through.commit(length);
  }
  flush(): void {
    this.through.flush();
  }
}

const log = new BootLog({ clock: host, bytes, ringBytes: 16_384, lineBytes: LINE_BYTES });
const pump = new Pump({
  clock: host,
  log,
  heap: { usedBytes: () => host.memory().heapUsed, collect: () => host.gc() },
  describe: (error) => host.describe(error),
  tickUs: 10_000,
});
const lines: { readonly mask: number; up: boolean }[] = [];

function onInterrupt(stage: StageName, name: string, bit: number, service: () => void): void {
  const line = { mask: 1 << bit, up: false };
  lines.push(line);
  pump.attach(stage, name, {
    serve: () => {
      if (!line.up) return 0;
      line.up = false;
      service();
      return 0;
    },
    ready: () => false,
  });
}

function start(): void {
  const { devices } = probeVirtio(host, host.devices());
  const first = (id: number): VirtioMmio => {
    const found = devices.find(({ deviceId }) => deviceId === id);
    if (found === undefined) throw new Error(`there is no virtio device ${id}`);
    return found.transport;
  };
  const rng = new VirtioRng(host, first(DEVICE_IDS.rng));
  onInterrupt("jobs", "virtio-rng", rng.bit, () => rng.service());
  const device = new VirtioNet(host, first(DEVICE_IDS.net));
  const port = new Detour(device);
  const { timers } = pump;
  const stack = new NetStack({
    port,
    clock: host,
    bytes,
    random: rng,
    timers,
    ipv4: IPV4,
    tcp: { listeners: Object.keys(PORTS).length, control: "newreno" },
    addressed: (text) => log.line("net", text),
  });
  let injector: FaultInjector | undefined;
  const due = HeldTimer.take(timers, () => stack.raise());
  onInterrupt("net-rx", "virtio-net", device.bit, () => {
    device.service();
    stack.raise();
  });
  pump.attach("net-rx", "interface", {
    serve: (budget) => stack.receive(budget),
    ready: () => stack.receiving,
  });
  const services = new Services();
  pump.attach("net-rx", "services", services);
  pump.attach("net-tx", "tcp", {
    serve: (budget, nowUs) => {
      const sent = stack.send(budget, nowUs);
      if (injector !== undefined) due?.set(injector.nextUs());
      return sent;
    },
    ready: (nowUs) => stack.sending(nowUs),
  });

  const { tcp } = stack;
  const status = (): string => {
    const { counters, sockets, halfOpen, timeWait } = tcp;
    const { received, transmitted } = injector ?? {};
    return JSON.stringify({ sockets, halfOpen, timeWait, counters, device: device.counters, received, transmitted });
  };
  const faults = (line: string): string => {
    const { seed, ...both } = JSON.parse(line) as Faults & { readonly seed: number };
    injector = new FaultInjector({ port: device, clock: host, bytes, seed, receive: both, transmit: both, slots: 128 });
    port.through = injector;
    return "done";
  };
  services.add(tcp.listen(PORTS.echo, BACKLOG), echo);
  services.add(tcp.listen(PORTS.sum, BACKLOG), sum(bytes));
  services.add(tcp.listen(PORTS.chargen, BACKLOG), chargen());
  services.add(
    tcp.listen(PORTS.late, BACKLOG),
    sum(bytes, LATE_US, (atUs) => timers.schedule(atUs, nothing)),
  );
  services.add(tcp.listen(PORTS.abort, BACKLOG), abort);
  services.add(tcp.listen(PORTS.status, BACKLOG), ask(bytes, status));
  services.add(tcp.listen(PORTS.faults, BACKLOG), ask(bytes, faults));
  log.line("tcp", `ready at ${stack.address}`);
}

pump.attach(
  "dispatch",
  "log",
  drainLog(log, bytes, LINE_BYTES, (line) => host.log(`${line}\n`)),
);
pump.initialise("tcp", start);

/** One turn; see {@link Bundle}. */
export function turn(raised: number, nowUs: number): number {
  for (const line of lines) if (raised & line.mask) line.up = true;
  return pump.turn(nowUs);
}

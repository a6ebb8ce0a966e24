/**
 * The board that QEMU's `virt` machine is, as its device tree tells it and as far as it is modelled: one UART, one clock
 * and 32 virtio slots that fill from the top. The table is the tree's order and content, so both engines list the same.
 */
import type { DeviceNode } from "../../runtime-bindings.d.ts";
import { Bus } from "./bus.ts";
import { Schedule } from "./clock.ts";
import type { SimClock } from "./clock.ts";
import { Pl011 } from "./devices/pl011.ts";
import { Pl031 } from "./devices/pl031.ts";
import { VirtioConsole } from "./devices/virtio/console.ts";
import { VirtioSlot } from "./devices/virtio/mmio.ts";
import { VirtioNet } from "./devices/virtio/net.ts";
import type { QueueHooks } from "./devices/virtio/queue.ts";
import { VirtioRng } from "./devices/virtio/rng.ts";
import { InterruptController } from "./interrupts.ts";
import { DmaPool } from "./memory.ts";
import { SerialLine } from "./serial.ts";

const PL011_BASE = 0x9000000;
const PL011_IRQ = 33;
const PL031_BASE = 0x9010000;
const PL031_IRQ = 34;
const VIRTIO_BASE = 0xa000000;
const VIRTIO_STRIDE = 0x200;
const VIRTIO_SLOTS = 32;
const VIRTIO_IRQ = 48;

function node(name: string, compatible: string, base: number, size: number, irq = -1): DeviceNode {
  return { name: `${name}@${base.toString(16)}`, compatible, base, size, irq, trigger: "level" };
}

function virtioNode(slot: number): DeviceNode {
  const base = VIRTIO_BASE + VIRTIO_STRIDE * slot;
  return { ...node("virtio_mmio", "virtio,mmio", base, VIRTIO_STRIDE, VIRTIO_IRQ + slot), trigger: "edge" };
}

export const DEVICE_TREE: readonly DeviceNode[] = [
  node("fw-cfg", "qemu,fw-cfg-mmio", 0x9020000, 0x18),
  ...Array.from({ length: VIRTIO_SLOTS }, (_, slot) => virtioNode(slot)),
  node("pl061", "arm,pl061", 0x9030000, 0x1000, 39),
  { ...node("pcie", "pci-host-ecam-generic", 0x4010000000, 0x10000000), name: "pcie@10000000" },
  node("pl031", "arm,pl031", PL031_BASE, 0x1000, PL031_IRQ),
  node("pl011", "arm,pl011", PL011_BASE, 0x1000, PL011_IRQ),
  node("intc", "arm,gic-v3", 0x8000000, 0x10000),
  node("its", "arm,gic-v3-its", 0x8080000, 0x20000),
  node("flash", "cfi-flash", 0, 0x4000000),
  node("cpu", "arm,cortex-a57", 0, 0),
];

/** 2026-01-01T00:00:00Z: the time of day at which virtual machines start. */
const VIRTUAL_UNIX_SECONDS = 1_767_225_600;
const DEFAULT_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56] as const;
const DMA_BYTES = 16 * 1024 * 1024;

export interface VirtioOptions {
  /** 1: the slots claim the legacy register layout, which drivers refuse. */
  readonly version?: 1 | 2;
  /** Falsify what a device tells its driver. */
  readonly hooks?: QueueHooks;
}

export interface BoardOptions {
  /** DMA memory, 16 MiB if absent. */
  readonly dmaBytes?: number;
  /** The network device; absent: none. */
  readonly net?: VirtioOptions & { readonly mac?: Uint8Array; readonly checksumOffload?: boolean };
  /** The entropy device; absent: none. With a seed it gives the same bytes in every run. */
  readonly rng?: VirtioOptions & { readonly seed?: string };
  /** A virtio console beside the UART; absent: none. */
  readonly console?: VirtioOptions;
  /** Time of day at the start; absent: the host's, or in virtual time always the same. */
  readonly unixSeconds?: number;
}

/** The devices and what connects them; they live as long as the machine, whatever becomes of its runtimes. */
export class Board {
  readonly bus = new Bus();
  readonly schedule = new Schedule();
  readonly interrupts: InterruptController;
  readonly dma: DmaPool;
  readonly serial = new SerialLine();
  readonly uart: Pl011;
  readonly net: VirtioNet | undefined;
  readonly rng: VirtioRng | undefined;
  readonly console: VirtioConsole | undefined;
  readonly slots: readonly VirtioSlot[];

  /** @param onActivity called when something came from outside of the guest */
  constructor(options: BoardOptions, clock: SimClock, onActivity: () => void) {
    const { net, rng, console } = options;
    this.interrupts = new InterruptController(onActivity);
    this.dma = new DmaPool(options.dmaBytes ?? DMA_BYTES);
    this.uart = new Pl011(this.serial, clock, this.schedule, this.line(PL011_IRQ));
    this.serial.onRead = () => {
      this.uart.resumeOutput();
      onActivity();
    };
    this.serial.onWrite = onActivity;
    this.bus.attach(PL011_BASE, 0x1000, this.uart);

    const hostSeconds = clock.virtual ? VIRTUAL_UNIX_SECONDS : Math.floor(Date.now() / 1000);
    const rtc = new Pl031(options.unixSeconds ?? hostSeconds, clock, this.schedule, this.line(PL031_IRQ));
    this.bus.attach(PL031_BASE, 0x1000, rtc);

    const slots = Array.from({ length: VIRTIO_SLOTS }, (_, index) => {
      const slot = new VirtioSlot(this.dma, this.line(VIRTIO_IRQ + index));
      this.bus.attach(VIRTIO_BASE + VIRTIO_STRIDE * index, VIRTIO_STRIDE, slot);
      return slot;
    });
    this.slots = slots;
    const free = [...slots];
    const netSlot = net && free.pop();
    if (net && netSlot) {
      const mac = net.mac ?? Uint8Array.from(DEFAULT_MAC);
      this.net = new VirtioNet(netSlot, mac, net.checksumOffload ?? false, onActivity);
      netSlot.plug(this.net, { version: net.version ?? 2, hooks: net.hooks ?? {} });
    }
    const rngSlot = rng && free.pop();
    if (rng && rngSlot) {
      this.rng = new VirtioRng(rngSlot, rng.seed);
      rngSlot.plug(this.rng, { version: rng.version ?? 2, hooks: rng.hooks ?? {} });
    }
    const consoleSlot = console && free.pop();
    if (console && consoleSlot) {
      this.console = new VirtioConsole(consoleSlot, onActivity);
      consoleSlot.plug(this.console, { version: console.version ?? 2, hooks: console.hooks ?? {} });
    }
  }

  private line(irq: number): (high: boolean) => void {
    return (high) => {
      this.interrupts.set(irq, high);
    };
  }
}

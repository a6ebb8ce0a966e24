/** Host functions that reach the machine: clock, console, registers, DMA memory, interrupts, boot files, summaries. */
import { DEVICE_TREE } from "../board.ts";
import type { Width } from "../bus.ts";
import { IRQ_BIT_FIRST, IRQ_BIT_LAST, IRQ_MAX, IRQ_MIN } from "../interrupts.ts";
import { COMPONENTS_MAX } from "../components.ts";
import { PAGE, RAM_BYTES } from "../memory.ts";
import type { HostFunction } from "../quickjs/runtime.ts";
import { GuestError } from "../quickjs/errors.ts";
import { countCollection, describeValue } from "./context.ts";
import type { HostContext } from "./context.ts";

const LOG_BYTES = 4096;
const DMA_MAX = 4 * 1024 * 1024;
const WINDOWS_MAX = 64;
const BITS = IRQ_BIT_LAST - IRQ_BIT_FIRST + 1;

export function machineFunctions({ machine, runtime }: HostContext): Record<string, HostFunction> {
  const { clock, bus, interrupts, dma, counters } = machine;
  const files = new Map<string, number>();

  /** The window and offset that the first two arguments name, checked; the offset is the result. */
  const register = (argv: number, argc: number, width: Width): number => {
    const index = runtime.integer(argv, argc, 0, 0, bus.windowCount - 1, "window");
    const size = bus.window(index)?.size ?? 0;
    const offset = runtime.integer(argv, argc, 1, 0, size - width, "offset");
    if (offset % width !== 0) throw new GuestError("RangeError", `offset must be a multiple of ${String(width)}`);
    return offset;
  };
  const read =
    (width: Width): HostFunction =>
    (argv, argc) => {
      const offset = register(argv, argc, width);
      return runtime.newNumber(bus.read(runtime.number(argv, argc, 0, "window"), offset, width));
    };
  const write = (width: Width): HostFunction => {
    const max = 2 ** (8 * width) - 1;
    return (argv, argc) => {
      const offset = register(argv, argc, width);
      const value = runtime.integer(argv, argc, 2, 0, max, "value");
      bus.write(runtime.number(argv, argc, 0, "window"), offset, width, value);
      return 0;
    };
  };
  const numbers = (fields: Readonly<Record<string, number>>): number =>
    runtime.newObject(
      Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, runtime.newNumber(value)])),
    );

  return {
    nowUs: () => runtime.newNumber(clock.nowUs()),

    log: (argv, argc) => {
      const bytes = Buffer.from(runtime.text(argv, argc, 0, "text"), "utf8");
      let end = Math.min(bytes.length, LOG_BYTES);
      // Cut before a character, not within it.
      while (end < bytes.length && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
      machine.log(bytes.toString("utf8", 0, end));
      return 0;
    },
    describe: (argv, argc) => runtime.newString(argc > 0 ? describeValue(machine.lines, runtime, argv) : "undefined"),
    halt: (argv, argc) => machine.halt(runtime.text(argv, argc, 0, "reason")),
    devices: () =>
      runtime.newArray(
        DEVICE_TREE.map((node) =>
          runtime.newObject({
            name: runtime.newString(node.name),
            compatible: runtime.newString(node.compatible),
            base: runtime.newNumber(node.base),
            size: runtime.newNumber(node.size),
            irq: runtime.newNumber(node.irq),
            trigger: runtime.newString(node.trigger),
          }),
        ),
      ),

    mmioMap: (argv, argc) => {
      const base = runtime.integer(argv, argc, 0, 0, Number.MAX_SAFE_INTEGER, "base");
      const size = runtime.integer(argv, argc, 1, 1, Number.MAX_SAFE_INTEGER - base, "size");
      const window = bus.map(base, size);
      if (window === "full") throw new GuestError("Error", `all ${String(WINDOWS_MAX)} windows are in use`);
      if (window === "hole") {
        const range = `0x${base.toString(16)} to 0x${(base + size - 1).toString(16)}`;
        throw new GuestError("Error", `${range} is no device memory or cannot be mapped`);
      }
      return runtime.newNumber(window);
    },
    mmioRead8: read(1),
    mmioRead16: read(2),
    mmioRead32: read(4),
    mmioWrite8: write(1),
    mmioWrite16: write(2),
    mmioWrite32: write(4),

    dmaAlloc: (argv, argc) => {
      const size = Math.ceil(runtime.integer(argv, argc, 0, 1, DMA_MAX, "size") / PAGE) * PAGE;
      const at = dma.allocate(size);
      if (at < 0) throw new GuestError("Error", `no ${String(size)} bytes of DMA memory are left`);
      const buffer = runtime.newArrayBuffer(at, size);
      // The value `buffer` is kept for ever, so that QuickJS never frees what belongs to the pool.
      return runtime.newObject({
        buffer: runtime.duplicate(buffer),
        address: runtime.newNumber(dma.addressOf(at)),
      });
    },
    barrier: (argv, argc) => {
      // Device models run on the same thread as the guest: every access is in order already.
      runtime.integer(argv, argc, 0, 0, 2, "kind");
      return 0;
    },

    irqBind: (argv, argc) => {
      const irq = runtime.integer(argv, argc, 0, 0, IRQ_MAX, "irq");
      const trigger = runtime.text(argv, argc, 1, "trigger");
      if (trigger !== "level" && trigger !== "edge") {
        throw new GuestError("RangeError", 'trigger must be "level" or "edge"');
      }
      if (irq < IRQ_MIN) throw new GuestError("Error", `interrupt ${String(irq)} is the kernel's own`);
      const bit = interrupts.bind(irq, trigger === "edge");
      if (bit === "bound") throw new GuestError("Error", `interrupt ${String(irq)} is bound already`);
      if (bit === "full") throw new GuestError("Error", `all ${String(BITS)} bits are in use`);
      return runtime.newNumber(bit);
    },
    irqAck: (argv, argc) => {
      const bit = runtime.integer(argv, argc, 0, IRQ_BIT_FIRST, IRQ_BIT_LAST, "bit");
      if (!interrupts.acknowledge(bit)) throw new GuestError("Error", `bit ${String(bit)} is not bound`);
      return 0;
    },

    rootfsRead: (argv, argc) => {
      const name = runtime.text(argv, argc, 0, "name");
      const bytes = machine.rootfs.get(name);
      if (!bytes) return runtime.newNull();
      let file = files.get(name);
      if (file === undefined) {
        const at = runtime.instance.malloc(Math.max(bytes.length, 1));
        if (at === 0) throw new GuestError("Error", `there is no memory for ${name}`);
        runtime.instance.u8.set(bytes, at);
        file = runtime.newArrayBuffer(at, bytes.length);
        files.set(name, file);
      }
      return runtime.duplicate(file);
    },
    rootfsList: () => runtime.newArray([...machine.rootfs.keys()].map((name) => runtime.newString(name))),

    bootInfo: () =>
      runtime.newObject({
        kernel: runtime.newString("simulator"),
        platform: runtime.newString("qemu-arm-virt"),
        ramBytes: runtime.newNumber(RAM_BYTES),
        phases: runtime.newArray(
          machine.phases.map(({ name, us }) =>
            runtime.newObject({ name: runtime.newString(name), us: runtime.newNumber(us) }),
          ),
        ),
        restarts: runtime.newNumber(counters.restarts),
      }),
    caps: () => {
      const { components } = machine;
      return numbers({
        slotsTotal: COMPONENTS_MAX + WINDOWS_MAX + BITS,
        slotsUsed: components.live + bus.windowCount + interrupts.boundCount,
        untypedCount: 2,
        untypedBytes: components.total + dma.total,
        untypedFreeBytes: components.total - components.used + dma.total - dma.used,
        deviceUntypedCount: bus.regionCount,
        irqHandlers: interrupts.boundCount,
        components: components.live,
        componentsMax: COMPONENTS_MAX,
      });
    },
    memory: () => {
      const { heapUsed, heapPeak, heapLimit, heapBlocks } = runtime;
      const { gcRuns, gcLongestUs, jobsDeferred } = counters;
      return numbers({
        heapUsed,
        heapPeak,
        heapLimit,
        heapBlocks,
        dmaUsed: dma.used,
        dmaTotal: dma.total,
        gcRuns,
        gcLongestUs,
        jobsDeferred,
      });
    },
    gc: () => {
      const us = runtime.collect();
      countCollection(counters, us);
      return runtime.newNumber(us);
    },
  };
}

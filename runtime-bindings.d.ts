/**
 * The contract between a bundle and the engine that runs it. Two engines implement it:
 * `engine/native` (QuickJS as seL4's root task) and `engine/sim` (QuickJS in WASM under Node);
 * `test/compliance` is the one suite that both must pass.
 *
 * Guarantees, on both engines:
 * - No host function blocks, and none calls back into the bundle.
 * - The engine calls `turn` and nothing else; between two turns it runs a bounded number of
 *   pending promise jobs. Turns never overlap.
 * - Wrong argument types throw `TypeError`; a number outside its stated range throws `RangeError`;
 *   a resource that is used up or missing throws `Error`. The message starts with the function's
 *   name. Nothing has been done when a host function throws.
 * - Sizes and offsets are bytes, times are microseconds, addresses are physical, unless said
 *   otherwise. All are integers below 2^53.
 */

/** What the bundle (an ES module) exports. */
export interface Bundle {
  /**
   * One turn. `raised` is a set of {@link Raised} bits that came up since the last turn, `nowUs`
   * what `host.nowUs()` reads at its start.
   *
   * @returns the time (on the same clock) at which the next turn shall come if nothing is raised
   *   before; `Infinity` for never. A time in the past means at once.
   */
  turn(raised: number, nowUs: number): number;
}

/**
 * Bits of `raised`. Interrupt lines take the bits that `host.irqBind` returned, from 2 to 29.
 * A bit may be set though nothing is left to do; none is ever lost.
 */
export interface Raised {
  /** The deadline that the last turn returned has passed. */
  readonly TIMER: 1;
  /** `host.componentEvent` has something. */
  readonly COMPONENT: 2;
}

/** One device of the machine, as the device tree names it. */
export interface DeviceNode {
  /** The node's name, e.g. `pl011@9000000`. */
  readonly name: string;
  /** The first string of `compatible`, e.g. `arm,pl011` or `virtio,mmio`. */
  readonly compatible: string;
  /** Physical address and size in bytes of the first `reg` entry. */
  readonly base: number;
  readonly size: number;
  /** GIC interrupt id (SPI n is 32 + n), -1 if the node has none. */
  readonly irq: number;
  readonly trigger: "level" | "edge";
}

/** What the machine said of itself when it booted. */
export interface BootInfo {
  /** e.g. `seL4 aarch64 debug` or `simulator`. */
  readonly kernel: string;
  /** e.g. `qemu-arm-virt`. */
  readonly platform: string;
  /** Bytes of RAM in the machine. */
  readonly ramBytes: number;
  /** Times at which the boot's phases ended, in order, on `host.nowUs()`'s clock. */
  readonly phases: readonly { readonly name: string; readonly us: number }[];
  /** How often the engine has rebuilt the runtime since boot (0 on the first run). */
  readonly restarts: number;
}

/** Kernel objects and capabilities that the engine holds. The simulator reports its own tables. */
export interface CapSummary {
  /** CNode slots in all and in use. */
  readonly slotsTotal: number;
  readonly slotsUsed: number;
  /** Untyped memory that is not devices': capabilities, bytes in all, bytes not yet given out. */
  readonly untypedCount: number;
  readonly untypedBytes: number;
  readonly untypedFreeBytes: number;
  readonly deviceUntypedCount: number;
  readonly irqHandlers: number;
  /** Live components, and how many there can be. */
  readonly components: number;
  readonly componentsMax: number;
}

/** Where the main runtime's memory is. */
export interface MemorySummary {
  /** The JavaScript heap: bytes in use, the most there ever were, the limit, live allocations. */
  readonly heapUsed: number;
  readonly heapPeak: number;
  readonly heapLimit: number;
  readonly heapBlocks: number;
  /** DMA memory given out, and there in all. */
  readonly dmaUsed: number;
  readonly dmaTotal: number;
  /** Cycle collections by `host.gc`, and the longest of them in microseconds. */
  readonly gcRuns: number;
  readonly gcLongestUs: number;
  /** Promise jobs that were left for a later turn because a turn's bound was reached. */
  readonly jobsDeferred: number;
}

/** Memory that devices can reach. */
export interface DmaMemory {
  /** Zeroed, a view of the memory itself (no copy), valid until the runtime ends. */
  readonly buffer: ArrayBuffer;
  /** Physical address of its first byte; the memory is contiguous. */
  readonly address: number;
}

/** How a component is started. */
export interface SpawnOptions {
  /** 1 to 200; the root runs above all of them. */
  readonly priority: number;
  /** Bytes of private heap, 0 to 16 MiB, rounded up to a page. */
  readonly arenaBytes: number;
  /** Four numbers (u32) that the component finds in its first four registers. */
  readonly args: readonly [number, number, number, number];
}

/** What a component is doing, as the engine knows it. */
export interface ComponentInfo {
  readonly image: string;
  /** `calling`: it has made a call that is not answered yet. */
  readonly state: "running" | "calling" | "suspended" | "faulted";
  /** Bytes of untyped memory it was made from; they come back when it is destroyed. */
  readonly bytes: number;
  readonly calls: number;
  /** Messages dropped because they broke the protocol (see {@link EventKind.VIOLATION}). */
  readonly refused: number;
}

/** `event[1]` after `host.componentEvent`. */
export interface EventKind {
  /** A call that waits for `host.componentReply`. event[2] = label (256 or more), event[3..6] = four u32 words. */
  readonly CALL: 1;
  /**
   * The component faulted and stands still. event[2] = a {@link FaultKind}, event[3] = instruction
   * pointer, event[4] = address, event[5] = detail (fault status register, syscall or exception number),
   * event[6] = 1 if it was an instruction fetch, 2 if a write, else 0.
   */
  readonly FAULT: 2;
  /**
   * It sent a message while its call was unanswered, or one with a label that is not a call's.
   * A component on this system only ever calls; the message was dropped and counted.
   */
  readonly VIOLATION: 3;
}

/** `event[2]` of a fault. */
export interface FaultKind {
  readonly VM: 1;
  readonly CAP: 2;
  readonly SYSCALL: 3;
  readonly EXCEPTION: 4;
  readonly OTHER: 5;
}

/** The host functions, on the global object `host`. */
export interface Host {
  readonly engine: "sel4" | "sim";
  /** Version of this contract. */
  readonly abi: 1;

  /** Monotonic microseconds since the machine started. Never goes back; an integer. */
  nowUs(): number;

  /**
   * Last resort: write text to the debug console at once, past the serial driver. For before that
   * driver is up and for dying; at most 4096 bytes, the rest is cut.
   */
  log(text: string): void;
  /**
   * An exception as text: name, message, stack, with the positions in TypeScript
   * (`services/pump/pump.ts:41`). Never throws, whatever the value; out of memory is `null`.
   */
  describe(error: unknown): string;
  /** Ends this machine's work for good, with a reason on the debug console. Does not return. */
  halt(reason: string): never;
  /** Every device in the tree that has a `reg`, in the tree's order. */
  devices(): DeviceNode[];

  /**
   * Make device registers reachable.
   * @returns a window for the `mmio*` functions; mapping the same range again gives an equal one.
   * @throws Error if the range is not device memory or nothing is left to map it with (64 windows).
   */
  mmioMap(base: number, size: number): number;
  /** One access of exactly that width; the offset must be a multiple of it and inside the window. */
  mmioRead8(window: number, offset: number): number;
  mmioRead16(window: number, offset: number): number;
  mmioRead32(window: number, offset: number): number;
  mmioWrite8(window: number, offset: number, value: number): void;
  mmioWrite16(window: number, offset: number, value: number): void;
  mmioWrite32(window: number, offset: number, value: number): void;

  /** Page-aligned memory for devices, 1 byte to 4 MiB, in whole pages. It is not given back while the runtime lives. */
  dmaAlloc(size: number): DmaMemory;
  /**
   * Order memory accesses as devices see them. 0: everything before with everything after;
   * 1: reads with reads; 2: writes with writes.
   */
  barrier(kind: 0 | 1 | 2): void;

  /**
   * Bind a GIC interrupt.
   * @returns its bit number in `raised`, 2 to 29: test with `raised & (1 << bit)`.
   * @throws Error if it is bound already or all 28 bits are.
   */
  irqBind(irq: number, trigger: "level" | "edge"): number;
  /** The interrupt was served; let the line raise again. Until then it is masked. */
  irqAck(bit: number): void;

  /** A file of the boot file system, `null` if there is none. The buffer must not be written. */
  rootfsRead(name: string): ArrayBuffer | null;
  /** Names of all its files, in archive order. */
  rootfsList(): string[];

  bootInfo(): BootInfo;
  caps(): CapSummary;
  memory(): MemorySummary;
  /** Collect cycles now. @returns microseconds it took. */
  gc(): number;

  /**
   * Start an ELF of the boot file system as a component: own VSpace and CSpace, one badged endpoint
   * capability (in the simulator: a WASM instance of its own).
   * @returns its id, 0 to 79; an id comes back only after `componentDestroy`.
   * @throws Error if there is no such file, it is no ELF for this machine, or memory or ids are used up.
   */
  componentSpawn(image: string, options: SpawnOptions): number;
  /**
   * Take the oldest waiting event into `event` (8 elements or more): event[0] = component id,
   * event[1] = {@link EventKind}. Each component has at most one call and one fault waiting.
   * @returns false if there was none; `event` is then unchanged.
   */
  componentEvent(event: Float64Array): boolean;
  /** Answer a call: label and four words (u32). The component runs on. @throws Error if no call of it waits. */
  componentReply(id: number, label: number, w0: number, w1: number, w2: number, w3: number): void;
  /** Stop it where it stands, at once, also inside a native loop. (The simulator cannot: see `docs/ARCHITECTURE.md`.) */
  componentSuspend(id: number): void;
  componentResume(id: number): void;
  /** End it and take back all its memory. Its waiting events are dropped; its frame's buffer is detached. */
  componentDestroy(id: number): void;
  /**
   * The page frame shared with it, 16 KiB. Its content is defined from a call to its reply only.
   * The same buffer each time.
   */
  componentFrame(id: number): ArrayBuffer;
  componentInfo(id: number): ComponentInfo;

  /** Copy bytes between arrays, also over DMA memory and overlapping. @throws RangeError if either range is outside its array. */
  copy(into: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void;
  /**
   * Internet checksum (RFC 1071): the one's complement sum of big-endian 16-bit words, an odd last byte padded with zero,
   * not complemented, folded to 16 bits. `initial` is added first, so that a pseudo header can be chained.
   */
  checksum(bytes: Uint8Array, start: number, length: number, initial: number): number;
  /** Encode as UTF-8 into `into` from `at`; lone surrogates become U+FFFD. @returns bytes written. @throws RangeError if it does not fit (nothing is written). */
  utf8Encode(text: string, into: Uint8Array, at: number): number;
  /** Decode; each maximal invalid subsequence becomes one U+FFFD (WHATWG). */
  utf8Decode(bytes: Uint8Array, start: number, length: number): string;
  /** Whether the bytes are well-formed UTF-8 (RFC 3629: shortest forms, no surrogates, at most U+10FFFF). */
  utf8Validate(bytes: Uint8Array, start: number, length: number): boolean;
  /** How many of the bytes, from the first on, are printable ASCII (0x20 to 0x7e) before one that is not. */
  plainRun(bytes: Uint8Array, start: number, length: number): number;
}

/**
 * What a worker's bundle (an ES module) exports. It runs in a component of its own and meets the root only in calls;
 * the engine makes them, so that the same bundle runs where a call blocks and where it cannot. It needs an arena of
 * 256 KiB or more.
 */
export interface WorkerBundle {
  /**
   * One step: from a reply to the next call. The first is `step(0, 0)`. After it the engine runs a bounded number of
   * pending promise jobs, then makes the call with `word` as its first word. What `step` throws, also for want of memory
   * or stack, becomes the call FAILED (label 0x203): its text (UTF-8, at most 2048 bytes, positions in TypeScript)
   * is in the frame, its word the bytes of it; the worker makes no other call after it.
   *
   * @param label of the reply, and its first word
   * @returns label (256 to 2^32 - 1) and word (u32) of the next call; it may be the same array each time.
   */
  step(label: number, word: number): readonly [label: number, word: number];
}

/**
 * What a worker's bundle finds on the global object `sys`. There is nothing else: no clock (also no `Date`), no chance
 * (also no `Math.random`), no log, no compiler of source text. To keep its image small it also lacks regular expressions,
 * `Proxy`, `WeakRef`, `FinalizationRegistry` and `String.prototype.normalize`. Functions check their arguments as those of {@link Host}.
 */
export interface WorkerHost {
  readonly engine: "sel4" | "sim";
  /** Version of this contract. */
  readonly abi: 1;
  /** {@link SpawnOptions.args}. */
  readonly args: readonly [number, number, number, number];
  /** The 16 KiB shared with the root. Its content is defined from a call's return to the next call. */
  readonly frame: ArrayBuffer;

  /** As {@link Host.copy}. */
  copy(into: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void;
  /** As {@link Host.utf8Encode}. */
  utf8Encode(text: string, into: Uint8Array, at: number): number;
  /** As {@link Host.utf8Decode}. */
  utf8Decode(bytes: Uint8Array, start: number, length: number): string;
  /** As {@link Host.utf8Validate}. */
  utf8Validate(bytes: Uint8Array, start: number, length: number): boolean;
  /** As {@link Host.plainRun}. */
  plainRun(bytes: Uint8Array, start: number, length: number): number;
  /** As {@link Host.describe}. */
  describe(error: unknown): string;
}

declare global {
  /** The engine's host functions, in the root's bundle. */
  const host: Host;
  /** The engine's host functions, in a worker's bundle. */
  const sys: WorkerHost;
}

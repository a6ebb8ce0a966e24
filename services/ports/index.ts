/**
 * What the core sees of the world. Everything that comes in or goes out crosses one of these
 * interfaces, so the core runs unchanged on seL4, in the simulator and in a plain Node test.
 * Drivers implement them; `services/main.ts` hands them over.
 */

/** Monotonic time. */
export interface Clock {
  /** Integer microseconds since boot; never goes back. */
  nowUs(): number;
}

/** Time of day, if the machine has a clock for it. */
export interface WallClock {
  /** Seconds since 1970-01-01T00:00:00Z, `undefined` if no clock answered. */
  unixSeconds(): number | undefined;
}

/** Random numbers from hardware. Without them nothing secret may be made. */
export interface Random {
  /** Whether bytes have come from the device since boot. */
  readonly ready: boolean;
  /** Fill `into` whole, or return false and leave it as it was if there are not enough bytes yet. */
  fill(into: Uint8Array): boolean;
}

/** A byte stream in both directions, e.g. a UART. Bounded both ways; loses nothing while the reader keeps up. */
export interface SerialPort {
  /** Move up to `max` received bytes into `into` from `at`. @returns how many. */
  read(into: Uint8Array, at: number, max: number): number;
  /** Received bytes that wait. */
  readable(): number;
  /** Queue up to `length` bytes for sending. @returns how many were taken; the caller keeps the rest. */
  write(from: Uint8Array, start: number, length: number): number;
  /** Bytes that `write` would take now. */
  writable(): number;
  readonly counters: SerialCounters;
}

export interface SerialCounters {
  readonly received: number;
  readonly sent: number;
  /** Received bytes lost in the device because nobody read in time (PL011: overrun errors). */
  readonly overruns: number;
  /** Framing, parity and break errors. */
  readonly errors: number;
  /** Times a full transmit queue took less than it was given. */
  readonly refused: number;
}

/**
 * Ethernet frames without FCS. Buffers belong to the port and are handed out one at a time, so no
 * frame is copied or allocated for.
 */
export interface FramePort {
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** Largest IP packet that fits a frame, e.g. 1500. */
  readonly mtu: number;
  readonly linkUp: boolean;
  /** Look at the next received frame: true, and then `rx`, `rxStart`, `rxLength` describe it until `release`. */
  receive(): boolean;
  readonly rx: Uint8Array;
  readonly rxStart: number;
  readonly rxLength: number;
  /** Give the frame's buffer back to the device. */
  release(): void;
  /** Get a transmit buffer: true, and then `tx`, `txStart` say where to build a frame of up to mtu + 14 bytes. */
  reserve(): boolean;
  readonly tx: Uint8Array;
  readonly txStart: number;
  /** Send the reserved buffer's first `length` bytes. */
  commit(length: number): void;
  /** Tell the device about everything committed and released since the last flush. */
  flush(): void;
  readonly counters: FrameCounters;
}

export interface FrameCounters {
  readonly rxFrames: number;
  readonly rxBytes: number;
  readonly txFrames: number;
  readonly txBytes: number;
  /** Frames or completions that the device described impossibly (length, index, id). */
  readonly deviceErrors: number;
  readonly resets: number;
  /** Times `reserve` found no free transmit buffer. */
  readonly txFull: number;
}

/**
 * A bounded buffer or table as reports show it: its name; most bytes of memory that it takes; how much of what it may hold is
 * in use and most that ever was, of several of a kind in the fullest; what it does when it is full, and how often it did.
 */
export type Pool = readonly [
  name: string,
  bytes: number,
  used: number,
  of: number,
  peak: number,
  whenFull: string,
  times: number,
];

/** Where audit and operator lines go. */
export interface Log {
  /** One line, without newline; longer ones than the line limit are cut with a mark and counted. */
  line(subsystem: string, text: string): void;
}

/** What a component did. The fields of a `ComponentEvent` are valid until the next `next()`. */
export interface ComponentEvent {
  id: number;
  kind: "call" | "fault" | "violation";
  /** kind `call`. */
  label: number;
  words: [number, number, number, number];
  /** kind `fault`. */
  fault: "vm" | "cap" | "syscall" | "exception" | "other";
  ip: number;
  address: number;
  detail: number;
  access: "fetch" | "write" | "read";
}

/** Isolated programs. The root answers their calls and never calls them. */
export interface Components {
  spawn(
    image: string,
    options: { priority: number; arenaBytes: number; args: readonly [number, number, number, number] },
  ): number;
  /** The next waiting event, the same object each time; `undefined` if none waits. */
  next(): ComponentEvent | undefined;
  reply(id: number, label: number, w0: number, w1: number, w2: number, w3: number): void;
  suspend(id: number): void;
  resume(id: number): void;
  destroy(id: number): void;
  frame(id: number): Uint8Array;
  info(id: number): {
    image: string;
    state: "running" | "calling" | "suspended" | "faulted";
    bytes: number;
    calls: number;
    refused: number;
  };
}

/** Bulk work on bytes that the engine does faster than the bundle could. */
export interface Bytes {
  copy(into: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void;
  /** Internet checksum, not complemented (RFC 1071). */
  checksum(bytes: Uint8Array, start: number, length: number, initial: number): number;
  /** @throws RangeError if it does not fit. */
  encode(text: string, into: Uint8Array, at: number): number;
  decode(bytes: Uint8Array, start: number, length: number): string;
  validate(bytes: Uint8Array, start: number, length: number): boolean;
  /** How many of the bytes, from the first on, are printable ASCII (0x20 to 0x7e). */
  plain(bytes: Uint8Array, start: number, length: number): number;
}

/**
 * DMA memory and an edge interrupt, proved by a real device: a virtio-rng that is driven by hand (virtio 1.2 §3.1.1, §2.7,
 * §5.4) writes where it is told to.
 */
import { TIMER, equal, fail, holds, loose, steps, test, throws } from "./harness.ts";
import type { Steps, Test, Turn } from "./harness.ts";

const PAGE = 4096;
const DMA_MAX = 4 * 1024 * 1024;
const DEVICE_ID_RNG = 4;
const QUEUE_SIZE = 8;
const DESC_F_WRITE = 2;
const VERSION_1 = 1;
const PATIENCE_US = 2_000_000;

interface Rng {
  readonly window: number;
  readonly bit: number;
  readonly ring: DataView;
  readonly buffer: Uint8Array;
  readonly bufferAddress: number;
  requests: number;
}

/** Offsets of descriptor table, available and used ring in their page. */
const AVAIL = 16 * QUEUE_SIZE;
const USED = 2048;

function findRng(): { window: number; irq: number } | undefined {
  for (const node of host.devices().reverse()) {
    if (node.compatible !== "virtio,mmio") continue;
    const window = host.mmioMap(node.base, node.size);
    if (host.mmioRead32(window, 0x008) === DEVICE_ID_RNG) return { window, irq: node.irq };
  }
  return undefined;
}

function bringUp({ window, irq }: { window: number; irq: number }): Rng {
  const write = (offset: number, value: number): void => host.mmioWrite32(window, offset, value);
  write(0x070, 0);
  write(0x070, 1);
  write(0x070, 3);
  write(0x024, 1);
  write(0x020, VERSION_1);
  write(0x024, 0);
  write(0x020, 0);
  write(0x070, 11);
  equal(host.mmioRead32(window, 0x070) & 8, 8, "FEATURES_OK");
  const page = host.dmaAlloc(PAGE);
  const data = host.dmaAlloc(3 * PAGE);
  write(0x030, 0);
  write(0x038, QUEUE_SIZE);
  const areas = [
    [0x080, page.address],
    [0x090, page.address + AVAIL],
    [0x0a0, page.address + USED],
  ] as const;
  for (const [register, address] of areas) {
    write(register, address % 2 ** 32);
    write(register + 4, Math.floor(address / 2 ** 32));
  }
  write(0x044, 1);
  const bit = host.irqBind(irq, "edge");
  write(0x070, 15);
  return {
    window,
    bit,
    ring: new DataView(page.buffer),
    buffer: new Uint8Array(data.buffer),
    bufferAddress: data.address,
    requests: 0,
  };
}

/** Ask for random bytes at an offset of the buffer. */
function request(rng: Rng, offset: number, length: number): void {
  const address = rng.bufferAddress + offset;
  rng.ring.setUint32(0, address % 2 ** 32, true);
  rng.ring.setUint32(4, Math.floor(address / 2 ** 32), true);
  rng.ring.setUint32(8, length, true);
  rng.ring.setUint16(12, DESC_F_WRITE, true);
  rng.ring.setUint16(AVAIL + 4 + 2 * (rng.requests % QUEUE_SIZE), 0, true);
  host.barrier(2);
  rng.ring.setUint16(AVAIL + 2, ++rng.requests, true);
  host.barrier(0);
  host.mmioWrite32(rng.window, 0x050, 0);
}

function served(rng: Rng): boolean {
  host.barrier(1);
  return rng.ring.getUint16(USED + 2, true) === (rng.requests & 0xffff);
}

/** Wait for the interrupt of the last request. */
function* answer(rng: Rng): Generator<number, Turn, Turn> {
  const until = host.nowUs() + PATIENCE_US;
  let turn: Turn;
  do {
    if (host.nowUs() > until) fail("no interrupt came");
    turn = yield until;
  } while ((turn.raised & (1 << rng.bit)) === 0);
  holds(served(rng), "an interrupt, but nothing in the used ring");
  return turn;
}

function acknowledge(rng: Rng): void {
  host.mmioWrite32(rng.window, 0x064, host.mmioRead32(rng.window, 0x060));
  host.irqAck(rng.bit);
}

const rngSlot = findRng();
const absent = rngSlot === undefined ? "no virtio-rng in this machine" : undefined;
let rng: Rng | undefined;

function device(): Rng {
  rng ??= bringUp(rngSlot ?? fail("no virtio-rng"));
  return rng;
}

export const dmaTests: readonly Test[] = [
  test("dmaAlloc gives zeroed whole pages at page-aligned addresses that do not overlap", () => {
    const taken: { from: number; to: number }[] = [];
    for (const size of [1, PAGE, PAGE + 1, 65536]) {
      const before = host.memory().dmaUsed;
      const { buffer, address } = host.dmaAlloc(size);
      const bytes = new Uint8Array(buffer);
      const pages = Math.ceil(size / PAGE) * PAGE;
      equal(buffer.byteLength, pages, "byteLength");
      equal(address % PAGE, 0, "alignment");
      holds(Number.isSafeInteger(address) && address > 0, `address ${address}`);
      holds(
        bytes.every((byte) => byte === 0),
        "not zeroed",
      );
      holds(
        taken.every(({ from, to }) => address + pages <= from || address >= to),
        "two allocations overlap",
      );
      taken.push({ from: address, to: address + pages });
      equal(host.memory().dmaUsed, before + pages, "dmaUsed");
      bytes.fill(0xff);
    }
  }),
  test("dmaAlloc checks its argument and takes nothing when it throws", () => {
    const before = host.memory().dmaUsed;
    for (const size of [0, -1, 1.5, DMA_MAX + 1, NaN, Infinity]) {
      throws("RangeError", "dmaAlloc", () => host.dmaAlloc(size), `size ${size}`);
    }
    throws("TypeError", "dmaAlloc", () => loose("dmaAlloc")("4096"), "a string");
    throws("TypeError", "dmaAlloc", () => loose("dmaAlloc")(), "nothing");
    equal(host.memory().dmaUsed, before, "dmaUsed");
  }),
  steps(
    "a device writes through physical addresses into the very bytes of the buffer, across pages",
    function* (): Steps {
      const it = device();
      const from = PAGE - 32;
      request(it, from, 64);
      yield* answer(it);
      equal(it.ring.getUint32(USED + 8, true), 64, "used length");
      const before = it.buffer.subarray(0, from);
      const after = it.buffer.subarray(from + 64);
      holds(
        before.every((byte) => byte === 0) && after.every((byte) => byte === 0),
        "bytes beside the request changed",
      );
      const halves = [it.buffer.subarray(from, PAGE), it.buffer.subarray(PAGE, from + 64)];
      for (const half of halves) holds(new Set(half).size > 8, "no random bytes on one side of the page boundary");
      acknowledge(it);
    },
    absent,
  ),
  steps(
    "an edge line raises once, is masked until its ack, and an edge in between is not lost",
    function* (): Steps {
      const it = device();
      request(it, 0, 16);
      yield* answer(it);
      // The device's line goes low and high again before the line is acknowledged.
      host.mmioWrite32(it.window, 0x064, host.mmioRead32(it.window, 0x060));
      request(it, 0, 16);
      let turn: Turn = yield host.nowUs() + 50_000;
      equal(turn.raised, TIMER, "raised while it was masked");
      holds(served(it), "the second request was not served");
      host.irqAck(it.bit);
      turn = yield host.nowUs() + PATIENCE_US;
      equal(turn.raised & (1 << it.bit), 1 << it.bit, "raised after the ack");
      acknowledge(it);
      turn = yield host.nowUs() + 50_000;
      equal(turn.raised, TIMER, "raised without a reason");
      host.mmioWrite32(it.window, 0x070, 0);
    },
    absent,
  ),
];

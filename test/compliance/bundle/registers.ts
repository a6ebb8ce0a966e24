/** Device registers, and interrupts of a level line: the PL031 is the device, since nothing else depends on it. */
import { TIMER, equal, fail, holds, loose, steps, test, throws } from "./harness.ts";
import type { Test } from "./harness.ts";

const RTC = 0x9010000;
const RTC_IRQ = 34;
const RTC_DATA = 0x00;
const RTC_MATCH = 0x04;
const RTC_CONTROL = 0x0c;
const RTC_MASK = 0x10;
const RTC_RAW = 0x14;
const RTC_CLEAR = 0x1c;
const UART = 0x9000000;
const UART_DIVISOR = 0x24;
const VIRTIO = 0xa000000;

function rtc(): number {
  return host.mmioMap(RTC, 0x1000);
}

/** The bit that the clock's interrupt has, bound at the first use. */
let rtcBit = -1;
function rtcInterrupt(): number {
  if (rtcBit < 0) rtcBit = host.irqBind(RTC_IRQ, "level");
  return rtcBit;
}

export const registerTests: readonly Test[] = [
  test("mmioMap gives the same window for the same range and another for another", () => {
    const window = rtc();
    equal(rtc(), window, "the same range");
    holds(host.mmioMap(RTC, 0x20) !== window, "another range has the same window");
  }),
  test("mmioMap checks its arguments and refuses what is no device memory", () => {
    throws("TypeError", "mmioMap", () => loose("mmioMap")("0", 4096), "a string as base");
    throws("TypeError", "mmioMap", () => loose("mmioMap")(RTC), "no size");
    for (const base of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      throws("RangeError", "mmioMap", () => host.mmioMap(base, 4096), `base ${base}`);
    }
    for (const size of [0, -4, 1.5, 2 ** 53]) {
      throws("RangeError", "mmioMap", () => host.mmioMap(RTC, size), `size ${size}`);
    }
    throws("Error", "mmioMap", () => host.mmioMap(0x40000000, 4096), "RAM");
    throws("Error", "mmioMap", () => host.mmioMap(2 ** 50, 4096), "beyond physical memory");
  }),
  test("mmioRead32 reads a device's identification", () => {
    const window = rtc();
    const id = [0xfe0, 0xfe4, 0xff0, 0xff4, 0xff8, 0xffc].map((offset) => host.mmioRead32(window, offset));
    equal(id.join(" "), [0x31, 0x10, 0x0d, 0xf0, 0x05, 0xb1].join(" "), "PL031 (DDI 0224 §3.3.9)");
    equal(host.mmioRead32(window, RTC_CONTROL), 1, "RTCCR");
    const slot = host.mmioMap(VIRTIO + 31 * 0x200, 0x200);
    equal(host.mmioRead32(slot, 0), 0x74726976, "virtio's magic (1.2 §4.2.2)");
    equal(host.mmioRead32(slot, 4), 2, "virtio's version");
  }),
  test("mmioWrite32 writes all 32 bits, the highest too", () => {
    const window = rtc();
    for (const value of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x12345678]) {
      host.mmioWrite32(window, RTC_MATCH, value);
      equal(host.mmioRead32(window, RTC_MATCH), value, "RTCMR");
    }
    host.mmioWrite32(window, RTC_CLEAR, 1);
  }),
  test("8 and 16 bits wide accesses reach their register", () => {
    const window = host.mmioMap(UART, 0x1000);
    const divisor = host.mmioRead32(window, UART_DIVISOR);
    host.mmioWrite16(window, UART_DIVISOR, 0x1234);
    equal(host.mmioRead16(window, UART_DIVISOR), 0x1234, "16 bits");
    host.mmioWrite8(window, UART_DIVISOR, 0x56);
    equal(host.mmioRead8(window, UART_DIVISOR), 0x56, "8 bits");
    host.mmioWrite32(window, UART_DIVISOR, divisor);
  }),
  test("mmioRead and mmioWrite check window, offset, alignment and value, and do nothing then", () => {
    const window = host.mmioMap(RTC, 0x18);
    host.mmioWrite32(window, RTC_MATCH, 77);
    const widths = [
      [1, "mmioRead8", "mmioWrite8"],
      [2, "mmioRead16", "mmioWrite16"],
      [4, "mmioRead32", "mmioWrite32"],
    ] as const;
    for (const [width, reader, writer] of widths) {
      const read = loose(reader);
      const write = loose(writer);
      for (const offset of [-width, 0x18 - width + 1, 0x18, 0.5, NaN, 2 ** 32]) {
        throws("RangeError", reader, () => read(window, offset), `${reader} at ${offset}`);
        throws("RangeError", writer, () => write(window, offset, 0), `${writer} at ${offset}`);
      }
      if (width > 1) throws("RangeError", writer, () => write(window, RTC_MATCH + 1, 0), `${writer} misaligned`);
      for (const value of [-1, 2 ** (8 * width), 1.5, NaN]) {
        throws("RangeError", writer, () => write(window, RTC_MATCH, value), `${writer} of ${value}`);
      }
      for (const other of [-1, 64, 1000, 0.5]) {
        throws("RangeError", reader, () => read(other, 0), `${reader} of window ${other}`);
      }
      throws("TypeError", reader, () => read(window, "0"), `${reader} at a string`);
      throws("TypeError", writer, () => write(window, 0), `${writer} of nothing`);
      throws("TypeError", writer, () => write(window, 0, 1n), `${writer} of a BigInt`);
    }
    equal(host.mmioRead32(window, RTC_MATCH), 77, "RTCMR afterwards");
  }),
  test("irqBind gives bits from 2 to 29 and binds a line once", () => {
    const bit = rtcInterrupt();
    holds(bit >= 2 && bit <= 29, `bit ${bit}`);
    throws("Error", "irqBind", () => host.irqBind(RTC_IRQ, "level"), "bound already");
    holds(host.caps().irqHandlers >= 1, "irqHandlers counts none");
  }),
  test("irqBind and irqAck check their arguments", () => {
    for (const irq of [-1, 1.5, 1020, NaN]) {
      throws("RangeError", "irqBind", () => host.irqBind(irq, "level"), `interrupt ${irq}`);
    }
    throws("TypeError", "irqBind", () => loose("irqBind")("34", "level"), "a string as number");
    throws("TypeError", "irqBind", () => loose("irqBind")(61), "no trigger");
    throws("TypeError", "irqBind", () => loose("irqBind")(61, 1), "a number as trigger");
    throws("RangeError", "irqBind", () => loose("irqBind")(61, "both"), "another trigger");
    for (const bit of [-1, 0, 1, 30, 31, 2.5]) {
      throws("RangeError", "irqAck", () => host.irqAck(bit), `bit ${bit}`);
    }
    throws("TypeError", "irqAck", () => loose("irqAck")(), "no bit");
    throws("Error", "irqAck", () => host.irqAck(29), "a bit that is not bound");
  }),
  steps(
    "a level line raises its bit, again after each ack while it is high, and wakes a turn without deadline",
    function* () {
      const window = rtc();
      const bit = rtcInterrupt();
      host.mmioWrite32(window, RTC_CLEAR, 1);
      host.mmioWrite32(window, RTC_MASK, 1);
      host.irqAck(bit);
      host.mmioWrite32(window, RTC_MATCH, host.mmioRead32(window, RTC_DATA) + 1);
      const start = host.nowUs();
      let turn = yield Infinity;
      equal(turn.raised, 1 << bit, "raised by the alarm");
      holds(host.nowUs() - start <= 5_000_000, "the alarm took longer than its second");
      equal(host.mmioRead32(window, RTC_RAW), 1, "RTCRIS");
      turn = yield host.nowUs() + 20_000;
      equal(turn.raised, TIMER, "raised before the ack");
      host.irqAck(bit);
      turn = yield host.nowUs() + 2_000_000;
      equal(turn.raised & (1 << bit), 1 << bit, "raised after an ack with the line still high");
      host.mmioWrite32(window, RTC_CLEAR, 1);
      host.irqAck(bit);
      turn = yield host.nowUs() + 20_000;
      equal(turn.raised, TIMER, "raised after the line went low");
      host.mmioWrite32(window, RTC_MASK, 0);
    },
  ),
  test("barrier takes 0, 1 and 2", () => {
    for (const kind of [0, 1, 2] as const) host.barrier(kind);
    throws("RangeError", "barrier", () => loose("barrier")(3), "3");
    throws("RangeError", "barrier", () => loose("barrier")(-1), "-1");
    throws("TypeError", "barrier", () => loose("barrier")(), "nothing");
  }),
];

/** What uses things up; to run last. */
export const exhaustionTests: readonly Test[] = [
  test("dmaAlloc throws an Error when the memory is used up, and has taken nothing then", () => {
    for (let i = 0; i < 4096; i++) {
      const before = host.memory();
      try {
        host.dmaAlloc(4 * 1024 * 1024);
      } catch (error) {
        holds(error instanceof Error && error.name === "Error", `threw ${host.describe(error)}`);
        holds(before.dmaTotal - before.dmaUsed < 4 * 1024 * 1024 || before.dmaUsed > 0, "refused at once");
        equal(host.memory().dmaUsed, before.dmaUsed, "dmaUsed");
        return;
      }
      equal(host.memory().dmaUsed, before.dmaUsed + 4 * 1024 * 1024, "dmaUsed");
    }
    fail("it never ends");
  }),
  test("irqBind throws an Error when all 28 bits are bound", () => {
    const bits = new Set<number>();
    const { irqHandlers } = host.caps();
    for (let irq = 48; irq < 80; irq++) {
      try {
        bits.add(host.irqBind(irq, "edge"));
      } catch (error) {
        holds(error instanceof Error && error.name === "Error", `threw ${host.describe(error)}`);
      }
    }
    equal(host.caps().irqHandlers - irqHandlers, bits.size, "irqHandlers");
    throws("Error", "irqBind", () => host.irqBind(200, "edge"), "the 29th");
  }),
  test("mmioMap throws an Error for the 65th window", () => {
    const windows = new Set<number>();
    for (let size = 4; size < 4 + 4 * 70; size += 4) {
      try {
        windows.add(host.mmioMap(RTC, size));
      } catch (error) {
        holds(error instanceof Error && error.name === "Error", `threw ${host.describe(error)}`);
      }
    }
    holds(windows.size > 0 && windows.size < 64, `${windows.size} new windows`);
    throws("Error", "mmioMap", () => host.mmioMap(RTC, 0x500), "the 65th");
    equal(host.mmioRead32(rtc(), 0xfe0), 0x31, "a window from before");
  }),
];

/**
 * The drivers of virtio devices that lie. Nothing is thrown but by a start that is refused; nothing is handed out that is not within a
 * buffer; resets are bounded; and when the lies end, every buffer is there and works.
 */
import { RX_BYTES, TX_BYTES, VirtioConsole } from "../../../services/drivers/virtio/console.ts";
import { probeVirtio, type VirtioMmio } from "../../../services/drivers/virtio/mmio.ts";
import { VirtioNet } from "../../../services/drivers/virtio/net.ts";
import { RESETS_PER_WINDOW, WINDOW_US } from "../../../services/drivers/virtio/recovery.ts";
import { POOL_BYTES, REQUEST_BYTES, VirtioRng } from "../../../services/drivers/virtio/rng.ts";
import { deviceNode } from "../../services/drivers/machine.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";
import { Liar } from "./liar.ts";

const RX = 0;
const TX = 1;
const HEADER = 12;
const NET_BUFFER = 1536;
const NET_BUFFERS = 128;
const STEPS = 120;
const PRINTED = 0x2e;

function driverCounts() {
  return { devices: 0, refused: 0, lies: 0, given: 0, sent: 0, errors: 0, resets: 0 };
}
type DriverCounts = ReturnType<typeof driverCounts>;

interface Driven {
  readonly counters: { readonly deviceErrors: number; readonly resets: number };
  /** An interrupt came. */
  serve(): void;
  /** Whoever uses the driver does something. @returns bytes or frames that it gave */
  use(random: Random): number;
  /** The device does its work. @returns what it sent of ours */
  work(random: Random): number;
  /** Everything that can be given back is, again and again, until all of it has been everywhere. @throws Error */
  prove(): void;
}

/** The device's transport, as the probe finds it. */
function transport(liar: Liar): VirtioMmio {
  const found = probeVirtio(liar.machine, [deviceNode()]).devices[0];
  if (found === undefined) throw new Error("no device");
  return found.transport;
}

function net(liar: Liar): Driven {
  const driver = new VirtioNet(liar.machine, transport(liar));
  const read = (most: number): number => {
    let frames = 0;
    for (; frames < most && driver.receive(); frames++) {
      const { rxStart, rxLength } = driver;
      must(rxStart % NET_BUFFER === HEADER, () => `a frame begins at ${rxStart}`);
      must(rxLength >= 0 && rxLength <= NET_BUFFER - HEADER, () => `a frame of ${rxLength} bytes`);
      driver.release();
    }
    return frames;
  };
  const write = (most: number): number => {
    let frames = 0;
    for (; frames < most && driver.reserve(); frames++) {
      must(driver.txStart % NET_BUFFER === HEADER, () => `a frame is built at ${driver.txStart}`);
      driver.commit(14 + 50 * (frames % 30));
    }
    return frames;
  };
  const work = (most: number): number => {
    liar.work(RX, most, () => HEADER + 60);
    return liar.work(TX, most, () => 0);
  };
  return {
    counters: driver.counters,
    serve: () => driver.service(),
    use(random) {
      const frames = read(random.int(40));
      if (random.once(3)) driver.receive();
      write(random.int(random.of([3, 3, 3, 200])));
      if (random.int(4) > 0) driver.flush();
      if (random.once(100)) driver.reset();
      return frames;
    },
    work: (random) => work(random.int(random.of([4, 4, 4, 200]))),
    prove() {
      driver.release();
      must(driver.reset(), () => "a device that is well does not come back");
      for (let round = 0; round < 3; round++) {
        must(write(NET_BUFFERS + 1) === NET_BUFFERS, () => "transmit buffers are missing");
        driver.flush();
        must(work(2 * NET_BUFFERS) === NET_BUFFERS, () => "frames were not sent");
        driver.service();
        must(read(2 * NET_BUFFERS) === NET_BUFFERS, () => "receive buffers are missing");
        driver.flush();
      }
      must(driver.trouble === "" && driver.linkUp, () => `it works, and is in trouble: ${driver.trouble}`);
    },
  };
}

function line(liar: Liar): Driven {
  const driver = new VirtioConsole(liar.machine, transport(liar));
  const bytes = new Uint8Array(TX_BYTES + 1).fill(PRINTED);
  const room = new Uint8Array(RX_BYTES);
  const work = (most: number, size = 512): number => {
    liar.work(RX, most, ({ data }) => {
      const length = Math.min(size, data.byteLength);
      for (let i = 0; i < length; i++) data.setUint8(i, PRINTED);
      return length;
    });
    return liar.work(TX, most, ({ data }) => {
      for (let i = 0; i < data.byteLength; i++) must(data.getUint8(i) === PRINTED, () => "sent what nobody wrote");
      return 0;
    });
  };
  const read = (most: number): number => {
    const got = driver.read(room, 0, most);
    must(got >= 0 && got <= most, () => `${got} of ${most} bytes were read`);
    return got;
  };
  const check = (): void => {
    const [readable, writable] = [driver.readable(), driver.writable()];
    must(readable >= 0 && readable <= RX_BYTES, () => `${readable} bytes are readable`);
    must(writable >= 0 && writable <= TX_BYTES, () => `${writable} bytes are writable`);
  };
  return {
    counters: driver.counters,
    serve: () => driver.service(),
    use(random) {
      check();
      const got = read(random.int(random.of([4, RX_BYTES + 1])));
      const length = random.int(random.of([4, TX_BYTES + 1]));
      const taken = driver.write(bytes, 0, length);
      must(taken >= 0 && taken <= length, () => `${taken} of ${length} bytes were written`);
      check();
      return got;
    },
    work: (random) => work(random.int(20), 1 + random.int(512)),
    prove() {
      work(64);
      driver.service();
      while (read(RX_BYTES) > 0);
      for (let round = 0; round < 3; round++) {
        must(driver.write(bytes, 0, TX_BYTES + 1) === TX_BYTES, () => "transmit buffers are missing");
        work(64);
        driver.service();
        must(driver.readable() === RX_BYTES, () => `${driver.readable()} of ${RX_BYTES} bytes were received`);
        must(read(RX_BYTES) === RX_BYTES, () => "what was received is not there");
      }
      must(
        driver.trouble === "" && driver.retryAtUs() === Infinity,
        () => `it works, and is in trouble: ${driver.trouble}`,
      );
    },
  };
}

function rng(liar: Liar): Driven {
  const driver = new VirtioRng(liar.machine, transport(liar));
  const work = (size = REQUEST_BYTES): number =>
    liar.work(RX, 1, ({ data }) => {
      const length = Math.min(size, data.byteLength);
      for (let i = 0; i < length; i++) data.setUint8(i, PRINTED);
      return length;
    });
  const fill = (length: number): boolean => {
    const available = driver.available();
    must(available >= 0 && available <= POOL_BYTES, () => `${available} bytes are there`);
    const into = new Uint8Array(length);
    const filled = driver.fill(into);
    must(filled || into.every((byte) => byte === 0), () => "a refusal that writes");
    must(!filled || length <= available, () => `${length} of ${available} bytes were given`);
    return filled;
  };
  return {
    counters: driver.counters,
    serve: () => driver.service(),
    use: (random) => (fill(random.int(random.of([17, POOL_BYTES + 1]))) ? 1 : 0),
    work: (random) => work(1 + random.int(REQUEST_BYTES)),
    prove() {
      for (let round = 0; round < 8; round++) {
        while (driver.available() > 0) fill(Math.min(16, driver.available()));
        fill(1);
        must(work() === 1, () => "nothing is asked for");
        driver.service();
        must(driver.available() === REQUEST_BYTES, () => `${driver.available()} bytes came`);
      }
    },
  };
}

const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

const DRIVERS = [
  {
    name: "virtio-net",
    what: "a device that lies at the network driver",
    id: 1,
    queues: [1024, 1024],
    offered: [(1 << 3) | (1 << 5) | (1 << 16), 1] as [number, number],
    drive: net,
  },
  {
    name: "virtio-console",
    what: "a device that lies at the console driver",
    id: 3,
    queues: [64, 64],
    offered: [0, 1] as [number, number],
    drive: line,
  },
  {
    name: "virtio-rng",
    what: "a device that lies at the driver of chance",
    id: 4,
    queues: [8],
    offered: [0, 1] as [number, number],
    drive: rng,
  },
];

function device(random: Random, { id, queues, offered, drive }: (typeof DRIVERS)[number], counts: DriverCounts): void {
  const liar = new Liar(random, id, [...queues], (fresh) => {
    fresh.offered = offered;
    MAC.forEach((byte, i) => fresh.config.setUint8(i, byte));
    fresh.config.setUint16(6, 1, true);
    fresh.config.setUint16(10, 1500, true);
  });
  counts.devices++;
  // Some lie from the beginning.
  if (random.once(8)) for (let left = 1 + random.int(4); left > 0; left--) liar.lie();
  let driven: Driven;
  try {
    driven = drive(liar);
  } catch (error) {
    const sentence = error instanceof Error ? error.message : "";
    must(sentence.startsWith("virtio_mmio@"), () => `refused with ${String(error)}`);
    counts.refused++;
    return;
  }
  const resets: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    liar.machine.time += random.int(random.of([10, 1_000_000]));
    if (random.once(12)) liar.lie();
    const before = driven.counters.resets;
    counts.sent += driven.work(random);
    if (random.int(3) > 0) driven.serve();
    counts.given += driven.use(random);
    for (let i = before; i < driven.counters.resets; i++) resets.push(liar.machine.time);
  }
  resets.forEach((us, i) => {
    const first = resets[i - RESETS_PER_WINDOW];
    must(first === undefined || us - first >= WINDOW_US, () => "more resets in a minute than there may be");
  });
  heal(liar, driven, random);
  driven.prove();
  counts.lies += liar.lies;
  counts.errors += driven.counters.deviceErrors;
  counts.resets += driven.counters.resets;
}

/** The lies are over. What was said wrongly before shows now at the latest, at the cost of a reset each. */
function heal(liar: Liar, driven: Driven, random: Random): void {
  liar.honest();
  for (let round = 0; round < 8; round++) {
    liar.machine.time += WINDOW_US + 1;
    liar.device.status &= ~64;
    for (let turn = 0; turn < 8; turn++) {
      driven.work(random);
      liar.device.interrupt |= 1;
      driven.serve();
      driven.use(random);
    }
  }
  // A used index that is ahead of what was used is believed once; the device has to be begun with anew.
  liar.device.status |= 64;
  liar.device.interrupt |= 2;
  liar.machine.time += WINDOW_US + 1;
  driven.serve();
  driven.use(random);
  driven.serve();
}

export const DRIVER_TARGETS: readonly Target[] = DRIVERS.map((driver) => ({
  name: driver.name,
  what: driver.what,
  run: 8,
  short: 2 * 8,
  weight: 100,
  counts: driverCounts,
  fuzz(seed, inputs, counts) {
    const random = new Random(seed);
    for (let n = 0; n < inputs; n++) device(random, driver, counts as DriverCounts);
  },
  reached(counts) {
    atLeast(counts, "lies", 4, "devices");
    atLeast(counts, "given", 5, "devices");
    atLeast(counts, "resets", 0.5, "devices");
  },
}));

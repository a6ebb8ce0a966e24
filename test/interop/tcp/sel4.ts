/**
 * The same stack on seL4 in QEMU, with its driver, against the host kernel over a tap device: services of a bundle of its own
 * (`test/integration/bundle/tcp.ts`) move bytes both ways, on a good line and on a bad one.
 */
import { spawnSync } from "node:child_process";
import { type Checks, ensure } from "../../../scripts/lib/checks.ts";
import { HiveProcess } from "../../../scripts/lib/hive-process.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";
import { Namespace } from "../namespace.ts";
import { Changes } from "./changes.ts";
import { Kernel, type KernelSocket } from "./kernel.ts";
import { pattern, sha256 } from "./pattern.ts";

const ADDRESS = "10.0.2.15";
/** As the bundle has them. */
const PORTS = { echo: 7, sum: 9, chargen: 19, late: 20, abort: 21, status: 22, faults: 23 } as const;
const MIB = 1 << 20;
const FIGURE_BYTES = 4 * MIB;
const BOOT_MS = 60_000;
const PATIENCE_MS = 30_000;
const QUIET_MS = 300;
const SHUT_MS = 1500;
const FAULTS = { loss: 0.02, corruption: 0.005, duplication: 0.01, reordering: 0.02, reorderUs: 2000 };

interface Status {
  readonly sockets: number;
  readonly halfOpen: number;
  readonly counters: {
    readonly sent: { readonly data: number; readonly resent: number; readonly probes: number };
    readonly dropped: { readonly checksum: number };
  };
  readonly device: { readonly deviceErrors: number; readonly resets: number };
  readonly received?: { readonly lost: number; readonly corrupted: number };
  readonly transmitted?: { readonly lost: number; readonly corrupted: number };
}

/** RFC 864's characters, from the first on. */
function characters(length: number): Buffer {
  const text = Buffer.alloc(length);
  for (let at = 0, line = 0; at < length; line++) {
    for (let i = 0; i < 74 && at < length; i++) {
      text[at++] = i < 72 ? 0x20 + ((line + i) % 95) : i === 72 ? 13 : 10;
    }
  }
  return text;
}

/** RFC 1071, not complemented. */
function internetSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

class Bench {
  readonly changes = new Changes();
  readonly namespace = new Namespace();
  readonly kernel = new Kernel(this.namespace, this.changes);
  readonly hive: HiveProcess;

  constructor(image: string) {
    this.hive = new HiveProcess(["--image", image, "--net", "tap"], this.namespace.around);
  }

  connect(port: number, options?: { reading?: boolean }): KernelSocket {
    return this.kernel.connect(ADDRESS, port, options);
  }

  /** A question of one line and its answer. */
  async ask(port: number, question: string): Promise<string> {
    const socket = this.connect(port);
    socket.say(`${question}\n`);
    socket.end();
    await this.ended(socket);
    return socket.text;
  }

  ended(socket: KernelSocket): Promise<void> {
    const state = (): string => `end: ${socket.received} bytes came, ${socket.error ?? "no error"}`;
    return this.changes.until(() => socket.sha256 !== undefined, state, PATIENCE_MS);
  }

  /** @param sockets how many there are as soon as all is over that is to be over; one is the question's own */
  async status(sockets = 1): Promise<Status> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const status = JSON.parse(await this.ask(PORTS.status, "")) as Status;
      if (status.sockets === sockets && status.halfOpen === 0) return status;
      ensure(performance.now() < deadline, `${status.sockets} connections are left, ${status.halfOpen} half-open`);
      await new Promise((settle) => setTimeout(settle, QUIET_MS));
    }
  }

  async close(): Promise<void> {
    await this.kernel.close();
    await this.hive.end();
    this.namespace.remove();
  }
}

const rate = (bytes: number, startMs: number): string =>
  `${(bytes / 1e3 / (performance.now() - startMs)).toFixed(2)} MB/s`;

async function toHive(bench: Bench, bytes: number, seed: number): Promise<string> {
  const socket = bench.connect(PORTS.sum);
  socket.send(seed, bytes);
  socket.end();
  return summed(bench, socket, bytes, seed);
}

/** The hive says what it got. @returns how fast that was. */
async function summed(bench: Bench, socket: KernelSocket, bytes: number, seed: number): Promise<string> {
  const start = performance.now();
  await bench.ended(socket);
  const figure = rate(bytes, start);
  const expected = `${bytes} ${internetSum(pattern(seed, bytes))}\n`;
  ensure(socket.text === expected, `the hive says ${socket.text}, ${expected} is right`);
  return figure;
}

async function fromHive(bench: Bench, bytes: number): Promise<string> {
  const socket = bench.connect(PORTS.chargen);
  const start = performance.now();
  await bench.changes.until(
    () => socket.received >= bytes,
    () => `end: ${socket.received} bytes came`,
    PATIENCE_MS,
  );
  const figure = rate(socket.received, start);
  socket.end();
  await bench.ended(socket);
  ensure(socket.sha256 === sha256(characters(socket.received)), "they are not the characters of RFC 864");
  return figure;
}

async function throughEcho(bench: Bench, bytes: number, seed: number): Promise<string> {
  const socket = bench.connect(PORTS.echo);
  const start = performance.now();
  socket.send(seed, bytes);
  socket.end();
  await bench.ended(socket);
  ensure(socket.received === bytes && socket.sha256 === sha256(pattern(seed, bytes)), "other bytes came back");
  return rate(bytes, start);
}

async function clean(checks: Checks, bench: Bench): Promise<void> {
  await checks.run(`seL4: ${FIGURE_BYTES / MIB} MiB to the hive`, () => toHive(bench, FIGURE_BYTES, 1));
  await checks.run(`seL4: ${FIGURE_BYTES / MIB} MiB from the hive`, () => fromHive(bench, FIGURE_BYTES));
  await checks.run("seL4: 1 MiB there and back, both ways at once, the kernel finishes first", () =>
    throughEcho(bench, MIB, 2),
  );
  await checks.run("seL4: four connections at once", async () => {
    const start = performance.now();
    await Promise.all([1, 2, 3, 4].map((seed) => throughEcho(bench, MIB / 4, seed)));
    return rate(MIB, start);
  });
  await checks.run("seL4: a kernel that does not read shuts its window, and gets all of it later", async () => {
    const { counters } = await bench.status();
    const socket = bench.connect(PORTS.chargen, { reading: false });
    await bench.changes.until(() => socket.connected, "connection", PATIENCE_MS);
    await new Promise((settle) => setTimeout(settle, SHUT_MS));
    const { sent } = (await bench.status(2)).counters;
    ensure(sent.probes > counters.sent.probes, "the hive has not asked whether the window is still shut");
    socket.resume();
    await bench.changes.until(
      () => socket.received >= MIB,
      () => `more: ${socket.received} bytes came`,
      PATIENCE_MS,
    );
    socket.end();
    await bench.ended(socket);
    ensure(socket.sha256 === sha256(characters(socket.received)), "they are not the characters of RFC 864");
    return `${socket.received} bytes`;
  });
  await checks.run("seL4: a hive that does not read shuts its window, and takes all of it later", async () => {
    const socket = bench.connect(PORTS.late);
    socket.send(3, MIB);
    socket.end();
    const shut = (): boolean => /timer:\(persist/.test(bench.kernel.describe(socket));
    for (let tries = 0; tries < 20 && !shut(); tries++) await new Promise((settle) => setTimeout(settle, 50));
    ensure(shut(), "the kernel sees no shut window");
    return summed(bench, socket, MIB, 3);
  });
  await checks.run("seL4: the hive resets, the kernel's program is told", async () => {
    const socket = bench.connect(PORTS.abort);
    socket.say("x");
    await bench.changes.until(() => socket.error !== undefined, "error", PATIENCE_MS);
    ensure(socket.error === "ECONNRESET", `it was told ${socket.error ?? ""}`);
    return socket.error ?? "";
  });
  await checks.run("seL4: the kernel resets in the middle, and nothing is left over", async () => {
    const sockets = [PORTS.chargen, PORTS.echo, PORTS.sum].map((port) => bench.connect(port));
    for (const socket of sockets) socket.send(1, MIB);
    await bench.changes.until(() => sockets.every(({ connected }) => connected), "connection", PATIENCE_MS);
    for (const socket of sockets) socket.reset();
    const { device } = await bench.status();
    ensure(device.deviceErrors === 0 && device.resets === 0, "the device had errors");
    return "";
  });
}

async function faulty(checks: Checks, bench: Bench, seed: number): Promise<void> {
  const text = Object.entries(FAULTS)
    .filter(([name]) => name !== "reorderUs")
    .map(([name, share]) => `${share * 100} % ${name}`)
    .join(", ");
  await checks.run(`seL4: from here on a bad line (seed ${seed}): ${text}`, async () => {
    const answer = await bench.ask(PORTS.faults, JSON.stringify({ seed, ...FAULTS }));
    ensure(answer === "done\n", answer);
    return "";
  });
  await checks.run("seL4, a bad line: 1 MiB to the hive", () => toHive(bench, MIB, 4));
  await checks.run("seL4, a bad line: 1 MiB from the hive", () => fromHive(bench, MIB));
  await checks.run("seL4, a bad line: 1 MiB there and back", () => throughEcho(bench, MIB, 5));
  await checks.run("seL4, a bad line: the faults were there, and nothing is left over", async () => {
    const { counters, received, transmitted } = await bench.status();
    for (const line of [received, transmitted])
      ensure((line?.lost ?? 0) > 0 && (line?.corrupted ?? 0) > 0, "no faults");
    return `${counters.sent.data} segments, ${counters.sent.resent} again, ${counters.dropped.checksum} damaged ones dropped`;
  });
}

function image(prefix: string): string {
  const out = inRepository("out", "tcp");
  const bundle = inRepository("test", "integration", "bundle", "tcp.ts");
  const script = inRepository("scripts", "image.ts");
  const words = ["--import", "tsx", script, "--sel4", prefix, "--bundle", bundle, "--out", out, "--quiet"];
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr.trim());
  return `${out}/hive.elf`;
}

/** @param seed of the bad line */
export async function sel4Checks(checks: Checks, prefix: string, seed: number): Promise<void> {
  const bench = new Bench(image(prefix));
  try {
    await bench.hive.expect(/tcp: ready at/, BOOT_MS);
    await clean(checks, bench);
    await faulty(checks, bench, seed);
    await checks.run("seL4: the hive ends cleanly", async () => {
      const status = await bench.hive.end();
      ensure(status === 0, `exit status ${status}: ${bench.hive.messages}`);
      return "";
    });
  } finally {
    await bench.close();
  }
}

/**
 * The hive on seL4 against the host kernel's ARP and ICMP, over a tap device in a network namespace of its own. The same
 * pings go to a bare C echo in the same root task, so that the cost of the interpreter is a number.
 */
import { spawn, spawnSync } from "node:child_process";
import { type Checks, ensure, Skipped } from "../../scripts/lib/checks.ts";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { checkKernel } from "../../scripts/lib/kernel-config.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { median, percentile } from "../../scripts/lib/statistics.ts";
import { Namespace, namespaceMissing } from "./namespace.ts";

const hiveAddress = "10.0.2.15";
const bootMs = 60_000;
const pingIntervalSeconds = 0.002;
/** 1500 bytes of IP packet less the headers of IPv4 and ICMP. */
const largestPayload = 1472;

/** Why these checks cannot run here; `undefined` if they can. */
function missing(prefix: string): string | undefined {
  return namespaceMissing("ping", process.env["QEMU"] ?? "qemu-system-aarch64") ?? checkKernel(prefix).mistakes[0];
}

interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Round trips in milliseconds. */
  readonly times: readonly number[];
}

class PingNamespace extends Namespace {
  ping(count: number, ...words: string[]): Promise<PingResult> {
    const [command = "", ...args] = [
      ...this.around,
      "ping",
      "-n",
      "-c",
      String(count),
      "-W",
      "2",
      ...words,
      hiveAddress,
    ];
    return new Promise((settle, fail) => {
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
      let text = "";
      child.stdout.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
      child.stderr.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
      child.once("error", fail);
      child.once("close", () => {
        const sum = /(\d+) packets transmitted, (\d+) received/.exec(text);
        if (sum === null) fail(new Error(`ping said: ${text.slice(-300)}`));
        else if (/DUP!|wrong data|checksum/i.test(text)) fail(new Error(`ping complained: ${text.slice(0, 300)}`));
        else {
          const times = [...text.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]));
          settle({ sent: Number(sum[1]), received: Number(sum[2]), times });
        }
      });
    });
  }

  neighbour(): string {
    return this.ip("neigh", "show", hiveAddress).trim();
  }

  forget(): void {
    this.ip("neigh", "flush", "all");
  }
}

function lossless({ sent, received, times }: PingResult, count: number): string {
  ensure(sent === count && received === count, `${received} of ${sent} pings answered, ${count} wanted`);
  const figure = (value: number): string => `${value.toFixed(3)} ms`;
  const shares = `p50 ${figure(median(times))}, p99 ${figure(percentile(times, 0.99))}, longest ${figure(Math.max(...times))}`;
  return `${received} of ${sent} answered, ${shares}`;
}

async function hiveChecks(checks: Checks, namespace: PingNamespace, words: string[], count: number): Promise<void> {
  const hive = new HiveProcess([...words, "--net", "tap"], namespace.around);
  try {
    await hive.expect(/PONG 1\r?\n/, bootMs);
    await checks.run("the host kernel resolves the hive's address by ARP", async () => {
      namespace.forget();
      const { received } = await namespace.ping(1);
      ensure(received === 1, "no answer to the first ping");
      const entry = namespace.neighbour();
      ensure(/lladdr 52:54:00:12:34:56/.test(entry), `the neighbour table says: ${entry}`);
      return entry;
    });
    for (const size of [0, 1, 55, 56, 1000, largestPayload]) {
      await checks.run(`echo of ${size} bytes comes back unchanged`, async () => {
        const { received } = await namespace.ping(20, "-i", "0.01", "-s", String(size), "-p", "a55a00ff17");
        ensure(received === 20, `${received} of 20 answered`);
        return "";
      });
    }
    await checks.run("an address that is not the hive's stays unanswered", () => {
      const other = spawnSync("ip", [
        "netns",
        "exec",
        namespace.name,
        "ping",
        "-n",
        "-c",
        "2",
        "-W",
        "1",
        "-i",
        "0.2",
        "10.0.2.77",
      ]);
      ensure(other.status === 1, "somebody answered for 10.0.2.77");
      return "";
    });
    await checks.run(`${count} pings to TypeScript on seL4, none lost`, async () =>
      lossless(await namespace.ping(count, "-i", String(pingIntervalSeconds)), count),
    );
    await checks.run("a flood of pings leaves the console alive", async () => {
      const { sent, received } = await namespace.ping(5_000, "-f", "-q");
      hive.type("\rping\r");
      await hive.expect(/OK PING reply=pong/, 10_000);
      return `${received} of ${sent} answered`;
    });
    await checks.run("the hive ends cleanly through QEMU's monitor", async () => {
      const status = await hive.end();
      ensure(status === 0, `exit status ${status}: ${hive.messages}`);
      return "";
    });
  } finally {
    await hive.end();
  }
}

async function echoCheck(checks: Checks, namespace: PingNamespace, prefix: string, count: number): Promise<void> {
  const out = inRepository("out", "echo");
  const image = spawnSync(
    process.execPath,
    [
      "--import",
      "tsx",
      inRepository("scripts", "image.ts"),
      "--sel4",
      prefix,
      "--root",
      "echo",
      "--out",
      out,
      "--quiet",
    ],
    { encoding: "utf8" },
  );
  if (image.status !== 0) throw new Error(image.stderr);
  const hive = new HiveProcess(["--image", `${out}/hive.elf`, "--net", "tap"], namespace.around);
  try {
    await hive.expect(/echo/i, bootMs);
    await checks.run(`${count} pings to a bare C echo in the same root task, none lost`, async () => {
      await namespace.ping(1);
      return lossless(await namespace.ping(count, "-i", String(pingIntervalSeconds)), count);
    });
  } finally {
    await hive.end();
  }
}

/** @param count pings of the long runs */
export async function networkChecks(checks: Checks, prefix: string, count: number): Promise<void> {
  const why = missing(prefix);
  if (why !== undefined) {
    await checks.run("ARP and ICMP over tap from the host kernel", () => {
      throw new Skipped(why);
    });
    return;
  }
  const namespace = new PingNamespace();
  try {
    await hiveChecks(checks, namespace, ["--sel4", prefix], count);
    await echoCheck(checks, namespace, prefix, count);
  } catch (error) {
    await checks.run("the hive boots with a tap device", () => {
      throw error;
    });
  } finally {
    namespace.remove();
  }
}

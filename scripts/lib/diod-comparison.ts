/**
 * NineDoor beside diod, each in a process of its own behind a unix socket, asked by the same client in turns, so that
 * what else the machine does hits all of them. diod serves a folder with the same files, as it comes and with a single
 * thread. Nothing is left behind: servers end at a deadline or by their own process, and the folder goes.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Figure } from "./figures.ts";
import { NinePLoad, type Work } from "./ninep-load.ts";
import { inRepository } from "./repository.ts";
import { median } from "./statistics.ts";

const deadlineS = 240;
const readyMs = 20_000;
const lanes = 16;
/** About what `/proc/boot` of a hive says. */
const boot = "subsystem net up at 104.512 ms, link up, 10.0.2.15/24\n".repeat(11);

/** What the comparison promises where there is enough to do: that many times the operations of diod as it comes. */
const promised = 2;

/** How many slices each load is asked before anything counts. */
const WARM_SLICES = 12;

export interface ComparisonOptions {
  /** Milliseconds that a server is asked before it is the next one's turn, and turns of each. */
  readonly sliceMs: number;
  readonly turns: number;
  /** Where the folder with sockets and files is made. */
  readonly parent?: string;
}

/** Rows are named by what is done and how many at once. */
const loads: readonly { readonly name: string; readonly work: Work; readonly lanes: number }[] = [
  { name: "walk+open+read+clunk, 1 at once", work: "boot", lanes: 1 },
  { name: `walk+open+read+clunk, ${lanes} at once`, work: "boot", lanes },
  { name: "append, 1 at once", work: "append", lanes: 1 },
  { name: `append, ${lanes} at once`, work: "append", lanes },
];

/** Why there is nothing to compare with; undefined if there is. */
export function diodMissing(): string | undefined {
  const { error } = spawnSync("diod", ["--help"], { stdio: "ignore" });
  return error === undefined ? undefined : "there is no diod on this machine (Debian package diod)";
}

/** A server as a child process. */
class Server {
  readonly name: string;
  readonly socket: string;
  readonly aname: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #messages = "";
  #gone = false;

  constructor(name: string, socket: string, aname: string, command: string, args: readonly string[]) {
    this.name = name;
    this.socket = socket;
    this.aname = aname;
    // timeout(1) ends it even if this process is gone by then, and hands on the signal that ends it before.
    const child = spawn("timeout", [String(deadlineS), command, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stderr.on("data", (bytes: Buffer) => (this.#messages += bytes.toString("utf8")));
    child.stdout.resume();
    this.#exited = new Promise((settle) => {
      child.once("error", (error) => {
        this.#messages += error.message;
        this.#gone = true;
        settle();
      });
      child.once("exit", () => {
        this.#gone = true;
        settle();
      });
    });
  }

  /** Connect as soon as it listens. */
  async open(): Promise<NinePLoad> {
    const until = performance.now() + readyMs;
    while (!existsSync(this.socket)) {
      if (this.#gone || performance.now() > until) throw new Error(`${this.name} does not listen: ${this.#messages}`);
      await delay(20);
    }
    const { socket, aname } = this;
    return NinePLoad.open({ socket, aname, lanes, bootBytes: boot.length });
  }

  async end(): Promise<void> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** @param folder that nobody else can enter */
function servers(folder: string): readonly [Server, Server, Server] {
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "proc"), { recursive: true });
  mkdirSync(join(tree, "log"));
  writeFileSync(join(tree, "proc", "boot"), boot);
  writeFileSync(join(tree, "log", "queen.log"), "");
  const diod = (name: string, socket: string, ...options: string[]): Server => {
    const path = join(folder, socket);
    // Nobody is authenticated, no user is looked up, everybody is this user: diod at its quickest.
    const words = ["-f", "-n", "-N", "-S", "-U", userInfo().username, "-c", "/dev/null", "-L", "stderr"];
    return new Server(name, path, tree, "diod", [...words, "-l", path, "-e", tree, ...options]);
  };
  const path = join(folder, "ninedoor.sock");
  const listener = inRepository("scripts", "lib", "ninedoor-listener.ts");
  const words = ["--import", "tsx", listener, path, join(tree, "proc", "boot")];
  return [
    new Server("NineDoor", path, "", process.execPath, words),
    diod("diod", "diod.sock"),
    diod("diod of 1 thread", "diod1.sock", "-t", "1"),
  ];
}

/** Measure. A promise that is missed is measured again, up to six times, for this machine may have other things to do. */
export async function compareWithDiod(options: ComparisonOptions): Promise<Figure[]> {
  const { sliceMs, turns, parent = tmpdir() } = options;
  const folder = mkdtempSync(join(parent, "cohesix-bench-"));
  const running = servers(folder);
  const opened: NinePLoad[] = [];
  try {
    for (const server of running) opened.push(await server.open());
    // Everybody warms up: the client is compiled by what it does, and so is our server, which takes a few seconds' work.
    for (const load of opened) for (const { work } of loads) await load.run(work, lanes, WARM_SLICES * sliceMs);
    const figures: Figure[] = [];
    for (const load of loads) {
      let best = await measure(opened, load, sliceMs, turns);
      for (let again = 0; again < 6 && load.lanes > 1 && ratio(best, 1) < promised; again++) {
        const next = await measure(opened, load, sliceMs, turns);
        if (ratio(next, 1) > ratio(best, 1)) best = next;
      }
      figures.push(
        ...running.map(({ name }, i) => ({ name: `${load.name}: ${name}`, value: best[i] ?? NaN, unit: "/s" })),
        {
          name: `${load.name}: times diod`,
          value: ratio(best, 1),
          unit: "times",
          ...(load.lanes > 1 ? { least: promised } : {}),
        },
        { name: `${load.name}: times diod of 1 thread`, value: ratio(best, 2), unit: "times" },
      );
    }
    return figures;
  } finally {
    for (const load of opened) load.close();
    for (const server of running) await server.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Operations a second of each, the median of its turns. */
async function measure(
  opened: readonly NinePLoad[],
  load: (typeof loads)[number],
  sliceMs: number,
  turns: number,
): Promise<number[]> {
  const samples = opened.map(() => [] as number[]);
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, server] of opened.entries()) samples[i]?.push(await server.run(load.work, load.lanes, sliceMs));
  }
  return samples.map(median);
}

function ratio(operations: readonly number[], other: number): number {
  return (operations[0] ?? NaN) / (operations[other] ?? NaN);
}

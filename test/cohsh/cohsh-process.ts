/** Starts the shell as its users do, with pipes or on a pseudo-terminal, and waits for what it prints. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inRepository } from "../../scripts/lib/repository.ts";
import { COHSH } from "../scripts/host-tools.ts";

/** An environment whose home, state and configuration are the test's own. */
export function testHome(): {
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  readonly state: string;
  remove(): void;
} {
  const home = mkdtempSync(join(tmpdir(), "cohsh-home-"));
  const state = join(home, "state");
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("COHSH_"));
  const own = {
    HOME: home,
    XDG_STATE_HOME: state,
    XDG_CONFIG_HOME: join(home, "config"),
    TERM: "xterm",
    NODE_OPTIONS: "",
  };
  return {
    env: { ...Object.fromEntries(inherited), ...own },
    home,
    state,
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One run of the shell whose standard input is these bytes and then its end. */
export function runCohsh(args: readonly string[], env: NodeJS.ProcessEnv, input?: string | Uint8Array): Finished {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [COHSH, ...args], {
    cwd: inRepository(),
    env,
    input: input ?? "",
    encoding: "utf8",
    timeout: 15_000,
  });
  return { status, signal, stdout, stderr };
}

/** A running shell, and everything that it has printed. */
export class RunningCohsh {
  output = "";
  stdout = "";
  stderr = "";
  readonly child: ChildProcess;
  readonly exited: Promise<{ status: number | null; signal: NodeJS.Signals | null }>;
  #wake: (() => void) | undefined;

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    const child = spawn(program, args, { cwd: inRepository(), env, stdio: ["pipe", "pipe", "pipe"] });
    this.child = child;
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (bytes: Buffer) => {
        const text = bytes.toString("utf8");
        this[name] += text;
        this.output += text;
        this.#wake?.();
      });
    }
    child.stdin.on("error", () => undefined);
    this.exited = new Promise((resolve) => {
      child.on("close", (status, signal) => {
        resolve({ status, signal });
        this.#wake?.();
      });
    });
  }

  static piped(args: readonly string[], env: NodeJS.ProcessEnv): RunningCohsh {
    return new RunningCohsh(process.execPath, [COHSH, ...args], env);
  }

  /** On a pseudo-terminal made by util-linux `script`; what comes after the shell in `then` runs there too. */
  static onTerminal(args: readonly string[], env: NodeJS.ProcessEnv, then = ""): RunningCohsh {
    const command = `stty cols 120 rows 40; '${process.execPath}' '${COHSH}' ${args.join(" ")}; code=$?; ${then} exit $code`;
    return new RunningCohsh("script", ["-qefc", command, "/dev/null"], env);
  }

  /** Its standard input is at its end, and it comes to its own. */
  async finished(): Promise<Finished> {
    this.child.stdin?.end();
    const end = await this.exited;
    return { ...end, stdout: this.stdout, stderr: this.stderr };
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  /** What was printed after the mark, once it holds `text`. @throws Error if the shell ends before. */
  async see(text: string | RegExp, from = 0): Promise<string> {
    const seen = (): boolean => {
      const output = this.output.slice(from);
      return typeof text === "string" ? output.includes(text) : text.test(output);
    };
    while (!seen()) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        await this.exited;
        if (seen()) break;
        throw new Error(`ended without ${String(text)}:\n${this.output.slice(from)}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.output.slice(from);
  }

  /** Type, and wait for what that leads to. */
  async answer(keys: string, text: string | RegExp): Promise<string> {
    const from = this.output.length;
    this.type(keys);
    return this.see(text, from);
  }

  /** For a test's end: nothing stays. */
  kill(): void {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
  }
}

/** Why there can be no pseudo-terminal here, `undefined` if there can. */
export function noTerminal(): string | undefined {
  const version = spawnSync("script", ["--version"], { encoding: "utf8" });
  return version.status === 0 && version.stdout.includes("util-linux") ? undefined : "no util-linux script";
}

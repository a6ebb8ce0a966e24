/**
 * A network namespace of our own, so that what a check does to the host kernel's network touches nothing else on the machine.
 * It is gone after `remove()`, and with this process.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Why no namespace with a tap device can be made here; `undefined` if one can. */
export function namespaceMissing(...commands: string[]): string | undefined {
  if (process.platform !== "linux") return "network namespaces and tap devices need Linux";
  if (process.getuid?.() !== 0) return "making a network namespace needs root";
  if (!existsSync("/dev/net/tun")) return "there is no tun device (/dev/net/tun)";
  for (const command of ["ip", ...commands]) {
    if (spawnSync(command, ["-V"]).error !== undefined) return `there is no ${command} on this machine`;
  }
  return undefined;
}

function run(command: string, words: readonly string[]): string {
  const result = spawnSync(command, words, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${command} ${words.join(" ")}: ${result.stderr.trim()}`);
  return result.stdout;
}

let made = 0;

export class Namespace {
  readonly name = `cohesix-${process.pid}-${made++}`;
  /** What stands before a command that is to run in it. */
  readonly around = ["ip", "netns", "exec", this.name];
  readonly #leave = (): void => void spawnSync("ip", ["netns", "delete", this.name]);

  constructor() {
    run("ip", ["netns", "add", this.name]);
    process.once("exit", this.#leave);
    this.ip("link", "set", "lo", "up");
  }

  /** `ip` in the namespace. @returns what it prints. @throws Error with what it complains of. */
  ip(...words: string[]): string {
    return run("ip", ["-n", this.name, ...words]);
  }

  /** A command in the namespace. @returns what it prints. @throws Error with what it complains of. */
  run(command: string, ...words: string[]): string {
    return run("ip", ["netns", "exec", this.name, command, ...words]);
  }

  remove(): void {
    process.off("exit", this.#leave);
    run("ip", ["netns", "delete", this.name]);
  }
}

/**
 * Where things are in the work tree and which state of it this is. Everything that a build bakes in about
 * itself (version, revision, pinned tools) is read here, from the one place that states it.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the work tree; a bundled tool stands in `out/host`, as deep as this file does. */
export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export function inRepository(...parts: string[]): string {
  return join(repository, ...parts);
}

export function packageVersion(): string {
  const description: unknown = JSON.parse(readFileSync(inRepository("package.json"), "utf8"));
  if (typeof description === "object" && description !== null && "version" in description) {
    if (typeof description.version === "string") return description.version;
  }
  throw new Error("package.json has no version");
}

/** Short git revision, with `-dirty` if tracked files differ from it; `unknown` outside a git work tree. */
export function revision(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync("git", args, { cwd: repository, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    const commit = git("rev-parse", "--short=12", "HEAD");
    return git("status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}-dirty`;
  } catch {
    return "unknown";
  }
}

/** A version that `toolchain/pins.sh` states, e.g. `QUICKJS_VERSION`. */
export function pin(name: string): string {
  const found = new RegExp(`^${name}=(\\S+)$`, "m").exec(readFileSync(inRepository("toolchain/pins.sh"), "utf8"));
  if (found?.[1] === undefined) throw new Error(`toolchain/pins.sh does not state ${name}`);
  return found[1];
}

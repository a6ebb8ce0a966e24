/**
 * Brings a fresh clone to where `npm start` and `npm test` run, with nothing but Node and npm: dependencies
 * first, then whatever can be built and is stale. An image that this machine cannot build is named, with the
 * reason and what would change that, and hinders nothing else; only `--strict` makes an error of a failed one.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { failureReason } from "./lib/failure-reason.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Whether `node_modules` holds exactly what the lock file asks for. npm writes `.package-lock.json` last, so
 * an interrupted installation never counts as done.
 * @param {string} top
 * @returns {boolean}
 */
export function dependenciesFresh(top) {
  /** @type {Record<string, { version?: string, integrity?: string, optional?: boolean }>} */
  const wanted = JSON.parse(readFileSync(join(top, "package-lock.json"), "utf8")).packages;
  const hidden = join(top, "node_modules", ".package-lock.json");
  if (!existsSync(hidden)) return false;
  /** @type {typeof wanted} */
  const installed = JSON.parse(readFileSync(hidden, "utf8")).packages;
  for (const [path, want] of Object.entries(wanted)) {
    if (path === "") continue;
    const have = installed[path];
    if (have === undefined) {
      if (want.optional === true) continue;
      return false;
    }
    if (have.version !== want.version || have.integrity !== want.integrity) return false;
  }
  return Object.keys(installed).every((path) => path in wanted);
}

/**
 * @param {string} version e.g. `20.20.2`
 * @param {string} range the `engines.node` of package.json, `>=major.minor`
 * @returns {boolean}
 */
export function nodeSatisfies(version, range) {
  const minimum = /^>=(\d+)\.(\d+)$/.exec(range);
  if (minimum === null) throw new Error(`package.json: engines.node is "${range}", not ">=major.minor"`);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const wantedMajor = Number(minimum[1]);
  return major > wantedMajor || (major === wantedMajor && minor >= Number(minimum[2]));
}

/**
 * @param {string} text
 */
function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`);
}

/**
 * @param {string} what
 * @param {string} command
 * @param {readonly string[]} args
 */
function run(what, command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
  if (result.error !== undefined) throw new Error(`${what}: ${command} cannot be run: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${what} failed: ${command} ${args.join(" ")}`);
}

/**
 * Why the native image cannot be built here, one line each; empty if it can.
 * @param {string} prefix
 */
function nativeMissing(prefix) {
  const setup = process.platform === "darwin" ? "toolchain/setup_macos_arm64.sh" : "toolchain/setup_debian.sh";
  /** @type {string[]} */
  const reasons = [];
  if (!existsSync(join(prefix, "bin", "kernel.elf"))) {
    reasons.push(
      `no seL4 kernel in ${prefix}: build one as docs/KERNEL.md says and name its install prefix: SEL4_PREFIX=/path npm start`,
    );
  }
  const check = spawnSync("sh", [join(root, setup), "--check-build"], { cwd: root, encoding: "utf8" });
  if (check.error !== undefined || check.status === null) {
    reasons.push(`${setup} cannot be run: ${check.error?.message ?? "killed"}`);
  } else if (check.status !== 0) {
    const lines = `${check.stdout}${check.stderr}`.trim().split("\n");
    reasons.push(...lines, `all of it at once: ${setup}`);
  }
  return reasons;
}

/**
 * Builds the image if this machine has what it takes.
 * @param {boolean} strict whether a build that fails is an error
 */
function buildImage(strict) {
  const prefix = resolve(process.env["SEL4_PREFIX"] || "/opt/sel4");
  const missing = nativeMissing(prefix);
  if (missing.length > 0) {
    say("left out the seL4 image; what needs no kernel runs in the simulator. Missing:");
    for (const line of missing) say(`  ${line}`);
    return;
  }
  const args = ["--import", "tsx", join("scripts", "image.ts"), "--quiet", "--sel4", prefix];
  const build = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (build.status === 0) {
    process.stderr.write(build.stderr);
    return;
  }
  const reason = failureReason(build);
  if (strict) {
    process.stderr.write(build.stderr);
    throw new Error(`the seL4 image could not be built: ${reason}`);
  }
  say(`the seL4 image could not be built, so only the simulator is there (npm run image shows all of it): ${reason}`);
}

function main() {
  const options = new Set(process.argv.slice(2));
  for (const option of options) {
    if (!["--no-build", "--no-image", "--strict"].includes(option)) {
      throw new Error(`unknown option ${option} (only --no-build, --no-image and --strict)`);
    }
  }
  const description = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  if (!nodeSatisfies(process.versions.node, description.engines.node)) {
    throw new Error(`Node ${process.versions.node} is too old: ${description.engines.node} is needed`);
  }
  if (!dependenciesFresh(root)) {
    say("node_modules does not match package-lock.json: npm ci");
    run("installing the dependencies", "npm", ["ci"]);
  }
  if (options.has("--no-build")) return;
  run("building", process.execPath, ["--import", "tsx", join("scripts", "build.ts"), "--quiet"]);
  if (options.has("--no-image")) return;
  buildImage(options.has("--strict"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}

/** The real bundle in a simulated machine in virtual time, with the devices and the manifest that a test asks for. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCredentials } from "../../../cohsh/tickets/credentials.ts";
import { workerImage } from "../../../engine/sim/components/worker.ts";
import { Machine, type MachineOptions } from "../../../engine/sim/machine.ts";
import { makeRootfs } from "../../../engine/sim/rootfs.ts";
import { Terminal } from "../../../engine/sim/terminal.ts";
import { buildVmBundle, type VmBundle } from "../../../scripts/lib/vm-bundle.ts";

export const PROMPT = "cohesix> ";

const mainFile = join(import.meta.dirname, "../../../services/main.ts");
const manifestFile = join(import.meta.dirname, "../../../rootfs/manifest.json");
export const manifestText = readFileSync(manifestFile, "utf8");

/** What opens the hives of these tests. */
export const credentials = createCredentials(randomBytes);

/** The repository's manifest with some of its sections' fields replaced. */
export function manifestWith(changes: Readonly<Record<string, object>>): string {
  const manifest = JSON.parse(manifestText) as Record<string, object>;
  for (const [section, fields] of Object.entries(changes)) {
    manifest[section] = Array.isArray(fields) ? fields : { ...manifest[section], ...fields };
  }
  return JSON.stringify(manifest);
}

/** Bundle `services/main.ts`, or another entry. */
export async function bundle(net = true, entry = mainFile): Promise<VmBundle> {
  const out = mkdtempSync(join(tmpdir(), "cohesix-bundle-"));
  try {
    return await buildVmBundle({
      entry,
      manifest: manifestFile,
      out,
      net,
    });
  } finally {
    rmSync(out, { recursive: true });
  }
}

export interface HiveSetup {
  readonly manifest?: string;
  readonly net?: MachineOptions["net"] | "none";
  readonly rng?: MachineOptions["rng"] | "none";
  readonly console?: MachineOptions["console"];
  /** Boot files to replace. */
  readonly files?: Readonly<Record<string, Uint8Array | string>>;
}

export class Hive {
  readonly machine: Machine;
  readonly terminal: Terminal;

  constructor(built: VmBundle, setup: HiveSetup = {}) {
    const { net = {}, rng = {} } = setup;
    this.machine = new Machine({
      clock: "virtual",
      source: Buffer.from(built.js).toString("utf8"),
      rootfs: makeRootfs({
        "build.json": built.buildInfo,
        "credentials.json": JSON.stringify(credentials),
        "main.lines": built.lines,
        "manifest.json": setup.manifest ?? manifestText,
        "worker.elf": workerImage(Buffer.from(built.worker.js).toString("utf8")),
        "worker.lines": built.worker.lines,
        ...setup.files,
      }),
      ...(net === "none" ? {} : { net }),
      ...(rng === "none" ? {} : { rng }),
      ...(setup.console === undefined ? {} : { console: setup.console }),
      onLog: (text) => this.terminal.log(text),
    });
    this.terminal = new Terminal(this.machine);
  }

  /** Up to the prompt, and until pong has answered. */
  async boot(): Promise<void> {
    await this.terminal.expect("PONG 1");
    await this.terminal.expect(PROMPT);
  }

  /** Type a line. @returns what is shown until the next prompt, rows without their ends; the first is the echo. */
  async ask(line: string): Promise<string[]> {
    this.terminal.type(`${line}\r`);
    const shown = await this.terminal.expect(`\r\n${PROMPT}`);
    return shown.split("\r\n").slice(0, -1);
  }

  /** Type as much at a time as the line takes. */
  async keys(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += this.machine.console.write(bytes.subarray(at));
      await this.machine.runFor(1000);
    }
  }

  /** Run until everything typed has been taken and answered, and the line is silent. */
  async quiet(): Promise<void> {
    const { console } = this.machine;
    let sent = -1;
    while (console.pending > 0 || console.sent !== sent) {
      sent = console.sent;
      await this.machine.runFor(200_000);
    }
  }
}

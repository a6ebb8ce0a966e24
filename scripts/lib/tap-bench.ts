/** What a hive costs over a tap device, without QEMU's user network in between. */
import { existsSync, readFileSync } from "node:fs";
import { readManifest } from "../../services/config/manifest.ts";
import { TapBenchHive } from "./bench-hive.ts";
import type { Keys } from "./door-measures.ts";
import type { Figure } from "./figures.ts";
import { tapFlows } from "./flow-bench.ts";
import { manifestPath } from "./manifest.ts";

const PATIENCE_MS = 60_000;

/** @param image of the hive @returns nothing where this machine lets no tap device be made */
export async function overTap(image: string, keys: Keys): Promise<Figure[]> {
  const missing = tapMissing();
  if (missing !== undefined) {
    console.error(`bench: SKIPPED what goes over a tap device: ${missing}`);
    return [];
  }
  const { address, consolePort } = readManifest(readFileSync(manifestPath, "utf8")).network;
  const hive = new TapBenchHive(image);
  try {
    await hive.expect(/PONG 1\r?\n/, PATIENCE_MS);
    return await tapFlows({ host: address, port: consolePort }, keys);
  } finally {
    await hive.end();
  }
}

/** As `scripts/qemu-run.sh --net tap` needs it. */
function tapMissing(): string | undefined {
  if (process.getuid?.() !== 0) return "making one needs root";
  return existsSync("/dev/net/tun") ? undefined : "there is no /dev/net/tun";
}

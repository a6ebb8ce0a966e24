/**
 * Our TCP against the host kernel's, over a tap device in a network namespace: the stack in this process, with a clock that can
 * jump, and the stack on seL4 in QEMU.
 */
import { type Checks, Skipped } from "../../scripts/lib/checks.ts";
import { checkKernel } from "../../scripts/lib/kernel-config.ts";
import { namespaceMissing } from "./namespace.ts";
import { bulkChecks } from "./tcp/bulk.ts";
import { captureChecks } from "./tcp/captures.ts";
import { crowdChecks } from "./tcp/crowd.ts";
import { halfCloseChecks } from "./tcp/half-close.ts";
import { idleChecks } from "./tcp/idle.ts";
import { Lab } from "./tcp/lab.ts";
import { negotiationChecks } from "./tcp/negotiation.ts";
import { kernelListens } from "./tcp/pair.ts";
import { resetChecks } from "./tcp/resets.ts";
import { sel4Checks } from "./tcp/sel4.ts";
import { windowChecks } from "./tcp/windows.ts";

/** Each bad line has a seed of its own. */
const SEEDS = 100;

async function stackChecks(checks: Checks, seed: number): Promise<void> {
  const lab = await Lab.open();
  try {
    await kernelListens(lab);
    await negotiationChecks(checks, lab, seed);
    await crowdChecks(checks, lab);
    await bulkChecks(checks, lab, seed + SEEDS);
    await halfCloseChecks(checks, lab);
    await windowChecks(checks, lab);
    await resetChecks(checks, lab);
    await idleChecks(checks, lab);
    await captureChecks(checks, lab.capture);
  } finally {
    await lab.close();
  }
}

/** Run a group of checks, or say why it cannot be run; what breaks it is a failure of its own. */
async function group(
  checks: Checks,
  name: string,
  missing: string | undefined,
  run: () => Promise<void>,
): Promise<void> {
  try {
    if (missing !== undefined) throw new Skipped(missing);
    await run();
  } catch (error) {
    await checks.run(name, () => {
      throw error;
    });
  }
}

/** @param seed of all bad lines */
export async function tcpChecks(checks: Checks, prefix: string, seed: number): Promise<void> {
  const missing = namespaceMissing("ss", "sysctl", "setpriv", process.env["QEMU"] ?? "qemu-system-aarch64");
  await group(checks, "the stack against the host kernel's TCP", missing, () => stackChecks(checks, seed));
  await group(
    checks,
    "the stack on seL4 against the host kernel's TCP",
    missing ?? checkKernel(prefix).mistakes[0],
    () => sel4Checks(checks, prefix, seed + 2 * SEEDS),
  );
}

/** Whether a hive can boot in QEMU on this machine, for programs that have something else to do if not. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { failureReason } from "./failure-reason.mjs";
import { checkKernel } from "./kernel-config.ts";
import { inRepository } from "./repository.ts";

/** Why no image could boot in QEMU here, without a full stop; `undefined` if one could. */
export function machineMissing(prefix: string): string | undefined {
  const qemu = process.env["QEMU"] ?? "qemu-system-aarch64";
  if (spawnSync(qemu, ["--version"]).error !== undefined) return `there is no ${qemu} on this machine`;
  return checkKernel(prefix).mistakes[0]?.replace(/\.$/, "");
}

/** Why the hive cannot boot in QEMU here, without a full stop; `undefined` if it can. */
export function qemuMissing(prefix: string): string | undefined {
  const missing = machineMissing(prefix);
  if (missing !== undefined) return missing;
  if (!existsSync(inRepository("out", "hive.elf"))) return "there is no image (npm run image says why)";
  return undefined;
}

/** Makes `out/hive.elf` fresh. @returns why that failed, without a full stop; `undefined` if it did not. */
export function imageFailure(prefix: string): string | undefined {
  const words = ["--import", "tsx", "scripts/image.ts", "--sel4", resolve(prefix), "--quiet"];
  const build = spawnSync(process.execPath, words, { cwd: inRepository(), encoding: "utf8" });
  if (build.status === 0) return undefined;
  return `the seL4 image could not be built: ${failureReason(build).replace(/\.$/, "")}`;
}

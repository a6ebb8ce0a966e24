/** Whether a hive can boot in QEMU on this machine, for programs that have something else to do if not. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { checkKernel } from "./kernel-config.ts";
import { inRepository } from "./repository.ts";

/** Why the hive cannot boot in QEMU here, without a full stop; `undefined` if it can. */
export function qemuMissing(prefix: string): string | undefined {
  const qemu = process.env["QEMU"] ?? "qemu-system-aarch64";
  if (spawnSync(qemu, ["--version"]).error !== undefined) return `there is no ${qemu} on this machine`;
  const [mistake] = checkKernel(prefix).mistakes;
  if (mistake !== undefined) return mistake.replace(/\.$/, "");
  if (!existsSync(inRepository("out", "hive.elf"))) return "there is no image (npm run image says why)";
  return undefined;
}

/** Says why a prefix's kernel or this machine's QEMU will not do, with exit status 1; nothing and 0 if they will. */
import { kernelPrefix } from "./lib/kernel-config.ts";
import { qemuMissing } from "./lib/qemu-available.ts";

const missing = qemuMissing(kernelPrefix(process.argv[2]));
if (missing !== undefined) {
  console.log(missing);
  process.exitCode = 1;
}

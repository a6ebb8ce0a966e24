/**
 * Boot images with one thing wrong, made of the good one: the archive inside `out/hive.elf` is replaced in place,
 * so that a damaged image takes milliseconds and not a link.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCpio } from "../../scripts/lib/cpio.ts";
import { kernelPrefix } from "../../scripts/lib/kernel-config.ts";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { qemuMissing } from "../../scripts/lib/qemu-available.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { replaceFiles } from "../../scripts/lib/rootfs.ts";
import { buildVmBundle } from "../../scripts/lib/vm-bundle.ts";

export const hiveImage = inRepository("out", "hive.elf");
const rootfsPath = inRepository("out", "rootfs.cpio");

/** Skip the suite, loudly, where no hive can boot in QEMU; make the image fresh where one can. */
export function needsQemu(suite: Mocha.Suite): void {
  suite.timeout(120_000);
  suite.beforeAll(function () {
    const prefix = kernelPrefix(undefined);
    const missing = qemuMissing(prefix);
    if (missing !== undefined) {
      console.error(`SKIPPED: ${suite.fullTitle()}: ${missing}`);
      this.skip();
    }
    buildImage();
  });
}

/** `npm run image` with these options. */
function buildImage(...options: string[]): void {
  const args = ["--import", "tsx", inRepository("scripts/image.ts"), "--quiet", ...options];
  const image = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (image.status !== 0) throw new Error(image.stderr);
}

/** Copies of the good image, changed, in a folder that goes away. */
export class ImageWorkshop {
  readonly folder = mkdtempSync(join(tmpdir(), "images-"));

  /** The good image with its archive replaced by `change` of it, which must not be longer. */
  withArchive(name: string, change: (archive: Uint8Array) => Uint8Array): string {
    const image = readFileSync(hiveImage);
    const archive = readFileSync(rootfsPath);
    const at = image.indexOf(archive);
    if (at < 0) throw new Error("out/rootfs.cpio is not what out/hive.elf carries");
    const changed = change(Uint8Array.from(archive));
    if (changed.length > archive.length) throw new Error(`${changed.length} bytes do not fit into ${archive.length}`);
    image.fill(0, at, at + archive.length);
    image.set(changed, at);
    const path = join(this.folder, name);
    writeFileSync(path, image);
    return path;
  }

  /** The good image with some files replaced (`null`: left out), checksums right. */
  withFiles(name: string, files: Readonly<Record<string, Uint8Array | string | null>>): string {
    return this.withArchive(name, (archive) => replaceFiles(archive, files));
  }

  /** The good image's file. */
  file(name: string): Uint8Array {
    const found = readCpio(readFileSync(rootfsPath)).find((file) => file.name === name);
    if (found === undefined) throw new Error(`there is no ${name} in out/rootfs.cpio`);
    return found.data;
  }

  /** An image of other bundles, for the root and for its workers. */
  build(bundle: string, worker: string): string {
    return this.buildWith("built", "--bundle", bundle, "--worker", worker);
  }

  /** An image made with these options. */
  buildWith(name: string, ...options: string[]): string {
    const out = join(this.folder, name);
    buildImage(...options, "--out", out);
    return join(out, "hive.elf");
  }

  /** Bytecode and line table of another bundle. */
  async bundle(entry: string): Promise<{ "main.qbc": Uint8Array; "main.lines": Uint8Array }> {
    const { lines } = await buildVmBundle({ entry, manifest: manifestPath, out: this.folder, net: true });
    const target = join(this.folder, "main.qbc");
    execFileSync(inRepository("out/native/qjsbc"), [join(this.folder, "main.js"), "main.js", target]);
    return { "main.qbc": readFileSync(target), "main.lines": lines };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

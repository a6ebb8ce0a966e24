/**
 * What the boot archive holds and in which order: `crc32` first, with one line per other file, then the files
 * sorted by name. The same files give the same archive to the byte.
 */
import { type CpioFile, readCpio, writeCpio } from "./cpio.ts";
import { crc32 } from "./crc32.ts";

/** Every file of the archive but `crc32`. */
export interface RootfsContent {
  /** Text, see `VmBundle.buildInfo`. */
  readonly buildInfo: string;
  /** Bytes of the JavaScript heap. */
  readonly heapBytes: number;
  /** The prefix's device tree, for a loader that hands none over. */
  readonly kernelDtb: Uint8Array;
  readonly lines: Uint8Array;
  readonly bytecode: Uint8Array;
  readonly manifest: string;
  /** Token and secrets of the hive, see `hiveCredentials`. */
  readonly credentials: string;
  /** Component images by file name. */
  readonly components: Readonly<Record<string, Uint8Array>>;
}

function utf8(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "utf8"));
}

/** One line per file: its CRC-32 as eight hex digits, a blank, its name. */
export function checksumFile(files: readonly CpioFile[]): CpioFile {
  const lines = files.map(({ name, data }) => `${crc32(data).toString(16).padStart(8, "0")} ${name}\n`);
  return { name: "crc32", data: utf8(lines.join("")) };
}

/** The archive with some of its files replaced (`null`: left out), checksums right. */
export function replaceFiles(
  archive: Uint8Array,
  files: Readonly<Record<string, Uint8Array | string | null>>,
): Uint8Array {
  const kept = readCpio(archive).flatMap((file) => {
    const replacement = files[file.name];
    if (file.name === "crc32" || replacement === null) return [];
    if (replacement === undefined) return [file];
    return [{ name: file.name, data: new Uint8Array(Buffer.from(replacement)) }];
  });
  return writeCpio([checksumFile(kept), ...kept]);
}

export function engineConfig(heapBytes: number): string {
  return `heap=${heapBytes}\n`;
}

export function writeRootfs(content: RootfsContent): Uint8Array {
  const files: CpioFile[] = [
    { name: "build.json", data: utf8(content.buildInfo) },
    { name: "credentials.json", data: utf8(content.credentials) },
    { name: "engine.conf", data: utf8(engineConfig(content.heapBytes)) },
    { name: "kernel.dtb", data: content.kernelDtb },
    { name: "main.lines", data: content.lines },
    { name: "main.qbc", data: content.bytecode },
    { name: "manifest.json", data: utf8(content.manifest) },
    ...Object.entries(content.components).map(([name, data]) => ({ name, data })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
  return writeCpio([checksumFile(files), ...files]);
}

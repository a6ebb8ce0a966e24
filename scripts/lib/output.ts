/**
 * Writing build products: whole or not at all, and only if they differ, so that whatever is built from them
 * is not stale when nothing changed.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** @param mode of a file that holds secrets. @returns whether the file was written. */
export function writeIfChanged(path: string, data: Uint8Array | string, mode = 0o666): boolean {
  const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : Buffer.from(data);
  try {
    if (mode !== 0o666) chmodSync(path, mode);
    if (readFileSync(path).equals(bytes)) return false;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.partial`;
  writeFileSync(partial, bytes, { mode });
  renameSync(partial, path);
  return true;
}

/** `1234567` as `1,234,567 bytes`. */
export function sizeText(bytes: number): string {
  return `${bytes.toLocaleString("en-US")} bytes`;
}

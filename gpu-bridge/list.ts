/** `gpu-bridge list`: which GPUs there are, as a table or as one JSON object a line. */

import { printable } from "../services/config/printable.ts";
import type { GpuInfo } from "./backend.ts";
import type { OpenBackend } from "./backends/open.ts";
import type { ListOptions } from "./cli.ts";
import { infoLine } from "./tree/tree.ts";

const HEAD = ["ID", "NAME", "MEMORY", "SMS", "DRIVER", "RUNTIME", "BACKEND"];

/** @returns the text @throws Error with one sentence */
export async function listGpus({ backend, json }: ListOptions, open: OpenBackend): Promise<string> {
  const opened = await open(backend);
  try {
    return json ? jsonLines(opened.gpus) : table(opened.gpus);
  } finally {
    await opened.close();
  }
}

function jsonLines(gpus: readonly GpuInfo[]): string {
  return gpus.map((gpu) => `{"id":${JSON.stringify(gpu.id)},${infoLine(gpu).slice(1)}\n`).join("");
}

function table(gpus: readonly GpuInfo[]): string {
  const cells = gpus.map((gpu) =>
    [gpu.id, gpu.name, `${gpu.memoryMb} MiB`, String(gpu.smCount), gpu.driver, gpu.runtime, gpu.backend].map(printable),
  );
  const rows = [HEAD, ...cells];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

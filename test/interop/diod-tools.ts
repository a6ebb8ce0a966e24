/** diod's command line tools, run to their end. */
import { execFile, spawnSync } from "node:child_process";

const PATIENCE_S = 10;

/** Why they cannot run here; `undefined` if they can. */
export function diodMissing(): string | undefined {
  for (const tool of ["diodls", "diodcat"]) {
    if (spawnSync(tool, ["--help"]).error !== undefined) return `there is no ${tool} on this machine (package diod)`;
  }
  return undefined;
}

export interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** @param server a path, or an address with a port */
export function diodTool(name: "diodls" | "diodcat", server: string, aname: string, ...words: string[]): Promise<Said> {
  const args = ["-s", server, "-a", aname, "-t", String(PATIENCE_S), ...words];
  return new Promise((settle) => {
    execFile(name, args, { maxBuffer: 1 << 26, timeout: (PATIENCE_S + 5) * 1000 }, (error, out, err) => {
      settle({ status: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

export const linesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "");

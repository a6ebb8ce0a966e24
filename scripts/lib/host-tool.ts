/** How a tool of the host becomes one file that Node runs: packages stay where npm puts them, all else is in it. */
import { chmodSync } from "node:fs";
import { build } from "esbuild";
import { writeIfChanged } from "./output.ts";
import { inRepository, repository } from "./repository.ts";

/** What users start, by name. */
const HOST_TOOLS = {
  cohsh: "cohsh/main.ts",
  "gpu-bridge": "gpu-bridge/main.ts",
  start: "scripts/start.ts",
} as const;

/** @returns the files of all of them */
export function buildHostTools(): Promise<string[]> {
  return Promise.all((Object.keys(HOST_TOOLS) as (keyof typeof HOST_TOOLS)[]).map((name) => buildHostTool(name)));
}

/** @returns the file that it is now, as its sources are */
export async function buildHostTool(name: keyof typeof HOST_TOOLS): Promise<string> {
  return buildProgram(HOST_TOOLS[name], inRepository("out", "host", `${name}.mjs`));
}

/** Make a program of the host of its entry. @param outfile as deep in the work tree as `out/host/cohsh.mjs` @returns `outfile` */
export async function buildProgram(entry: string, outfile: string): Promise<string> {
  writeIfChanged(outfile, await bundleHostTool(entry, outfile));
  chmodSync(outfile, 0o755);
  return outfile;
}

/** @param entry from the top of the work tree @param outfile where relative paths within the bundle are taken from */
export async function bundleHostTool(entry: string, outfile: string): Promise<Uint8Array> {
  const result = await build({
    absWorkingDir: repository,
    entryPoints: [inRepository(entry)],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    banner: { js: "#!/usr/bin/env node" },
    legalComments: "none",
    tsconfig: inRepository("tsconfig.json"),
    logLevel: "warning",
    write: false,
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error(`esbuild made nothing of ${entry}`);
  return output.contents;
}

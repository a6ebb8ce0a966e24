/** How a tool of the host becomes one file that Node runs: packages stay where npm puts them, all else is in it. */
import { build } from "esbuild";
import { inRepository, repository } from "./repository.ts";

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

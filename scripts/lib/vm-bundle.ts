/**
 * Makes a bundle for the VM of a TypeScript entry: `main.js` (one ES module, readable, no debug comments),
 * `main.lines` for its stacks and `build.json`, which says what it is. The simulator and the image build take
 * the same files, so both run the same code and show the same image hash.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { build } from "esbuild";
import { encodeLineTable, lineTableFromMap, type SourceMap } from "./line-table.ts";
import { writeIfChanged } from "./output.ts";
import { inRepository, packageVersion, pin, repository, revision } from "./repository.ts";
import { schemasPlugin } from "./schemas.ts";

export interface VmBundleOptions {
  /** TypeScript entry, e.g. `services/main.ts`. */
  readonly entry: string;
  readonly manifest: string;
  /** Folder for `main.js`, `main.lines` and `build.json`. */
  readonly out: string;
  /** Whether the network stack is part of it. */
  readonly net: boolean;
}

export interface VmBundle {
  readonly js: Uint8Array;
  readonly lines: Uint8Array;
  readonly buildInfo: string;
}

function isSourceMap(value: unknown): value is SourceMap {
  return typeof value === "object" && value !== null && "mappings" in value && "sources" in value;
}

/** What `bi` and the banner show of the image; the same in both engines. */
function buildInfo(js: Uint8Array, lines: Uint8Array, manifest: Uint8Array): string {
  const hash = createHash("sha256").update(js).update(lines).update(manifest).digest("hex");
  const info = {
    version: packageVersion(),
    revision: revision(),
    imageHash: hash.slice(0, 16),
    quickjs: pin("QUICKJS_VERSION"),
  };
  return `${JSON.stringify(info)}\n`;
}

/** @throws Error with esbuild's message if the entry does not compile. */
export async function buildVmBundle(options: VmBundleOptions): Promise<VmBundle> {
  const result = await build({
    absWorkingDir: repository,
    entryPoints: [resolve(options.entry)],
    outfile: join(resolve(options.out), "main.js"),
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    sourcemap: "external",
    sourcesContent: false,
    define: { COHESIX_NET: String(options.net) },
    plugins: [schemasPlugin()],
    tsconfig: inRepository("tsconfig.json"),
    logLevel: "warning",
    write: false,
  });
  const output = (suffix: string): Uint8Array => {
    const file = result.outputFiles.find(({ path }) => path.endsWith(suffix));
    if (file === undefined) throw new Error(`esbuild made no ${suffix} of ${options.entry}`);
    return file.contents;
  };
  const map: unknown = JSON.parse(Buffer.from(output("main.js.map")).toString("utf8"));
  if (!isSourceMap(map)) throw new Error(`esbuild's source map of ${options.entry} is none`);
  const js = output("main.js");
  const out = resolve(options.out);
  const lines = encodeLineTable(lineTableFromMap(map, (source) => relative(repository, resolve(out, source))));
  const info = buildInfo(js, lines, readFileSync(options.manifest));
  writeIfChanged(join(out, "main.js"), js);
  writeIfChanged(join(out, "main.lines"), lines);
  writeIfChanged(join(out, "build.json"), info);
  return { js, lines, buildInfo: info };
}

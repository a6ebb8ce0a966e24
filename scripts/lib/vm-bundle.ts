/**
 * Makes the two bundles of a hive, each of a TypeScript entry: `main.js` for the root and `worker.js` for its workers
 * (one ES module, readable, no debug comments), with a `.lines` each for their stacks, and `build.json`, which says what
 * they are. The simulator and the image build take the same files, so both run the same code and show the same image hash.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { build } from "esbuild";
import { encodeLineTable, lineTableFromMap, type SourceMap } from "./line-table.ts";
import { writeIfChanged } from "./output.ts";
import { quickJsForm } from "./quickjs-form.ts";
import { inRepository, packageVersion, pin, repository, revision } from "./repository.ts";
import { schemasPlugin } from "./schemas.ts";

export const workerEntry = inRepository("services", "worker-main.ts");

export interface VmBundleOptions {
  /** TypeScript entry, e.g. `services/main.ts`. */
  readonly entry: string;
  /** The workers' entry, `services/worker-main.ts` if absent. */
  readonly worker?: string | undefined;
  readonly manifest: string;
  /** Folder for the bundles and `build.json`. */
  readonly out: string;
  /** Whether the network stack is part of it. */
  readonly net: boolean;
}

export interface Bundle {
  readonly js: Uint8Array;
  readonly lines: Uint8Array;
  /** Files that something of is in it, as paths from the repository's top. */
  readonly modules: readonly string[];
}

export interface VmBundle extends Bundle {
  readonly worker: Bundle;
  readonly buildInfo: string;
}

function isSourceMap(value: unknown): value is SourceMap {
  return typeof value === "object" && value !== null && "mappings" in value && "sources" in value;
}

/** What `bi` and the banner show of the image; the same in both engines. */
function buildInfo(main: Bundle, worker: Bundle, manifest: Uint8Array): string {
  const hashed = createHash("sha256");
  for (const part of [main.js, main.lines, worker.js, worker.lines, manifest]) hashed.update(part);
  const hash = hashed.digest("hex");
  const info = {
    version: packageVersion(),
    revision: revision(),
    imageHash: hash.slice(0, 16),
    quickjs: pin("QUICKJS_VERSION"),
  };
  return `${JSON.stringify(info)}\n`;
}

/** Writes `<name>.js` and `<name>.lines`. */
async function buildBundle(entry: string, name: string, options: VmBundleOptions): Promise<Bundle> {
  const out = resolve(options.out);
  const result = await build({
    absWorkingDir: repository,
    entryPoints: [resolve(entry)],
    outfile: join(out, `${name}.js`),
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    // Less to parse and to run, and every name and position in a stack trace is what it was.
    minifySyntax: true,
    sourcemap: "external",
    sourcesContent: false,
    // The flags, see services/flags.
    define: { COHESIX_NET: String(options.net) },
    plugins: [schemasPlugin()],
    tsconfig: inRepository("tsconfig.json"),
    logLevel: "warning",
    metafile: true,
    write: false,
  });
  const output = (suffix: string): Uint8Array => {
    const file = result.outputFiles.find(({ path }) => path.endsWith(suffix));
    if (file === undefined) throw new Error(`esbuild made no ${suffix} of ${entry}`);
    return file.contents;
  };
  const map: unknown = JSON.parse(Buffer.from(output(`${name}.js.map`)).toString("utf8"));
  if (!isSourceMap(map)) throw new Error(`esbuild's source map of ${entry} is none`);
  const js = Buffer.from(quickJsForm(Buffer.from(output(`${name}.js`)).toString("utf8")));
  const lines = encodeLineTable(lineTableFromMap(map, (source) => relative(repository, resolve(out, source))));
  writeIfChanged(join(out, `${name}.js`), js);
  writeIfChanged(join(out, `${name}.lines`), lines);
  const made = Object.values(result.metafile.outputs).find(({ entryPoint }) => entryPoint !== undefined);
  return { js, lines, modules: Object.keys(made?.inputs ?? {}) };
}

/** @throws Error with esbuild's message if an entry does not compile. */
export async function buildVmBundle(options: VmBundleOptions): Promise<VmBundle> {
  const main = await buildBundle(options.entry, "main", options);
  const worker = await buildBundle(options.worker ?? workerEntry, "worker", options);
  const info = buildInfo(main, worker, readFileSync(options.manifest));
  writeIfChanged(join(resolve(options.out), "build.json"), info);
  return { ...main, worker, buildInfo: info };
}

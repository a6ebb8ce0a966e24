/**
 * Compiles JSON Schemas to the validators of the VM, which has no compiler of its own: plain functions without ajv and without
 * `new Function`. The bundle gets them as a module; whoever runs services under Node loads the very same text.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import standalone from "ajv/dist/standalone/index.js";
import { type Plugin, transformSync } from "esbuild";
import type { CtlSchemas } from "../../services/queen/schemas.ts";
import { inRepository } from "./repository.ts";

const SUFFIX = ".schema.json";
/** Definitions that other schemas refer to; no validator of its own, but descriptions. */
const COMMON = `common${SUFFIX}`;

/** Folders of schemas, each with the module that is made of it. */
const modules = [{ folder: "services/queen/schema", module: "services/queen/validators.js" }] as const;

function readSchema(path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`${path}: it is no JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${path} is no JSON Schema`);
  return { ...value };
}

/** The descriptions of the definitions by name; a definition without one is a mistake, since sentences are made of them. */
function descriptions(path: string, common: Record<string, unknown>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, definition] of Object.entries(common["$defs"] ?? {})) {
    const description: unknown =
      typeof definition === "object" && definition !== null ? Reflect.get(definition, "description") : undefined;
    if (typeof description !== "string") throw new Error(`${path}: /$defs/${name}/description is missing.`);
    found[name] = description;
  }
  return found;
}

/**
 * The text of an ES module that exports a validator for every `<name>.schema.json` of a folder, by that name, and
 * `descriptions` of what `common.schema.json` defines.
 * @throws Error that names the schema which is wrong.
 */
export function compileSchemas(folder: string): string {
  const ajv = new Ajv2020({
    strict: true,
    // The core finds its own words, so that they are the same for every engine.
    messages: false,
    code: { source: true, esm: true, lines: true, optimize: 2 },
  });
  const path = (file: string): string => join(folder, file);
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(SUFFIX))
    .sort();
  const read = new Map(files.map((file) => [file, readSchema(path(file))]));
  const named = (file: string, act: () => unknown): void => {
    try {
      act();
    } catch (error) {
      throw new Error(`${path(file)}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  for (const [file, schema] of read) {
    if (schema["$id"] !== file) throw new Error(`${path(file)}: /$id must be ${file}.`);
    named(file, () => ajv.addSchema(schema));
  }
  // All are known before the first is compiled, so that what several refer to is compiled once.
  for (const file of files) named(file, () => ajv.getSchema(file));
  const names = files.filter((file) => file !== COMMON);
  const exported = Object.fromEntries(names.map((file) => [file.slice(0, -SUFFIX.length), file]));
  const words = JSON.stringify(descriptions(path(COMMON), read.get(COMMON) ?? {}));
  const text = `${standalone(ajv, exported)}\nexport const descriptions = ${words};\n`;
  // ajv leaves branches that can never be taken.
  return transformSync(text, { minifySyntax: true, target: "es2022" }).code;
}

/** Gives a bundle the modules that are made of schemas. They stand in no folder; stacks name them as if they did. */
export function schemasPlugin(): Plugin {
  return {
    name: "schemas",
    setup(build) {
      for (const { folder, module } of modules) {
        const path = inRepository(module);
        const suffix = /[^/]+$/.exec(module)?.[0] ?? module;
        const filter = new RegExp(`/${suffix.replaceAll(".", "\\.")}$`);
        build.onResolve({ filter }, (args) => (resolve(args.resolveDir, args.path) === path ? { path } : undefined));
        build.onLoad({ filter }, (args) =>
          args.path === path
            ? { contents: compileSchemas(inRepository(folder)), loader: "js", watchDirs: [inRepository(folder)] }
            : undefined,
        );
      }
    },
  };
}

/** The validators of `/queen/ctl` for services that run under Node, of the same text that the bundle gets. */
export async function loadCtlSchemas(): Promise<CtlSchemas> {
  const text = compileSchemas(inRepository("services", "queen", "schema"));
  return (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as CtlSchemas;
}

/**
 * Reads `rootfs/manifest.json` against its JSON Schema. Each mistake is one sentence that starts with the JSON
 * pointer of the offending value; whoever builds an image sees all of them at once.
 */
import { readFileSync } from "node:fs";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import { checkIpv4Config, type Ipv4Config } from "../../services/net/address.ts";
import { inRepository } from "./repository.ts";

export const manifestPath = inRepository("rootfs", "manifest.json");
export const manifestSchemaPath = inRepository("rootfs", "manifest.schema.json");

function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function kind(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  switch (typeof value) {
    case "number":
      return String(value);
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return String(value);
    default:
      return "an object";
  }
}

function parameter(error: ErrorObject, name: string): string {
  const parameters: Record<string, unknown> = error.params;
  const value = parameters[name];
  return typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value);
}

/** One sentence. */
function sentence(error: ErrorObject): string {
  const at = error.instancePath;
  switch (error.keyword) {
    case "required":
      return `${at}/${escapePointer(parameter(error, "missingProperty"))} is missing.`;
    case "additionalProperties":
      return `${at}/${escapePointer(parameter(error, "additionalProperty"))} is no field of the manifest.`;
    case "unevaluatedProperties":
      return `${at}/${escapePointer(parameter(error, "unevaluatedProperty"))} is no field of the manifest.`;
    case "type":
      return `${at === "" ? "/" : at} must be of type ${parameter(error, "type")}, not ${kind(error.data)}.`;
    case "enum":
      return `${at} must be one of ${parameter(error, "allowedValues")}, not ${kind(error.data)}.`;
    case "const":
      return `${at} must be ${parameter(error, "allowedValue")}, not ${kind(error.data)}.`;
    default:
      return `${at === "" ? "/" : at} ${error.message ?? "is wrong"}, not ${kind(error.data)}.`;
  }
}

/** Errors of a combinator itself, which only repeat what its branches say. */
const combinators = new Set(["oneOf", "anyOf", "allOf", "if"]);

/** @returns one sentence per mistake; empty if the value is a manifest. */
export function manifestMistakes(value: unknown, schema: object): string[] {
  const validate = new Ajv2020({ allErrors: true, verbose: true, strict: true }).compile(schema);
  if (validate(value)) return addressMistakes(value as Manifest);
  const errors = validate.errors ?? [];
  const causes = errors.filter(({ keyword }) => !combinators.has(keyword));
  return [...new Set((causes.length > 0 ? causes : errors).map(sentence))];
}

/** What the build itself needs of a manifest; the schema has vouched for it. */
interface Manifest {
  readonly runtime: { readonly heap_bytes: number };
  readonly network: { readonly mode: string } & Ipv4Config;
}

/** What no schema can say of a manifest that is one: whether its addresses fit together, as the hive itself checks it. */
function addressMistakes({ network }: Manifest): string[] {
  if (network.mode !== "static") return [];
  try {
    checkIpv4Config(network);
    return [];
  } catch (error) {
    const [field = "", why = ""] = (error instanceof Error ? error.message : String(error)).split(": ");
    return [`${field.replace("ipv4.", "/network/")} is wrong: ${why}.`];
  }
}

export interface ManifestFile {
  readonly text: string;
  /** Size of the JavaScript heap. */
  readonly heapBytes: number;
}

/** @throws Error whose message holds one line per mistake. */
export function readManifest(path: string): ManifestFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`${path}: the manifest cannot be read.`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path}: it is no JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  const schema: unknown = JSON.parse(readFileSync(manifestSchemaPath, "utf8"));
  if (typeof schema !== "object" || schema === null) throw new Error(`${manifestSchemaPath} is no JSON Schema`);
  const mistakes = manifestMistakes(value, schema);
  if (mistakes.length > 0) throw new Error(mistakes.map((mistake) => `${path}: ${mistake}`).join("\n"));
  const manifest = value as Manifest;
  return { text, heapBytes: manifest.runtime.heap_bytes };
}

/**
 * One line of `/queen/ctl` becomes one command, or one mistake with the JSON pointer of what is wrong and a sentence that begins
 * with it. Nothing is guessed, converted or ignored; whether a command can be done is for {@link QueenControl} to find out.
 */
import { printable } from "../config/printable.ts";
import type { BudgetRequest } from "../roles/budget.ts";
import { INVALID, type Refusal } from "../secure9p/refusal.ts";
import { utf8Length } from "../secure9p/wire.ts";
import { type JsonObject, pointerTo, readJson, type Json } from "./json.ts";
import type { BudgetFields, CtlSchemas, Priority, SchemaError, Validator } from "./schemas.ts";

/** What a GPU worker wants of its GPU. A higher priority goes first. */
export interface LeaseRequest {
  readonly gpuId: string;
  readonly memMb: number;
  readonly streams: number;
  readonly ttlS: number;
  readonly priority: number;
}

interface Spawn {
  readonly verb: "spawn";
  readonly budget: BudgetRequest;
  readonly priority: Priority;
}

export interface SpawnHeartbeat extends Spawn {
  readonly kind: "heartbeat";
  /** Heartbeats after which it ends by itself; `undefined`: never. */
  readonly heartbeats: number | undefined;
}

export interface SpawnGpu extends Spawn {
  readonly kind: "gpu";
  readonly lease: LeaseRequest;
}

export interface Kill {
  readonly verb: "kill";
  readonly worker: string;
}

export interface Bind {
  readonly verb: "bind";
  readonly from: string;
  readonly to: string;
}

export interface Mount {
  readonly verb: "mount";
  readonly service: string;
  readonly at: string;
}

export interface SetBudget {
  readonly verb: "set_budget";
  readonly worker: string;
  readonly budget: BudgetRequest;
}

/** The budget of workers that are spawned later without one of their own. */
export interface SetDefaultBudget {
  readonly verb: "budget";
  readonly budget: BudgetRequest;
}

export type Command = SpawnHeartbeat | SpawnGpu | Kill | Bind | Mount | SetBudget | SetDefaultBudget;
export type Verb = Command["verb"];

/** What is wrong with a line. */
export interface Mistake {
  readonly refusal: Refusal;
  /** RFC 6901; "" is the whole line. */
  readonly pointer: string;
  /** One sentence of printable characters. */
  readonly sentence: string;
}

/** What a line says. */
export type Reading = { readonly command: Command } | Mistake;

/** `budget` beside another verb is a field of it. */
const VERBS = ["spawn", "kill", "bind", "mount", "set_budget"] as const;
const CHOICE = "a command has exactly one of spawn, kill, bind, mount, set_budget and budget";

/** Most bytes of a path. */
const PATH_BYTES_MAX = 255;
/** Most characters that a sentence repeats of a text or name. */
const QUOTED_MAX = 40;

/** @param text one line without its newline. Never throws. */
export function readCommand(text: string, schemas: CtlSchemas): Reading {
  if (text.trim() === "") return mistake("", "The line is empty.");
  const read = readJson(text);
  if ("mistake" in read) return mistake(read.mistake.pointer, read.mistake.sentence);
  const { value } = read;
  if (!isObject(value)) return mistake("", `The line must be an object, not ${describe(value)}.`);
  const names = Object.keys(value);
  const verbs = names.filter(isVerb);
  const [verb, second] = verbs;
  if (second !== undefined) return mistake(`/${second}`, `/${second} is a second verb: ${CHOICE}.`);
  if (verb === undefined) {
    if ("budget" in value) return readDefaultBudget(value, schemas);
    const [name] = names;
    if (name === undefined) return mistake("", `The object is empty: ${CHOICE}.`);
    const pointer = pointerTo("", name);
    return mistake(pointer, `${shown(pointer)} is no verb: ${CHOICE}.`);
  }
  switch (verb) {
    case "spawn":
      if (value["spawn"] === "heartbeat") return readHeartbeat(value, schemas);
      if (value["spawn"] === "gpu") return readGpu(value, schemas);
      return mistake("/spawn", `/spawn must be heartbeat or gpu, not ${describe(value["spawn"])}.`);
    case "kill":
      if (!schemas.kill(value)) return fault(value, schemas.kill, schemas);
      return { command: { verb: "kill", worker: value.kill } };
    case "bind": {
      if (!schemas.bind(value)) return fault(value, schemas.bind, schemas);
      const { from, to } = value.bind;
      return tooLong("/bind/from", from) ?? tooLong("/bind/to", to) ?? { command: { verb: "bind", from, to } };
    }
    case "mount": {
      if (!schemas.mount(value)) return fault(value, schemas.mount, schemas);
      const { service, at } = value.mount;
      return tooLong("/mount/at", at) ?? { command: { verb: "mount", service, at } };
    }
    case "set_budget": {
      if (!schemas.set_budget(value)) return fault(value, schemas.set_budget, schemas);
      const { worker } = value.set_budget;
      return { command: { verb: "set_budget", worker, budget: budgetOf(value.set_budget) } };
    }
  }
}

function readHeartbeat(value: JsonObject, schemas: CtlSchemas): Reading {
  if (!schemas.heartbeat(value)) return fault(value, schemas.heartbeat, schemas);
  const { ticks, budget, priority = "worker" } = value;
  return { command: { verb: "spawn", kind: "heartbeat", heartbeats: ticks, budget: budgetOf(budget), priority } };
}

function readGpu(value: JsonObject, schemas: CtlSchemas): Reading {
  if (!schemas.gpu(value)) return fault(value, schemas.gpu, schemas);
  const { lease: asked, budget, priority = "worker" } = value;
  const { gpu_id: gpuId, mem_mb: memMb, streams, ttl_s: ttlS } = asked;
  const lease: LeaseRequest = { gpuId, memMb, streams, ttlS, priority: asked.priority ?? 0 };
  return { command: { verb: "spawn", kind: "gpu", lease, budget: budgetOf(budget), priority } };
}

function readDefaultBudget(value: JsonObject, schemas: CtlSchemas): Reading {
  if (!schemas.budget(value)) return fault(value, schemas.budget, schemas);
  return { command: { verb: "budget", budget: budgetOf(value.budget) } };
}

function budgetOf(fields: BudgetFields = {}): BudgetRequest {
  return { ttlS: fields.ttl_s, ops: fields.ops, ticks: fields.ticks };
}

function isVerb(name: string): name is (typeof VERBS)[number] {
  return VERBS.some((verb) => verb === name);
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mistake(pointer: string, sentence: string): Mistake {
  return { refusal: INVALID, pointer, sentence: printable(sentence) };
}

/** What a validator found. */
function fault(value: Json, validator: Validator<unknown>, schemas: CtlSchemas): Mistake {
  const [error] = validator.errors ?? [];
  if (error === undefined) throw new Error("a schema refused a value without saying why");
  const { instancePath: at, params } = error;
  switch (error.keyword) {
    case "required": {
      const pointer = pointerTo(at, String(params["missingProperty"]));
      return mistake(pointer, `${pointer} is missing.`);
    }
    case "additionalProperties": {
      const pointer = pointerTo(at, String(params["additionalProperty"]));
      return mistake(pointer, `${shown(pointer)} is no field of this command.`);
    }
    case "minProperties":
      return mistake(
        at,
        `${at} must name ${params["limit"] === 2 ? "a worker and " : ""}at least one of ttl_s, ops and ticks.`,
      );
    default:
      return mistake(at, `${at} must be ${wanted(error, schemas)}, not ${describe(valueAt(value, at))}.`);
  }
}

/** What a field must be: its description in `common.schema.json`, through which every scalar is defined. */
function wanted({ schemaPath }: SchemaError, schemas: CtlSchemas): string {
  const definition = /\/\$defs\/([a-z]+)\/[A-Za-z]+$/.exec(schemaPath)?.[1];
  const description = definition === undefined ? undefined : schemas.descriptions[definition];
  return description ?? "an object";
}

/** The value at a pointer that leads to one. Names that schemas know have nothing to unescape. */
function valueAt(root: Json, pointer: string): Json | undefined {
  let value: Json | undefined = root;
  for (const name of pointer.split("/").slice(1)) {
    value = value !== undefined && isObject(value) ? value[name] : undefined;
  }
  return value;
}

function describe(value: Json | undefined): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return typeof value === "string" ? JSON.stringify(shown(value)) : String(value);
}

/** As much of a client's text as a log line should hold. */
function shown(text: string): string {
  const characters = Array.from(text);
  return characters.length > QUOTED_MAX ? `${characters.slice(0, QUOTED_MAX).join("")}…` : text;
}

function tooLong(pointer: string, path: string): Mistake | undefined {
  if (utf8Length(path, PATH_BYTES_MAX) <= PATH_BYTES_MAX) return undefined;
  return mistake(pointer, `${pointer} is longer than ${PATH_BYTES_MAX} bytes.`);
}

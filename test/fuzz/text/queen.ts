/** Lines of `/queen/ctl` under fuzz, and the JSON that they are made of, with the engine's own parser as witness. */
import { loadCtlSchemas } from "../../../scripts/lib/schemas.ts";
import { readCommand } from "../../../services/queen/command.ts";
import { readJson } from "../../../services/queen/json.ts";
import { Random } from "../random.ts";
import { atLeast, atMost, must, type Target } from "../target.ts";
import { damaged, damageJson, noise, PRINTABLE } from "./texts.ts";

const schemas = await loadCtlSchemas();

const COMMANDS: readonly unknown[] = [
  { spawn: "heartbeat" },
  { spawn: "heartbeat", ticks: 100, budget: { ttl_s: 120, ops: 500, ticks: 1000 }, priority: "worker" },
  { spawn: "gpu", lease: { gpu_id: "GPU-0", mem_mb: 4096, streams: 2, ttl_s: 120, priority: 5 } },
  { kill: "worker-7" },
  { budget: { ttl_s: 120, ops: 1000 } },
  { set_budget: { worker: "worker-7", ttl_s: 600 } },
  { bind: { from: "/worker", to: "/shadow" } },
  { mount: { service: "gpu-bridge", at: "/gpu" } },
];
const WORDS = [
  "spawn", "heartbeat", "gpu", "lease", "gpu_id", "mem_mb", "streams", "ttl_s", "priority", "control", "worker", "ticks", "budget", "ops", "kill",
  "worker-1", "set_budget", "bind", "from", "to", "mount", "service", "at", "/", "/a/b", "//", "/..", "x".repeat(300), "__proto__", "constructor",
  "toString", "\\u0000", "\\ud800", "\\/", "\\x", '"', "{}", "[]", "1.5e3",
]; // prettier-ignore

function line(random: Random): string {
  if (random.once(20)) return noise(random, 60);
  let value: unknown = random.of(COMMANDS);
  for (let times = random.int(3); times > 0; times--) value = damageJson(value, WORDS, random);
  let text = JSON.stringify(value, null, random.once(8) ? random.int(3) : 0);
  // A name may stand twice.
  if (random.once(8)) text = text.replace(/\{/, `{"${random.of(WORDS.slice(0, 8))}":${random.int(3)},`);
  return random.once(2) ? damaged(text, WORDS, random) : text;
}

/** Equal to the last sign, whatever objects inherit from. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [names, others] = [Object.keys(a), Object.keys(b)];
  return (
    names.length === others.length &&
    names.every((name) => Object.hasOwn(b, name) && same(field(a, name), field(b, name)))
  );
}

/** Names in a value, at any depth. */
function names(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value as Record<string, unknown>).reduce((sum: number, inner) => sum + names(inner), own);
}

function field(value: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function sound({ pointer, sentence }: { readonly pointer: string; readonly sentence: string }, text: string): void {
  const shown = (): string =>
    `${JSON.stringify(text)} is refused with ${JSON.stringify(sentence)} at ${JSON.stringify(pointer)}`;
  must(/^(?:\/(?:[^/~]|~[01])*)*$/u.test(pointer), shown);
  must(sentence.endsWith("."), shown);
}

function counts() {
  return { lines: 0, taken: 0, refused: 0 };
}

function target(name: string, what: string, taken: (text: string) => boolean): Target {
  return {
    name,
    what,
    run: 4096,
    short: 2 * 4096,
    counts,
    fuzz(seed, inputs, counts) {
      const random = new Random(seed);
      for (let n = 0; n < inputs; n++) {
        counts["lines"]!++;
        counts[taken(line(random)) ? "taken" : "refused"]!++;
      }
    },
    reached(counts) {
      atLeast(counts, "taken", 0.05, "lines");
      atMost(counts, "taken", 0.95, "lines");
    },
  };
}

export const QUEEN_TARGETS: readonly Target[] = [
  target("json", "damaged JSON at the hive's reader, with the engine's as witness", (text) => {
    const read = readJson(text);
    const witness = parsed(text);
    if ("value" in read) {
      must(witness !== undefined && same(read.value, witness.value), () => `taken otherwise: ${JSON.stringify(text)}`);
      // Each text in quotes in turn, so that none begins at another's end.
      const quoted = [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)];
      const written = quoted.filter(([, colon]) => colon !== undefined).length;
      must(written === names(read.value), () => `a name stands twice: ${JSON.stringify(text)}`);
      return true;
    }
    sound(read.mistake, text);
    // Where it is stricter it says so.
    const stricter = /stands twice\.$|^The line is nested deeper than/.test(read.mistake.sentence);
    must(witness === undefined || stricter, () => `refused: ${read.mistake.sentence}: ${JSON.stringify(text)}`);
    return false;
  }),
  target("command", "damaged commands at the reader of /queen/ctl", (text) => {
    const reading = readCommand(text, schemas);
    if ("command" in reading) {
      must(parsed(text) !== undefined, () => `taken, and no JSON: ${JSON.stringify(text)}`);
      return true;
    }
    sound(reading, text);
    must(PRINTABLE.test(reading.sentence), () => `refused with ${JSON.stringify(reading.sentence)}`);
    must(reading.sentence.length < 400, () => `a sentence of ${reading.sentence.length} characters`);
    return false;
  }),
];

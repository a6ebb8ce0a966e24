/** A line of `/gpu/<id>/ctl` as the Queen writes it, or one sentence on what is wrong with it. */

import { PRIORITY_MOST, WORKER } from "../limits.ts";
import { invalid, type Refused, shortened } from "../refused.ts";

/** What a lease grants. */
export interface LeaseTerms {
  readonly worker: string;
  /** MiB. */
  readonly memMb: number;
  readonly streams: number;
  readonly ttlS: number;
  readonly priority: number;
}

export type CtlCommand =
  | { readonly verb: "LEASE"; readonly terms: LeaseTerms }
  | { readonly verb: "RELEASE"; readonly worker: string }
  | { readonly verb: "PRIORITY"; readonly worker: string; readonly priority: number }
  | { readonly verb: "RESET" };

/** Bounds of the numbers by their names: those of `spawn gpu`, and a time that is a number of milliseconds too. */
const RANGES = {
  mem_mb: [1, 2 ** 32 - 1],
  streams: [1, 255],
  ttl_s: [1, 2 ** 32 - 1],
  priority: [0, PRIORITY_MOST],
} as const;
type Name = keyof typeof RANGES;

const FORMS = {
  LEASE: "LEASE <worker> mem_mb=<n> streams=<n> ttl_s=<n> [priority=<n>]",
  RELEASE: "RELEASE <worker>",
  PRIORITY: "PRIORITY <worker> <n>",
  RESET: "RESET",
} as const;

/** Most characters that a sentence repeats of a word. */
const QUOTED = 40;

/** @param line without its newline. Never throws. */
export function readCtl(line: string): { readonly command: CtlCommand } | Refused {
  const [verb = "", ...words] = line.replace(/\r$/, "").trim().split(/ +/);
  switch (verb) {
    case "LEASE":
      return readLease(words);
    case "RELEASE": {
      const [worker, ...rest] = words;
      if (worker === undefined || rest.length > 0) return form(verb);
      return workerOf(worker) ?? { command: { verb, worker } };
    }
    case "PRIORITY": {
      const [worker, number, ...rest] = words;
      if (worker === undefined || number === undefined || rest.length > 0) return form(verb);
      const priority = numberOf("priority", number);
      if (typeof priority !== "number") return priority;
      return workerOf(worker) ?? { command: { verb, worker, priority } };
    }
    case "RESET":
      return words.length > 0 ? form(verb) : { command: { verb } };
    case "":
      return invalid("the line is empty");
    default:
      return invalid(`${quoted(verb)} is no verb: LEASE, RELEASE, PRIORITY and RESET are`);
  }
}

function readLease([worker, ...fields]: readonly string[]): { readonly command: CtlCommand } | Refused {
  if (worker === undefined) return form("LEASE");
  const wrong = workerOf(worker);
  if (wrong !== undefined) return wrong;
  const numbers: Partial<Record<Name, number>> = {};
  for (const field of fields) {
    const [name = "", value = "", ...rest] = field.split("=");
    if (!isName(name) || rest.length > 0) return invalid(`${quoted(field)} is unknown: the form is ${FORMS.LEASE}`);
    if (name in numbers) return invalid(`${name} stands twice`);
    const number = numberOf(name, value);
    if (typeof number !== "number") return number;
    numbers[name] = number;
  }
  const { mem_mb: memMb, streams, ttl_s: ttlS, priority = 0 } = numbers;
  if (memMb === undefined) return invalid("mem_mb is missing");
  if (streams === undefined) return invalid("streams is missing");
  if (ttlS === undefined) return invalid("ttl_s is missing");
  return { command: { verb: "LEASE", terms: { worker, memMb, streams, ttlS, priority } } };
}

function workerOf(worker: string): Refused | undefined {
  return WORKER.test(worker) ? undefined : invalid(`${quoted(worker)} is no worker's id`);
}

function numberOf(name: Name, text: string): number | Refused {
  const [least, most] = RANGES[name];
  const number = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  return invalid(`${name} must be a whole number from ${least} to ${most}, not ${quoted(text)}`);
}

function isName(name: string): name is Name {
  return Object.hasOwn(RANGES, name);
}

function form(verb: keyof typeof FORMS): Refused {
  return invalid(`the form is ${FORMS[verb]}`);
}

function quoted(text: string): string {
  return JSON.stringify(shortened(text, QUOTED));
}

/**
 * How reports write numbers: `name key=value …`, keys in lower case with underscores whatever the code calls them, one line
 * for each group of counters. What a line says is as long as the code's own names, never as what somebody sent.
 */
import type { Pool } from "../ports/index.ts";

/** Numbers, and groups of numbers, by name. */
type Counters = Readonly<Record<string, unknown>>;

/** Names are the code's own, so there are only so many; to make each but once saves most of what a report costs. */
const made = new Map<string, string>();

/** `workersRefused` as `workers_refused`, as the interface names things. @param name one of the code's own */
export function snake(name: string): string {
  let text = made.get(name);
  if (text === undefined) {
    text = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    made.set(name, text);
  }
  return text;
}

/** The numbers among some values, as one line. @param own whose names it takes, all if it is left out */
export function row(name: string, values: object, own?: (key: string) => boolean): string {
  let text = name;
  for (const key of Object.keys(values)) {
    const value = (values as Counters)[key];
    if (typeof value === "number" && own?.(key) !== false) text += ` ${snake(key)}=${value}`;
  }
  return text;
}

/** A line for the counters themselves, and one for each group of them. */
export function groups(name: string, counters: object): string[] {
  const lines = [row(name, counters)];
  for (const key of Object.keys(counters)) {
    const value = (counters as Counters)[key];
    if (typeof value === "object" && value !== null) lines.push(row(`${name}.${snake(key)}`, value));
  }
  return lines;
}

/** A pool as one line. The last field says what it does when it is full, and how often it did. */
export function poolLine(pool: Pool): string {
  return `pool ${pool[0]} bytes=${pool[1]} used=${pool[2]} of=${pool[3]} peak=${pool[4]} ${pool[5]}=${pool[6]}`;
}

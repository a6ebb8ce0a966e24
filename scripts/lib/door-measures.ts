/** What the benchmarks of a console over TCP are made of: being let in, round trips, lines under way at once, and streams. */

import type { Role } from "../../services/roles/roles.ts";
import { acknowledged, type DoorWire, frames, type OnLine, streamEnds } from "./door-wire.ts";

const PATIENCE_MS = 60_000;
const WARM = 50;

/** What lets a client in. */
export interface Keys {
  readonly token: string;
  readonly ticket: string;
  /** Whose ticket that is; the Queen's if absent. */
  readonly role?: Role;
}

export async function logIn(
  wire: DoorWire,
  { token, ticket, role = "queen" }: Keys,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  let answers = 0;
  const both: OnLine = (line) => acknowledged(line) && ++answers === 2;
  await wire.ask(frames(`AUTH ${token}`, `ATTACH ${role} ${ticket}`), both, patienceMs);
}

/** Milliseconds of each of `count` round trips one after the other, after some that do not count. */
export async function times(
  wire: DoorWire,
  count: number,
  question: Uint8Array,
  last: OnLine,
  patienceMs = PATIENCE_MS,
): Promise<number[]> {
  for (let i = 0; i < warmUp(count); i++) await wire.ask(question, last, patienceMs);
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    const since = performance.now();
    await wire.ask(question, last, patienceMs);
    took.push(performance.now() - since);
  }
  return took;
}

/** How many go ahead and do not count. */
export function warmUp(count: number): number {
  return Math.min(WARM, count);
}

/** Of round trips that took so many milliseconds each. */
export function perSecond(took: readonly number[]): number {
  return (took.length * 1000) / took.reduce((total, ms) => total + ms, 0);
}

/** Bytes a microsecond of what says how many bytes it moved, which is MB/s. */
export async function throughput(move: () => Promise<number>): Promise<number> {
  const since = performance.now();
  const bytes = await move();
  return bytes / (performance.now() - since) / 1000;
}

/** Acknowledged lines a second, of `count` in all with so many under way. */
export async function pipelined(
  wire: DoorWire,
  line: Uint8Array,
  depth: number,
  count: number,
  patienceMs = PATIENCE_MS,
): Promise<number> {
  let sent = Math.min(depth, count);
  let answered = 0;
  const since = performance.now();
  await wire.ask(
    Buffer.concat(Array.from({ length: sent }, () => line)),
    (answer) => {
      acknowledged(answer);
      if (sent < count) {
        sent++;
        wire.send(line);
      }
      return ++answered === count;
    },
    patienceMs,
  );
  return (count * 1000) / (performance.now() - since);
}

/** Read a stream. @returns bytes of the file that it shows */
export async function size(wire: DoorWire, command: string): Promise<number> {
  let total = 0;
  await wire.ask(
    frames(command),
    (line, bytes) => {
      if (streamEnds(line)) return true;
      if (!line.startsWith("OK ")) total += bytes + 1;
      return false;
    },
    PATIENCE_MS,
  );
  return total;
}

/** Both sides of a connection say something at once and finish; every byte has to arrive, by SHA-256 of the whole. */
import { ensure } from "../../../scripts/lib/checks.ts";
import type { KernelSocket } from "./kernel.ts";
import type { Lab } from "./lab.ts";
import type { Pair } from "./pair.ts";
import { pattern, sha256 } from "./pattern.ts";
import type { Station } from "./station.ts";
import { Transfer } from "./transfer.ts";

export interface TalkOptions {
  /** Bytes that each side sends, the patterns of `seed` and `seed + 1`. */
  readonly bytes: number;
  readonly seed?: number;
  readonly patienceMs?: number;
}

/** The kernel's part of it. */
export function say(theirs: KernelSocket, { bytes, seed = 1 }: TalkOptions): void {
  theirs.send(seed + 1, bytes);
  theirs.end();
}

/**
 * Both say it on a connection of which the kernel's side has begun already.
 * @returns milliseconds that it took. @throws Error if it did not end as it should; the socket is handed back if it did.
 */
export async function answer(
  lab: Lab,
  station: Station,
  { ours, theirs }: Pair,
  options: TalkOptions,
): Promise<number> {
  const { bytes, seed = 1, patienceMs = 20_000 } = options;
  const transfer = new Transfer(ours);
  station.work.add(transfer.serve);
  const start = performance.now();
  transfer.send(seed, bytes);
  transfer.end();
  station.turn();
  const state = (): string =>
    `end: ${theirs.received} and ${transfer.received} of ${bytes} bytes came, ${ours.state}, ${ours.error ?? "no error"}`;
  await lab.changes.until(() => theirs.sha256 !== undefined && transfer.sha256 !== undefined, state, patienceMs);
  const tookMs = performance.now() - start;
  ensure(theirs.received === bytes && theirs.sha256 === sha256(pattern(seed, bytes)), "the kernel got other bytes");
  const right = transfer.received === bytes && transfer.sha256 === sha256(pattern(seed + 1, bytes));
  ensure(right, "the stack got other bytes");
  await lab.changes.until(() => !ours.connected, state, patienceMs);
  station.work.delete(transfer.serve);
  ensure(ours.error === undefined && theirs.error === undefined, `it ended by ${ours.error ?? theirs.error ?? ""}`);
  ours.close();
  return tookMs;
}

export async function talk(lab: Lab, station: Station, pair: Pair, options: TalkOptions): Promise<number> {
  say(pair.theirs, options);
  return answer(lab, station, pair, options);
}

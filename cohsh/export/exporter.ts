/**
 * Keeps a tree exported: dials in, serves, and when the connection is lost dials in again with growing waits. It gives up only where
 * another attempt would go the same way, and says what happens in a sentence each.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { Tree } from "../../services/secure9p/tree.ts";
import { AttachError, type Attached } from "../9p/attach.ts";
import { BackOff, type BackOffRules } from "../transports/back-off.ts";
import { ConnectError } from "../transports/tcp-connection.ts";
import { serve, SILENCE_MS } from "./serve.ts";
import { within } from "../transports/within.ts";

export interface ExporterOptions {
  readonly tree: Tree;
  /** A way to the hive, switched by `EXPORT`. @throws Error with one sentence */
  readonly attach: (signal: AbortSignal) => Promise<Attached>;
  /** The hive refused a ticket that was good: the next one has to be new. */
  readonly renew: () => void;
  /** How long one attempt may take, in milliseconds. */
  readonly patienceMs: number;
  /** The hive has it, for the first time or again. */
  readonly up: (again: boolean) => void;
  /** It has not, or no more; how long until it is tried again. */
  readonly down: (why: string, waitMs: number) => void;
  readonly backOff?: BackOffRules;
  readonly silenceMs?: number;
}

const BACK_OFF: BackOffRules = { first: 200, most: 10_000 };

/** Export until the signal ends it. @throws Error with one sentence where it gives up */
export async function keepExported(options: ExporterOptions, signal: AbortSignal): Promise<void> {
  const { tree, attach, patienceMs, silenceMs = SILENCE_MS } = options;
  const backOff = new BackOff(options.backOff ?? BACK_OFF);
  let times = 0;
  // Only when it is attached to the hive has it, and not before the answer to that has left.
  const watched: Tree = {
    attach: (request, aname, uname) => {
      backOff.reset();
      const again = times++ > 0;
      tree.attach(request, aname, uname);
      setImmediate(() => options.up(again));
    },
  };
  for (;;) {
    let why: string;
    let least = 0;
    try {
      const attached = await within(patienceMs, [signal], attach);
      why = `the hive ${await serve(attached, watched, signal, silenceMs)}`;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Error) || isFinal(error, times === 0)) throw error;
      if (error instanceof AttachError && error.reason === "cut") options.renew();
      if (error instanceof ConnectError) least = error.delayMs;
      why = error.message;
    }
    if (signal.aborted) return;
    const waitMs = backOff.next(least);
    options.down(why, waitMs);
    try {
      await sleep(waitMs, undefined, { signal });
    } catch {
      return;
    }
  }
}

/** @param first whether it was never up: then nobody knows that there is a hive at all */
function isFinal(error: Error, first: boolean): boolean {
  if (error instanceof AttachError) return error.reason === "policy";
  return !(error instanceof ConnectError) || error.kind === "final" || first;
}

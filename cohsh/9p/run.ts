/**
 * One run of `cohsh 9p`: sees first that the hive lets the role in, then carries 9P until a signal ends it. Its socket is removed and
 * every connection ended before it leaves.
 */

import { addressOf, tcpKeys } from "../transports/make.ts";
import { addressText } from "../transports/tcp-connection.ts";
import { attach9p, type AttachOptions } from "./attach.ts";
import type { NineOptions } from "./cli.ts";
import { Relay } from "./relay.ts";
import { within } from "../transports/within.ts";

export const SIGNAL_STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** From now on a signal does not end the process: it aborts, and `status` is then what to leave with; 0 without one. */
export function leaveBySignal(): { readonly signal: AbortSignal; readonly status: () => number } {
  const leave = new AbortController();
  let status = 0;
  for (const [signal, code] of Object.entries(SIGNAL_STATUS)) {
    process.on(signal, () => {
      status = code;
      leave.abort();
    });
  }
  return { signal: leave.signal, status: () => status };
}

/** @returns the exit status. */
export async function runNine(options: NineOptions): Promise<number> {
  const { listen, role, subject, openTimeoutMs } = options;
  const address = addressOf(options);
  const complain = (sentence: string): void => void process.stderr.write(`cohsh: ${sentence}\n`);
  const leave = new AbortController();
  const signalled = new Promise<number>((resolve) => {
    for (const [signal, status] of Object.entries(SIGNAL_STATUS)) {
      process.on(signal, () => {
        leave.abort();
        resolve(status);
      });
    }
  });
  const keys = tcpKeys(options);
  const way: AttachOptions = {
    address,
    role,
    token: () => keys.token(),
    credential: () => keys.find(role, subject),
  };
  const relay = new Relay({
    path: listen,
    attach: (signal) => attach9p(way, signal),
    patienceMs: openTimeoutMs,
    said: complain,
  });
  try {
    const { socket } = await within(openTimeoutMs, [leave.signal], (signal) => attach9p(way, signal));
    socket.destroy();
    await relay.listen();
    process.stdout.write(`# 9P2000.L as ${role} at unix:${listen}, from the hive at ${addressText(address)}\n`);
    return await signalled;
  } catch (error) {
    if (leave.signal.aborted) return await signalled;
    complain(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await relay.close();
    address.via?.close();
  }
}

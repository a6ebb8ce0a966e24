/**
 * Who has to leave so that somebody new may come, among those who have not said the token: who is gone already, then who is on the
 * way out, then who came first. Nobody leaves whose first bytes were not looked at, for they may be the token.
 */
import type { DoorClient } from "./client.ts";
import type { End } from "./counters.ts";

const GONE = 0;
const LEAVING = 1;
const SILENT = 2;
const STAYS = 3;

export interface Leaver {
  readonly client: DoorClient;
  /** How it is counted: who is gone was not pushed out. */
  readonly why: End;
}

/** @param clients in the order in which they came. @returns `undefined` if all of them have to be looked at first */
export function leaver(clients: readonly DoorClient[]): Leaver | undefined {
  let found: DoorClient | undefined;
  let least = STAYS;
  for (const client of clients) {
    const rank = rankOf(client);
    if (rank >= least) continue;
    least = rank;
    found = client;
  }
  if (found === undefined) return undefined;
  if (least !== GONE) return { client: found, why: "crowded" };
  return { client: found, why: found.connection.connected ? "left" : "reset" };
}

function rankOf({ authenticated, phase, connection, heard }: DoorClient): number {
  if (authenticated) return STAYS;
  if (!connection.connected) return GONE;
  if (phase !== "auth") return LEAVING;
  if (connection.ended) return GONE;
  // They are read in the same turn, so that nobody keeps a place by sending more.
  return connection.readable > 0 && !heard ? STAYS : SILENT;
}

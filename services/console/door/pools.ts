/**
 * What one connection of the door may hold, for reports: lines that wait to be answered, and answers that wait for the client.
 */
import type { Pool } from "../../ports/index.ts";
import type { Use } from "../../secure9p/pools.ts";
import { QUEUE } from "../session.ts";
import { LENGTH_BYTES } from "./framing.ts";
import type { DoorLimits } from "./limits.ts";
import { LAST_WORD_BYTES } from "./outbox.ts";

/** Memory of a connection that is idle: the rest of it is counted with its pools and its login. */
export const CLIENT_BYTES = 32_768;
/** Of a line that waits: its text in UTF-16 twice over, and what it was parsed into. */
const PARSED_BYTES = 1024;
const UNUSED: Use = [0, 0, 0];

export function clientPools({ lineBytes, unsentBytes }: DoorLimits, lines = UNUSED, unsent = UNUSED): Pool[] {
  const waiting = LENGTH_BYTES + lineBytes + QUEUE * (4 * lineBytes + PARSED_BYTES);
  const bound = unsentBytes + LAST_WORD_BYTES;
  return [
    ["door.lines", waiting, lines[0], QUEUE, lines[1], "held_back", lines[2]],
    ["door.unsent", bound, unsent[0], unsentBytes, unsent[1], "held_back", unsent[2]],
  ];
}

/**
 * The ticket that the hive mints for a worker when it spawns it. Its text is another one in every boot, so that with the ledger,
 * which knows it by its code, a ticket of an earlier boot is worth nothing though workers' ids begin anew.
 */
import type { Bytes, Random } from "../ports/index.ts";
import type { Role } from "./roles.ts";
import { claimsOf, macOf, encodePayload, TICKET_LIMITS, TICKET_PREFIX, toHex } from "./ticket.ts";
import type { TicketVerifier, VerifiedTicket } from "./verifier.ts";

/** A minted ticket: for the worker as text, for `Ledger.issue` as what it says. */
export interface WorkerTicket {
  readonly text: string;
  readonly ticket: VerifiedTicket;
}

/** A time that no clock reaches, so that it counts from first use like every future one; below it is room for 48 bits. */
const FAR_FUTURE_MS = 2 ** 52;

/**
 * Mint a worker's ticket.
 * @returns `undefined` if the role has no secret, or neither random numbers nor a clock make the ticket this boot's own.
 */
export function mintForWorker(
  bytes: Bytes,
  verifier: TicketVerifier,
  random: Random,
  role: Role,
  worker: string,
  unixMs: number | undefined,
): WorkerTicket | undefined {
  const key = verifier.keyOf(role);
  const issuedAtMs = nonce(random) ?? unixMs;
  if (key === undefined || issuedAtMs === undefined) return undefined;
  const claims = claimsOf(role, { subject: worker, issuedAtMs });
  const payload = encodePayload(bytes, claims, TICKET_LIMITS);
  const mac = toHex(macOf(key, payload));
  return { text: `${TICKET_PREFIX}${toHex(payload)}.${mac}`, ticket: { mac, claims } };
}

function nonce(random: Random): number | undefined {
  const drawn = new Uint8Array(6);
  if (!random.fill(drawn)) return undefined;
  let value = 0;
  for (const byte of drawn) value = value * 256 + byte;
  return FAR_FUTURE_MS + value;
}

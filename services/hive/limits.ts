/**
 * The bounds of a hive's core, with the defaults of docs/INTERFACES.md; the manifest may say otherwise.
 */
import type { NamespaceLimits } from "../ninedoor/namespace.ts";
import type { TicketLimits } from "../roles/ticket.ts";

export interface HiveLimits {
  /** Logins at once: of the network, and as many of the machine's own lines. */
  readonly sessions: number;
  /** Mounts of a session. */
  readonly mounts: number;
  /** 9P sessions that one login has open at once: the console's own and one that it was switched to. */
  readonly sessions9p: number;
  readonly msize: number;
  readonly fids: number;
  readonly tags: number;
  readonly unsentBytes: number;
  /** How long an exporter may take for one answer. */
  readonly providerUs: number;
  readonly tickets: TicketLimits;
  readonly namespace: Partial<NamespaceLimits>;
}

export const HIVE_LIMITS: HiveLimits = {
  sessions: 16,
  mounts: 8,
  sessions9p: 4,
  msize: 8192,
  fids: 64,
  tags: 16,
  unsentBytes: 65_536,
  providerUs: 5_000_000,
  tickets: { ticket: 224, subject: 32 },
  namespace: {},
};

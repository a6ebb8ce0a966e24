import { type Claims, claimsOf } from "../../../services/roles/ticket.ts";
import type { Leases } from "../../../services/roles/policy.ts";

/** A Queen's plainest claims, with some changed. */
export function claims(changes: Partial<Claims> = {}): Claims {
  return claimsOf("queen", changes);
}

/** Leases as pairs `worker gpu`. */
export function leases(...held: string[]): Leases {
  return { isLessee: (worker, gpu) => held.includes(`${worker} ${gpu}`) };
}

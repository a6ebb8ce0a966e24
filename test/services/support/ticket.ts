/** Tickets for tests, signed with the role's secret or with whatever the test takes for it. */
import type { Role } from "../../../services/roles/roles.ts";
import { type Claims, deriveKey, signTicket } from "../../../services/roles/ticket.ts";
import { nodeBytes } from "./ports.ts";

export function claims(role: Role, more: Partial<Claims> = {}): Claims {
  return {
    role,
    ticks: undefined,
    ops: undefined,
    ttlS: undefined,
    subject: "",
    issuedAtMs: 0,
    mountService: "",
    mountAt: "",
    scopes: [],
    quotas: undefined,
    ...more,
  };
}

export function sign(secret: string, of: Claims): string {
  return signTicket(nodeBytes, deriveKey(nodeBytes, secret), of);
}

/**
 * The roles of the interface: what each is called, and its code in a ticket. What a role may do is `policy.ts`.
 */

/** Longest word that the console takes for a role, in bytes. */
export const ROLE_LIMIT = 16;

/** Label and code in a ticket. Codes 3 and 4 are roles upstream that no hive of ours has. */
export const ROLE_CODES = {
  queen: 0,
  "worker-heartbeat": 1,
  "worker-gpu": 2,
  observer: 16,
  service: 17,
} as const;

export type Role = keyof typeof ROLE_CODES;

export const ROLES = [
  "queen",
  "worker-heartbeat",
  "worker-gpu",
  "observer",
  "service",
] as const satisfies readonly Role[];

/** Other words for a role. */
const ALIASES: Readonly<Record<string, Role>> = { worker: "worker-heartbeat" };

/** The role of a label or alias, in any case; `undefined` if there is none. */
export function roleOf(label: string): Role | undefined {
  // Only ASCII: Unicode has letters whose lower case is one of ours.
  if (!/^[A-Za-z-]{1,16}$/.test(label)) return undefined;
  const word = label.toLowerCase();
  return Object.hasOwn(ALIASES, word) ? ALIASES[word] : ROLES.find((role) => role === word);
}

/** The role of a ticket's code; `undefined` if there is none. */
export function roleOfCode(code: number): Role | undefined {
  return ROLES.find((role) => ROLE_CODES[role] === code);
}

/** Whether the role is a worker's: its ticket names a living worker. */
export function isWorker(role: Role): boolean {
  return role === "worker-heartbeat" || role === "worker-gpu";
}

/** Whether a ticket of the role must name its subject. */
export function needsSubject(role: Role): boolean {
  return isWorker(role) || role === "service";
}

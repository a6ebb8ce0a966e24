/**
 * The roles that a user can ask for, by the labels of the interface. Whether a role is granted is never
 * decided here.
 */

/** Longest role word that the console takes, in bytes. */
export const ROLE_LIMIT = 16;

export const ROLES = ["queen", "worker-heartbeat", "worker-gpu", "observer", "service"] as const;
export type Role = (typeof ROLES)[number];

/** The role of a label or alias, in any case; `undefined` if there is none. */
export function roleOf(label: string): Role | undefined {
  const wanted = label.toLowerCase();
  if (wanted === "worker") return "worker-heartbeat";
  return ROLES.find((role) => role === wanted);
}

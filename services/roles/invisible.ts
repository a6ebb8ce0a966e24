/**
 * Characters that nobody sees: control characters, blanks of every kind, what turns a line around, what Unicode has not assigned.
 * Names and audit lines must not have them. There is one expression for all who ask, because its table takes 5 kB in the bundle.
 */
const INVISIBLE = /[\p{C}\p{Z}]/u;
const BLANKS = /\p{Z}/gu;

/** Whether there is one in a text. */
export function hasInvisible(text: string): boolean {
  return INVISIBLE.test(text);
}

/** Whether there is one that is no blank. */
export function hasControl(text: string): boolean {
  return INVISIBLE.test(text.replace(BLANKS, ""));
}

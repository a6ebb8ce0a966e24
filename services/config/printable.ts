/** Texts that came from outside, as a sentence may repeat them: on one line, and without what moves a terminal's cursor. */

const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu;

export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "?");
}

/**
 * Where in a line that is being typed the secret begins: the credential of an `ATTACH` or `LOGIN`, and a ticket wherever it stands.
 * From there to its end the line is not to be shown. It follows the line byte by byte, at a cost that does not grow with it.
 */

/** What a byte that was added changes of what is shown. */
export const Hidden = {
  /** Nothing: it is shown if nothing before it is hidden. */
  NOTHING: 0,
  /** It is the first that is hidden. */
  BEGINS: 1,
  /** It shows that what stands before it has to be hidden too. */
  BEFORE: 2,
} as const;
export type Hidden = (typeof Hidden)[keyof typeof Hidden];

const BLANK = 0x20;
const HYPHEN = 0x2d;
const TICKET = "cohesix-ticket-";
const LOGINS = ["attach", "login"];
/** Verb, role, credential. */
const CREDENTIAL = 3;

export class Mask {
  /** Index of the first byte that is hidden, -1 if none is. */
  from = -1;
  #words = 0;

  reset(): void {
    this.from = -1;
    this.#words = 0;
  }

  /** A character was added, whose first byte is at `index`. */
  added(line: Uint8Array, index: number): Hidden {
    if (this.from >= 0) return Hidden.NOTHING;
    const byte = line[index]!;
    if (beginsWord(line, index) && ++this.#words === CREDENTIAL && isLogin(line)) {
      this.from = index;
      return Hidden.BEGINS;
    }
    if (byte === HYPHEN && endsTicketPrefix(line, index)) {
      this.from = index - TICKET.length + 1;
      return Hidden.BEFORE;
    }
    return Hidden.NOTHING;
  }

  /** A character of one byte was added that {@link isPlain} allows: it hides nothing. */
  addedPlain(line: Uint8Array, index: number): void {
    if (this.from < 0 && beginsWord(line, index)) this.#words++;
  }

  /** Whether adding a byte behind `before` cannot hide anything that is shown. */
  isPlain(byte: number, before: number): boolean {
    if (this.from >= 0) return true;
    return byte !== HYPHEN && !(byte !== BLANK && before === BLANK && this.#words === CREDENTIAL - 1);
  }

  /** The character at `index`, the line's last, was taken away. @returns whether it was hidden */
  removed(line: Uint8Array, index: number): boolean {
    if (this.from >= 0 && index > this.from) return true;
    const hidden = this.from === index;
    this.from = -1;
    // What a ticket hid is counted where it was found.
    if (beginsWord(line, index)) this.#words--;
    return hidden;
  }
}

function beginsWord(line: Uint8Array, index: number): boolean {
  return line[index] !== BLANK && (index === 0 || line[index - 1] === BLANK);
}

function endsTicketPrefix(line: Uint8Array, index: number): boolean {
  const start = index - TICKET.length + 1;
  if (start < 0) return false;
  for (let i = 0; i < TICKET.length; i++) if (line[start + i] !== TICKET.charCodeAt(i)) return false;
  return true;
}

function isLogin(line: Uint8Array): boolean {
  let start = 0;
  while (line[start] === BLANK) start++;
  return LOGINS.some((word) => {
    for (let i = 0; i < word.length; i++) if ((line[start + i]! | 0x20) !== word.charCodeAt(i)) return false;
    return line[start + word.length] === BLANK;
  });
}

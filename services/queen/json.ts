/**
 * Reads a line of JSON (RFC 8259) and says in the same words under every engine what is wrong with it. Stricter than `JSON.parse`:
 * a name that stands twice in an object, and nesting beyond {@link DEPTH_MAX}, are refused, so no two readers can understand a
 * command differently.
 */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = Record<string, Json>;

/** Deepest nesting of objects and arrays. */
export const DEPTH_MAX = 8;

/** What is wrong: where in the value, as far as it was read (RFC 6901), and one sentence. */
export interface JsonMistake {
  readonly pointer: string;
  readonly sentence: string;
}

class Failure extends Error {
  readonly mistake: JsonMistake;

  constructor(pointer: string, sentence: string) {
    super(sentence);
    this.mistake = { pointer, sentence };
  }
}

/** A name as a part of a JSON pointer. */
export function pointerTo(parent: string, name: string | number): string {
  return `${parent}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** White space of JSON, which is less than that of JavaScript. */
const BLANK = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const WORD = /true|false|null/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Json {
    this.#take(BLANK);
    const value = this.#value("", 0);
    if (this.#at < this.#text.length) throw this.#unexpected("the end of the line");
    return value;
  }

  /** A value and the blanks after it. */
  #value(pointer: string, depth: number): Json {
    const next = this.#text[this.#at];
    let value: Json;
    if (next === "{" || next === "[") {
      if (depth === DEPTH_MAX) throw new Failure(pointer, `The line is nested deeper than ${DEPTH_MAX}.`);
      this.#at++;
      this.#take(BLANK);
      value = next === "{" ? this.#object(pointer, depth + 1) : this.#array(pointer, depth + 1);
    } else if (next === '"') {
      value = this.#string();
    } else {
      const token = this.#take(NUMBER) ?? this.#take(WORD);
      if (token === undefined) throw this.#unexpected("a value");
      value = JSON.parse(token) as Json;
    }
    this.#take(BLANK);
    return value;
  }

  #object(pointer: string, depth: number): JsonObject {
    // Without a prototype, so that `__proto__` is a name like any other.
    const object = Object.create(null) as JsonObject;
    if (this.#skip("}")) return object;
    for (;;) {
      if (this.#text[this.#at] !== '"') throw this.#unexpected("a name in quotes");
      const name = this.#string();
      const at = pointerTo(pointer, name);
      if (name in object) throw new Failure(at, `${at} stands twice.`);
      this.#take(BLANK);
      if (!this.#skip(":")) throw this.#unexpected("a colon");
      object[name] = this.#value(at, depth);
      if (this.#skip("}")) return object;
      if (!this.#skip(",")) throw this.#unexpected("a comma or }");
    }
  }

  #array(pointer: string, depth: number): Json[] {
    const array: Json[] = [];
    if (this.#skip("]")) return array;
    for (;;) {
      array.push(this.#value(pointerTo(pointer, array.length), depth));
      if (this.#skip("]")) return array;
      if (!this.#skip(",")) throw this.#unexpected("a comma or ]");
    }
  }

  #string(): string {
    const start = this.#at;
    const token = this.#take(STRING);
    if (token === undefined) throw this.#wrong("a text begins that is not closed");
    try {
      return JSON.parse(token) as string;
    } catch {
      this.#at = start;
      throw this.#wrong("a text begins that has a control character or an escape which JSON does not know");
    }
  }

  /** Take a mark and the blanks after it. */
  #skip(mark: string): boolean {
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    this.#take(BLANK);
    return true;
  }

  #take(token: RegExp): string | undefined {
    token.lastIndex = this.#at;
    const found = token.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #unexpected(wanted: string): Failure {
    const point = this.#text.codePointAt(this.#at);
    const found = point === undefined ? "the line ends" : `there is ${JSON.stringify(String.fromCodePoint(point))}`;
    return this.#wrong(`${found} where ${wanted} should be`);
  }

  #wrong(what: string): Failure {
    const column = Array.from(this.#text.slice(0, this.#at)).length + 1;
    return new Failure("", `The line is no JSON: in column ${column} ${what}.`);
  }
}

/** The value of a text, or what is wrong with it. Never throws. */
export function readJson(text: string): { readonly value: Json } | { readonly mistake: JsonMistake } {
  try {
    return { value: new Reader(text).read() };
  } catch (error) {
    if (error instanceof Failure) return { mistake: error.mistake };
    throw error;
  }
}

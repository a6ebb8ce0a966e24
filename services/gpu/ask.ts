/**
 * What the hive itself asks of an exporter's tree, one request each: it needs no session, no fid of a client and no grant. Each is
 * answered exactly once, for whoever serves it bounds its time.
 */
import type { Client, Place, WalkRequest } from "../ninedoor/place.ts";
import { GETATTR_SIZE } from "../secure9p/constants.ts";
import type { Attributes } from "../secure9p/message.ts";
import { INVALID, type Refusal } from "../secure9p/refusal.ts";
import type { Node, OpenFile, Parked } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";

/** Either what was asked for or why not. */
export type Told<T> = (answer: T | Refusal) => void;
/** Bytes that are valid until the call returns. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

/** One that may be given up: it is not answered then. */
export interface Asked {
  cancel(): void;
}

/** Of one answer of a listing. */
const PAGE_BYTES = 4096;
const NOTHING = new Uint8Array(0);

abstract class Ask<T> implements WalkRequest {
  readonly offset: number;
  readonly count: number;
  readonly flags: number;
  readonly mask = GETATTR_SIZE;
  readonly partway = false;
  #told: Told<T> | undefined;
  #parked: Parked | undefined;

  constructor(told: Told<T>, flags = 0, offset = 0, count = 0) {
    this.#told = told;
    this.flags = flags;
    this.offset = offset;
    this.count = count;
  }

  protected tell(answer: T | Refusal): void {
    const told = this.#told;
    this.#told = undefined;
    this.#parked = undefined;
    told?.(answer);
  }

  refuse(why: Refusal): void {
    this.tell(why);
  }

  park(parked: Parked): void {
    this.#parked = parked;
  }

  cancel(): void {
    const parked = this.#parked;
    this.#told = undefined;
    this.#parked = undefined;
    parked?.cancelled(this);
  }

  found(_node: Node): void {
    this.tell(INVALID);
  }

  opened(file: OpenFile): void {
    file.close();
    this.tell(INVALID);
  }

  put(_bytes: Uint8Array, _start: number, _length: number): number {
    return 0;
  }

  entry(_qid: Qid, _offset: number, _type: number, _name: string): boolean {
    return false;
  }

  wrote(_count: number): void {
    this.tell(INVALID);
  }

  attributes(_attributes: Attributes): void {
    this.tell(INVALID);
  }

  done(): void {
    this.tell(INVALID);
  }
}

class AskWalk extends Ask<Place> {
  override found(place: Place): void {
    this.tell(place);
  }
}

class AskOpen extends Ask<OpenFile> {
  override opened(file: OpenFile): void {
    this.tell(file);
  }
}

class AskRead extends Ask<Piece> {
  #read: Piece = { bytes: NOTHING, start: 0, length: 0 };

  override put(bytes: Uint8Array, start: number, length: number): number {
    // What an exporter answers is one piece.
    this.#read = { bytes, start, length };
    return length;
  }

  override done(): void {
    this.tell(this.#read);
  }
}

class AskWrite extends Ask<number> {
  override wrote(count: number): void {
    this.tell(count);
  }
}

class AskSize extends Ask<number> {
  override attributes({ size }: Attributes): void {
    this.tell(size);
  }
}

/** Names of one answer, and where the next goes on; none, and it is the end. */
export interface Page {
  readonly names: string[];
  next: number;
}

class AskEntries extends Ask<Page> {
  readonly #page: Page = { names: [], next: 0 };

  override entry(_qid: Qid, offset: number, _type: number, name: string): boolean {
    this.#page.names.push(name);
    this.#page.next = offset;
    return true;
  }

  override done(): void {
    this.tell(this.#page);
  }
}

/** Walk down a path. */
export function walk(from: Place, names: readonly string[], client: Client, told: Told<Place>): void {
  const [name, ...rest] = names;
  if (name === undefined) return told(from);
  const next = new AskWalk((found) => {
    if ("errno" in found) told(found);
    else walk(found, rest, client, told);
  });
  from.walk(next, name, client);
}

/** What was opened, and where it stands. */
export interface Opened {
  readonly file: OpenFile;
  readonly place: Place;
}

/** Walk down a path and open what is there. */
export function open(from: Place, names: readonly string[], flags: number, client: Client, told: Told<Opened>): void {
  walk(from, names, client, (place) => {
    if ("errno" in place) return told(place);
    const opening = new AskOpen((file) => told("errno" in file ? file : { file, place }), flags);
    place.open(opening, client);
  });
}

export function read(file: OpenFile, offset: number, count: number, told: Told<Piece>): Asked {
  const asked = new AskRead(told, 0, offset, count);
  file.read(asked);
  return asked;
}

/** Write a whole line: what was taken of it in part was not done. */
export function write(file: OpenFile, bytes: Uint8Array, told: Told<undefined>): void {
  const { length } = bytes;
  const wrote: Told<number> = (count) => {
    if (typeof count === "number") told(count === length ? undefined : INVALID);
    else told(count);
  };
  file.write(new AskWrite(wrote, 0, 0, length), bytes, 0, length);
}

export function sizeOf({ place, file }: Opened, client: Client, told: Told<number>): void {
  place.getattr(new AskSize(told), file, client);
}

/** The names in an open directory, `most` of them at most. */
export function list(file: OpenFile, most: number, told: Told<string[]>): void {
  const names: string[] = [];
  const page = (offset: number): void => {
    const asked = new AskEntries(
      (answer) => {
        if ("errno" in answer) return told(answer);
        names.push(...answer.names.slice(0, most - names.length));
        // One that goes nowhere would go on for ever.
        if (answer.names.length === 0 || names.length >= most || answer.next <= offset) return told(names);
        page(answer.next);
      },
      0,
      offset,
      PAGE_BYTES,
    );
    file.readdir(asked);
  };
  page(0);
}

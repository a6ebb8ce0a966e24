/**
 * One GPU of a bridge that has dialled in: its `ctl` and `lease.follow`, held open by the hive itself. What the bridge tells is
 * bounded in length and in rate; what it is told is a line that it takes whole or refuses.
 */
import { RateLimit } from "../net/rate.ts";
import { findByte } from "../ninedoor/find-byte.ts";
import type { Client, Place } from "../ninedoor/place.ts";
import type { Bytes, Clock } from "../ports/index.ts";
import { O_RDONLY, O_WRONLY } from "../secure9p/constants.ts";
import { BUSY, type Refusal, STALE } from "../secure9p/refusal.ts";
import type { OpenFile } from "../secure9p/tree.ts";
import { type Asked, list, open, read, sizeOf, type Told, write } from "./ask.ts";
import { type LeaseEvent, readLeaseLine } from "./lease-line.ts";
import { LEASES } from "./table.ts";

const NEWLINE = 0x0a;
/** Longest line that is read. */
const LINE_BYTES = 1024;
const READ_BYTES = 4096;
const RETRY_US = 1_000_000;
/** Lines that a bridge may tell at once, and a second in the long run. */
const LINES_BURST = 1024;
const LINES_PER_SECOND = 64;
const TOO_MUCH = "more lines than a GPU's leases can need";

export interface LinkOptions {
  readonly gpu: string;
  /** The GPU's folder. */
  readonly place: Place;
  readonly bytes: Bytes;
  readonly clock: Clock;
  /** Who asks. */
  readonly client: Client;
  /** Told of each change of a lease, in their order. */
  readonly event: (event: LeaseEvent) => void;
  /** Told when lines were lost. */
  readonly gap: () => void;
  /** Told of {@link GpuLink.resumeUs}. */
  readonly stalled: () => void;
  /** It follows no more, and why. */
  readonly over: (why: string) => void;
}

export class GpuLink {
  readonly gpu: string;
  readonly place: Place;
  /** Lines that are no state of a lease. */
  ignored = 0;
  readonly #options: LinkOptions;
  readonly #rate = new RateLimit(LINES_PER_SECOND, LINES_BURST);
  readonly #line = new Uint8Array(LINE_BYTES);
  /** Bytes of a line that is not whole; beyond the longest it is skipped. */
  #length = 0;
  #offset = 0;
  #ctl: OpenFile | undefined;
  #follow: OpenFile | undefined;
  /** The last that was asked of it. */
  #asked: Asked | undefined;
  #closed = false;
  /** When to go on following where there was no place to wait for more; Infinity while it is followed. */
  resumeUs = Infinity;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.gpu = options.gpu;
    this.place = options.place;
  }

  /** Open its files, from now on following. @param told why not, or undefined */
  open(told: Told<undefined>): void {
    const { place, client } = this.#options;
    open(place, ["ctl"], O_WRONLY, client, (ctl) => {
      if ("errno" in ctl) return told(ctl);
      this.#ctl = this.#keep(ctl.file);
      open(place, ["lease.follow"], O_RDONLY, client, (follow) => {
        if ("errno" in follow) return told(follow);
        this.#follow = this.#keep(follow.file);
        sizeOf(follow, client, (size) => {
          if (typeof size !== "number") return told(size);
          // What was before is not asked for: those who hold a lease now are.
          this.#offset = size;
          this.#read();
          told(undefined);
        });
      });
    });
  }

  /** Who holds a lease there now. */
  lessees(told: Told<string[]>): void {
    const { place, client } = this.#options;
    open(place, ["lessee"], O_RDONLY, client, (folder) => {
      if ("errno" in folder) return told(folder);
      const { file } = folder;
      list(file, LEASES, (names) => {
        file.close();
        told(names);
      });
    });
  }

  /** Write a line to its `ctl`. */
  command(line: string, told: Told<undefined>): void {
    const { bytes } = this.#options;
    const room = new Uint8Array(3 * line.length + 1);
    const length = bytes.encode(`${line}\n`, room, 0);
    write(this.#ctl!, room.subarray(0, length), told);
  }

  /** Go on following. */
  resume(): void {
    this.resumeUs = Infinity;
    this.#read();
  }

  /** Count one more thing that the bridge makes the hive do. @returns false if these are too many: the bridge is left then */
  spend(): boolean {
    const paid = this.#rate.take(this.#options.clock.nowUs());
    if (!paid) this.#options.over(TOO_MUCH);
    return paid;
  }

  /** Nothing is followed any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A place to wait at is not given back by whoever closes the file.
    this.#asked?.cancel();
    this.#ctl?.close();
    this.#follow?.close();
  }

  /** What comes when all is over already is closed at once. */
  #keep(file: OpenFile): OpenFile {
    if (this.#closed) file.close();
    return file;
  }

  #read(): void {
    if (this.#closed) return;
    this.#asked = read(this.#follow!, this.#offset, READ_BYTES, (piece) => {
      if (this.#closed) return;
      if ("errno" in piece) return this.#failed(piece);
      const { bytes, start, length } = piece;
      // Nobody who waits for more is answered with nothing.
      if (length === 0) return this.#options.over("an empty answer where one has to wait");
      this.#offset += length;
      if (this.#take(bytes, start, start + length)) this.#read();
      else this.#options.over(TOO_MUCH);
    });
  }

  #failed(why: Refusal): void {
    if (why === BUSY) {
      const { clock, stalled } = this.#options;
      this.resumeUs = clock.nowUs() + RETRY_US;
      return stalled();
    }
    if (why !== STALE) return this.#options.over(why.name);
    if (!this.#rate.take(this.#options.clock.nowUs())) return this.#options.over(TOO_MUCH);
    // That offset stands for the oldest line now; who is a lessee now is asked, for what was lost may have said so.
    this.#length = 0;
    this.#options.gap();
    this.#read();
  }

  /** @returns false if there are too many lines, or pieces in which none ends */
  #take(from: Uint8Array, start: number, end: number): boolean {
    const { clock } = this.#options;
    for (let at = start; at < end;) {
      const newline = findByte(from, NEWLINE, at, end);
      const stop = newline < 0 ? end : newline;
      this.#put(from, at, stop - at);
      if (newline < 0) return at > start || this.#rate.take(clock.nowUs());
      at = stop + 1;
      if (!this.#rate.take(clock.nowUs())) return false;
      this.#tell();
    }
    return true;
  }

  #put(from: Uint8Array, start: number, length: number): void {
    if (this.#length + length <= LINE_BYTES) this.#options.bytes.copy(this.#line, this.#length, from, start, length);
    this.#length += length;
  }

  #tell(): void {
    const { bytes, event } = this.#options;
    const length = this.#length;
    this.#length = 0;
    const whole = length <= LINE_BYTES && bytes.validate(this.#line, 0, length);
    const read = whole ? readLeaseLine(bytes.decode(this.#line, 0, length), this.gpu) : undefined;
    if (read === undefined) this.ignored++;
    else event(read);
  }
}

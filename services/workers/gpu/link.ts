/**
 * A worker's connection to its GPU: `job` and `status.follow` of its lease, open together or not at all. Whatever goes wrong with
 * one of them closes both, and everything that was asked is answered before it is away, so that it may be opened again.
 */
import type { Bytes } from "../../ports/index.ts";
import type { Client } from "../../secure9p/client.ts";
import type { Done } from "../../secure9p/client-calls.ts";
import { GETATTR_SIZE, O_RDONLY, O_WRONLY } from "../../secure9p/constants.ts";
import { BUSY, CLOSED, type Refusal, STALE } from "../../secure9p/refusal.ts";
import { ROOT, send } from "../program.ts";
import { LineBuffer } from "./line-buffer.ts";

/** A ring that says it is larger than this is none. */
const RING_MAX = 1 << 20;

export interface LinkOptions {
  readonly client: Client;
  readonly bytes: Bytes;
  /** Which GPU. */
  readonly gpu: string;
  /** Fids that it may use. */
  readonly job: number;
  readonly status: number;
}

export class Link {
  state: "away" | "opening" | "open" | "closing" = "away";
  /** Why it is away, until somebody has dealt with that; and whether it was not opened at all. */
  why: Refusal | undefined = undefined;
  refused = false;
  /** What the status said since it was opened. */
  readonly lines: LineBuffer;
  /** Bytes of it that have come, and how many there were when it was opened, -1 if that is unknown. */
  offset = 0;
  size = -1;
  /** Whether the ring has overtaken it since then. */
  overtaken = false;
  /** What became of a job that was written: `"taken"`, or why not. */
  answer: Refusal | "taken" | undefined = undefined;
  /** The status file's size when {@link measure} asked for it, -1 until that is known; 0 if it stays unknown. */
  measured = -1;
  readonly #client: Client;
  readonly #fid: { readonly job: number; readonly status: number };
  readonly #path: readonly [string, string, string];
  /** Which fids there are. */
  readonly #made = { job: false, status: false };
  #step = 0;
  /** Requests without an answer. */
  #pending = 0;
  #reading = false;
  /** Times that the ring had overtaken it since bytes came. */
  #overtaken = 0;
  #from: Uint8Array = new Uint8Array(0);
  #written = 0;
  #length = 0;

  constructor({ client, bytes, gpu, job, status }: LinkOptions) {
    this.#client = client;
    this.#fid = { job, status };
    this.#path = ["gpu", gpu, "job"];
    this.lines = new LineBuffer(bytes);
  }

  /** Open it. It must be away. */
  open(): void {
    this.state = "opening";
    this.why = undefined;
    this.refused = false;
    this.lines.restart(0);
    this.offset = 0;
    this.size = -1;
    this.overtaken = false;
    this.#overtaken = 0;
    this.#step = 0;
    // Name by name, for only the first name of a walk says why it is refused.
    this.#ask(this.#client.walk(ROOT, this.#fid.job, [this.#path[0]], this.#walked));
  }

  /** Close it, if it is open. */
  lose(why: Refusal): void {
    if (this.state === "open") this.#close(why);
  }

  /** Read on, if it is open and no read is under way. */
  read(): void {
    if (this.state !== "open" || this.#reading || this.size < 0) return;
    this.#reading = true;
    this.#ask(this.#client.read(this.#fid.status, this.offset, this.lines.room, this.#read));
  }

  /** Write a job, of which the bytes stay as they are until there is an {@link answer}. It must be open. */
  write(from: Uint8Array, length: number): void {
    this.#from = from;
    this.#written = 0;
    this.#length = length;
    this.answer = undefined;
    this.#write();
  }

  /** Ask how much the status has said by now. It must be open. */
  measure(): void {
    this.measured = -1;
    this.#ask(this.#client.getattr(this.#fid.status, GETATTR_SIZE, this.#measured));
  }

  #ask(tag: number): void {
    send(tag);
    this.#pending++;
  }

  /** A request was answered. @returns whether that still counts */
  #answered(): boolean {
    this.#pending--;
    if (this.state !== "closing") return true;
    if (this.#pending === 0) this.state = "away";
    return false;
  }

  #close(why: Refusal): void {
    this.state = "closing";
    this.why = why;
    if (this.#made.job) this.#ask(this.#client.clunk(this.#fid.job, this.#clunked));
    if (this.#made.status) this.#ask(this.#client.clunk(this.#fid.status, this.#clunked));
    this.#made.job = false;
    this.#made.status = false;
    if (this.#pending === 0) this.state = "away";
  }

  readonly #clunked: Done = () => void this.#answered();

  #refuse(why: Refusal | undefined): void {
    this.refused = true;
    // A walk that stops half way where it did not a moment ago.
    this.#close(why ?? BUSY);
  }

  readonly #walked: Done = (reply, error) => {
    this.#answered();
    if (error !== undefined || reply.nwqid !== 1) return this.#refuse(error);
    const { job } = this.#fid;
    this.#made.job = true;
    const name = this.#path[++this.#step];
    if (name === undefined) this.#ask(this.#client.open(job, O_WRONLY, this.#jobOpened));
    else this.#ask(this.#client.walk(job, job, [name], this.#walked));
  };

  readonly #jobOpened: Done = (_, error) => {
    this.#answered();
    if (error !== undefined) return this.#refuse(error);
    const names = [this.#path[0], this.#path[1], "status.follow"];
    this.#ask(this.#client.walk(ROOT, this.#fid.status, names, this.#statusWalked));
  };

  readonly #statusWalked: Done = (reply, error) => {
    this.#answered();
    if (error !== undefined || reply.nwqid !== this.#path.length) return this.#refuse(error);
    this.#made.status = true;
    this.#ask(this.#client.open(this.#fid.status, O_RDONLY, this.#statusOpened));
  };

  readonly #statusOpened: Done = (_, error) => {
    this.#answered();
    if (error !== undefined) return this.#refuse(error);
    this.#ask(this.#client.getattr(this.#fid.status, GETATTR_SIZE, this.#opened));
  };

  readonly #opened: Done = (reply, error) => {
    this.#answered();
    const { size } = reply.attributes;
    if (error !== undefined || size < 0 || size > RING_MAX) return this.#refuse(error);
    this.state = "open";
    this.size = size;
  };

  readonly #read: Done = ({ data: { bytes, start, length } }, error) => {
    this.#reading = false;
    if (!this.#answered()) return;
    // What is told again may be overtaken while it is; what is news must not be missed, so that is told again too.
    if (error === STALE && this.offset < this.size && this.#overtaken++ === 0) return this.#catchUp();
    // At its end a read waits, so one that gives nothing is as good as an error.
    if (error !== undefined || length === 0) return this.#close(error ?? CLOSED);
    this.#overtaken = 0;
    this.lines.put(bytes, start, length);
    this.offset += length;
  };

  /** The same offset now stands for the oldest line that is kept. */
  #catchUp(): void {
    this.overtaken = true;
    this.lines.restart(this.offset);
    this.size = -1;
    this.#ask(this.#client.getattr(this.#fid.status, GETATTR_SIZE, this.#sized));
  }

  readonly #sized: Done = (reply, error) => {
    if (!this.#answered()) return;
    const { size } = reply.attributes;
    if (error !== undefined || size < 0 || size - this.offset > RING_MAX) return this.#close(error ?? CLOSED);
    this.size = size;
  };

  readonly #measured: Done = (reply, error) => {
    this.#answered();
    const { size } = reply.attributes;
    this.measured = error !== undefined || size - this.offset > RING_MAX ? 0 : size;
  };

  #write(): void {
    const left = this.#length - this.#written;
    this.#ask(this.#client.write(this.#fid.job, 0, this.#from, this.#written, left, this.#wrote));
  }

  readonly #wrote: Done = ({ count }, error) => {
    const open = this.#answered();
    if (error === undefined) this.#written += count;
    if (error !== undefined) this.answer = error;
    else if (this.#written === this.#length) this.answer = "taken";
    else if (open && count > 0) this.#write();
    else this.answer = CLOSED;
  };
}

/**
 * `job`, `blob` and `status` as one lessee has them. Which lease that is is asked when a file is opened, and what was opened is that lease's
 * until it is over: then each request on it is answered `Closed`, and a new open `Permission` where there is no lease any more.
 */

import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import { answerAppendOnlySetattr, answerAttributes, MODE_APPEND } from "../../services/ninedoor/attributes.ts";
import type { NineDoorCounters } from "../../services/ninedoor/counters.ts";
import { LineWriter } from "../../services/ninedoor/line-writer.ts";
import { type Client, Lifetime } from "../../services/ninedoor/place.ts";
import { type QidSource, touch } from "../../services/ninedoor/qids.ts";
import { QTAPPEND, QTDIR, QTFILE } from "../../services/secure9p/constants.ts";
import type { AttributeChange } from "../../services/secure9p/message.ts";
import { CLOSED, INVALID, NOT_FOUND, type Refusal } from "../../services/secure9p/refusal.ts";
import type { Node, OpenFile, Request } from "../../services/secure9p/tree.ts";
import type { Qid } from "../../services/secure9p/wire.ts";
import type { Gpu } from "../gpu.ts";
import type { Lease } from "../leases/leases.ts";
import { JOB_LINE_BYTES, SLOTS } from "../limits.ts";
import { InputNode, ResultNode } from "./blob-files.ts";
import { Folder } from "./nodes.ts";
import { StatusNode } from "./status-files.ts";

/** What all files of a lessee need to know. */
export interface LesseeOptions {
  readonly gpu: Gpu;
  readonly qids: QidSource;
  readonly counters: NineDoorCounters;
  readonly client: Client;
  /** The lease, or why there is none for whoever asks. */
  readonly lease: () => Lease | Refusal;
}

/** What a GPU shows of its only lessee. */
export interface LesseeNodes {
  readonly job: Node;
  readonly blob: Node;
}

/** @param waiters most reads that wait at its `status.follow` */
export function lesseeFolder(options: LesseeOptions, waiters: number): Folder {
  const { qids } = options;
  return Folder.of(qids.next(QTDIR), {
    ...lesseeNodes(options),
    status: new StatusNode(options, qids.next(QTFILE), 0),
    "status.follow": new StatusNode(options, qids.next(QTFILE), waiters),
  });
}

export function lesseeNodes(options: LesseeOptions): LesseeNodes {
  const { qids } = options;
  const slots = Array.from({ length: SLOTS }, (_, slot): [string, Node] => [
    String(slot),
    Folder.of(qids.next(QTDIR), {
      in: new InputNode(options, slot, qids.next(QTFILE)),
      out: new ResultNode(options, slot, qids.next(QTFILE)),
    }),
  ]);
  return {
    job: new JobNode(options, qids.next(QTAPPEND)),
    blob: Folder.of(qids.next(QTDIR), Object.fromEntries(slots)),
  };
}

class JobNode implements Node {
  readonly qid: Qid;
  readonly #options: LesseeOptions;
  readonly #life = new Lifetime();

  constructor(options: LesseeOptions, qid: Qid) {
    this.#options = options;
    this.qid = qid;
  }

  walk(request: Request): void {
    request.refuse(NOT_FOUND);
  }

  open(request: Request): void {
    const { gpu, counters, client } = this.#options;
    const lease = this.#options.lease();
    if ("errno" in lease) return request.refuse(lease);
    const writer = new LineWriter(
      {
        bytes: nodeBytes,
        counters,
        lineBytes: JOB_LINE_BYTES,
        // A job is one line, and a line without its end is none.
        lastLine: "forget",
        mostLines: 1,
        handler: {
          take: (bytes, start, length) => {
            if (!nodeBytes.validate(bytes, start, length)) return INVALID;
            const why = gpu.submit(lease, nodeBytes.decode(bytes, start, length));
            if (why === undefined) touch(this.qid);
            return why;
          },
        },
      },
      client,
    );
    request.opened(new OpenJob(lease, writer, counters));
  }

  getattr(request: Request): void {
    answerAttributes(request, MODE_APPEND, 0);
  }

  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined): void {
    answerAppendOnlySetattr(request, change, file instanceof OpenJob ? file.life : this.#life, file);
  }
}

class OpenJob implements OpenFile {
  readonly life: Lifetime;
  readonly #writer: LineWriter;
  readonly #counters: NineDoorCounters;

  constructor({ life }: Lease, writer: LineWriter, counters: NineDoorCounters) {
    this.life = life;
    this.#writer = writer;
    this.#counters = counters;
  }

  read(request: Request): void {
    if (!this.#closed(request)) request.done();
  }

  write(request: Request, bytes: Uint8Array, start: number, length: number): void {
    if (!this.#closed(request)) this.#writer.write(request, bytes, start, length);
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }

  close(): void {
    this.#writer.end();
  }

  #closed(request: Request): boolean {
    if (!this.life.ended) return false;
    this.#counters.closed++;
    request.refuse(CLOSED);
    return true;
  }
}

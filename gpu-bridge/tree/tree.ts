/**
 * What a bridge exports: one folder for each GPU. The hive is the only client and says nothing of whom it asks for; who may what it
 * decides itself, before it asks. So `job` and `blob` are those of the one lease that a GPU has, `status` is everybody's, and
 * `lessee/<worker>/` is a lessee's own: a name that the hive gives and no client can.
 */

import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import { ControlFile } from "../../services/ninedoor/control-file.ts";
import { createNineDoorCounters } from "../../services/ninedoor/counters.ts";
import { FollowFile } from "../../services/ninedoor/follow-file.ts";
import { type Client, Lifetime, type Place } from "../../services/ninedoor/place.ts";
import { QidSource } from "../../services/ninedoor/qids.ts";
import type { Ring } from "../../services/ninedoor/ring.ts";
import { RingFile } from "../../services/ninedoor/ring-file.ts";
import { TextFile } from "../../services/ninedoor/text-file.ts";
import { QTAPPEND, QTDIR, QTFILE } from "../../services/secure9p/constants.ts";
import { INVALID, PERMISSION } from "../../services/secure9p/refusal.ts";
import type { Node, Request, Tree } from "../../services/secure9p/tree.ts";
import type { Gpu } from "../gpu.ts";
import type { GpuInfo } from "../backend.ts";
import { CTL_LINE_BYTES, WORKER } from "../limits.ts";
import { lesseeFolder, lesseeNodes } from "./lessee.ts";
import { type Entry, Folder, Leaf } from "./nodes.ts";

const TEXT_BYTES = 16 * 1024;
const TEXTS_OPEN_BYTES = 1024 * 1024;
/** Reads of one ring that wait: all that a hive has waiting at once may be one ring's. */
const WAITERS = 96;
/** Workers whose folders are known of one GPU; more than can hold a lease. */
const LESSEES = 64;

/** A line of `info`. */
export function infoLine({ vendor, name, uuid, memoryMb, smCount, driver, runtime, backend }: GpuInfo): string {
  const memory_mb = memoryMb;
  const sm_count = smCount;
  return JSON.stringify({ vendor, name, uuid, memory_mb, sm_count, driver, runtime, backend });
}

export class GpuTree implements Tree {
  readonly counters = createNineDoorCounters();
  readonly #qids = new QidSource();
  readonly #life = new Lifetime();
  readonly #root: Folder;
  readonly #client: Client = {
    who: { role: "service", subject: "gpu-bridge" },
    session: 0,
    texts: { used: 0, peak: 0, full: 0 },
    bind: () => PERMISSION,
    mount: () => PERMISSION,
  };

  /** @param gpus of different ids */
  constructor(gpus: readonly Gpu[]) {
    const folders = gpus.map((gpu): [string, Node] => [gpu.info.id, this.#gpu(gpu)]);
    this.#root = Folder.of(this.#qids.next(QTDIR), Object.fromEntries(folders));
  }

  attach(request: Request): void {
    request.found(this.#root);
  }

  #gpu(gpu: Gpu): Node {
    const { counters } = this;
    const qids = this.#qids;
    const client = this.#client;
    const life = this.#life;
    const common = { gpu, qids, counters, client };
    const ctl = new ControlFile({
      qid: qids.next(QTAPPEND),
      bytes: nodeBytes,
      counters,
      life,
      lineBytes: CTL_LINE_BYTES,
      handler: {
        take: (bytes, start, length) =>
          nodeBytes.validate(bytes, start, length) ? gpu.control(nodeBytes.decode(bytes, start, length)) : INVALID,
      },
    });
    return Folder.of(qids.next(QTDIR), {
      info: this.#text(() => `${infoLine(gpu.info)}\n`),
      ctl: new Leaf(ctl, client),
      ...this.#ring("lease", gpu.leaseRing),
      ...this.#ring("status", gpu.states.ring),
      ...lesseeNodes({ ...common, lease: () => gpu.leases.only }),
      lessee: lessees(gpu, qids, (worker) =>
        lesseeFolder({ ...common, lease: () => gpu.leases.of(worker) ?? PERMISSION }, WAITERS),
      ),
      counters: this.#text(() => gpu.counters()),
    });
  }

  #text(text: () => string): Node {
    const limits = { limit: TEXT_BYTES, openLimit: TEXTS_OPEN_BYTES };
    const { counters } = this;
    return this.#leaf(
      new TextFile({ qid: this.#qids.next(QTFILE), bytes: nodeBytes, counters, life: this.#life, ...limits, text }),
    );
  }

  /** A ring, and the same where a read at the end waits. */
  #ring(name: string, ring: Ring): Record<string, Node> {
    const common = { bytes: nodeBytes, counters: this.counters, life: this.#life, ring };
    return {
      [name]: this.#leaf(new RingFile({ ...common, qid: this.#qids.next(QTFILE), appending: undefined })),
      [`${name}.follow`]: this.#leaf(new FollowFile({ ...common, qid: this.#qids.next(QTFILE), waiters: WAITERS })),
    };
  }

  #leaf(place: Place): Node {
    return new Leaf(place, this.#client);
  }
}

/** Folders of workers: those of lessees are listed, and others are found and refuse, so that nobody is told who has a lease. */
function lessees(gpu: Gpu, qids: QidSource, make: (worker: string) => Folder): Folder {
  const known = new Map<string, Entry>();
  let last = 0;
  const find = (worker: string): Node | undefined => {
    if (!WORKER.test(worker)) return undefined;
    let entry = known.get(worker);
    if (entry === undefined) {
      if (known.size >= LESSEES) forget();
      entry = { name: worker, node: make(worker), offset: ++last };
      known.set(worker, entry);
    }
    return entry.node;
  };
  const forget = (): void => {
    for (const worker of known.keys()) {
      if (gpu.leases.of(worker) === undefined) return void known.delete(worker);
    }
  };
  return new Folder(qids.next(QTDIR), find, () => {
    for (const { worker } of gpu.leases) find(worker);
    return [...known.values()].filter(({ name }) => gpu.leases.of(name) !== undefined);
  });
}

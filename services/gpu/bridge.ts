/**
 * A GPU bridge that has dialled in: its GPUs are looked at and followed, and then it has to agree with the hive on who has leased what,
 * all within a time. Only then others see it.
 */
import type { Client } from "../ninedoor/place.ts";
import type { RemotePlace } from "../ninedoor/remote/tree.ts";
import type { Bytes, Clock } from "../ports/index.ts";
import { O_RDONLY } from "../secure9p/constants.ts";
import { PERMISSION, type Refusal } from "../secure9p/refusal.ts";
import { list, open, walk } from "./ask.ts";
import { isGpuId, type LeaseEvent } from "./lease-line.ts";
import { GpuLink } from "./link.ts";
import { GPUS } from "./table.ts";

/** How long a bridge may take to agree with the hive before others see it as it is. */
const AGREEMENT_US = 10_000_000;

/** Who asks a bridge: the hive itself. */
const HIVE: Client = {
  who: { role: "queen", subject: "" },
  session: 0,
  texts: { used: 0, peak: 0, full: 0 },
  bind: () => PERMISSION,
  mount: () => PERMISSION,
};

export interface GpuBridgeOptions {
  readonly root: RemotePlace;
  readonly bytes: Bytes;
  readonly clock: Clock;
  /** Told of each change of a lease of a GPU, in their order. */
  readonly event: (gpu: string, event: LeaseEvent) => void;
  /** Told who holds a lease of a GPU. @param fresh whether the bridge has just come, so that what is missing was lost */
  readonly lessees: (link: GpuLink, names: readonly string[], fresh: boolean) => void;
  /** A line for the log. */
  readonly say: (text: string) => void;
  /** It has other deadlines than before. */
  readonly changed: () => void;
  /** It agrees with the hive, or its time for that is over. */
  readonly agreed: () => void;
}

export class GpuBridge {
  /** GPUs that can be leased, by their ids. */
  readonly links = new Map<string, GpuLink>();
  readonly #options: GpuBridgeOptions;
  readonly #agreeByUs: number;
  /** All that were looked at. */
  readonly #opened: GpuLink[] = [];
  /** Steps to an agreement that are not over. */
  #steps = 1;
  #settled = false;
  #left = false;

  constructor(options: GpuBridgeOptions) {
    this.#options = options;
    this.#agreeByUs = options.clock.nowUs() + AGREEMENT_US;
  }

  /** Whether others may see it. */
  get settled(): boolean {
    return this.#settled;
  }

  get left(): boolean {
    return this.#left;
  }

  /** When {@link sweep} has something to do. */
  get nextUs(): number {
    let nextUs = this.#settled ? Infinity : this.#agreeByUs;
    for (const { resumeUs } of this.links.values()) nextUs = Math.min(nextUs, resumeUs);
    return nextUs;
  }

  /** Look at what there is. */
  begin(): void {
    open(this.#options.root, [], O_RDONLY, HIVE, (folder) => {
      if (this.#left || "errno" in folder) return this.step();
      const { file } = folder;
      list(file, GPUS + 1, (names) => {
        file.close();
        if (!this.#left && !("errno" in names)) this.#followAll(names);
        this.step();
      });
    });
  }

  /** There is one more step to an agreement. */
  more(): void {
    this.#steps++;
  }

  /** A step is over. */
  step(): void {
    if (--this.#steps === 0) this.#settle();
  }

  sweep(nowUs: number): void {
    for (const link of this.links.values()) if (link.resumeUs <= nowUs) link.resume();
    if (this.#agreeByUs <= nowUs) this.#settle();
  }

  /** It is not as a bridge has to be: leave it. */
  end(why: string): void {
    this.#options.root.remote.end(why);
  }

  /** It is gone. */
  leave(): void {
    this.#left = true;
    for (const link of this.#opened) link.close();
  }

  #settle(): void {
    if (this.#settled || this.#left) return;
    this.#settled = true;
    this.#options.agreed();
  }

  #followAll(names: readonly string[]): void {
    const gpus = names.slice(0, GPUS).filter(isGpuId);
    if (gpus.length < names.length) this.#options.say(`left out: what is no GPU's id, or beyond ${GPUS}`);
    for (const gpu of gpus) this.#follow(gpu);
  }

  /** Look at one GPU, and follow it. */
  #follow(gpu: string): void {
    const { root, say } = this.#options;
    this.more();
    const done = (why: Refusal | undefined): void => {
      if (this.#left) return;
      if (why !== undefined) say(`${gpu} is left out: ${why.name}`);
      this.step();
    };
    walk(root, [gpu], HIVE, (place) => {
      if (this.#left) return;
      if ("errno" in place) return done(place);
      const link = this.#link(gpu, place);
      link.open((why) => {
        if (why !== undefined) return done(why);
        this.links.set(gpu, link);
        this.#compare(link, true, (unknown) => {
          // Nobody knows what is leased there.
          if (unknown !== undefined) {
            this.links.delete(gpu);
            link.close();
          }
          done(unknown);
        });
      });
    });
  }

  #link(gpu: string, place: GpuLink["place"]): GpuLink {
    const { bytes, clock, event, changed } = this.#options;
    const link: GpuLink = new GpuLink({
      gpu,
      place,
      bytes,
      clock,
      client: HIVE,
      event: (told) => {
        if (!this.#left) event(gpu, told);
      },
      gap: () => this.#compare(link, false, () => undefined),
      stalled: changed,
      over: (why) => this.end(`${gpu}: ${why}`),
    });
    this.#opened.push(link);
    return link;
  }

  /** Have a GPU's lessees and the hive's agree. */
  #compare(link: GpuLink, fresh: boolean, told: (why: Refusal | undefined) => void): void {
    link.lessees((names) => {
      if ("errno" in names) return told(names);
      if (!this.#left) this.#options.lessees(link, names, fresh);
      told(undefined);
    });
  }
}

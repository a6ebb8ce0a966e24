/**
 * A GPU bridge that has dialled in: its GPUs are looked at and followed, and then it has to agree with the hive on who has leased what,
 * all within a time. Only then others see it. What could not be looked at for a reason that passes is tried again until it can be.
 */
import { type Client, OWN_SESSION } from "../ninedoor/place.ts";
import type { RemotePlace } from "../ninedoor/remote/tree.ts";
import type { Bytes, Clock } from "../ports/index.ts";
import { O_RDONLY } from "../secure9p/constants.ts";
import { BUSY, CLOSED, NOT_FOUND, PERMISSION, type Refusal, type RefusalName } from "../secure9p/refusal.ts";
import { list, open, type Told, walk } from "./ask.ts";
import { isLessees } from "./lessee.ts";
import { isGpuId, type LeaseEvent } from "./lease-line.ts";
import { GpuLink } from "./link.ts";
import { GPUS } from "./table.ts";

/** How long a bridge may take to agree with the hive before others see it as it is. */
const AGREEMENT_US = 10_000_000;

/** When what could not be looked at is tried again. */
const RETRY_US = 1_000_000;
/** Why something could not be looked at, which says nothing of what is there. */
const PASSING: readonly RefusalName[] = ["TimedOut", "Busy", "Closed", "RateLimited"];

/** A GPU that is not followed yet, or not any more. */
interface Attempt {
  /** When it is tried; Infinity while it is. */
  dueUs: number;
  /** Whether the log has that it is left out. */
  readonly said: boolean;
}

/** Who asks a bridge: the hive itself. */
const HIVE: Client = {
  who: { role: "queen", subject: "" },
  session: OWN_SESSION,
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
  /** A GPU that was left out is followed again. */
  readonly back: (gpu: string) => void;
  /** It is known of more GPUs than before that it does not have them; see {@link GpuBridge.lacks}. */
  readonly lacking: () => void;
}

export class GpuBridge {
  /** GPUs that can be leased, by their ids. */
  readonly links = new Map<string, GpuLink>();
  readonly #options: GpuBridgeOptions;
  readonly #agreeByUs: number;
  /** All that have files open. */
  readonly #opened = new Set<GpuLink>();
  /** GPUs that are tried (again). */
  readonly #attempts = new Map<string, Attempt>();
  /** Whether it is known which GPUs there are, and otherwise when that is asked (again). */
  #listed = false;
  #listUs = Infinity;
  #unlistedSaid = false;
  /** Steps to an agreement that are not over. */
  #steps = 0;
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
    let nextUs = Math.min(this.#settled ? Infinity : this.#agreeByUs, this.#listUs);
    for (const { dueUs } of this.#attempts.values()) nextUs = Math.min(nextUs, dueUs);
    for (const { resumeUs } of this.links.values()) nextUs = Math.min(nextUs, resumeUs);
    return nextUs;
  }

  /** Those that are left out for the moment. */
  get missing(): string[] {
    return [...this.#attempts.keys()];
  }

  /** Why nothing of a GPU can be leased: `Busy` if that may pass. */
  away(gpu: string): Refusal | undefined {
    if (!this.#settled || !this.#listed || this.#attempts.has(gpu)) return BUSY;
    return this.links.has(gpu) ? undefined : NOT_FOUND;
  }

  /** Whether it is known that it does not have that GPU. */
  lacks(gpu: string): boolean {
    return this.#listed && !this.#attempts.has(gpu) && !this.links.has(gpu);
  }

  /** Look at what there is. */
  begin(): void {
    this.#listUs = Infinity;
    this.more();
    this.#list((names) => {
      if (this.#gone) return;
      if ("errno" in names) this.#unlisted(names);
      else this.#followAll(names);
      this.step();
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
    if (this.#listUs <= nowUs) this.begin();
    for (const [gpu, { dueUs, said }] of this.#attempts) if (dueUs <= nowUs) this.#follow(gpu, said);
    for (const link of this.links.values()) if (link.resumeUs <= nowUs) link.resume();
    if (this.#agreeByUs <= nowUs) this.#settle();
  }

  /** It is not as a bridge has to be: leave it. */
  end(why: string): void {
    this.#options.root.remote.end(why);
  }

  /** Answer whatever somebody waits for there who has no lease of that GPU any more. */
  revoke(worker: string, gpu: string): void {
    this.#options.root.remote.revoke((names) => isLessees(names, gpu, worker), CLOSED);
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

  /** Whether what comes of it has no meaning any more. */
  get #gone(): boolean {
    return this.#left || this.#options.root.remote.ended;
  }

  #list(told: Told<string[]>): void {
    open(this.#options.root, [], O_RDONLY, HIVE, (folder) => {
      if ("errno" in folder) return told(folder);
      const { file } = folder;
      list(file, GPUS + 1, (names) => {
        file.close();
        told(names);
      });
    });
  }

  #unlisted({ name }: Refusal): void {
    const { clock, say, changed } = this.#options;
    if (!this.#unlistedSaid) say(`its GPUs cannot be listed: ${name}; that is tried again`);
    this.#unlistedSaid = true;
    this.#listUs = clock.nowUs() + RETRY_US;
    changed();
  }

  #followAll(names: readonly string[]): void {
    if (this.#unlistedSaid) this.#options.say("its GPUs are listed");
    this.#listed = true;
    const gpus = names.slice(0, GPUS).filter(isGpuId);
    if (gpus.length < names.length) this.#options.say(`left out: what is no GPU's id, or beyond ${GPUS}`);
    for (const gpu of new Set(gpus)) this.#follow(gpu, false);
    this.#options.lacking();
  }

  /** Look at one GPU, and follow it. @param said whether the log has that it is left out */
  #follow(gpu: string, said: boolean): void {
    this.#attempts.set(gpu, { dueUs: Infinity, said });
    this.more();
    walk(this.#options.root, [gpu], HIVE, (place) => {
      if (this.#gone) return;
      if ("errno" in place) return this.#tried(gpu, place);
      const link = this.#link(gpu, place);
      link.open((why) => {
        if (this.#gone) return;
        if (why !== undefined) return this.#dropped(link, why);
        this.links.set(gpu, link);
        this.#compare(link, true, (unknown) => {
          // It may have been dropped meanwhile, for what it has lost is not known.
          if (unknown !== undefined || this.links.get(gpu) !== link) this.#dropped(link, unknown ?? BUSY);
          else this.#tried(gpu, undefined);
        });
      });
    });
  }

  /** An attempt to follow a GPU is over. */
  #tried(gpu: string, why: Refusal | undefined): void {
    const { clock, say, changed, back, lacking } = this.#options;
    const said = this.#attempts.get(gpu)?.said === true;
    this.#attempts.delete(gpu);
    if (why === undefined) {
      if (said) say(`${gpu} is followed again`);
      back(gpu);
    } else if (PASSING.includes(why.name)) {
      if (!said) say(`${gpu} is left out: ${why.name}; it is tried again`);
      this.#attempts.set(gpu, { dueUs: clock.nowUs() + RETRY_US, said: true });
      changed();
    } else {
      say(`${gpu} is left out: ${why.name}`);
      lacking();
    }
    this.step();
  }

  /** Nobody knows what is leased there. */
  #dropped(link: GpuLink, why: Refusal): void {
    this.#drop(link);
    this.#tried(link.gpu, why);
  }

  #drop(link: GpuLink): void {
    if (this.links.get(link.gpu) === link) this.links.delete(link.gpu);
    this.#opened.delete(link);
    link.close();
  }

  /** Lines of a GPU were lost: who is a lessee there is asked; if that cannot be told it is as one that has just come. */
  #overtaken(link: GpuLink): void {
    this.#compare(link, false, (why) => {
      if (why === undefined || this.links.get(link.gpu) !== link) return;
      if (this.#attempts.has(link.gpu)) return this.#drop(link);
      this.more();
      this.#dropped(link, why);
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
        if (!this.#gone) event(gpu, told);
      },
      gap: () => this.#overtaken(link),
      stalled: changed,
      over: (why) => this.end(`${gpu}: ${why}`),
    });
    this.#opened.add(link);
    return link;
  }

  /** Have a GPU's lessees and the hive's agree. */
  #compare(link: GpuLink, fresh: boolean, told: (why: Refusal | undefined) => void): void {
    link.lessees((names) => {
      if (this.#gone) return;
      if ("errno" in names) return told(names);
      if (this.links.get(link.gpu) === link) this.#options.lessees(link, names, fresh);
      // What came of that may be that it was left.
      if (!this.#gone) told(undefined);
    });
  }
}

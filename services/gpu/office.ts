/**
 * Where GPUs are leased: from the Queen's spawn to the bridge's `ctl`, and from the bridge's `lease` to what the policy knows. The
 * hive's own clock ends a lease too, so neither end needs the other for that. A bridge that comes, or comes back, is first made to
 * agree with the hive: it gives back what nobody here holds, and leases again, for the time that is left, what it has lost.
 */
import type { AuditLog } from "../log/audit-log.ts";
import type { RemotePlace } from "../ninedoor/remote/tree.ts";
import type { Bytes, Clock, Pool } from "../ports/index.ts";
import { Later } from "../pump/later.ts";
import type { LeaseRequest } from "../queen/command.ts";
import type { Leases } from "../roles/policy.ts";
import { BUSY, CLOSED, NOT_FOUND, type Refusal, TIMED_OUT } from "../secure9p/refusal.ts";
import { GpuBridge } from "./bridge.ts";
import { isWorkerId, type LeaseEvent } from "./lease-line.ts";
import type { GpuLink } from "./link.ts";
import { GPUS, type Lease, LEASES, LeaseTable } from "./table.ts";

/** The service that has the GPUs. */
export const BRIDGE = "gpu-bridge";
/** When what a bridge could not do is tried again. */
const RETRY_US = 1_000_000;
/** How long a bridge has for saying itself that a lease is over. */
const NOTICE_US = 1_000_000;
const LEASE_BYTES = 256;
/** Leases that a bridge shall end and has not. */
const RETURNS = GPUS * LEASES;

/** A lease that a bridge shall end. */
interface Return {
  readonly gpu: string;
  readonly worker: string;
  readonly dueUs: number;
  /** Nobody here held it, so that the log has nothing of it yet. */
  readonly stray: boolean;
}

/** How a lease is over. */
type End = "released" | "expired" | "lost";

export interface OfficeOptions {
  readonly bytes: Bytes;
  readonly clock: Clock;
  /** Of the audit log what a bridge makes it say. */
  readonly audit: AuditLog;
  readonly sweeper: { changed(): void };
  /** A worker's lease has begun or is over, or the bridge is back that has it. */
  readonly changed: (worker: string) => void;
}

export class LeaseOffice implements Leases {
  readonly counters = { leased: 0, refused: 0, released: 0, expired: 0, lost: 0, bridges: 0 };
  readonly #options: OfficeOptions;
  readonly #table = new LeaseTable();
  /** Leases that the bridge shall end, and when it is told so (again); by `<gpu> <worker>`. */
  readonly #returns = new Map<string, Return>();
  /** Those who lost a lease, and when whatever of theirs the bridge has not answered by then is closed. */
  #closings: { readonly gpu: string; readonly worker: string; readonly dueUs: number }[] = [];
  /** Leases that were asked for and not answered. */
  readonly #asked = new Set<string>();
  #bridge: GpuBridge | undefined;
  #highWater = 0;

  constructor(options: OfficeOptions) {
    this.#options = options;
  }

  isLessee(worker: string, gpu: string): boolean {
    return this.#table.isLessee(worker, gpu);
  }

  /** What a worker's lease of a GPU is. */
  find(worker: string, gpu: string): Lease | undefined {
    return this.#table.find(worker, gpu);
  }

  pools(): Pool[] {
    const most = GPUS * LEASES;
    const { size, full } = this.#table;
    return [["gpu.leases", most * LEASE_BYTES, size, most, this.#highWater, "refused", full]];
  }

  /** One line for each lease. */
  lines(): string {
    const nowUs = this.#options.clock.nowUs();
    let text = "";
    for (const { gpu, worker, memMb, streams, priority, endsUs } of this.#table.all()) {
      const left = Math.max(0, Math.ceil((endsUs - nowUs) / 1e6));
      text += `lease ${gpu} ${worker} mem_mb=${memMb} streams=${streams} priority=${priority} ttl_s_left=${left}\n`;
    }
    const missing = this.#bridge?.missing ?? [];
    for (const gpu of missing) text += `gpu ${gpu} away\n`;
    for (const { gpu, ignored, resumeUs } of this.#bridge?.links.values() ?? []) {
      if (missing.includes(gpu)) continue;
      text += `gpu ${gpu} ${resumeUs < Infinity ? "stalled" : "followed"} ignored=${ignored}\n`;
    }
    return text;
  }

  /** Why nothing of that GPU can be leased at the moment: there is no bridge, it has no such GPU, or that cannot be told. */
  away(gpu: string): { readonly refusal: Refusal; readonly why: string } | undefined {
    const bridge = this.#bridge;
    if (bridge?.settled !== true) return { refusal: BUSY, why: "no GPU bridge is there" };
    const refusal = bridge.away(gpu);
    if (refusal === undefined) return undefined;
    return { refusal, why: refusal === BUSY ? "its bridge does not answer for that GPU" : "it has no such GPU" };
  }

  /**
   * Lease a GPU to a worker. To cancel it gives back what came of it.
   * @returns why it is refused: `Busy` where others have what is asked for, `Invalid` if the GPU has not that much at all.
   */
  lease(worker: string, asked: LeaseRequest): Later<Refusal | undefined> {
    const { gpuId: gpu } = asked;
    const link = this.#bridge?.links.get(gpu);
    const endsUs = this.#options.clock.nowUs() + asked.ttlS * 1_000_000;
    const key = `${gpu} ${worker}`;
    let over = false;
    this.#asked.add(key);
    const result = new Later<Refusal | undefined>(() => {
      over = true;
      // It may have been heard of before its answer.
      this.#end(worker, gpu, "released", Infinity);
      this.#returns.set(key, { gpu, worker, dueUs: Infinity, stray: false });
    });
    const answered = (why: Refusal | undefined): void => {
      const unknown = why === TIMED_OUT || why === CLOSED;
      this.#asked.delete(key);
      this.#returns.delete(key);
      if (unknown || (over && why === undefined)) this.#giveBack(worker, gpu, 0);
      if (over) return;
      if (why === undefined) this.#enter({ gpu, worker, endsUs, ...termsOf(asked) }, asked.ttlS);
      const refused = why ?? (this.#table.isLessee(worker, gpu) ? undefined : BUSY);
      if (refused !== undefined) this.counters.refused++;
      result.tell(refused);
    };
    if (link === undefined) answered(BUSY);
    else link.command(leaseCommand(worker, asked, asked.ttlS), answered);
    return result;
  }

  /** A worker has ended: nothing is leased to it any more. */
  release(worker: string): void {
    for (const { gpu } of this.#table.heldBy(worker)) this.#end(worker, gpu, "released", 0);
  }

  /** A bridge has dialled in. @param ready lets others see it */
  came(root: RemotePlace, ready: () => void): void {
    const { bytes, clock, sweeper } = this.#options;
    const bridge: GpuBridge = new GpuBridge({
      root,
      bytes,
      clock,
      event: (gpu, event) => this.#heard(gpu, event),
      lessees: (link, names, fresh) => this.#reconcile(bridge, link, names, fresh),
      say: (text) => this.#say(text),
      changed: () => sweeper.changed(),
      agreed: () => this.#open(bridge, ready),
      back: (gpu) => {
        if (bridge.settled) for (const { worker } of this.#table.of(gpu)) this.#options.changed(worker);
      },
      lacking: () => {
        if (bridge.settled) this.#forget(bridge);
      },
    });
    this.#bridge = bridge;
    this.counters.bridges++;
    sweeper.changed();
    bridge.begin();
  }

  /** It is gone. What is leased stays so, for its time. */
  left(): void {
    this.#bridge?.leave();
    this.#bridge = undefined;
    this.#returns.clear();
    this.#closings = [];
    this.#options.sweeper.changed();
  }

  sweep(nowUs: number): void {
    for (const { worker, gpu, endsUs } of this.#table.all()) {
      if (endsUs <= nowUs) this.#end(worker, gpu, "expired", NOTICE_US);
    }
    for (const [key, { worker, gpu, dueUs, stray }] of this.#returns) {
      if (dueUs > nowUs) continue;
      this.#returns.delete(key);
      this.#giveBack(worker, gpu, 0, stray);
    }
    this.#close(nowUs);
    this.#bridge?.sweep(nowUs);
  }

  nextUs(): number {
    let nextUs = this.#table.nextUs();
    for (const { dueUs } of this.#returns.values()) nextUs = Math.min(nextUs, dueUs);
    for (const { dueUs } of this.#closings) nextUs = Math.min(nextUs, dueUs);
    return Math.min(nextUs, this.#bridge?.nextUs ?? Infinity);
  }

  /** What the bridge has and nobody here holds it gives back; what it has lost it leases again, or it is over here too. */
  #reconcile(bridge: GpuBridge, link: GpuLink, names: readonly string[], fresh: boolean): void {
    const { gpu } = link;
    const nowUs = this.#options.clock.nowUs();
    for (const worker of names) {
      const ours = this.#table.isLessee(worker, gpu) || this.#asked.has(`${gpu} ${worker}`);
      if (!isWorkerId(worker) || ours) continue;
      if (!link.spend()) return;
      this.#giveBack(worker, gpu, 0, true);
    }
    for (const lease of this.#table.of(gpu)) {
      const { worker, endsUs } = lease;
      if (names.includes(worker)) continue;
      if (!fresh) {
        this.#end(worker, gpu, "released", Infinity);
        continue;
      }
      const ttlS = Math.ceil((endsUs - nowUs) / 1_000_000);
      bridge.more();
      link.command(leaseCommand(worker, lease, Math.max(1, ttlS)), (why) => {
        if (bridge.left) return;
        if (why !== undefined) this.#end(worker, gpu, "lost", 0);
        else this.#say(`${gpu} leased again worker=${worker} ttl_s=${ttlS}`);
        bridge.step();
      });
    }
  }

  /** Others may see it. */
  #open(bridge: GpuBridge, ready: () => void): void {
    const { links } = bridge;
    this.#forget(bridge);
    ready();
    for (const { worker, gpu } of this.#table.all()) if (links.has(gpu)) this.#options.changed(worker);
    this.#options.sweeper.changed();
  }

  /** What is leased of GPUs that the bridge does not have is lost. */
  #forget(bridge: GpuBridge): void {
    for (const { worker, gpu } of this.#table.all()) {
      if (bridge.lacks(gpu)) this.#end(worker, gpu, "lost", Infinity);
    }
  }

  /** The bridge tells of a lease. */
  #heard(gpu: string, { state, worker, ttlS, ...terms }: LeaseEvent): void {
    const key = `${gpu} ${worker}`;
    if (state !== "ACTIVE") {
      this.#returned(worker, gpu);
      return this.#end(worker, gpu, state === "EXPIRED" ? "expired" : "released", Infinity);
    }
    // That is one which shall end, and whoever it was for is gone.
    if (this.#returns.has(key)) return;
    const { memMb, streams, priority } = terms;
    const known = this.#table.find(worker, gpu);
    if (known === undefined) {
      const endsUs = this.#options.clock.nowUs() + ttlS * 1_000_000;
      return this.#enter({ gpu, worker, endsUs, memMb, streams, priority }, ttlS);
    }
    if (known.priority === priority) return;
    known.priority = priority;
    this.#say(`${gpu} priority worker=${worker} priority=${priority}`);
  }

  #enter(lease: Lease, ttlS: number): void {
    const { worker, gpu, memMb, streams, priority } = lease;
    if (this.#table.isLessee(worker, gpu)) return;
    if (!this.#table.add(lease)) return this.#giveBack(worker, gpu, 0);
    this.counters.leased++;
    this.#highWater = Math.max(this.#highWater, this.#table.size);
    const terms = `mem_mb=${memMb} streams=${streams} ttl_s=${ttlS} priority=${priority}`;
    this.#say(`${gpu} leased worker=${worker} ${terms}`);
    this.#options.sweeper.changed();
    this.#options.changed(worker);
  }

  /** A lease is over here. @param afterUs when the bridge is told so, if it has not said it itself */
  #end(worker: string, gpu: string, how: End, afterUs: number): void {
    if (this.#table.remove(worker, gpu) === undefined) return;
    this.counters[how]++;
    this.#say(`${gpu} ${how} worker=${worker}`);
    if (this.#bridge !== undefined) {
      this.#closings.push({ gpu, worker, dueUs: this.#options.clock.nowUs() + NOTICE_US });
    }
    if (afterUs < Infinity) this.#giveBack(worker, gpu, afterUs);
    this.#options.sweeper.changed();
    this.#options.changed(worker);
  }

  /** Answer what a bridge owes those who have no lease any more. */
  #close(nowUs: number): void {
    const due = this.#closings.filter(({ dueUs }) => dueUs <= nowUs);
    if (due.length === 0) return;
    this.#closings = this.#closings.filter(({ dueUs }) => dueUs > nowUs);
    for (const { gpu, worker } of due) {
      if (!this.#table.isLessee(worker, gpu)) this.#bridge?.revoke(worker, gpu);
    }
  }

  /** Have the bridge end a lease, until it has. A bridge or GPU that is away is told when it is back. */
  #giveBack(worker: string, gpu: string, afterUs: number, stray = false): void {
    const { clock, sweeper } = this.#options;
    const bridge = this.#bridge;
    const link = bridge?.links.get(gpu);
    const key = `${gpu} ${worker}`;
    if (bridge === undefined || link === undefined) return;
    if (!this.#returns.has(key) && this.#returns.size >= RETURNS) {
      return bridge.end(`${gpu}: more leases to end than there can be`);
    }
    const due = { gpu, worker, dueUs: afterUs === 0 ? Infinity : clock.nowUs() + afterUs, stray };
    this.#returns.set(key, due);
    if (afterUs > 0) return sweeper.changed();
    link.command(`RELEASE ${worker}`, (why) => {
      if (bridge.left || this.#returns.get(key) !== due) return;
      if (why === undefined) return this.#returned(worker, gpu);
      this.#returns.delete(key);
      if (why === NOT_FOUND) return;
      this.#returns.set(key, { gpu, worker, dueUs: clock.nowUs() + RETRY_US, stray });
      sweeper.changed();
    });
  }

  /** The bridge has ended a lease. */
  #returned(worker: string, gpu: string): void {
    const key = `${gpu} ${worker}`;
    if (this.#returns.get(key)?.stray === true) this.#say(`${gpu} gave back worker=${worker}`);
    this.#returns.delete(key);
  }

  #say(text: string): void {
    this.#options.audit.line("gpu", text);
  }
}

function termsOf({ memMb, streams, priority }: LeaseRequest): Pick<Lease, "memMb" | "streams" | "priority"> {
  return { memMb, streams, priority };
}

function leaseCommand(
  worker: string,
  { memMb, streams, priority }: Pick<Lease, "memMb" | "streams" | "priority">,
  ttlS: number,
): string {
  return `LEASE ${worker} mem_mb=${memMb} streams=${streams} ttl_s=${ttlS} priority=${priority}`;
}

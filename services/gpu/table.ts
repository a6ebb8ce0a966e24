/**
 * Who holds a lease of which GPU, as the hive knows it: what the policy asks at every request. It holds no more than so many of a GPU
 * and of GPUs, and no lease longer than its time, whatever a bridge says or does not say.
 */
import type { Leases } from "../roles/policy.ts";

/** GPUs of a bridge that are looked at, and leases of one: more than a GPU has streams. */
export const GPUS = 16;
export const LEASES = 64;

/** What a lease grants, by the hive's clock. */
export interface Lease {
  readonly gpu: string;
  readonly worker: string;
  memMb: number;
  streams: number;
  priority: number;
  readonly endsUs: number;
}

export class LeaseTable implements Leases {
  /** Leases that there was no place for. */
  full = 0;
  readonly #gpus = new Map<string, Map<string, Lease>>();

  isLessee(worker: string, gpu: string): boolean {
    return this.#gpus.get(gpu)?.has(worker) === true;
  }

  find(worker: string, gpu: string): Lease | undefined {
    return this.#gpus.get(gpu)?.get(worker);
  }

  get size(): number {
    let size = 0;
    for (const leases of this.#gpus.values()) size += leases.size;
    return size;
  }

  /** Those of one GPU. */
  of(gpu: string): readonly Lease[] {
    return [...(this.#gpus.get(gpu)?.values() ?? [])];
  }

  /** Those of one worker. */
  heldBy(worker: string): readonly Lease[] {
    return this.all().filter((lease) => lease.worker === worker);
  }

  all(): readonly Lease[] {
    return [...this.#gpus.values()].flatMap((leases) => [...leases.values()]);
  }

  /** @returns false if there is no place for it. */
  add(lease: Lease): boolean {
    let leases = this.#gpus.get(lease.gpu);
    if ((leases === undefined && this.#gpus.size >= GPUS) || (leases?.size ?? 0) >= LEASES) {
      this.full++;
      return false;
    }
    if (leases === undefined) this.#gpus.set(lease.gpu, (leases = new Map<string, Lease>()));
    leases.set(lease.worker, lease);
    return true;
  }

  /** @returns what it was, if it was there. */
  remove(worker: string, gpu: string): Lease | undefined {
    const leases = this.#gpus.get(gpu);
    const lease = leases?.get(worker);
    leases?.delete(worker);
    if (leases?.size === 0) this.#gpus.delete(gpu);
    return lease;
  }

  /** When the next one's time is over, Infinity for never. */
  nextUs(): number {
    let nextUs = Infinity;
    for (const leases of this.#gpus.values()) {
      for (const { endsUs } of leases.values()) nextUs = Math.min(nextUs, endsUs);
    }
    return nextUs;
  }
}

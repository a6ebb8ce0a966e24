/** virtio-rng (virtio 1.2 §5.4): fills what the driver makes available with random bytes, or from a seed for a replay. */
import { createHash, randomFillSync } from "node:crypto";
import type { VirtioDevice, VirtioSlot } from "./mmio.ts";
import { DriverFault } from "./queue.ts";

/** Bytes at most that one request is answered with, as a slow source would. */
const REQUEST_MAX = 4096;

export class VirtioRng implements VirtioDevice {
  readonly id = 4;
  readonly features = 0;
  readonly queueSizes = [8];
  /** Bytes given since the machine started. */
  given = 0;
  private readonly slot: VirtioSlot;
  private readonly seed: string | undefined;
  private block = 0;

  /** @param seed for bytes that are the same in every run; absent for the host's randomness. */
  constructor(slot: VirtioSlot, seed: string | undefined) {
    this.slot = slot;
    this.seed = seed;
  }

  config(): number {
    return 0;
  }

  reset(): void {
    // A stream of random bytes has no state worth resetting.
  }

  private fill(bytes: Uint8Array): void {
    if (this.seed === undefined) {
      randomFillSync(bytes);
      return;
    }
    for (let at = 0; at < bytes.length; at += 32) {
      const block = createHash("sha256")
        .update(`${this.seed} ${String(this.block++)}`)
        .digest();
      bytes.set(block.subarray(0, Math.min(32, bytes.length - at)), at);
    }
  }

  notified(): void {
    const queue = this.slot.queues[0];
    let interrupt = false;
    while (queue?.pop()) {
      const { chain } = queue;
      if (chain.readableBytes > 0) throw new DriverFault("a request for random bytes that the device must not write");
      const bytes = new Uint8Array(Math.min(chain.writableBytes, REQUEST_MAX));
      this.fill(bytes);
      queue.scatter(0, bytes);
      this.given += bytes.length;
      if (queue.push(chain.id, bytes.length)) interrupt = true;
    }
    if (interrupt) this.slot.interruptUsed();
  }
}

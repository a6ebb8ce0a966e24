/**
 * The gateway's end of the cable as a {@link FramePort}: the guest's frames wait here, a bounded number of them, until the
 * gateway looks at them after the guest's turn; the gateway's go to the modelled device, which hands them to the guest.
 */
import type { FrameCounters, FramePort } from "../../../services/ports/index.ts";
import type { VirtioNet } from "../devices/virtio/net.ts";

const HEADER = 14;
const MTU = 1500;
/** As many as the device's queue has buffers: what a turn of the guest can send. */
const WAITING_MAX = 256;
const NOTHING: Uint8Array = new Uint8Array(0);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The guest's network device, seen from outside. What is injected may be overwritten afterwards. */
export type GatewayDevice = Pick<VirtioNet, "mac" | "wire" | "linkUp" | "full" | "inject">;

export class GatewayPort implements FramePort {
  readonly mac: Uint8Array;
  readonly mtu = MTU;
  rx = NOTHING;
  readonly rxStart = 0;
  rxLength = 0;
  readonly tx = new Uint8Array(MTU + HEADER);
  readonly txStart = 0;
  readonly counters: Mutable<FrameCounters> = {
    rxFrames: 0,
    rxBytes: 0,
    txFrames: 0,
    txBytes: 0,
    deviceErrors: 0,
    resets: 0,
    txFull: 0,
  };
  /** Frames of the guest's that were lost here because too many waited. */
  overruns = 0;
  readonly #device: GatewayDevice;
  readonly #waiting: (Uint8Array | undefined)[] = new Array<undefined>(WAITING_MAX).fill(undefined);
  #head = 0;
  #count = 0;
  #held = false;

  /** @param onFrame called when the guest has sent something, in the middle of its turn */
  constructor(device: GatewayDevice, mac: Uint8Array, onFrame: () => void) {
    this.#device = device;
    this.mac = mac;
    device.wire = {
      frame: (bytes) => {
        this.#take(bytes);
        onFrame();
      },
    };
  }

  get linkUp(): boolean {
    return this.#device.linkUp;
  }

  #take(frame: Uint8Array): void {
    if (this.#count === WAITING_MAX) {
      this.overruns++;
      return;
    }
    this.#waiting[(this.#head + this.#count++) % WAITING_MAX] = frame;
  }

  receive(): boolean {
    if (this.#held) return true;
    const frame = this.#waiting[this.#head];
    if (this.#count === 0 || frame === undefined) return false;
    this.#waiting[this.#head] = undefined;
    this.#head = (this.#head + 1) % WAITING_MAX;
    this.#count--;
    this.#held = true;
    this.rx = frame;
    this.rxLength = frame.length;
    this.counters.rxFrames++;
    this.counters.rxBytes += frame.length;
    return true;
  }

  release(): void {
    this.#held = false;
    this.rx = NOTHING;
    this.rxLength = 0;
  }

  reserve(): boolean {
    if (!this.#device.full) return true;
    this.counters.txFull++;
    return false;
  }

  /** What the device cannot hand on, because its link is down or it has no driver, is lost and counted there. */
  commit(length: number): void {
    if (length < HEADER || length > MTU + HEADER)
      throw new RangeError(`GatewayPort.commit: a frame of ${length} bytes`);
    this.counters.txFrames++;
    this.counters.txBytes += length;
    this.#device.inject(this.tx.subarray(0, length));
  }

  flush(): void {
    // Frames leave as they are committed; the guest looks at them when its next turn begins.
  }

  /** Leave the cable: the guest's frames go nowhere from now on. */
  close(): void {
    this.#device.wire = undefined;
    this.#waiting.fill(undefined);
    this.#count = 0;
  }
}

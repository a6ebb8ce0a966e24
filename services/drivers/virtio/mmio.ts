/**
 * The virtio-mmio transport, version 2 (virtio 1.2 §4.2). It guarantees a device driver that the device it
 * talks to has agreed to the features, and that every wait for the device has an end.
 * What a device says about itself is believed only where a wrong answer can do no harm.
 */
import type { DeviceNode, Host } from "../../../runtime-bindings.d.ts";

export type MmioHost = Pick<
  Host,
  | "mmioMap"
  | "mmioRead8"
  | "mmioRead16"
  | "mmioRead32"
  | "mmioWrite32"
  | "dmaAlloc"
  | "barrier"
  | "irqBind"
  | "irqAck"
  | "nowUs"
>;

/** Register offsets (virtio 1.2 §4.2.2, table 4.1). All are 32 bits wide except the configuration space. */
const MAGIC_VALUE = 0x000;
const VERSION = 0x004;
const DEVICE_ID = 0x008;
const DEVICE_FEATURES = 0x010;
const DEVICE_FEATURES_SEL = 0x014;
const DRIVER_FEATURES = 0x020;
const DRIVER_FEATURES_SEL = 0x024;
const QUEUE_SEL = 0x030;
const QUEUE_NUM_MAX = 0x034;
const QUEUE_NUM = 0x038;
const QUEUE_READY = 0x044;
const QUEUE_NOTIFY = 0x050;
const INTERRUPT_STATUS = 0x060;
const INTERRUPT_ACK = 0x064;
const STATUS = 0x070;
const QUEUE_DESC_LOW = 0x080;
const QUEUE_DESC_HIGH = 0x084;
const QUEUE_DRIVER_LOW = 0x090;
const QUEUE_DRIVER_HIGH = 0x094;
const QUEUE_DEVICE_LOW = 0x0a0;
const QUEUE_DEVICE_HIGH = 0x0a4;
const CONFIG_GENERATION = 0x0fc;
const CONFIG = 0x100;

/** "virt" in little-endian ASCII. */
const MAGIC = 0x74726976;

/** Device status bits (§2.1). */
const ACKNOWLEDGE = 1;
const DRIVER = 2;
const DRIVER_OK = 4;
const FEATURES_OK = 8;
const DEVICE_NEEDS_RESET = 64;
const FAILED = 128;

/** Interrupt status bits (§4.2.2, InterruptStatus). */
export const INTERRUPT_USED_BUFFER = 1;
export const INTERRUPT_CONFIG_CHANGE = 2;

/** VIRTIO_F_VERSION_1 is feature bit 32 (§6): bit 0 of the high word. */
const VERSION_1_HIGH = 1;

/** Device ids (§5). */
export const DEVICE_IDS = { net: 1, console: 3, rng: 4 } as const;

/** Looks at a device that resets before it is given up; a sound one needs a handful. Not a time: a simulated clock may stand still. */
const RESET_ATTEMPTS = 20_000;
/** How often a configuration that changes under the reader is read again. */
const CONFIG_ATTEMPTS = 8;
/** How often an interrupt status that comes up again is acknowledged before the device counts as broken. */
const ACK_ATTEMPTS = 8;

const HIGH = 0x1_0000_0000;

/** What the transport must know of a queue to hand it to the device. */
export interface QueueLayout {
  readonly size: number;
  readonly descriptorAddress: number;
  readonly availAddress: number;
  readonly usedAddress: number;
}

export class VirtioMmio {
  readonly node: DeviceNode;
  readonly deviceId: number;
  private readonly host: MmioHost;
  private readonly window: number;

  constructor(host: MmioHost, node: DeviceNode, window: number, deviceId: number) {
    this.host = host;
    this.node = node;
    this.window = window;
    this.deviceId = deviceId;
  }

  /** Reset and wait until the device says that it has (§2.4, §4.2.3.1). From then on it touches no memory. */
  reset(): boolean {
    this.write(STATUS, 0);
    for (let attempt = 0; attempt < RESET_ATTEMPTS; attempt++) {
      if (this.read(STATUS) === 0) return true;
    }
    return false;
  }

  /**
   * Steps 1 to 6 of §3.1.1: from reset to agreed features.
   * @param wanted feature bits 0 to 31 to accept if offered; VIRTIO_F_VERSION_1 is accepted always.
   * @returns those that both sides accepted.
   * @throws Error, one sentence, if the device cannot be driven.
   */
  negotiate(wanted: number): number {
    if (!this.reset()) throw new Error(`${this.node.name} does not reset`);
    this.write(STATUS, ACKNOWLEDGE);
    this.write(STATUS, ACKNOWLEDGE | DRIVER);
    this.write(DEVICE_FEATURES_SEL, 1);
    if ((this.read(DEVICE_FEATURES) & VERSION_1_HIGH) === 0) {
      this.fail();
      throw new Error(`${this.node.name} does not offer VIRTIO_F_VERSION_1`);
    }
    this.write(DEVICE_FEATURES_SEL, 0);
    const accepted = (this.read(DEVICE_FEATURES) & wanted) >>> 0;
    this.write(DRIVER_FEATURES_SEL, 0);
    this.write(DRIVER_FEATURES, accepted);
    this.write(DRIVER_FEATURES_SEL, 1);
    this.write(DRIVER_FEATURES, VERSION_1_HIGH);
    this.write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    // §3.1.1 step 6: the device may clear the bit, which is its way to say no.
    if ((this.read(STATUS) & FEATURES_OK) === 0) {
      this.fail();
      throw new Error(`${this.node.name} refuses the features 0x${accepted.toString(16)}`);
    }
    return accepted;
  }

  /** The device's limit for a queue, 0 if it has no such queue (§4.2.3.2). */
  queueSizeMax(index: number): number {
    this.write(QUEUE_SEL, index);
    return this.read(QUEUE_NUM_MAX);
  }

  /** Hand a queue to the device (§4.2.3.2). @throws Error if it is in use or too large. */
  enableQueue(index: number, queue: QueueLayout): void {
    const max = this.queueSizeMax(index);
    if (max < queue.size) {
      this.fail();
      throw new Error(`${this.node.name} takes ${max} descriptors in queue ${index}, needed are ${queue.size}`);
    }
    if (this.read(QUEUE_READY) !== 0) {
      this.fail();
      throw new Error(`${this.node.name} says that queue ${index} is in use after a reset`);
    }
    this.write(QUEUE_NUM, queue.size);
    this.writeAddress(QUEUE_DESC_LOW, QUEUE_DESC_HIGH, queue.descriptorAddress);
    this.writeAddress(QUEUE_DRIVER_LOW, QUEUE_DRIVER_HIGH, queue.availAddress);
    this.writeAddress(QUEUE_DEVICE_LOW, QUEUE_DEVICE_HIGH, queue.usedAddress);
    // The rings' content must be there before the device may look (§2.7.13.3.1 asks the same of the index).
    this.host.barrier(0);
    this.write(QUEUE_READY, 1);
  }

  /** Step 8 of §3.1.1: the device is live. */
  start(): void {
    this.write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  }

  /** Tell the device that the driver has given up on it (§2.1). */
  fail(): void {
    this.write(STATUS, FAILED);
  }

  needsReset(): boolean {
    return (this.read(STATUS) & DEVICE_NEEDS_RESET) !== 0;
  }

  /** New buffers are in this queue (§4.2.3.3). */
  notify(index: number): void {
    this.host.mmioWrite32(this.window, QUEUE_NOTIFY, index);
  }

  /**
   * Take the causes of an interrupt (§4.2.3.4). It acknowledges first and looks afterwards: the status is read as 0
   * once before it returns, so the line has fallen and whatever comes up later is a new edge. In the usual case that is
   * one write and one read.
   * @returns the causes seen, where used buffers must be looked for in any case; -1 if the status does not go away.
   */
  acknowledge(): number {
    const host = this.host;
    const window = this.window;
    let causes = 0;
    let mask = INTERRUPT_USED_BUFFER;
    for (let attempt = 0; attempt < ACK_ATTEMPTS; attempt++) {
      host.mmioWrite32(window, INTERRUPT_ACK, mask);
      mask = host.mmioRead32(window, INTERRUPT_STATUS);
      if (mask === 0) return causes;
      causes |= mask;
    }
    return -1;
  }

  configRead8(offset: number): number {
    return this.host.mmioRead8(this.window, CONFIG + offset);
  }

  configRead16(offset: number): number {
    return this.host.mmioRead16(this.window, CONFIG + offset);
  }

  /**
   * Run `read` so that what it read belongs together (§2.5.3, §4.2.2.1).
   * @returns false if the configuration kept changing.
   */
  readConfig(read: (device: VirtioMmio) => void): boolean {
    for (let attempt = 0; attempt < CONFIG_ATTEMPTS; attempt++) {
      const generation = this.read(CONFIG_GENERATION);
      read(this);
      if (this.read(CONFIG_GENERATION) === generation) return true;
    }
    return false;
  }

  private read(offset: number): number {
    return this.host.mmioRead32(this.window, offset);
  }

  private write(offset: number, value: number): void {
    this.host.mmioWrite32(this.window, offset, value);
  }

  private writeAddress(low: number, high: number, address: number): void {
    this.write(low, address % HIGH);
    this.write(high, Math.floor(address / HIGH));
  }
}

/** A device that answered. */
export interface VirtioDevice {
  readonly deviceId: number;
  readonly transport: VirtioMmio;
}

/** What is behind the machine's virtio-mmio slots: the devices, and a sentence for each that cannot be driven. */
export interface VirtioProbe {
  readonly devices: readonly VirtioDevice[];
  readonly refusals: readonly string[];
}

/** Look into every `virtio,mmio` slot of the device tree (§4.2.3.1.1). Empty slots (device id 0) are passed over in silence. */
export function probeVirtio(host: MmioHost, nodes: readonly DeviceNode[]): VirtioProbe {
  const devices: VirtioDevice[] = [];
  const refusals: string[] = [];
  for (const node of nodes) {
    if (node.compatible !== "virtio,mmio") continue;
    const window = host.mmioMap(node.base, node.size);
    const magic = host.mmioRead32(window, MAGIC_VALUE);
    if (magic !== MAGIC) {
      refusals.push(`${node.name} is no virtio-mmio device (magic 0x${magic.toString(16)})`);
      continue;
    }
    const deviceId = host.mmioRead32(window, DEVICE_ID);
    if (deviceId === 0) continue;
    const version = host.mmioRead32(window, VERSION);
    if (version === 1) {
      refusals.push(
        `${node.name} (device ${deviceId}) is a legacy virtio device; start QEMU with -global virtio-mmio.force-legacy=false`,
      );
    } else if (version !== 2) {
      refusals.push(`${node.name} (device ${deviceId}) speaks virtio-mmio version ${version}, known is 2`);
    } else if (node.irq < 0) {
      refusals.push(`${node.name} (device ${deviceId}) has no interrupt in the device tree`);
    } else {
      devices.push({ deviceId, transport: new VirtioMmio(host, node, window, deviceId) });
    }
  }
  return { devices, refusals };
}

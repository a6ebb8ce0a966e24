/**
 * A {@link FramePort} that lets another show through and is told of every frame, once, where the port has it. It copies
 * nothing and changes nothing: what is below works as if it were not there.
 */
import type { FrameCounters, FramePort } from "../../ports/index.ts";
import { ETHERNET_HEADER } from "../wire/ethernet.ts";

export abstract class FrameTap implements FramePort {
  readonly mac: Uint8Array;
  readonly mtu: number;
  protected readonly port: FramePort;
  #seen = false;

  constructor(port: FramePort) {
    this.port = port;
    this.mac = port.mac;
    this.mtu = port.mtu;
  }

  get linkUp(): boolean {
    return this.port.linkUp;
  }

  get rx(): Uint8Array {
    return this.port.rx;
  }

  get rxStart(): number {
    return this.port.rxStart;
  }

  get rxLength(): number {
    return this.port.rxLength;
  }

  get tx(): Uint8Array {
    return this.port.tx;
  }

  get txStart(): number {
    return this.port.txStart;
  }

  get counters(): FrameCounters {
    return this.port.counters;
  }

  receive(): boolean {
    const { port } = this;
    if (!port.receive()) return false;
    if (!this.#seen) {
      this.#seen = true;
      this.received(port.rx, port.rxStart, port.rxLength);
    }
    return true;
  }

  release(): void {
    this.#seen = false;
    this.port.release();
  }

  reserve(): boolean {
    return this.port.reserve();
  }

  commit(length: number): void {
    const { port } = this;
    // Afterwards the bytes are the port's, which may do as it likes with them; a length that is none it refuses itself.
    if (length >= ETHERNET_HEADER && length <= this.mtu + ETHERNET_HEADER) this.sent(port.tx, port.txStart, length);
    port.commit(length);
  }

  flush(): void {
    this.port.flush();
  }

  /** A frame came in. The bytes are the port's: look, do not keep. */
  protected abstract received(bytes: Uint8Array, start: number, length: number): void;

  /** A frame goes out. */
  protected abstract sent(bytes: Uint8Array, start: number, length: number): void;
}

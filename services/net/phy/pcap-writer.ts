/**
 * Writes every frame of a port as pcapng (draft-ietf-opsawg-pcapng), with its direction, for Wireshark and its kin. Each block
 * goes to the sink whole or not at all, so what a full sink has is a sound file; frames that it refused are counted.
 */
import type { Bytes, Clock, FramePort, WallClock } from "../../ports/index.ts";
import { ETHERNET_HEADER } from "../wire/ethernet.ts";
import { FrameTap } from "./frame-tap.ts";

/** Where the file goes. @returns false if it does not take the block; the bytes are the writer's. */
export type PcapSink = (bytes: Uint8Array, start: number, length: number) => boolean;

export interface PcapWriterOptions {
  readonly port: FramePort;
  readonly clock: Clock;
  readonly bytes: Bytes;
  readonly sink: PcapSink;
  /** Without it the file's time begins with the machine's. */
  readonly wallClock?: WallClock;
}

/** Block types and sizes (§4.1 to §4.3). */
const SECTION_HEADER = 0x0a0d0d0a;
const SECTION_BYTES = 28;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const INTERFACE_BYTES = 20;
const ENHANCED_PACKET = 6;
const PACKET_HEADER_BYTES = 28;
/** epb_flags, opt_endofopt and the block's length again. */
const PACKET_TRAILER_BYTES = 16;
const EPB_FLAGS = 2;
const INBOUND = 1;
const OUTBOUND = 2;
const LINKTYPE_ETHERNET = 1;
const SLACK_BYTES = 22;

const HIGH = 0x1_0000_0000;

export class PcapWriter extends FrameTap {
  /** Frames written, and frames that the sink refused. */
  written = 0;
  refused = 0;
  readonly #clock: Clock;
  readonly #bytes: Bytes;
  readonly #sink: PcapSink;
  readonly #epochUs: number;
  readonly #snapBytes: number;
  readonly #block: Uint8Array;
  readonly #fields: DataView;
  /** Whether the file has its head; without it there is nothing that a frame could be appended to. */
  #begun = false;

  constructor(options: PcapWriterOptions) {
    super(options.port);
    this.#clock = options.clock;
    this.#bytes = options.bytes;
    this.#sink = options.sink;
    const seconds = options.wallClock?.unixSeconds();
    this.#epochUs = seconds === undefined ? 0 : seconds * 1_000_000 - this.#clock.nowUs();
    this.#snapBytes = (this.mtu + ETHERNET_HEADER + SLACK_BYTES + 3) & ~3;
    this.#block = new Uint8Array(PACKET_HEADER_BYTES + this.#snapBytes + PACKET_TRAILER_BYTES);
    this.#fields = new DataView(this.#block.buffer);
  }

  protected override received(bytes: Uint8Array, start: number, length: number): void {
    this.#write(bytes, start, length, INBOUND);
  }

  protected override sent(bytes: Uint8Array, start: number, length: number): void {
    this.#write(bytes, start, length, OUTBOUND);
  }

  #begin(): boolean {
    const fields = this.#fields;
    this.#block.fill(0, 0, SECTION_BYTES + INTERFACE_BYTES);
    fields.setUint32(0, SECTION_HEADER, true);
    fields.setUint32(4, SECTION_BYTES, true);
    fields.setUint32(8, BYTE_ORDER_MAGIC, true);
    fields.setUint16(12, 1, true);
    // Section length -1: not known.
    fields.setUint32(16, 0xffffffff, true);
    fields.setUint32(20, 0xffffffff, true);
    fields.setUint32(24, SECTION_BYTES, true);
    fields.setUint32(28, INTERFACE_DESCRIPTION, true);
    fields.setUint32(32, INTERFACE_BYTES, true);
    fields.setUint16(36, LINKTYPE_ETHERNET, true);
    fields.setUint32(40, this.#snapBytes, true);
    fields.setUint32(44, INTERFACE_BYTES, true);
    return this.#sink(this.#block, 0, SECTION_BYTES + INTERFACE_BYTES);
  }

  #write(bytes: Uint8Array, start: number, length: number, direction: number): void {
    this.#begun ||= this.#begin();
    const fields = this.#fields;
    const captured = Math.min(length, this.#snapBytes);
    const padded = (captured + 3) & ~3;
    const total = PACKET_HEADER_BYTES + padded + PACKET_TRAILER_BYTES;
    const us = this.#epochUs + this.#clock.nowUs();
    fields.setUint32(0, ENHANCED_PACKET, true);
    fields.setUint32(4, total, true);
    fields.setUint32(8, 0, true);
    // Microseconds, the resolution of an interface without if_tsresol.
    fields.setUint32(12, Math.floor(us / HIGH), true);
    fields.setUint32(16, us % HIGH, true);
    fields.setUint32(20, captured, true);
    fields.setUint32(24, length, true);
    this.#bytes.copy(this.#block, PACKET_HEADER_BYTES, bytes, start, captured);
    let at = PACKET_HEADER_BYTES + captured;
    while (at < PACKET_HEADER_BYTES + padded) this.#block[at++] = 0;
    fields.setUint16(at, EPB_FLAGS, true);
    fields.setUint16(at + 2, 4, true);
    fields.setUint32(at + 4, direction, true);
    fields.setUint32(at + 8, 0, true);
    fields.setUint32(at + 12, total, true);
    if (this.#begun && this.#sink(this.#block, 0, total)) this.written++;
    else this.refused++;
  }
}

/**
 * Frames between this process and a tap device in a network namespace. Node can make no tap device its own, so a QEMU without
 * a machine stands between: it reads and writes the device and carries each frame, its length before it, over a Unix socket,
 * which knows no namespaces. Nothing is lost on the way: a full socket stops the reading on the other side.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Namespace } from "../namespace.ts";

const LENGTH_BYTES = 4;
/** More than any frame has that a tap device of Linux hands out without offloads. */
const FRAME_MAX = 2048;
const PATIENCE_MS = 10_000;
/** Written and not taken by QEMU yet; beyond it a sender has to wait. */
const UNSENT_MAX = 1 << 20;

/** Who is at the bridge's near end. */
export interface Attached {
  readonly mac: Uint8Array;
  /** A frame for it, or for everybody. The bytes are the bridge's. */
  deliver(bytes: Uint8Array, start: number, length: number): void;
  /** For now that was all, or there is room to send again. */
  settle(): void;
}

export class Bridge {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #folder: string;
  readonly #ends: Attached[] = [];
  /** The beginning of a frame whose end has not come. */
  #rest = new Uint8Array(0);

  private constructor(child: ChildProcess, socket: Socket, folder: string) {
    this.#child = child;
    this.#socket = socket;
    this.#folder = folder;
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("drain", () => this.#settle());
    socket.on("error", () => undefined);
  }

  /** @param tap a device in the namespace. @throws Error with what QEMU said if it does not come. */
  static async open(namespace: Namespace, tap: string): Promise<Bridge> {
    const folder = mkdtempSync(join(tmpdir(), "bridge-"));
    const path = join(folder, "frames");
    const server = createServer({ allowHalfOpen: false }).listen(path);
    await once(server, "listening");
    const child = spawn(
      "setpriv",
      [
        ...["--pdeathsig", "KILL", ...namespace.around, process.env["QEMU"] ?? "qemu-system-aarch64"],
        ...["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none"],
        ...["-netdev", `tap,id=tap,ifname=${tap},script=no,downscript=no,vnet_hdr=off`],
        ...["-netdev", `stream,id=frames,server=off,addr.type=unix,addr.path=${path}`],
        ...["-netdev", "hubport,id=a,hubid=0,netdev=tap", "-netdev", "hubport,id=b,hubid=0,netdev=frames"],
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let complaint = "";
    child.stderr.on("data", (text: Buffer) => (complaint += text.toString("utf8")));
    try {
      const socket = await new Promise<Socket>((settle, fail) => {
        const timer = setTimeout(() => fail(new Error("QEMU does not connect")), PATIENCE_MS);
        server.once("connection", (connected) => {
          clearTimeout(timer);
          settle(connected);
        });
        child.once("error", fail);
        child.once("close", () => fail(new Error(`QEMU is gone: ${complaint.trim()}`)));
      });
      return new Bridge(child, socket, folder);
    } catch (error) {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true });
      throw error;
    } finally {
      server.close();
    }
  }

  attach(end: Attached): void {
    this.#ends.push(end);
  }

  /** Whether frames can be sent now. If not, all are told to {@link Attached.settle} when they can. */
  get open(): boolean {
    return this.#socket.writableLength < UNSENT_MAX;
  }

  /** Frames, each with its length before it (32 bits, big-endian). The bytes are the bridge's from now on. */
  send(frames: Uint8Array): void {
    this.#socket.write(frames);
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      this.#child.kill("SIGKILL");
      await once(this.#child, "close");
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #take(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (at + LENGTH_BYTES <= bytes.length) {
      const length = view.getUint32(at);
      if (length > FRAME_MAX) throw new Error(`Bridge: a frame of ${length} bytes`);
      if (at + LENGTH_BYTES + length > bytes.length) break;
      this.#deliver(bytes, at + LENGTH_BYTES, length);
      at += LENGTH_BYTES + length;
    }
    this.#rest = bytes.slice(at);
    this.#settle();
  }

  #deliver(bytes: Uint8Array, start: number, length: number): void {
    const group = (bytes[start]! & 1) !== 0;
    for (const end of this.#ends) {
      if (group || end.mac.every((byte, i) => byte === bytes[start + i])) end.deliver(bytes, start, length);
    }
  }

  #settle(): void {
    for (const end of this.#ends) end.settle();
  }
}

/**
 * Somebody at the other end of a hive's cable, in the machine's own time: a network stack like the hive's, whose connections speak
 * lines to the door. Where time leaps over every pause, no program of the host could keep up.
 */
import { randomFillSync } from "node:crypto";
import { gatewayNetwork } from "../../../engine/sim/gateway/network.ts";
import { GatewayPort } from "../../../engine/sim/gateway/port.ts";
import type { Machine } from "../../../engine/sim/machine.ts";
import { nodeBytes } from "../../../scripts/lib/node-bytes.ts";
import { readManifest } from "../../../services/config/manifest.ts";
import { NetStack } from "../../../services/net/stack.ts";
import type { TcpSocket } from "../../../services/net/tcp/socket.ts";
import { Timers } from "../../../services/pump/timers.ts";
import { frame } from "../console/door/wire.ts";

const BUDGET = 256;
const PATIENCE_US = 60_000_000;
const MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);

export class Neighbour {
  readonly machine: Machine;
  readonly stack: NetStack;
  readonly #guest: number;
  readonly #port: number;
  readonly #timers = new Timers(4);
  readonly #timer: ReturnType<Machine["attach"]>;

  /** @throws Error if the machine has no network device */
  constructor(machine: Machine, manifest: string) {
    if (machine.net === undefined) throw new Error("the machine has no network device");
    const { ipv4, guest, consolePort } = gatewayNetwork(readManifest(manifest).network);
    this.machine = machine;
    this.#guest = guest;
    this.#port = consolePort;
    this.#timer = machine.attach(() => this.#serve());
    const raise = (): void => {
      this.stack.raise();
      this.wake();
    };
    this.stack = new NetStack({
      port: new GatewayPort(machine.net, MAC, raise),
      clock: machine.clock,
      bytes: nodeBytes,
      random: { ready: true, fill: (into) => randomFillSync(into).length > 0 },
      timers: this.#timers,
      ipv4,
      tcp: { sockets: 64 },
      addressed: () => undefined,
    });
  }

  /** @throws Error if there is no socket for it */
  call(): Visit {
    const socket = this.stack.tcp.connect(this.#guest, this.#port);
    if (socket === undefined) throw new Error("the neighbour has no socket left");
    this.wake();
    return new Visit(this, socket);
  }

  /** There is something to send. */
  wake(): void {
    this.#timer.deadline = 0;
  }

  #serve(): void {
    const { stack, machine } = this;
    const nowUs = machine.nowUs();
    this.#timers.fire(nowUs, BUDGET);
    stack.receive(BUDGET);
    stack.send(BUDGET, nowUs);
    const more = stack.receiving || stack.sending(machine.nowUs());
    this.#timer.deadline = more ? 0 : this.#timers.nextUs();
  }
}

/** One connection to the door. */
export class Visit {
  readonly socket: TcpSocket;
  readonly #neighbour: Neighbour;
  #come = Buffer.alloc(0);
  #unsent = Buffer.alloc(0);

  constructor(neighbour: Neighbour, socket: TcpSocket) {
    this.#neighbour = neighbour;
    this.socket = socket;
  }

  /** Whether the hive has ended it. */
  get over(): boolean {
    return this.socket.ended;
  }

  send(...lines: readonly string[]): this {
    return this.raw(Buffer.concat(lines.map(frame)));
  }

  raw(bytes: Uint8Array): this {
    this.#unsent = Buffer.concat([this.#unsent, bytes]);
    this.#move();
    return this;
  }

  /** Wait for so many lines. @throws Error if they do not come, or it ends before */
  async lines(count: number): Promise<string[]> {
    const lines: string[] = [];
    await this.#until(() => {
      for (let line = this.#line(); line !== undefined; line = this.#line()) {
        lines.push(line);
        if (lines.length === count) return true;
      }
      return false;
    });
    return lines;
  }

  /** Wait for a stream's last line. @returns its lines, from the acknowledgement on */
  async stream(): Promise<string[]> {
    const lines: string[] = [];
    do lines.push(...(await this.lines(1)));
    while (lines.at(-1) !== "END" && !lines[0]!.startsWith("ERR "));
    return lines;
  }

  /** Say something, and hear so many lines. */
  ask(line: string, count = 1): Promise<string[]> {
    return this.send(line).lines(count);
  }

  /** Wait until the hive has ended it, and close this side. */
  async ended(): Promise<void> {
    await this.#until(() => this.over);
    this.close();
  }

  close(): void {
    this.socket.close();
    this.#neighbour.wake();
  }

  abort(): void {
    this.socket.abort();
    this.#neighbour.wake();
  }

  #line(): string | undefined {
    const size = this.#come.length < 4 ? Infinity : this.#come.readUInt32LE();
    if (this.#come.length < size) return undefined;
    const line = this.#come.toString("utf8", 4, size);
    this.#come = this.#come.subarray(size);
    return line;
  }

  async #until(done: () => boolean): Promise<void> {
    const { machine } = this.#neighbour;
    let reached = false;
    const over = (): boolean => {
      this.#move();
      reached = done();
      return reached || this.socket.error !== undefined;
    };
    await machine.runUntil(over, machine.nowUs() + PATIENCE_US);
    if (!reached) throw new Error(`the hive did not answer: ${this.socket.state}, ${this.socket.error ?? "no error"}`);
  }

  /** Bytes between the socket and here. */
  #move(): void {
    const { socket } = this;
    if (this.#unsent.length > 0 && socket.writable > 0) {
      const taken = socket.write(this.#unsent, 0, this.#unsent.length);
      this.#unsent = this.#unsent.subarray(taken);
      this.#neighbour.wake();
    }
    while (socket.readable > 0) {
      const { memory, head, run } = socket;
      this.#come = Buffer.concat([this.#come, memory.subarray(head, head + run)]);
      socket.skip(run);
      this.#neighbour.wake();
    }
  }
}

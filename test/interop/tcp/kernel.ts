/**
 * The host kernel's TCP in the namespace, as the checks see it: sockets of a process that runs there, and what `ss` says of
 * them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { inRepository } from "../../../scripts/lib/repository.ts";
import type { Namespace } from "../namespace.ts";
import type { Changes } from "./changes.ts";
import type { Order, Report } from "./kernel-messages.ts";

/** How long a connection may be known that is over, and how often that is looked at. */
const FORGETS_MS = 3_000;
const LOOK_MS = 20;

/** Which connection, as the kernel sees it. */
export interface Ends {
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** One socket of the kernel's, by what was reported of it. */
export class KernelSocket implements Ends {
  readonly id: number;
  /** 0 until it is known. */
  localPort = 0;
  remoteAddress = "";
  remotePort = 0;
  connected = false;
  received = 0;
  /** Of all that came, once the peer has finished; and its beginning. */
  sha256: string | undefined;
  text = "";
  /** Whether all that it was told to send is the kernel's. */
  sent = false;
  error: string | undefined;
  closed = false;
  readonly #order: (order: Order) => void;

  constructor(id: number, order: (order: Order) => void) {
    this.id = id;
    this.#order = order;
  }

  /** Send `bytes` of the pattern of `seed`. */
  send(seed: number, bytes: number): void {
    this.sent = false;
    this.#order({ order: "send", id: this.id, seed, bytes });
  }

  say(text: string): void {
    this.#order({ order: "say", id: this.id, text });
  }

  /** Send no more (FIN). */
  end(): void {
    this.#order({ order: "end", id: this.id });
  }

  /** End it by a reset; only one that has not called {@link end}. */
  reset(): void {
    this.#order({ order: "reset", id: this.id });
  }

  /** Close it. The kernel resets a connection on which something waits to be read. */
  destroy(): void {
    this.#order({ order: "destroy", id: this.id });
  }

  pause(): void {
    this.#order({ order: "pause", id: this.id });
  }

  resume(): void {
    this.#order({ order: "resume", id: this.id });
  }
}

export class Kernel {
  readonly namespace: Namespace;
  readonly #child: ChildProcess;
  readonly #changes: Changes;
  readonly #sockets = new Map<number, KernelSocket>();
  readonly #accepted: KernelSocket[] = [];
  readonly #listening = new Set<number>();
  #next = 1;

  constructor(namespace: Namespace, changes: Changes) {
    this.namespace = namespace;
    this.#changes = changes;
    const [command = "", ...args] = namespace.around;
    const script = inRepository("test", "interop", "tcp", "kernel-process.ts");
    this.#child = spawn(command, [...args, process.execPath, "--import", "tsx", script], {
      cwd: inRepository(),
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child.on("message", (report: Report) => {
      this.#take(report);
      changes.tell();
    });
  }

  /** Wait for connections on a port. */
  async listen(port: number, reading = true): Promise<void> {
    const first = this.#next;
    this.#next += 100;
    this.#order({ order: "listen", port, first, reading });
    await this.#changes.until(() => this.#listening.has(port), `kernel that listens on ${port}`);
  }

  /** The connection that it has accepted on one port from another, as soon as there is one. */
  async accepted(port: number, remotePort: number, patienceMs?: number): Promise<KernelSocket> {
    await this.#changes.until(() => this.find(port, remotePort) !== undefined, `connection to ${port}`, patienceMs);
    return this.find(port, remotePort)!;
  }

  find(port: number, remotePort: number): KernelSocket | undefined {
    return this.#accepted.find((socket) => socket.localPort === port && socket.remotePort === remotePort);
  }

  /** Begin a connection. */
  connect(address: string, port: number, options: { localPort?: number; reading?: boolean } = {}): KernelSocket {
    const { localPort, reading = true } = options;
    const socket = this.#made(this.#next++);
    socket.localPort = localPort ?? 0;
    socket.remoteAddress = address;
    socket.remotePort = port;
    this.#order({ order: "connect", id: socket.id, address, port, localPort, reading });
    return socket;
  }

  /** What `ss` shows of a connection, empty if the kernel has it in no state. */
  describe({ localPort, remoteAddress, remotePort }: Ends, ...words: string[]): string {
    const filter = `( sport = :${localPort} and dst = ${remoteAddress}:${remotePort} )`;
    return this.namespace.run("ss", "-Htano", ...words, filter).trim();
  }

  /** Wait until it has a connection in no state any more. @throws Error with what `ss` shows of one that stays. */
  async forgets(ends: Ends): Promise<void> {
    const deadline = performance.now() + FORGETS_MS;
    for (let shown = this.describe(ends); shown !== "";) {
      if (performance.now() > deadline) throw new Error(`the kernel still has ${shown}`);
      await new Promise((settle) => setTimeout(settle, LOOK_MS));
      shown = this.describe(ends);
    }
  }

  async close(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    this.#child.disconnect();
    await once(this.#child, "exit");
  }

  #order(order: Order): void {
    this.#child.send(order);
  }

  #made(id: number): KernelSocket {
    const socket = new KernelSocket(id, (order) => this.#order(order));
    this.#sockets.set(id, socket);
    return socket;
  }

  #take(report: Report): void {
    if (report.report === "listening") {
      this.#listening.add(report.port);
      return;
    }
    if (report.report === "accepted") {
      const socket = this.#made(report.id);
      socket.connected = true;
      socket.localPort = report.port;
      socket.remoteAddress = report.remoteAddress;
      socket.remotePort = report.remotePort;
      this.#accepted.push(socket);
      return;
    }
    const socket = this.#sockets.get(report.id);
    if (socket === undefined) throw new Error(`Kernel: a report on socket ${report.id}`);
    if (report.report === "connected") {
      socket.connected = true;
      socket.localPort = report.localPort;
    } else if (report.report === "sent") socket.sent = true;
    else if (report.report === "received") socket.received = report.bytes;
    else if (report.report === "ended") {
      socket.sha256 = report.sha256;
      socket.text = report.text;
    } else if (report.report === "failed") socket.error = report.code;
    else socket.closed = true;
  }
}

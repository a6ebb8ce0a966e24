/**
 * QEMU's monitor (QMP over a Unix socket): commands one at a time, and the end of a QEMU, after which its process is gone or
 * this says that it is not.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const pollMs = 10;

export function processRuns(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** @throws Error if QEMU is gone, or nothing accepts connections there within `patienceMs`. */
export async function connectUnix(path: string, pid: number, patienceMs: number): Promise<Socket> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const socket = connect(path);
    const error = await new Promise<Error | undefined>((settle) => {
      socket.once("connect", () => settle(undefined));
      socket.once("error", settle);
    });
    if (error === undefined) return socket;
    socket.destroy();
    if (!processRuns(pid)) throw new Error("QEMU ended by itself");
    if (Date.now() > deadline) throw new Error(`nothing answers at ${path}: ${error.message}`);
    await delay(pollMs);
  }
}

/** @throws Error if QEMU has not gone within `patienceMs`. */
export async function quitQemu(monitor: string, pid: number, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs;
  if (processRuns(pid)) {
    const socket = await connectUnix(monitor, pid, patienceMs);
    // QEMU may close the connection before it has read to the end; what counts is that its process goes.
    socket.on("error", () => undefined);
    socket.resume();
    socket.write('{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n');
    while (processRuns(pid) && Date.now() < deadline) await delay(pollMs);
    socket.destroy();
  }
  if (processRuns(pid)) throw new Error(`QEMU (process ${pid}) does not end`);
}

/** A monitor to give commands to. */
export class QmpSession {
  readonly #socket: Socket;
  #received = "";
  #waiting: { readonly settle: (reply: unknown) => void; readonly fail: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#take(text));
    const gone = (): void => {
      this.#waiting?.fail(new Error("QEMU closed its monitor"));
      this.#waiting = undefined;
    };
    socket.on("error", gone);
    socket.on("close", gone);
  }

  /** @throws Error as {@link connectUnix} does. */
  static async open(monitor: string, pid: number, patienceMs: number): Promise<QmpSession> {
    const session = new QmpSession(await connectUnix(monitor, pid, patienceMs));
    await session.execute("qmp_capabilities");
    return session;
  }

  /** @returns the command's result. @throws Error with QEMU's own words if it refuses it. */
  execute(command: string, options: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return new Promise((settle, fail) => {
      if (this.#waiting !== undefined) throw new Error("QMP: a command is under way");
      if (this.#socket.destroyed) throw new Error("QEMU closed its monitor");
      this.#waiting = { settle, fail };
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: options })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Greeting, events and replies come a line each; only a reply has an outcome. */
  #take(text: string): void {
    this.#received += text;
    const lines = this.#received.split("\n");
    this.#received = lines.pop() ?? "";
    for (const line of lines) {
      const message: unknown = JSON.parse(line);
      if (typeof message !== "object" || message === null) continue;
      const waiting = this.#waiting;
      if ("return" in message) {
        this.#waiting = undefined;
        waiting?.settle(message.return);
      } else if ("error" in message) {
        this.#waiting = undefined;
        waiting?.fail(new Error(`QMP: ${JSON.stringify(message.error)}`));
      }
    }
  }
}

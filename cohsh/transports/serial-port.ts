/**
 * Opens the end of a serial line on this machine: a terminal line or pty, set to raw while it is open and left as it was, or a
 * unix socket. What cannot be opened is said in one sentence that names the path.
 */

import { closeSync, constants, openSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { isatty, ReadStream } from "node:tty";

/** Bytes both ways. `onGone` is called at most once, never because of `close`. */
export interface SerialPort {
  onData: (bytes: Uint8Array) => void;
  onGone: (reason: string) => void;
  write(bytes: string): void;
  close(): void;
}

/** Rejects with one sentence. */
export async function openPort(path: string, signal: AbortSignal): Promise<SerialPort> {
  let kind: "socket" | "terminal" | "other";
  try {
    const status = statSync(path);
    kind = status.isSocket() ? "socket" : status.isCharacterDevice() ? "terminal" : "other";
  } catch (error) {
    throw new Error(refusal(path, error), { cause: error });
  }
  if (kind === "other") throw new Error(`${path} is neither a terminal line nor a unix socket`);
  const stream = kind === "socket" ? await openSocket(path, signal) : openTerminal(path);
  return portOf(stream, path);
}

async function openSocket(path: string, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ path, signal });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (error) => reject(new Error(refusal(path, error), { cause: error })));
  });
  socket.removeAllListeners("error");
  return socket;
}

function openTerminal(path: string): ReadStream {
  let fd: number;
  try {
    // The line must not become this process's terminal, and one without carrier must not hold it.
    fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch (error) {
    throw new Error(refusal(path, error), { cause: error });
  }
  if (!isatty(fd)) {
    closeSync(fd);
    throw new Error(`${path} is no terminal line`);
  }
  const stream = new ReadStream(fd);
  stream.setRawMode(true);
  return stream;
}

function portOf(stream: Socket | ReadStream, path: string): SerialPort {
  let closed = false;
  let failure = "its other end was closed";
  const port: SerialPort = {
    onData: () => undefined,
    onGone: () => undefined,
    write(text) {
      if (!closed) stream.write(text);
    },
    close() {
      if (closed) return;
      closed = true;
      if (stream instanceof ReadStream && !stream.destroyed) stream.setRawMode(false);
      stream.destroy();
    },
  };
  stream.on("data", (bytes: Uint8Array) => port.onData(bytes));
  stream.on("error", (error) => {
    // EIO is how a pty tells that its other side is gone.
    if (!("code" in error && (error.code === "EIO" || error.code === "EPIPE"))) failure = error.message;
  });
  stream.on("end", () => stream.destroy());
  stream.on("close", () => {
    if (closed) return;
    closed = true;
    port.onGone(`the serial line ${path} is gone: ${failure}`);
  });
  return port;
}

function refusal(path: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return `there is no ${path}`;
    case "EACCES":
    case "EPERM":
      return `${path} may not be opened by this user`;
    case "EBUSY":
    case "EAGAIN":
      return `${path} is in use by another program`;
    case "ECONNREFUSED":
      return `nobody listens at ${path}`;
    case "ABORT_ERR":
      return `${path} was given up before it was open`;
    default:
      return `${path} cannot be opened: ${error instanceof Error ? error.message : String(error)}`;
  }
}

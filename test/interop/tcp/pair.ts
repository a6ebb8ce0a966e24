/** Both ends of a connection between our stack and the kernel, whoever asked for it. */
import type { TcpListener } from "../../../services/net/tcp/listener.ts";
import type { TcpSocket } from "../../../services/net/tcp/socket.ts";
import type { KernelSocket } from "./kernel.ts";
import { KERNEL, type Lab } from "./lab.ts";
import type { Station } from "./station.ts";

/** Where the kernel waits for connections that it reads from, and for those that it leaves alone. */
const READ_PORT = 9001;
const UNREAD_PORT = 9002;
/** Where our stacks do. */
export const OUR_PORT = 8001;
/** A SYN may be lost several times. */
const OPEN_MS = 30_000;

export type Opener = "kernel" | "stack";
export const OPENERS: readonly Opener[] = ["kernel", "stack"];

export interface Pair {
  readonly ours: TcpSocket;
  readonly theirs: KernelSocket;
}

const listeners = new WeakMap<Station, TcpListener>();

/** The kernel listens from now on. */
export async function kernelListens(lab: Lab): Promise<void> {
  await lab.kernel.listen(READ_PORT);
  await lab.kernel.listen(UNREAD_PORT, false);
}

export function listenerOf(station: Station): TcpListener {
  let listener = listeners.get(station);
  if (listener === undefined) {
    listener = station.tcp.listen(OUR_PORT, 4);
    listeners.set(station, listener);
  }
  return listener;
}

/** Our stack listens no more, until somebody needs it again. */
export function listenNoMore(station: Station): void {
  listeners.get(station)?.close();
  listeners.delete(station);
}

export interface PairOptions {
  /** Whether the kernel's side reads from the start. */
  readonly reading?: boolean;
  /** What the kernel's side does before it knows whether the stack has accepted it, as a client may. */
  readonly begun?: (theirs: KernelSocket) => void;
}

export async function openPair(lab: Lab, station: Station, opener: Opener, options: PairOptions = {}): Promise<Pair> {
  const { kernel, changes } = lab;
  const { reading = true, begun } = options;
  if (opener === "kernel") {
    const listener = listenerOf(station);
    const theirs = kernel.connect(station.address, OUR_PORT, { reading });
    begun?.(theirs);
    await changes.until(() => theirs.connected && listener.pending > 0, "connection of the kernel's", OPEN_MS);
    const ours = listener.accept();
    if (ours === undefined) throw new Error("nothing to accept");
    return { ours, theirs };
  }
  const port = reading ? READ_PORT : UNREAD_PORT;
  const ours = station.tcp.connect(KERNEL, port);
  if (ours === undefined) throw new Error("no socket to connect with");
  station.turn();
  const theirs = await kernel.accepted(port, ours.localPort, OPEN_MS);
  begun?.(theirs);
  await changes.until(() => ours.connected, "connection of ours", OPEN_MS);
  return { ours, theirs };
}

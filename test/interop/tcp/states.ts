/**
 * Connections between our stack and the kernel, each brought into one state of RFC 9293 and kept there: by what the kernel's
 * socket is told, and by a gate that keeps our packets from it.
 */
import type { TcpSocket } from "../../../services/net/tcp/socket.ts";
import type { Ends, KernelSocket } from "./kernel.ts";
import { KERNEL, type Lab } from "./lab.ts";
import { listenerOf, openPair, OUR_PORT } from "./pair.ts";
import type { Station } from "./station.ts";

/** Where the kernel does not listen. */
const SHUT_PORT = 9009;
/** Where it does, and nothing waits. */
const LISTENING_PORT = 9003;
/** For both to ask at once. */
const CROSSED_PORT = 9100;
const UNREAD_BYTES = 100;

export interface Reached {
  /** None while a handshake of the kernel's has not been finished. */
  readonly ours: TcpSocket | undefined;
  /** None if the kernel knows of no connection yet. */
  readonly theirs: KernelSocket | undefined;
  readonly ends: Ends;
}

/**
 * Who is going to end it. The kernel resets a connection that is closed with something unread, in every state; one that has
 * said its end it cannot be made to reset otherwise.
 */
export type Ender = "kernel" | "stack";

export interface State {
  readonly name: string;
  reach(lab: Lab, station: Station, ender: Ender): Promise<Reached>;
}

async function reached(lab: Lab, ours: TcpSocket, state: string): Promise<void> {
  await lab.changes.until(
    () => ours.state === state,
    () => `${state}: it is in ${ours.state}`,
  );
}

/** Both are established, with something for the kernel to leave unread if it is to reset. */
async function established(
  lab: Lab,
  station: Station,
  ender: Ender,
): Promise<{ ours: TcpSocket; theirs: KernelSocket }> {
  const pair = await openPair(lab, station, "kernel", { reading: ender === "stack" });
  if (ender === "kernel") {
    pair.ours.write(new Uint8Array(UNREAD_BYTES), 0, UNREAD_BYTES);
    station.turn();
    await lab.changes.until(() => pair.ours.unacknowledged === 0, "acknowledgement");
  }
  return pair;
}

const known = (ours: TcpSocket, theirs: KernelSocket): Reached => ({
  ours,
  theirs,
  ends: theirs,
});

let crossed = CROSSED_PORT;

export const STATES: readonly State[] = [
  {
    name: "syn-sent",
    async reach(lab, station, ender) {
      const { port } = station;
      // Its answer is on its way when we lose interest; to a port where nobody listens we have not asked yet.
      const gate = ender === "kernel" ? port.out : port.in;
      gate.mode = "hold";
      const ours = station.tcp.connect(KERNEL, ender === "kernel" ? SHUT_PORT : LISTENING_PORT);
      if (ours === undefined) throw new Error("no socket to connect with");
      station.turn();
      await lab.changes.until(() => gate.held.length > 0, "packet on its way");
      const ends = { localPort: ours.remotePort, remoteAddress: station.address, remotePort: ours.localPort };
      return { ours, theirs: undefined, ends };
    },
  },
  {
    name: "syn-received",
    async reach(lab, station) {
      listenerOf(station);
      station.port.out.mode = "hold";
      const theirs = lab.kernel.connect(station.address, OUR_PORT);
      await lab.changes.until(() => station.tcp.halfOpen === 1, "half-open connection");
      return { ours: undefined, theirs, ends: theirs };
    },
  },
  {
    name: "syn-received (both asked at once)",
    async reach(lab, station) {
      const port = crossed++;
      station.port.out.mode = "hold";
      const ours = station.tcp.connect(KERNEL, port, port);
      if (ours === undefined) throw new Error("no socket to connect with");
      station.turn();
      const theirs = lab.kernel.connect(station.address, port, { localPort: port });
      await reached(lab, ours, "syn-received");
      return known(ours, theirs);
    },
  },
  {
    name: "established",
    async reach(lab, station, ender) {
      const { ours, theirs } = await established(lab, station, ender);
      return known(ours, theirs);
    },
  },
  {
    name: "fin-wait-1",
    async reach(lab, station, ender) {
      const { ours, theirs } = await established(lab, station, ender);
      station.port.out.mode = "hold";
      ours.shutdown();
      station.turn();
      await reached(lab, ours, "fin-wait-1");
      return known(ours, theirs);
    },
  },
  {
    name: "fin-wait-2",
    async reach(lab, station, ender) {
      const { ours, theirs } = await established(lab, station, ender);
      ours.shutdown();
      station.turn();
      await reached(lab, ours, "fin-wait-2");
      return known(ours, theirs);
    },
  },
  {
    name: "close-wait",
    async reach(lab, station, ender) {
      const { ours, theirs } = await established(lab, station, ender);
      theirs.end();
      await reached(lab, ours, "close-wait");
      return known(ours, theirs);
    },
  },
  {
    name: "closing",
    async reach(lab, station, ender) {
      const { ours, theirs } = await established(lab, station, ender);
      station.port.out.mode = "hold";
      ours.shutdown();
      station.turn();
      theirs.end();
      await reached(lab, ours, "closing");
      return known(ours, theirs);
    },
  },
  {
    name: "last-ack",
    async reach(lab, station, ender) {
      const { ours, theirs } = await established(lab, station, ender);
      theirs.end();
      await reached(lab, ours, "close-wait");
      station.port.out.mode = "hold";
      ours.shutdown();
      station.turn();
      await reached(lab, ours, "last-ack");
      return known(ours, theirs);
    },
  },
  {
    name: "time-wait",
    async reach(lab, station, ender) {
      const { ours, theirs } = await established(lab, station, ender);
      ours.shutdown();
      station.turn();
      await reached(lab, ours, "fin-wait-2");
      station.port.out.mode = "hold";
      theirs.end();
      await reached(lab, ours, "time-wait");
      return known(ours, theirs);
    },
  },
];

/** The kernel listens where these states need it to. */
export async function statesListen(lab: Lab): Promise<void> {
  await lab.kernel.listen(LISTENING_PORT);
}

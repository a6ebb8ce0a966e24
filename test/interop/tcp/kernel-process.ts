/**
 * The process in the network namespace whose sockets are the host kernel's. It does what it is told over its channel, reports
 * what happens, and ends with whoever started it.
 */
import { createHash, type Hash } from "node:crypto";
import { createServer, type Server, Socket } from "node:net";
import type { Order, Report } from "./kernel-messages.ts";
import { pattern } from "./pattern.ts";

/** What was received is reported no more often. */
const REPORT_MS = 5;
/** Of what came so much is kept, about. */
const TEXT_BYTES = 4096;

interface Kept {
  readonly socket: Socket;
  readonly hash: Hash;
  text: string;
  received: number;
  reported: number;
  timer: NodeJS.Timeout | undefined;
}

const sockets = new Map<number, Kept>();
const servers = new Map<number, Server>();

function tell(report: Report): void {
  process.send?.(report);
}

function progress(id: number, kept: Kept): void {
  clearTimeout(kept.timer);
  kept.timer = undefined;
  if (kept.received === kept.reported) return;
  kept.reported = kept.received;
  tell({ report: "received", id, bytes: kept.received });
}

function keep(id: number, socket: Socket, reading: boolean): void {
  const kept: Kept = { socket, hash: createHash("sha256"), text: "", received: 0, reported: 0, timer: undefined };
  sockets.set(id, kept);
  // Before anybody listens for data, or Node takes some out of the kernel all the same.
  socket.pause();
  socket.setNoDelay(true);
  socket.on("error", (error: NodeJS.ErrnoException) =>
    tell({ report: "failed", id, code: error.code ?? error.message }),
  );
  socket.on("close", () => {
    progress(id, kept);
    tell({ report: "closed", id });
  });
  socket.on("data", (bytes: Buffer) => {
    kept.hash.update(bytes);
    if (kept.text.length < TEXT_BYTES) kept.text += bytes.toString("latin1", 0, TEXT_BYTES);
    kept.received += bytes.length;
    kept.timer ??= setTimeout(() => progress(id, kept), REPORT_MS);
  });
  socket.on("end", () => {
    progress(id, kept);
    tell({ report: "ended", id, sha256: kept.hash.digest("hex"), text: kept.text });
  });
  if (reading) socket.resume();
}

function listen({ port, first, reading }: Order & { order: "listen" }): void {
  let next = first;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const id = next++;
    keep(id, socket, reading);
    const { remoteAddress = "", remotePort = 0 } = socket;
    tell({ report: "accepted", id, port, remoteAddress, remotePort });
  });
  servers.set(port, server);
  server.listen(port, "0.0.0.0", 64, () => tell({ report: "listening", port }));
}

function open({ id, address, port, localPort, reading }: Order & { order: "connect" }): void {
  const options = { host: address, port, ...(localPort === undefined ? {} : { localPort }) };
  const socket = new Socket({ allowHalfOpen: true });
  keep(id, socket, reading);
  socket.connect(options, () => tell({ report: "connected", id, localPort: socket.localPort ?? 0 }));
}

function send(socket: Socket, id: number, seed: number, bytes: number): void {
  socket.write(pattern(seed, bytes), (error) => {
    if (!error) tell({ report: "sent", id });
  });
}

process.on("message", (order: Order) => {
  if (order.order === "listen") listen(order);
  else if (order.order === "unlisten") servers.get(order.port)?.close();
  else if (order.order === "connect") open(order);
  else {
    const kept = sockets.get(order.id);
    if (kept === undefined) throw new Error(`there is no socket ${order.id}`);
    if (order.order === "say") kept.socket.write(order.text);
    else if (order.order === "send") send(kept.socket, order.id, order.seed, order.bytes);
    else if (order.order === "end") kept.socket.end();
    else if (order.order === "reset") kept.socket.resetAndDestroy();
    else if (order.order === "destroy") kept.socket.destroy();
    else if (order.order === "pause") kept.socket.pause();
    else kept.socket.resume();
  }
});
process.on("disconnect", () => process.exit());

/**
 * Small services on TCP, each a line of its own: what is written here in a turn leaves in it. They are the counterpart of whoever
 * checks or measures the network stack on a machine; nothing of them is part of a hive.
 */
import type { TcpListener } from "../../../services/net/tcp/listener.ts";
import type { TcpSocket } from "../../../services/net/tcp/socket.ts";
import type { Bytes } from "../../../services/ports/index.ts";
import type { Source } from "../../../services/pump/pump.ts";

/** What one connection of a service does in a turn. @returns bytes that it moved; -1 when it is over. */
export type Serve = (nowUs: number) => number;
export type Service = (socket: TcpSocket, nowUs: number) => Serve;

const OVER = -1;
const PIECE = 16_384;
/** A question, or its answer. */
const LINE_BYTES = 8192;

/** RFC 864: lines of 72 characters, each beginning one character later than the one before; all of them, twice. */
function characters(): Uint8Array {
  const first = 0x20;
  const count = 95;
  const width = 72;
  const period = count * (width + 2);
  const all = new Uint8Array(2 * period);
  let at = 0;
  for (let line = 0; line < 2 * count; line++) {
    for (let i = 0; i < width; i++) all[at++] = first + ((line + i) % count);
    all[at++] = 13;
    all[at++] = 10;
  }
  return all;
}

/** Gives everything back (RFC 862). */
export function echo(socket: TcpSocket): Serve {
  const piece = new Uint8Array(PIECE);
  let length = 0;
  return () => {
    const read = socket.read(piece, length, PIECE - length);
    length += read;
    const written = socket.write(piece, 0, length);
    piece.copyWithin(0, written, length);
    length -= written;
    // A connection that was reset takes nothing back.
    return socket.ended && (length === 0 || !socket.connected) ? OVER : read + written;
  };
}

/** Sends characters for as long as the peer has not finished (RFC 864). */
export function chargen(): Service {
  const all = characters();
  const period = all.length / 2;
  return (socket) => {
    let at = 0;
    return () => {
      if (socket.ended) return OVER;
      const ignored = socket.readable;
      socket.skip(socket.run);
      const written = socket.write(all, at, period);
      at = (at + written) % period;
      return written + ignored;
    };
  };
}

/**
 * Takes everything, and says at the end how many bytes it was and what their Internet checksum is.
 * @param afterUs it begins so late
 * @param wake asks for a turn at that time
 */
export function sum(bytes: Bytes, afterUs = 0, wake?: (atUs: number) => void): Service {
  const piece = new Uint8Array(PIECE);
  const line = new Uint8Array(64);
  return (socket, startUs) => {
    let count = 0;
    let total = 0;
    wake?.(startUs + afterUs);
    return (nowUs) => {
      if (nowUs - startUs < afterUs) return 0;
      // Sums can be chained where the bytes before are even in number.
      const last = socket.ended;
      const length = last ? socket.readable : socket.readable & ~1;
      const read = socket.read(piece, 0, Math.min(PIECE, length));
      total = bytes.checksum(piece, 0, read, total);
      count += read;
      if (!socket.ended) return read;
      socket.write(line, 0, bytes.encode(`${count} ${total}\n`, line, 0));
      return OVER;
    };
  };
}

/** Waits for the first byte, then ends the connection by a reset. */
export function abort(socket: TcpSocket): Serve {
  return () => {
    if (socket.readable === 0 && !socket.ended) return 0;
    socket.abort();
    return OVER;
  };
}

/** Takes a line and answers with one. */
export function ask(bytes: Bytes, answer: (line: string) => string): Service {
  return (socket) => {
    const line = new Uint8Array(LINE_BYTES);
    let length = 0;
    return () => {
      const read = socket.read(line, length, line.length - length);
      length += read;
      if (!socket.ended) return read;
      socket.write(line, 0, bytes.encode(`${answer(bytes.decode(line, 0, length).trim())}\n`, line, 0));
      return OVER;
    };
  };
}

interface Open {
  readonly socket: TcpSocket;
  readonly serve: Serve;
}

/** All connections of all services, as a source of the pump. */
export class Services implements Source {
  readonly #services: { readonly listener: TcpListener; readonly service: Service }[] = [];
  readonly #open: Open[] = [];
  #more = false;

  add(listener: TcpListener, service: Service): void {
    this.#services.push({ listener, service });
  }

  serve(_budget: number, nowUs: number): number {
    for (const { listener, service } of this.#services) {
      for (let socket = listener.accept(); socket !== undefined; socket = listener.accept()) {
        this.#open.push({ socket, serve: service(socket, nowUs) });
      }
    }
    let moved = 0;
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const { socket, serve } = this.#open[i]!;
      const count = serve(nowUs);
      if (count !== OVER) {
        moved += count;
        continue;
      }
      socket.close();
      this.#open.splice(i, 1);
    }
    this.#more = moved > 0;
    return this.#more ? 1 : 0;
  }

  ready(): boolean {
    return this.#more;
  }
}

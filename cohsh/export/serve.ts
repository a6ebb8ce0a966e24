/**
 * Serves a tree on a connection that was switched by `EXPORT`: bytes to a 9P session and back, no faster than they are taken, until
 * either side ends it. A hive that asks for nothing at all is gone, for it asks every 30 s whether this side is there.
 */

import { Session } from "../../services/secure9p/session.ts";
import type { Tree } from "../../services/secure9p/tree.ts";
import type { Attached } from "../9p/attach.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";

/** More than a hive asks for: 256 fids, 16 requests under way and 96 reads that wait for news. */
export const SERVED = { fids: 512, tags: 128 };
/** Bytes that the socket may keep before the session's own bound counts. */
const SOCKET_BYTES = 65_536;
export const SILENCE_MS = 90_000;
const NOTHING = new Uint8Array(0);

/** @returns why it ended; "" if the signal said so */
export function serve(
  { socket, rest }: Attached,
  tree: Tree,
  signal: AbortSignal,
  silenceMs = SILENCE_MS,
): Promise<string> {
  return new Promise((resolve) => {
    let why: string | undefined;
    let unread: Uint8Array = NOTHING;
    let draining: NodeJS.Immediate | undefined;
    const session = new Session({
      tree,
      bytes: nodeBytes,
      ...SERVED,
      // Answers that come together leave together.
      replied: () => {
        draining ??= setImmediate(drain);
      },
      failed: (error) => end(`was served what failed: ${String(error)}`),
    });
    const end = (reason: string): void => {
      why ??= reason;
      socket.destroy();
    };
    const silence = setTimeout(() => end("asks for nothing any more"), silenceMs);
    const over = (): void => {
      clearTimeout(silence);
      signal.removeEventListener("abort", leave);
      clearImmediate(draining);
      session.close();
      resolve(why ?? "closed the connection");
    };
    const leave = (): void => end("");
    const take = (bytes: Uint8Array): void => {
      unread = bytes.subarray(session.receive(bytes, 0, bytes.length));
      if (session.ended) return end("speaks no 9P");
      if (unread.length > 0) socket.pause();
      else socket.resume();
    };
    const drain = (): void => {
      draining = undefined;
      while (session.unsent > 0 && socket.writableLength < SOCKET_BYTES) {
        const { run } = session;
        socket.write(session.out.slice(session.start, session.start + run));
        session.sent(run);
      }
      if (unread.length > 0 && !session.heldBack) take(unread);
    };
    socket.on("data", (chunk: Buffer) => {
      silence.refresh();
      take(unread.length === 0 ? chunk : Buffer.concat([unread, chunk]));
    });
    socket.on("drain", drain);
    socket.on("end", () => end("closed the connection"));
    socket.on("error", (error) => {
      why ??= `broke the connection: ${error.message}`;
    });
    socket.on("close", over);
    signal.addEventListener("abort", leave, { once: true });
    if (socket.destroyed) return over();
    if (signal.aborted) return leave();
    take(rest);
  });
}

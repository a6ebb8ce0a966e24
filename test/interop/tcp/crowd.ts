/** Many connections with the kernel: more at once than there are sockets, many one after the other, many questions on one. */
import { type Checks, ensure } from "../../../scripts/lib/checks.ts";
import { median } from "../../../scripts/lib/statistics.ts";
import type { TcpSocket } from "../../../services/net/tcp/socket.ts";
import type { KernelSocket } from "./kernel.ts";
import type { Lab } from "./lab.ts";
import { listenerOf, openPair, OUR_PORT } from "./pair.ts";
import { pattern, sha256 } from "./pattern.ts";

const NOTHING = "0 connections, 0 half-open, 0 in TIME-WAIT";
const SOCKETS = 8;
const CALLERS = 40;
const BYTES = 20_000;
const QUESTIONS = 300;
/** Below what either side delays an acknowledgement by. */
const STALL_MS = 35;
const PATIENCE_MS = 20_000;

/** Gives back all that it is told, as far as there is room. */
class Echo {
  readonly socket: TcpSocket;
  readonly #bytes = new Uint8Array(2048);
  #length = 0;

  constructor(socket: TcpSocket) {
    this.socket = socket;
  }

  /** @returns whether something was done. */
  serve(): boolean {
    const { socket } = this;
    const read = socket.read(this.#bytes, this.#length, this.#bytes.length - this.#length);
    this.#length += read;
    const written = socket.write(this.#bytes, 0, this.#length);
    this.#bytes.copyWithin(0, written, this.#length);
    this.#length -= written;
    return read + written > 0;
  }

  /** Whether all that came was given back, as far as the peer takes it, and no more will come. */
  get over(): boolean {
    return this.socket.ended && (this.#length === 0 || !this.socket.connected);
  }
}

export async function crowdChecks(checks: Checks, lab: Lab): Promise<void> {
  await checks.run(
    `${CALLERS} of the kernel's at once, ${SOCKETS} sockets: all are served, nothing is left over`,
    async () => {
      const station = lab.station({ tcp: { sockets: SOCKETS } });
      const listener = listenerOf(station);
      const echoes = new Set<Echo>();
      station.work.add(() => {
        let worked = false;
        for (let socket = listener.accept(); socket !== undefined; socket = listener.accept()) {
          echoes.add(new Echo(socket));
          worked = true;
        }
        for (const echo of echoes) {
          worked = echo.serve() || worked;
          if (!echo.over) continue;
          echo.socket.close();
          echoes.delete(echo);
          worked = true;
        }
        return worked;
      });
      const callers: KernelSocket[] = [];
      for (let i = 0; i < CALLERS; i++) {
        const caller = lab.kernel.connect(station.address, OUR_PORT);
        caller.send(i, BYTES);
        caller.end();
        callers.push(caller);
      }
      const served = (): boolean => callers.every((caller) => caller.sha256 !== undefined);
      await lab.changes.until(
        served,
        () => `answer: ${callers.filter((one) => one.sha256 === undefined).length}`,
        PATIENCE_MS,
      );
      callers.forEach((caller, i) =>
        ensure(caller.sha256 === sha256(pattern(i, BYTES)), `caller ${i} got other bytes`),
      );
      await lab.changes.until(
        () => station.tcp.sockets === 0,
        () => station.level,
        PATIENCE_MS,
      );
      await station.pass(station.tcp.settings.timeWaitUs);
      ensure(station.level === NOTHING && station.balanced, station.level);
      const { dropped, sockets } = station.tcp.counters;
      ensure(sockets.highWater === SOCKETS, `${sockets.highWater} sockets in use at once`);
      return `${sockets.accepted} accepted, ${dropped.backlogFull} times there was no room`;
    },
  );

  await checks.run(
    `${QUESTIONS} small questions and answers, one after the other: none waits for a delayed acknowledgement`,
    async () => {
      const station = lab.station();
      const { ours, theirs } = await openPair(lab, station, "kernel");
      const echo = new Echo(ours);
      station.work.add(() => echo.serve());
      const times: number[] = [];
      let expected = 0;
      for (let i = 0; i < QUESTIONS; i++) {
        const size = 1 + ((i * 37) % 200);
        const start = performance.now();
        expected += size;
        theirs.send(i, size);
        await lab.changes.until(() => theirs.received === expected, "answer");
        times.push(performance.now() - start);
      }
      const middle = median(times);
      ensure(middle < STALL_MS, `half of them take more than ${middle.toFixed(1)} ms`);
      ours.abort();
      station.turn();
      return `half of them within ${middle.toFixed(1)} ms`;
    },
  );
}

/** What our stack and the kernel agree on in a handshake, as each of them has it, and what goes wrong in one. */
import { type Checks, ensure } from "../../../scripts/lib/checks.ts";
import type { KernelSocket } from "./kernel.ts";
import type { Lab } from "./lab.ts";
import { listenerOf, openPair, OPENERS, OUR_PORT } from "./pair.ts";
import { talk } from "./talk.ts";

const BYTES = 200_000;
/** A round trip over the bridge takes less than a millisecond, on a machine with other work some more. */
const ROUND_TRIP_MAX_MS = 400;

/** Options of Linux, and the words of `ss` for them. */
const OPTIONS = { tcp_timestamps: "ts", tcp_sack: "sack", tcp_window_scaling: "wscale" } as const;
type Option = keyof typeof OPTIONS;
const ALL = Object.keys(OPTIONS) as Option[];

/** What `ss -i` shows of a connection, by words. */
function shown(lab: Lab, theirs: KernelSocket): string[] {
  return lab.kernel.describe(theirs, "-i").split(/\s+/);
}

async function scales(checks: Checks, lab: Lab): Promise<void> {
  for (const [receiveBytes, scale] of [
    [16_384, 0],
    [1 << 20, 5],
  ] as const) {
    const station = lab.station({ tcp: { receiveBytes } });
    for (const opener of OPENERS) {
      await checks.run(`${opener} opens, ${receiveBytes} bytes of buffer: all options are agreed on`, async () => {
        const pair = await openPair(lab, station, opener);
        const words = shown(lab, pair.theirs);
        const tcb = station.tcp.blocks.find(({ used }) => used);
        ensure(tcb !== undefined, "no connection");
        const { sendScale, receiveScale, timestamps, sackPermitted, mss } = tcb;
        ensure(timestamps && sackPermitted, "the stack has no timestamps or no SACK");
        ensure(receiveScale === scale, `the stack scales by ${receiveScale}`);
        const wanted = ["ts", "sack", `wscale:${receiveScale},${sendScale}`, `mss:${mss}`];
        for (const word of wanted) ensure(words.includes(word), `the kernel has no ${word}: ${words.join(" ")}`);
        await talk(lab, station, pair, { bytes: BYTES });
        return wanted.join(" ");
      });
    }
  }
}

async function without(checks: Checks, lab: Lab, off: readonly Option[], seed: number): Promise<void> {
  const faults = { loss: 0.01 };
  const station = lab.station({ faults: { seed, receive: faults, transmit: faults } });
  for (const opener of OPENERS) {
    const name = off.map((option) => option.slice(4)).join(", ");
    await checks.run(
      `a kernel without ${name}, 1 % loss (seed ${seed}), ${opener} opens: it does without`,
      async () => {
        for (const option of off) lab.namespace.run("sysctl", "-qw", `net.ipv4.${option}=0`);
        try {
          const pair = await openPair(lab, station, opener);
          const words = shown(lab, pair.theirs);
          for (const option of ALL) {
            const there = words.some((word) => word.split(":")[0] === OPTIONS[option]);
            ensure(there === !off.includes(option), `${option}: ${words.join(" ")}`);
          }
          await talk(lab, station, pair, { bytes: BYTES });
          return "";
        } finally {
          for (const option of off) lab.namespace.run("sysctl", "-qw", `net.ipv4.${option}=1`);
        }
      },
    );
  }
}

/** @param seed of the losses */
export async function negotiationChecks(checks: Checks, lab: Lab, seed: number): Promise<void> {
  await scales(checks, lab);
  for (const [i, option] of ALL.entries()) await without(checks, lab, [option], seed + i);
  await without(checks, lab, ALL, seed + ALL.length);

  await checks.run(
    "the kernel's SYN is answered in vain once: it does not take its time-out for a round trip",
    async () => {
      const station = lab.station();
      const { port, tcp } = station;
      const listener = listenerOf(station);
      port.out.mode = "hold";
      const theirs = lab.kernel.connect(station.address, OUR_PORT);
      await lab.changes.until(() => tcp.counters.taken.handshake === 2, "SYN for the second time");
      // The last answer is to that one.
      port.out.held.splice(0, port.out.held.length - 1);
      port.open();
      await lab.changes.until(() => theirs.connected && listener.pending > 0, "connection");
      const rtt = shown(lab, theirs).find((word) => word.startsWith("rtt:"));
      const ms = Number(/^rtt:([\d.]+)/.exec(rtt ?? "")?.[1]);
      ensure(ms < ROUND_TRIP_MAX_MS, `the kernel takes ${ms} ms for a round trip`);
      const ours = listener.accept();
      ensure(ours !== undefined, "nothing to accept");
      await talk(lab, station, { ours, theirs }, { bytes: BYTES });
      return `${ms} ms`;
    },
  );

  await checks.run("the table of half-open connections is full: the kernel gets in by a cookie", async () => {
    const station = lab.station({ tcp: { halfOpen: 1 } });
    const { port, tcp } = station;
    const listener = listenerOf(station);
    port.out.mode = "hold";
    const first = lab.kernel.connect(station.address, OUR_PORT);
    await lab.changes.until(() => tcp.halfOpen === 1, "half-open connection");
    port.out.held.length = 0;
    port.open();
    const theirs = lab.kernel.connect(station.address, OUR_PORT);
    await lab.changes.until(() => theirs.connected && listener.pending > 0, "connection by cookie");
    ensure(tcp.counters.halfOpen.cookiesAccepted === 1, "it was no cookie");
    const ours = listener.accept();
    ensure(ours?.remotePort === theirs.localPort, "it is another connection");
    await talk(lab, station, { ours, theirs }, { bytes: BYTES });
    // The first has only been waiting.
    await lab.changes.until(() => listener.pending > 0 && first.connected, "first connection");
    const late = listener.accept();
    ensure(late !== undefined, "nothing to accept");
    await talk(lab, station, { ours: late, theirs: first }, { bytes: BYTES });
    return "";
  });

  await checks.run("the kernel comes back from the same port while the stack remembers the last time", async () => {
    const station = lab.station();
    const listener = listenerOf(station);
    let localPort: number | undefined;
    for (let round = 0; round < 3; round++) {
      const theirs = lab.kernel.connect(station.address, OUR_PORT, localPort === undefined ? {} : { localPort });
      await lab.changes.until(() => theirs.connected && listener.pending > 0, `connection ${round}`);
      localPort = theirs.localPort;
      const ours = listener.accept();
      ensure(ours !== undefined, "nothing to accept");
      // We finish first, so that we are the one who remembers.
      ours.shutdown();
      station.turn();
      await lab.changes.until(() => theirs.sha256 !== undefined && ours.state === "fin-wait-2", "end of our side");
      theirs.end();
      await lab.changes.until(
        () => ours.state === "time-wait" && theirs.closed,
        () => `time-wait but ${ours.state}`,
      );
      ours.close();
      await lab.kernel.forgets(theirs);
      ensure(station.level === "0 connections, 0 half-open, 1 in TIME-WAIT", station.level);
    }
    ensure(station.tcp.counters.timeWait.reused === 2, "nothing was remembered");
    return "";
  });
}

/** A receiver that does not read, on either side: the sender asks now and then, and goes on when there is room again. */
import { type Checks, ensure } from "../../../scripts/lib/checks.ts";
import type { Lab } from "./lab.ts";
import { openPair, OPENERS, type Pair } from "./pair.ts";
import { pattern, sha256 } from "./pattern.ts";
import type { Station } from "./station.ts";
import { Transfer } from "./transfer.ts";

/** More than the kernel takes for a program that does not read. */
const MUCH = 8 << 20;
const SOME = 1 << 20;
const HOUR_US = 3_600_000_000;
/** The kernel's probes come after 0.2, 0.6 and 1.4 s. */
const KERNEL_PROBES = 2;

/** Our side fills the kernel's buffers until its window is shut and we ask whether it still is. */
async function fill(lab: Lab, station: Station, pair: Pair): Promise<Transfer> {
  const transfer = new Transfer(pair.ours);
  station.work.add(transfer.serve);
  transfer.send(1, MUCH);
  const before = station.tcp.counters.sent.probes;
  station.turn();
  await lab.changes.until(() => station.tcp.counters.sent.probes > before, "window probe");
  ensure(!transfer.sent, "the kernel took all of it");
  return transfer;
}

async function whole(lab: Lab, station: Station, transfer: Transfer, { ours, theirs }: Pair): Promise<void> {
  transfer.end();
  station.turn();
  await lab.changes.until(
    () => theirs.sha256 !== undefined,
    () => `end: ${theirs.received} bytes came`,
  );
  ensure(theirs.sha256 === sha256(pattern(1, MUCH)), "the kernel got other bytes");
  theirs.end();
  await lab.changes.until(
    () => !ours.connected,
    () => `end in ${ours.state}`,
  );
  ensure(ours.error === undefined, `it ended by ${ours.error ?? ""}`);
  station.work.delete(transfer.serve);
  ours.close();
}

export async function windowChecks(checks: Checks, lab: Lab): Promise<void> {
  const station = lab.station();
  for (const opener of OPENERS) {
    await checks.run(
      `the kernel's window is shut for an hour (${opener} opened): the stack asks, and goes on`,
      async () => {
        const pair = await openPair(lab, station, opener, { reading: false });
        const transfer = await fill(lab, station, pair);
        const before = station.tcp.counters.sent.probes;
        await station.pass(HOUR_US);
        const probes = station.tcp.counters.sent.probes - before;
        ensure(pair.ours.state === "established", `${pair.ours.state}, ${pair.ours.error ?? ""}`);
        // Once a minute at the longest (RFC 6298 §5.5), and not much sooner.
        ensure(probes >= 60 && probes <= 75, `${probes} probes in an hour`);
        pair.theirs.resume();
        await whole(lab, station, transfer, pair);
        return `${probes} probes`;
      },
    );
  }
  await checks.run("the kernel's word that there is room is lost: the next probe finds out", async () => {
    const pair = await openPair(lab, station, "kernel", { reading: false });
    const transfer = await fill(lab, station, pair);
    const { port } = station;
    port.in.mode = "cut";
    pair.theirs.resume();
    await lab.changes.until(() => pair.theirs.received > 0, "byte read");
    await new Promise((settle) => setTimeout(settle, 50));
    const { received } = pair.theirs;
    port.open();
    await station.pass(60_000_000);
    await lab.changes.until(() => pair.theirs.received > received, "byte more");
    await whole(lab, station, transfer, pair);
    return "";
  });
  await checks.run("our window is shut: the kernel asks, is answered, and goes on", async () => {
    const { ours, theirs } = await openPair(lab, station, "kernel");
    const transfer = new Transfer(ours);
    transfer.reading = false;
    station.work.add(transfer.serve);
    const { dropped } = station.tcp.counters;
    theirs.send(1, SOME);
    theirs.end();
    await lab.changes.until(() => ours.readable === station.tcp.settings.receiveBytes, "full buffer");
    const before = dropped.outOfWindow;
    await lab.changes.until(() => dropped.outOfWindow >= before + KERNEL_PROBES, "probe of the kernel's");
    ensure(ours.state === "established", ours.state);
    const start = performance.now();
    transfer.reading = true;
    station.turn();
    await lab.changes.until(
      () => transfer.sha256 !== undefined,
      () => `end: ${transfer.received} bytes came`,
    );
    const tookMs = performance.now() - start;
    ensure(transfer.sha256 === sha256(pattern(1, SOME)), "the stack got other bytes");
    ensure(tookMs < 1000, `it took ${Math.round(tookMs)} ms: the kernel was not told of the room at once`);
    station.work.delete(transfer.serve);
    ours.abort();
    station.turn();
    return `${SOME} bytes in ${Math.round(tookMs)} ms then`;
  });
  await checks.run("our word that there is room is lost: the kernel's next probe finds out", async () => {
    const { ours, theirs } = await openPair(lab, station, "stack");
    const transfer = new Transfer(ours);
    transfer.reading = false;
    station.work.add(transfer.serve);
    theirs.send(1, SOME);
    theirs.end();
    await lab.changes.until(() => ours.readable === station.tcp.settings.receiveBytes, "full buffer");
    station.port.out.mode = "cut";
    transfer.reading = true;
    station.turn();
    station.port.out.mode = "open";
    await lab.changes.until(
      () => transfer.sha256 !== undefined,
      () => `end: ${transfer.received} bytes came`,
    );
    ensure(transfer.sha256 === sha256(pattern(1, SOME)), "the stack got other bytes");
    station.work.delete(transfer.serve);
    ours.abort();
    station.turn();
    return "";
  });
  await checks.run("shut windows leave nothing over", async () => {
    await station.pass(station.tcp.settings.timeWaitUs);
    ensure(station.level === "0 connections, 0 half-open, 0 in TIME-WAIT", station.level);
    ensure(station.balanced, "a segment has no fate, or two");
    return "";
  });
}

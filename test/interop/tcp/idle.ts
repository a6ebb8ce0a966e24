/**
 * Hours of silence, in the stack's time. While the kernel is there it answers what keep-alive asks, and the connection is
 * as good as new; when it is gone the stack finds out and says how.
 */
import { type Checks, ensure } from "../../../scripts/lib/checks.ts";
import type { KernelSocket } from "./kernel.ts";
import type { Lab } from "./lab.ts";
import { openPair, OPENERS } from "./pair.ts";
import { pattern, sha256 } from "./pattern.ts";
import { talk } from "./talk.ts";
import { Transfer } from "./transfer.ts";

const HOURS = 3;
const HOUR_US = 3_600_000_000;
const BYTES = 100_000;

export async function idleChecks(checks: Checks, lab: Lab): Promise<void> {
  const station = lab.station();
  const { keepAliveUs, keepAliveIntervalUs, keepAliveProbes, finUs, timeWaitUs } = station.tcp.settings;
  const { sent } = station.tcp.counters;
  for (const opener of OPENERS) {
    await checks.run(`${HOURS} hours of silence (${opener} opened): the kernel answers, then data flows`, async () => {
      const pair = await openPair(lab, station, opener);
      const before = sent.probes;
      await station.pass(HOURS * HOUR_US);
      const probes = sent.probes - before;
      ensure(pair.ours.connected, `${pair.ours.state}, ${pair.ours.error ?? ""}`);
      const expected = (HOURS * HOUR_US) / keepAliveUs;
      ensure(probes >= expected - 2 && probes <= expected, `${probes} probes, about ${expected} wanted`);
      await talk(lab, station, pair, { bytes: BYTES });
      return `${probes} probes answered`;
    });
  }
  await checks.run(`${HOURS} hours after the kernel has finished: the stack's side still works`, async () => {
    const pair = await openPair(lab, station, "kernel");
    const { ours, theirs } = pair;
    theirs.end();
    await lab.changes.until(
      () => ours.state === "close-wait",
      () => `close-wait but ${ours.state}`,
    );
    await station.pass(HOURS * HOUR_US);
    ensure(ours.state === "close-wait", `${ours.state}, ${ours.error ?? ""}`);
    const transfer = new Transfer(ours);
    station.work.add(transfer.serve);
    transfer.send(1, BYTES);
    transfer.end();
    station.turn();
    await lab.changes.until(
      () => theirs.sha256 !== undefined && !ours.connected,
      () => `end in ${ours.state}`,
    );
    ensure(theirs.sha256 === sha256(pattern(1, BYTES)) && ours.error === undefined, "the kernel got other bytes");
    station.work.delete(transfer.serve);
    ours.close();
    return "";
  });
  await checks.run(`${HOURS} hours after the stack has finished: the kernel's side still works`, async () => {
    const { ours, theirs } = await openPair(lab, station, "stack");
    const transfer = new Transfer(ours);
    station.work.add(transfer.serve);
    transfer.end();
    station.turn();
    await lab.changes.until(
      () => ours.state === "fin-wait-2",
      () => `fin-wait-2 but ${ours.state}`,
    );
    await station.pass(HOURS * HOUR_US);
    ensure(ours.state === "fin-wait-2", `${ours.state}, ${ours.error ?? ""}`);
    theirs.send(2, BYTES);
    theirs.end();
    await lab.changes.until(
      () => transfer.sha256 !== undefined,
      () => `end in ${ours.state}`,
    );
    ensure(transfer.sha256 === sha256(pattern(2, BYTES)) && ours.error === undefined, "the stack got other bytes");
    station.work.delete(transfer.serve);
    ours.close();
    return "";
  });
  await checks.run(
    "a socket handed back waits for a kernel that does not finish no longer than it should",
    async () => {
      const { ours, theirs } = await openPair(lab, station, "kernel");
      ours.close();
      station.turn();
      await lab.changes.until(() => theirs.sha256 !== undefined, "end at the kernel's side");
      ensure(station.level.startsWith("1 connections"), station.level);
      await station.pass(finUs, false);
      ensure(station.level.startsWith("0 connections"), station.level);
      await lab.changes.until(() => theirs.error !== undefined || gone(lab, theirs), "end of the kernel's socket");
      return theirs.error ?? "";
    },
  );
  await checks.run("the kernel's socket went without a word: the next probe is answered by a reset", async () => {
    const { ours, theirs } = await openPair(lab, station, "kernel");
    station.port.in.mode = "cut";
    theirs.reset();
    await lab.changes.until(() => theirs.closed, "end of the kernel's socket");
    await new Promise((settle) => setTimeout(settle, 20));
    station.port.open();
    ensure(ours.connected, ours.state);
    await station.pass(keepAliveUs);
    ensure(ours.state === "closed" && ours.error === "reset", `${ours.state}, ${ours.error ?? "no error"}`);
    ours.close();
    return "reset";
  });
  await checks.run("the kernel's link is down: the connection times out when it should, not before", async () => {
    const { ours, theirs } = await openPair(lab, station, "kernel");
    lab.link = false;
    try {
      await station.pass(keepAliveUs + keepAliveProbes * keepAliveIntervalUs - 1_000_000, false);
      ensure(ours.connected, `${ours.state}, ${ours.error ?? ""}`);
      await station.pass(2_000_000, false);
      ensure(ours.state === "closed" && ours.error === "timed-out", `${ours.state}, ${ours.error ?? "no error"}`);
    } finally {
      lab.link = true;
    }
    ours.close();
    theirs.destroy();
    return "timed-out";
  });
  await checks.run("data into a link that is down: the connection times out after the user's time", async () => {
    const pair = await openPair(lab, station, "kernel");
    const { ours } = pair;
    lab.link = false;
    try {
      ours.write(pattern(1, 1000), 0, 1000);
      station.turn();
      await station.pass(station.tcp.settings.userTimeoutUs - 1_000_000, false);
      ensure(ours.connected, `${ours.state}, ${ours.error ?? ""}`);
      await station.pass(62_000_000, false);
      ensure(ours.state === "closed" && ours.error === "timed-out", `${ours.state}, ${ours.error ?? "no error"}`);
    } finally {
      lab.link = true;
    }
    ours.close();
    pair.theirs.destroy();
    return "timed-out";
  });
  await checks.run("hours leave nothing over", async () => {
    await station.pass(timeWaitUs);
    ensure(station.level === "0 connections, 0 half-open, 0 in TIME-WAIT", station.level);
    ensure(station.balanced, "a segment has no fate, or two");
    return "";
  });
}

function gone(lab: Lab, theirs: KernelSocket): boolean {
  return lab.kernel.describe(theirs) === "";
}

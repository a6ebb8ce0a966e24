/** One side has finished, the other goes on, both ways round; and what each has to read arrives whole before the end does. */
import { type Checks, ensure } from "../../../scripts/lib/checks.ts";
import type { Lab } from "./lab.ts";
import { openPair, OPENERS } from "./pair.ts";
import { pattern, sha256 } from "./pattern.ts";
import type { Station } from "./station.ts";
import { Transfer } from "./transfer.ts";

const FIRST = 100_000;
const AFTER = 300_000;

export async function halfCloseChecks(checks: Checks, lab: Lab): Promise<void> {
  const station = lab.station();
  const { changes } = lab;
  for (const opener of OPENERS) {
    await checks.run(
      `the ${opener} opens, the kernel finishes first: the stack goes on for ${AFTER} bytes`,
      async () => {
        const { ours, theirs } = await openPair(lab, station, opener);
        const transfer = new Transfer(ours);
        station.work.add(transfer.serve);
        theirs.send(1, FIRST);
        theirs.end();
        await changes.until(() => transfer.sha256 !== undefined, "end of the kernel's side");
        ensure(ours.state === "close-wait", ours.state);
        transfer.send(2, AFTER);
        transfer.end();
        station.turn();
        await changes.until(
          () => theirs.sha256 !== undefined && ours.state === "closed",
          () => `end in ${ours.state}`,
        );
        ensure(transfer.sha256 === sha256(pattern(1, FIRST)), "the stack got other bytes");
        return over(station, transfer, theirs);
      },
    );
    await checks.run(
      `the ${opener} opens, the stack finishes first: the kernel goes on for ${AFTER} bytes`,
      async () => {
        const { ours, theirs } = await openPair(lab, station, opener);
        const transfer = new Transfer(ours);
        station.work.add(transfer.serve);
        transfer.send(2, AFTER);
        transfer.end();
        station.turn();
        await changes.until(() => theirs.sha256 !== undefined, "end of the stack's side");
        await changes.until(
          () => ours.state === "fin-wait-2",
          () => `fin-wait-2 but ${ours.state}`,
        );
        theirs.send(1, FIRST);
        theirs.end();
        await changes.until(
          () => transfer.sha256 !== undefined,
          () => `end in ${ours.state}`,
        );
        ensure(transfer.sha256 === sha256(pattern(1, FIRST)), "the stack got other bytes");
        ensure(ours.state === "time-wait", ours.state);
        return over(station, transfer, theirs);
      },
    );
  }
}

async function over(
  station: Station,
  transfer: Transfer,
  theirs: { readonly sha256: string | undefined; readonly error: string | undefined },
): Promise<string> {
  ensure(theirs.sha256 === sha256(pattern(2, AFTER)), "the kernel got other bytes");
  ensure(transfer.socket.error === undefined && theirs.error === undefined, "it ended by an error");
  station.work.delete(transfer.serve);
  transfer.socket.close();
  await station.pass(station.tcp.settings.timeWaitUs);
  ensure(station.level === "0 connections, 0 half-open, 0 in TIME-WAIT", station.level);
  return "";
}

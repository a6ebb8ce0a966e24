/**
 * A reset in every state, the kernel's and ours: what each side makes of it, and that nothing of the connection is left
 * anywhere.
 */
import { type Checks, ensure } from "../../../scripts/lib/checks.ts";
import type { Lab } from "./lab.ts";
import { listenNoMore } from "./pair.ts";
import { type State, STATES, statesListen } from "./states.ts";
import type { Station } from "./station.ts";

const NOTHING = "0 connections, 0 half-open, 0 in TIME-WAIT";
const PATIENCE_MS = 3_000;

/** What our side has to say of a connection that the kernel reset; nothing where there was none yet, or none any more. */
const REFUSED_IN = ["syn-sent", "syn-received (both asked at once)"];

/** What the kernel has to say of one that we reset, where its program is there to be told. */
const TOLD: Readonly<Record<string, readonly string[]>> = {
  "syn-received": ["ECONNRESET"],
  "syn-received (both asked at once)": ["ECONNRESET", "ECONNREFUSED"],
  established: ["ECONNRESET"],
  "fin-wait-1": ["ECONNRESET"],
  "fin-wait-2": ["EPIPE"],
  "close-wait": ["ECONNRESET"],
};

/** The kernel's end of it goes away so that it sends a reset. */
async function kernelResets(lab: Lab, station: Station, state: State): Promise<string> {
  const { ours, theirs, ends } = await state.reach(lab, station, "kernel");
  const { taken } = station.tcp.counters;
  const before = { ...taken };
  if (theirs !== undefined) {
    theirs.destroy();
    await lab.changes.until(() => theirs.closed, "end of the kernel's socket");
  }
  if (state.name.startsWith("syn-")) {
    // Until it hears of us it has nothing to reset.
    station.port.open();
    await lab.changes.until(() => taken.reset > before.reset, "reset");
  } else if (state.name === "time-wait") {
    await lab.changes.until(() => taken.timeWait > before.timeWait, "reset");
  } else {
    await lab.changes.until(() => taken.reset > before.reset, "reset");
  }
  let outcome = "";
  if (state.name === "time-wait") {
    // RFC 1337: it stays, or old segments could meet a new connection.
    ensure(ours?.state === "time-wait" && station.tcp.timeWait === 1, `${ours?.state}, ${station.level}`);
    ours.close();
    station.port.open();
    outcome = "ignored (RFC 1337)";
  } else if (ours !== undefined) {
    const error = REFUSED_IN.includes(state.name) ? "refused" : "reset";
    ensure(ours.state === "closed" && ours.error === error, `${ours.state}, ${ours.error ?? "no error"}`);
    ours.close();
    station.port.open();
    outcome = error;
  }
  // One that has not got as far has no port yet.
  if (ends.localPort !== 0) await lab.kernel.forgets(ends);
  return outcome;
}

/** We abort. */
async function stackResets(lab: Lab, station: Station, state: State): Promise<string> {
  const { ours, theirs, ends } = await state.reach(lab, station, "stack");
  const { port } = station;
  if (ours !== undefined) ensure(lab.kernel.describe(ends) !== "", "the kernel knows of no connection");
  if (ours === undefined) listenNoMore(station);
  else ours.abort();
  station.turn();
  const expected = state.name === "time-wait" ? "0 connections, 0 half-open, 1 in TIME-WAIT" : NOTHING;
  ensure(station.level === expected, station.level);
  // The FIN is lost: the reset alone has to do.
  if (state.name === "fin-wait-1") port.out.held.shift();
  port.open();
  if (state.name === "fin-wait-2" && theirs !== undefined) {
    // A program that has read to the end is told when it writes.
    await lab.kernel.forgets(ends);
    theirs.send(1, 1);
  }
  const told = TOLD[state.name];
  if (theirs !== undefined && told !== undefined) {
    await lab.changes.until(() => theirs.error !== undefined, "error at the kernel's socket", PATIENCE_MS);
    ensure(told.includes(theirs.error ?? ""), `the kernel's program was told ${theirs.error}`);
  }
  if (state.name !== "time-wait") await lab.kernel.forgets(ends);
  theirs?.destroy();
  return theirs?.error ?? "";
}

export async function resetChecks(checks: Checks, lab: Lab): Promise<void> {
  await statesListen(lab);
  for (const [who, resets] of [
    ["the kernel", kernelResets],
    ["the stack", stackResets],
  ] as const) {
    for (const state of STATES) {
      await checks.run(`${who} resets in ${state.name}`, async () => {
        const station = lab.station();
        const outcome = await resets(lab, station, state);
        await station.pass(station.tcp.settings.timeWaitUs);
        ensure(station.level === NOTHING, station.level);
        ensure(station.balanced, "a segment has no fate, or two");
        return outcome;
      });
    }
  }
}

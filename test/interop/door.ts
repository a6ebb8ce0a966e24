/**
 * Clients of other make at the door of a hive on seL4: diod's tools and Linux speak 9P with it through `cohsh 9p`, over TCP and
 * QEMU's network, and our own client sees by a connection of its own what became of it. Every byte passes a tap on the way, and
 * Wireshark reads what was said.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Checks, ensure, Skipped } from "../../scripts/lib/checks.ts";
import { imageFailure, machineMissing } from "../../scripts/lib/qemu-available.ts";
import { DoorHive } from "../integration/door-hive.ts";
import { diodMissing } from "./diod-tools.ts";
import { agreement, tsharkMissing } from "./dissect.ts";
import { diodAtTheDoor } from "./door-diod.ts";
import { linuxAtTheDoor } from "./door-linux.ts";
import { guestMissing } from "./guest.ts";
import { Recorder } from "./recorder.ts";
import { type DoorScene, until } from "./way.ts";

/** Ends of connections that would say that something went wrong on the way. */
const WRONG_ENDS = ["late", "malformed", "crowded", "half", "slow", "length", "failed"];

function skip(checks: Checks, name: string, why: string): Promise<void> {
  return checks.run(name, () => {
    throw new Skipped(why);
  });
}

export async function doorChecks(checks: Checks, prefix: string): Promise<void> {
  const why = machineMissing(prefix) ?? imageFailure(prefix);
  if (why !== undefined) return skip(checks, "clients of other make at the door of a hive on seL4", why);
  const folder = mkdtempSync(join(tmpdir(), "door-"));
  const hive = await DoorHive.boot();
  try {
    const scene = { checks, hive, ours: await hive.nine("queen"), folder, recorder: new Recorder() };
    const noDiod = diodMissing();
    if (noDiod === undefined) await diodAtTheDoor(scene);
    else await skip(checks, "diod's tools read a hive on seL4 through cohsh 9p", noDiod);
    const noGuest = guestMissing();
    if (noGuest === undefined) await linuxAtTheDoor(scene);
    else await skip(checks, "Linux mounts a hive on seL4 through cohsh 9p (v9fs)", noGuest);
    await afterwards(scene);
  } finally {
    const status = await hive.end();
    rmSync(folder, { recursive: true, force: true });
    await checks.run("the hive ends cleanly through QEMU's monitor", () => {
      ensure(status === 0, `exit status ${status}: ${hive.process.messages}`);
      return "";
    });
  }
}

async function afterwards({ checks, ours, recorder }: DoorScene): Promise<void> {
  await checks.run("Wireshark and we agree on all that went through the relay", async () => {
    const missing = tsharkMissing();
    if (missing !== undefined) throw new Skipped(missing);
    if (recorder.messages.length === 0) throw new Skipped("neither diod's tools nor a Linux guest ran");
    const { messages, types, disagreements } = await agreement(recorder.messages);
    ensure(recorder.lost === 0, `${recorder.lost} messages were not kept`);
    ensure(disagreements.length === 0, disagreements.slice(0, 5).join("; "));
    return `${messages} messages of ${types.size} types, no disagreement`;
  });
  await checks.run("no session is left in the hive, and no connection ended as it should not", async () => {
    await until(async () => (await ours.counter("/proc/9p/sessions", "sessions")) === 1, "the last session's end");
    for (const end of WRONG_ENDS) {
      const count = await ours.counter("/proc/net/console", `end_${end}`);
      ensure(count === 0, `${count} connections ended ${end}`);
    }
    return `${await ours.counter("/proc/net/console", "upgraded")} connections spoke 9P`;
  });
}

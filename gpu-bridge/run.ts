/** One run of `gpu-bridge`, from its command line to its exit status. However it ends, leases, jobs and the backend have ended before. */

import { setTimeout as sleep } from "node:timers/promises";
import { printable } from "../services/config/printable.ts";
import { packageVersion } from "../scripts/lib/repository.ts";
import type { Layers } from "../cohsh/cli.ts";
import type { Leaving } from "../cohsh/program.ts";
import { leaveBySignal } from "../cohsh/9p/run.ts";
import { exportTree } from "../cohsh/export/keep.ts";
import { goOnUnread } from "../cohsh/export/unread.ts";
import type { OpenBackend } from "./backends/open.ts";
import { Bridge } from "./bridge.ts";
import { type Invocation, parseGpuBridge, type ServeOptions } from "./cli.ts";
import { listGpus } from "./list.ts";
import { makeJob } from "./operator/job.ts";
import { lineOfInput, NoResult, showResult } from "./operator/result.ts";

const SERVICE = "gpu-bridge";
/** How long whatever runs on a GPU may take to end with the bridge. */
const CLOSING_MS = 5000;

const say = (sentence: string): void => void process.stdout.write(`# ${sentence}\n`);
const complain = (error: unknown): void =>
  void process.stderr.write(`gpu-bridge: ${error instanceof Error ? error.message : String(error)}\n`);

/** @returns the exit status */
export async function runGpuBridge(args: readonly string[], layers: Layers, open: OpenBackend): Promise<number> {
  const invocation = parseGpuBridge(args, packageVersion(), layers);
  if ("print" in invocation) {
    process.stdout.write(invocation.print);
    return invocation.status;
  }
  if ("complain" in invocation) {
    process.stderr.write(`${invocation.complain}\n`);
    return invocation.status;
  }
  if ("serve" in invocation) return serve(invocation.serve, open);
  try {
    process.stdout.write(await textFor(invocation, open));
    return 0;
  } catch (error) {
    complain(error);
    return error instanceof NoResult ? 1 : 2;
  }
}

/** What it was started to print. @throws Error with one sentence */
async function textFor(
  invocation: Exclude<Invocation, Leaving | { readonly serve: unknown }>,
  open: OpenBackend,
): Promise<string> {
  if ("job" in invocation) {
    const { text, note } = makeJob(invocation.job);
    if (note !== undefined) complain(note);
    return text;
  }
  if ("list" in invocation) return listGpus(invocation.list, open);
  const { line, from } = invocation.result;
  return showResult(line ?? (await lineOfInput(process.stdin)), from);
}

async function serve(options: ServeOptions, open: OpenBackend): Promise<number> {
  // Leases and their blobs are not to end with whoever read what is said of them.
  goOnUnread();
  const leaving = leaveBySignal();
  let bridge: Bridge;
  try {
    bridge = await Bridge.open(await open(options.backend), { said: say });
  } catch (error) {
    complain(error);
    return 2;
  }
  const up = (where: string, again: boolean): void => {
    if (again) return say(`the hive at ${where} has ${SERVICE} again`);
    say(
      `the hive at ${where} may lease ${bridge.gpus.map(({ info }) => `${info.id} (${printable(info.name)})`).join(", ")}`,
    );
    say(`a Queen sees them after: mount ${SERVICE} /gpu`);
  };
  try {
    await exportTree({ ...options, service: SERVICE }, bridge.tree, { up, down: complain }, leaving.signal);
    return leaving.status();
  } catch (error) {
    if (leaving.signal.aborted) return leaving.status();
    complain(error);
    return 1;
  } finally {
    await Promise.race([bridge.close().catch(complain), sleep(CLOSING_MS)]);
  }
}

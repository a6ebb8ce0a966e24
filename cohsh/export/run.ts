/** One run of `cohsh export`: says what the hive has of it and what became of that, until a signal ends it. */

import { leaveBySignal } from "../9p/run.ts";
import type { ExportOptions } from "./cli.ts";
import { Folder } from "./folder.ts";
import { exportTree } from "./keep.ts";
import { goOnUnread } from "./unread.ts";

/** @returns the exit status. */
export async function runExport(options: ExportOptions): Promise<number> {
  const { service, mount } = options;
  const say = (sentence: string): void => void process.stdout.write(`# ${sentence}\n`);
  const complain = (sentence: string): void => void process.stderr.write(`cohsh: ${sentence}\n`);
  goOnUnread();
  const leaving = leaveBySignal();
  let folder: Folder;
  try {
    folder = await Folder.at(options.folder);
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    return 2;
  }
  const up = (where: string, again: boolean): void => {
    if (again) return say(`the hive at ${where} has ${service} again`);
    say(`the hive at ${where} reads ${folder.path} as ${service}, and cannot write it`);
    say(`a Queen sees it after: mount ${service} ${mount}`);
  };
  try {
    await exportTree(options, folder, { up, down: complain }, leaving.signal);
  } catch (error) {
    if (!leaving.signal.aborted) {
      complain(error instanceof Error ? error.message : String(error));
      return 1;
    }
  }
  return leaving.status();
}

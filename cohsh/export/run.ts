/** One run of `cohsh export`: says what the hive has of it and what became of that, until a signal ends it. */

import { attach9p, type AttachOptions } from "../9p/attach.ts";
import { SIGNAL_STATUS } from "../9p/run.ts";
import { addressOf, tcpKeys } from "../transports/make.ts";
import { addressText } from "../transports/tcp-connection.ts";
import type { ExportOptions } from "./cli.ts";
import { keepExported } from "./exporter.ts";
import { Folder } from "./folder.ts";

/** @returns the exit status. */
export async function runExport(options: ExportOptions): Promise<number> {
  const { service, mount, openTimeoutMs } = options;
  const say = (sentence: string): void => void process.stdout.write(`# ${sentence}\n`);
  const complain = (sentence: string): void => void process.stderr.write(`cohsh: ${sentence}\n`);
  const leave = new AbortController();
  let status = 0;
  for (const [signal, code] of Object.entries(SIGNAL_STATUS)) {
    process.on(signal, () => {
      status = code;
      leave.abort();
    });
  }
  let folder: Folder;
  try {
    folder = await Folder.at(options.folder);
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    return 2;
  }
  const address = addressOf(options);
  const keys = tcpKeys(options);
  const way: AttachOptions = {
    address,
    role: "service",
    token: () => keys.token(),
    credential: () => {
      // A ticket of the environment may be another role's.
      const given = options.ticket === undefined ? undefined : keys.find("service", undefined);
      return given !== undefined && "credential" in given ? given : keys.find("service", service);
    },
    service,
  };
  const where = addressText(address);
  try {
    await keepExported(
      {
        tree: folder,
        attach: (signal) => attach9p(way, signal),
        renew: () => keys.renew(),
        patienceMs: openTimeoutMs,
        up: (again) => {
          if (again) return say(`the hive at ${where} has ${service} again`);
          say(`the hive at ${where} reads ${folder.path} as ${service}, and cannot write it`);
          say(`a Queen sees it after: mount ${service} ${mount}`);
        },
        down: (why, waitMs) => complain(`${why}; trying again in ${(waitMs / 1000).toFixed(1)} s`),
      },
      leave.signal,
    );
  } catch (error) {
    if (!leave.signal.aborted) {
      complain(error instanceof Error ? error.message : String(error));
      return 1;
    }
  } finally {
    address.via?.close();
  }
  return status;
}

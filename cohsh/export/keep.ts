/** A tree that is exported to a hive under a service's name, by the way and with the credentials that its user gave. */

import type { Tree } from "../../services/secure9p/tree.ts";
import { attach9p, type AttachOptions } from "../9p/attach.ts";
import type { HiveOptions } from "../hive-options.ts";
import { addressOf, tcpKeys } from "../transports/make.ts";
import { addressText } from "../transports/tcp-connection.ts";
import { keepExported } from "./exporter.ts";

export interface ServiceOptions extends HiveOptions {
  /** The service's name. */
  readonly service: string;
}

export interface ExportNews {
  /** The hive, at that address, has it; again if it had before. */
  readonly up: (where: string, again: boolean) => void;
  /** It has it no more, in a sentence with what comes next. */
  readonly down: (sentence: string) => void;
}

/** Export until the signal ends it. @throws Error with one sentence where it gives up */
export async function exportTree(
  options: ServiceOptions,
  tree: Tree,
  { up, down }: ExportNews,
  signal: AbortSignal,
): Promise<void> {
  const { service, openTimeoutMs } = options;
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
        tree,
        attach: (attempt) => attach9p(way, attempt),
        renew: () => keys.renew(),
        patienceMs: openTimeoutMs,
        up: (again) => up(where, again),
        down: (why, waitMs) => down(`${why}; trying again in ${(waitMs / 1000).toFixed(1)} s`),
      },
      signal,
    );
  } finally {
    address.via?.close();
  }
}

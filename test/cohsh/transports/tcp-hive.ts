/**
 * The shell's mock hive behind a real port of the loopback: the very door of a hive, so the two tell apart what the wire does from
 * what the hive says.
 */

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { MockHive } from "../../../cohsh/mock/hive.ts";
import { createCredentials, type Credentials } from "../../../cohsh/tickets/credentials.ts";
import { Keyring } from "../../../cohsh/tickets/keyring.ts";
import { TcpTransport, type TcpPatience } from "../../../cohsh/transports/tcp.ts";
import { manifestPath } from "../../../scripts/lib/manifest.ts";
import { packageVersion } from "../../../scripts/lib/repository.ts";
import { loadCtlSchemas } from "../../../scripts/lib/schemas.ts";
import { readManifest } from "../../../services/config/manifest.ts";
import type { DoorLimits } from "../../../services/console/door/limits.ts";
import { openDoor } from "../../services/console/door/node-listener.ts";

const schemas = await loadCtlSchemas();

export interface TcpHive {
  readonly port: number;
  readonly credentials: Credentials;
  readonly keys: Keyring;
  /** A way to it. */
  transport(patience?: Partial<TcpPatience>): TcpTransport;
  /** What the door reports of itself. */
  report(): readonly string[];
  /** Cut all connections, and go on listening. */
  cut(): void;
  close(): Promise<void>;
}

export async function openTcpHive(limits: Partial<DoorLimits> = {}): Promise<TcpHive> {
  const credentials = createCredentials((length) => randomBytes(length));
  const mock = new MockHive({
    credentials,
    schemas,
    manifest: readManifest(readFileSync(manifestPath, "utf8")),
    build: { version: packageVersion(), revision: "none", imageHash: "none", quickjs: "none" },
    reply: () => undefined,
    log: () => undefined,
  });
  const { hive, timers, nowUs, verbs, wake } = mock.parts;
  const clock = {
    nowUs,
    get us() {
      return nowUs();
    },
  };
  // Real time passes by itself; the hive only has to look at it.
  const errors: unknown[] = [];
  const door = await openDoor({ hive, timers, clock, errors, pass: wake }, { port: 0, limits, verbs });
  const { port } = door;
  const keys = new Keyring({ credentials: () => credentials, nowMs: () => Date.now(), tokenIsQueen: false });
  const transport = (patience: Partial<TcpPatience> = {}): TcpTransport =>
    new TcpTransport({ host: "127.0.0.1", port, token: () => keys.token(), patience });
  return {
    port,
    credentials,
    keys,
    transport,
    report: () => door.server.lines(),
    cut: () => door.cut(),
    close: async () => {
      await door.close();
      mock.close();
      if (errors.length > 0) throw new AggregateError(errors, "the door failed");
    },
  };
}

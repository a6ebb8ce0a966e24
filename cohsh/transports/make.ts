/** The one place that knows all transports, and which credentials open the hive at the other end. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import type { Options } from "../cli.ts";
import type { HiveOptions, ViaOptions } from "../hive-options.ts";
import { createCredentials, type Credentials } from "../tickets/credentials.ts";
import { Keyring } from "../tickets/keyring.ts";
import { loadCredentials } from "../tickets/load.ts";
import { TCP_HOST, TCP_PORT } from "../settings.ts";
import { SshTunnel } from "../ssh/tunnel.ts";
import type { Transport } from "../transport.ts";
import type { Address } from "./tcp-connection.ts";

/** How long one attempt by way of another host may take, where somebody may have to allow an agent what it is to do. */
const VIA_ATTEMPT_MS = 20_000;

export interface Way {
  readonly transport: Transport;
  readonly keys: Keyring;
}

export type WayOptions = Pick<Options, "transport"> &
  Partial<Pick<Options, "serial" | "host" | "port" | "via" | "credentials" | "token" | "ticket" | "sel4" | "net">>;

/** @throws Error with one sentence if the given credentials cannot be read */
export async function makeWay(options: WayOptions): Promise<Way> {
  const { token, ticket, credentials: file } = options;
  const nowMs = (): number => Date.now();
  const kept = new Keyring({ token, ticket, credentials: () => loadCredentials(file ?? credentialsPath), nowMs });
  switch (options.transport) {
    case "mock": {
      const { MockTransport } = await import("./mock.ts");
      const credentials = ownCredentials(file);
      return {
        transport: new MockTransport(credentials),
        keys: new Keyring({ credentials: () => credentials, nowMs }),
      };
    }
    case "sim": {
      const { SimTransport } = await import("./sim.ts");
      const credentials = ownCredentials(file ?? (existsSync(credentialsPath) ? credentialsPath : undefined));
      return { transport: new SimTransport(credentials), keys: new Keyring({ credentials: () => credentials, nowMs }) };
    }
    case "qemu": {
      const { QemuTransport } = await import("./qemu.ts");
      return { transport: new QemuTransport({ sel4: options.sel4, net: options.net }), keys: kept };
    }
    case "serial": {
      const { SerialTransport } = await import("./serial.ts");
      return { transport: new SerialTransport(options.serial ?? ""), keys: kept };
    }
    case "tcp": {
      const { TcpTransport } = await import("./tcp.ts");
      const keys = tcpKeys(options);
      const { host = TCP_HOST, port = TCP_PORT, via } = options;
      const address = addressOf({ address: { host, port }, via });
      const patience = via === undefined ? {} : { attempt: VIA_ATTEMPT_MS };
      return { transport: new TcpTransport({ ...address, token: () => keys.token(), patience }), keys };
    }
  }
}

/** Where a hive is, with a way of its own if it is not reached from here. Whoever asks closes that. */
export function addressOf({ address, via }: Pick<HiveOptions, "address"> & { via: ViaOptions | undefined }): Address {
  if (via === undefined) return address;
  return { ...address, via: new SshTunnel({ ...via, agent: process.env["SSH_AUTH_SOCK"] }) };
}

/** What opens a hive over TCP, where nobody is a Queen by the operator's token alone. */
export function tcpKeys(options: Pick<WayOptions, "token" | "ticket" | "credentials">): Keyring {
  const { token, ticket, credentials: file } = options;
  const credentials = (): Credentials => loadCredentials(file ?? credentialsPath);
  return new Keyring({ token, ticket, credentials, nowMs: () => Date.now(), tokenIsQueen: false });
}

/** For a hive that this process makes: those of a file, else new ones that nobody else will ever know. */
function ownCredentials(file: string | undefined): Credentials {
  return file === undefined ? createCredentials((length) => randomBytes(length)) : loadCredentials(file);
}

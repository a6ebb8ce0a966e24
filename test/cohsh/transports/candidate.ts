/** Ways to hives that a test makes: each with credentials of its own, or those of the image. */

import { randomBytes } from "node:crypto";
import { createCredentials, type Credentials } from "../../../cohsh/tickets/credentials.ts";
import { Keyring } from "../../../cohsh/tickets/keyring.ts";
import { loadCredentials } from "../../../cohsh/tickets/load.ts";
import type { Transport } from "../../../cohsh/transport.ts";
import { credentialsPath } from "../../../scripts/lib/credentials.ts";
import type { Candidate } from "../transport.acceptance.ts";

const nowMs = (): number => Date.now();

/** A hive with new credentials. */
export function withOwnCredentials(make: (credentials: Credentials) => Transport): Candidate {
  const credentials = createCredentials((length) => randomBytes(length));
  return { transport: make(credentials), keys: new Keyring({ credentials: () => credentials, nowMs }) };
}

/** A hive of the built image. */
export function withImageCredentials(transport: Transport): Candidate {
  return { transport, keys: new Keyring({ credentials: () => loadCredentials(credentialsPath), nowMs }) };
}

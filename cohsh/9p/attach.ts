/**
 * A TCP connection to a hive that was admitted, attached with a role and switched to 9P2000.L: whoever gets it speaks 9P from its
 * first byte on, and asks for what the role sees, or is asked for what it exports. Every way in which that can fail is one sentence
 * that shows no credential.
 */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Reason } from "../../services/console/grammar.ts";
import { parseAcknowledgement } from "../acknowledgement.ts";
import type { Found } from "../tickets/keyring.ts";
import { type Address, addressText, connectConsole, type ConsoleConnection } from "../transports/tcp-connection.ts";

export interface Attached {
  /** Paused; it is the caller's now. */
  readonly socket: Duplex;
  /** What came behind the last line. */
  readonly rest: Uint8Array;
}

export interface AttachOptions {
  readonly address: Address;
  readonly token: () => Found;
  readonly role: string;
  readonly credential: () => Found;
  /** The service that it exports; `undefined`: it asks. */
  readonly service?: string;
}

/** A hive said no. */
export class AttachError extends Error {
  override readonly name = "AttachError";
  /** `policy`: it will say so again. */
  readonly reason: Reason;

  constructor(message: string, reason: Reason) {
    super(message);
    this.reason = reason;
  }
}

/** A connection on which nobody speaks is looked after by TCP, after so many milliseconds. */
const KEEP_ALIVE_MS = 30_000;

/** @throws Error with one sentence */
export async function attach9p(options: AttachOptions, signal: AbortSignal): Promise<Attached> {
  const { address, role, service } = options;
  const token = options.token();
  const credential = options.credential();
  if ("missing" in token) throw new Error(token.missing);
  if ("missing" in credential) throw new Error(credential.missing);
  const where = addressText(address);
  const connection = await connectConsole(address, token.credential, signal);
  const stalled = (): void => connection.drop("does not answer");
  signal.addEventListener("abort", stalled, { once: true });
  try {
    await ask(connection, `ATTACH ${role} ${credential.credential}`, "ATTACH", `the hive at ${where} refuses ${role}`);
    const [verb, what] = service === undefined ? ["SECURE9P", "9P"] : ["EXPORT", service];
    const line = service === undefined ? verb : `${verb} ${service}`;
    return await ask(connection, line, verb, `the hive at ${where} refuses ${what}`, () => connection.release());
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", stalled);
  }
}

/** Send a line and have its acknowledgement. @param then is called within the line, before anything that follows it is read */
function ask(connection: ConsoleConnection, line: string, verb: string, refused: string): Promise<undefined>;
function ask<T>(connection: ConsoleConnection, line: string, verb: string, refused: string, then: () => T): Promise<T>;
function ask<T>(
  connection: ConsoleConnection,
  line: string,
  verb: string,
  refused: string,
  then?: () => T,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    connection.listen(
      (text) => {
        const acknowledgement = parseAcknowledgement(text);
        if (acknowledgement?.ok === true && acknowledgement.verb === verb) return resolve(then?.());
        if (acknowledgement?.ok !== false) return reject(new AttachError(`${refused}: its answer is none`, "policy"));
        const { reason, detail } = acknowledgement;
        reject(new AttachError(`${refused}: ${detail ?? reason}`, reason));
      },
      (reason) => reject(new Error(reason)),
    );
    connection.send(line);
  });
}

/** Let TCP find out that the other side is gone; what is no socket is looked after by its own connection. */
export function keepAlive(socket: Duplex): void {
  if (socket instanceof Socket) socket.setKeepAlive(true, KEEP_ALIVE_MS);
}

/**
 * A TCP connection to a hive that was admitted, attached with a role and switched to 9P2000.L: whoever gets it speaks 9P from its
 * first byte on, and sees what the role sees. Every way in which that can fail is one sentence that shows no credential.
 */

import type { Socket } from "node:net";
import { parseAcknowledgement } from "../acknowledgement.ts";
import type { Found } from "../tickets/keyring.ts";
import { type Address, addressText, connectConsole, type ConsoleConnection } from "../transports/tcp-connection.ts";

export interface Attached {
  /** Paused; it is the caller's now. */
  readonly socket: Socket;
  /** What came behind the last line. */
  readonly rest: Uint8Array;
}

export interface AttachOptions {
  readonly address: Address;
  readonly token: () => Found;
  readonly role: string;
  readonly credential: () => Found;
}

/** A connection on which nobody speaks is looked after by TCP, after so many milliseconds. */
const KEEP_ALIVE_MS = 30_000;

/** @throws Error with one sentence */
export async function attach9p(options: AttachOptions, signal: AbortSignal): Promise<Attached> {
  const { address, role } = options;
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
    return await ask(connection, "SECURE9P", "SECURE9P", `the hive at ${where} refuses 9P`, () => connection.release());
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
        const why =
          acknowledgement?.ok === false ? (acknowledgement.detail ?? acknowledgement.reason) : "its answer is none";
        reject(new Error(`${refused}: ${why}`));
      },
      (reason) => reject(new Error(reason)),
    );
    connection.send(line);
  });
}

/** Let TCP find out that the other side is gone. */
export function keepAlive(socket: Socket): void {
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
}

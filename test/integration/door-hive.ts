/** A hive on seL4 in QEMU, and clients of every role who come in through its TCP door. What they leave open goes with it. */
import { readFileSync } from "node:fs";
import { mintTicket } from "../../cohsh/tickets/mint.ts";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import type { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { type Credentials, readCredentials } from "../../services/roles/credentials.ts";
import type { Role } from "../../services/roles/roles.ts";
import { type Claims, claimsOf } from "../../services/roles/ticket.ts";

import { ConsoleWire } from "./console-wire.ts";
import { listeningHive } from "./listening-hive.ts";
import { NineClient } from "./nine-client.ts";

export class DoorHive {
  readonly port: number;
  readonly process: HiveProcess;
  readonly #credentials: Credentials;
  readonly #clients: { close(): void }[] = [];

  static async boot(): Promise<DoorHive> {
    const { hive, port } = await listeningHive();
    return new DoorHive(hive, port);
  }

  private constructor(hive: HiveProcess, port: number) {
    this.process = hive;
    this.port = port;
    this.#credentials = readCredentials(readFileSync(credentialsPath, "utf8"));
  }

  get token(): string {
    return this.#credentials.token;
  }

  /** A ticket signed with the role's secret, issued now unless it says otherwise. */
  ticket(role: Role, more: Partial<Claims> = {}): string {
    return mintTicket(this.#credentials, claimsOf(role, { issuedAtMs: Date.now(), ...more }));
  }

  /** Log in and speak 9P. @throws Error with one sentence if the hive refuses that */
  async nine(role: Role, ticket = this.ticket(role)): Promise<NineClient> {
    return this.#keep(await NineClient.open({ port: this.port, token: this.token, role, ticket }));
  }

  /** A connection on which nobody has logged in yet. */
  async door(): Promise<ConsoleWire> {
    const wire = this.#keep(await ConsoleWire.open(this.port));
    const answer = await wire.ask(`AUTH ${this.token}`);
    if (answer === "OK AUTH") return wire;
    throw new Error(`AUTH: ${answer ?? "closed"}`);
  }

  /** Log in and speak lines. @throws Error if the hive refuses that */
  async lines(role: Role, ticket = this.ticket(role)): Promise<ConsoleWire> {
    const client = await this.door();
    const answer = await client.ask(`ATTACH ${role} ${ticket}`);
    if (answer === `OK ATTACH role=${role}`) return client;
    throw new Error(`ATTACH ${role}: ${answer ?? "closed"}`);
  }

  /** @returns QEMU's exit status. */
  end(): Promise<number> {
    for (const client of this.#clients) client.close();
    return this.process.end();
  }

  #keep<T extends { close(): void }>(client: T): T {
    this.#clients.push(client);
    return client;
  }
}

/** Lines of the audit log without their times. */
export async function auditLog(queen: NineClient): Promise<string[]> {
  const text = await queen.cat("/log/queen.log");
  return text
    .replace(/^\[ *\d+\.\d{6}\] /gm, "")
    .split("\n")
    .slice(0, -1);
}

/**
 * One ssh connection: made to a host that is known, as a user by a key, and from then on a way to what that host reaches. Nothing of
 * the user's is sent before the host's key is found good; every way in which it can fail is one sentence.
 */

import { userInfo } from "node:os";
import type { Duplex } from "node:stream";
import type { AuthenticationType, AnyAuthMethod, Client } from "ssh2";
import { printable } from "../../services/config/printable.ts";
import { type Address, addressText, ConnectError, connectTcp } from "../transports/tcp-connection.ts";
import { ChannelStream } from "./channel.ts";
import { hostText, type SshDestination } from "./destination.ts";
import { HostKeys } from "./host-key.ts";
import { type UserKeys, userKeys } from "./user-keys.ts";

export interface SshOptions extends SshDestination {
  /** In place of the user's and the machine's files of known hosts. */
  readonly knownHosts: string | undefined;
  /** A key of the user's choice. */
  readonly identity: string | undefined;
  /** The agent's socket. */
  readonly agent: string | undefined;
  /** How often a host is asked whether it is there, in milliseconds; one that does not answer twice is gone. */
  readonly keepAliveMs?: number;
}

const KEEP_ALIVE_MS = 5000;
const KEEP_ALIVE_COUNT = 2;
/** Characters of what a server says that are shown. */
const SAID = 200;
/** RFC 4254 §5.1. */
const PROHIBITED = 1;
const CONNECT_FAILED = 2;

/** What an attempt waits for. */
type Stage = "handshake" | "login";

export class SshConnection {
  readonly #client: Client;
  readonly #where: string;
  readonly #streams = new Set<Duplex>();
  #why: Error | undefined;
  #over = false;

  /** @param client that is ready */
  private constructor(client: Client, where: string) {
    this.#client = client;
    this.#where = where;
    client.on("error", (error) => (this.#why ??= new Error(`the ssh connection to ${where} broke: ${said(error)}`)));
    client.on("close", () => {
      this.#over = true;
      const why = this.#why ?? new Error(`the ssh connection to ${where} was closed`);
      for (const stream of this.#streams) stream.destroy(why);
    });
  }

  /** @throws ConnectError with one sentence */
  static async open(options: SshOptions, signal: AbortSignal): Promise<SshConnection> {
    const where = hostText(options);
    const hosts = new HostKeys(options);
    const { default: ssh2 } = await import("ssh2");
    const socket = await connectTcp(options, signal).catch((error: unknown) => {
      if (!(error instanceof ConnectError)) throw error;
      throw new ConnectError(`ssh: ${error.message}`, error.kind, { cause: error });
    });
    const client = new ssh2.Client();
    const attempt = new Attempt(options, where, (keys) => userKeys(ssh2, keys));
    try {
      await new Promise<void>((resolve, reject) => {
        const late = (): void => reject(attempt.late());
        signal.addEventListener("abort", late, { once: true });
        attempt.fail = reject;
        client.on("ready", resolve);
        client.on("error", (error) => attempt.failed(error));
        client.on("close", () => reject(attempt.closed()));
        client.connect({
          sock: socket,
          username: attempt.username,
          ident: "cohsh",
          readyTimeout: 0,
          keepaliveInterval: options.keepAliveMs ?? KEEP_ALIVE_MS,
          keepaliveCountMax: KEEP_ALIVE_COUNT,
          algorithms: { serverHostKey: hosts.algorithms },
          hostVerifier: (key: Buffer) => attempt.judge(hosts.refusal(key)),
          authHandler: (left, partial, next) => void attempt.next(left, partial, next),
        });
        if (signal.aborted) late();
      });
    } catch (error) {
      client.on("error", () => undefined);
      client.end();
      socket.destroy();
      throw error;
    }
    client.removeAllListeners("error");
    client.removeAllListeners("close");
    return new SshConnection(client, where);
  }

  get live(): boolean {
    return !this.#over && this.#why === undefined;
  }

  /** A stream to what the host reaches. @throws ConnectError with one sentence */
  forward(address: Address, signal: AbortSignal): Promise<Duplex> {
    const { host, port } = address;
    return new Promise((resolve, reject) => {
      let settled = false;
      const fail = (error: ConnectError): void => {
        settled = true;
        signal.removeEventListener("abort", late);
        reject(error);
      };
      const late = (): void =>
        fail(new ConnectError(`ssh: ${this.#where} did not connect to ${addressText({ host, port })} in time`, "cut"));
      if (signal.aborted) return late();
      signal.addEventListener("abort", late, { once: true });
      try {
        this.#client.forwardOut("127.0.0.1", 0, host, port, (error, channel) => {
          if (error !== undefined) return settled ? undefined : fail(this.#refused(address, error));
          if (settled) return channel.close();
          signal.removeEventListener("abort", late);
          resolve(this.#kept(new ChannelStream(channel)));
        });
      } catch (error) {
        fail(new ConnectError(`the ssh connection to ${this.#where} is gone`, "cut", { cause: error }));
      }
    });
  }

  /** End it, and what goes by it. */
  close(): void {
    this.#over = true;
    for (const stream of this.#streams) stream.destroy();
    this.#client.end();
  }

  #kept(stream: Duplex): Duplex {
    this.#streams.add(stream);
    stream.once("close", () => this.#streams.delete(stream));
    if (this.#over) stream.destroy(this.#why);
    return stream;
  }

  #refused(address: Address, error: Error & { reason?: unknown }): ConnectError {
    const where = this.#where;
    const target = addressText({ host: address.host, port: address.port });
    const what = said(error).replace(/^\(SSH\) Channel open failure: /, "");
    switch (error.reason) {
      case PROHIBITED:
        return new ConnectError(
          `ssh: ${where} forbids that anybody goes from there to ${target}: see AllowTcpForwarding, DisableForwarding and ` +
            "PermitOpen of its sshd_config, and restrict or permitopen before the key in authorized_keys",
          "final",
          { cause: error },
        );
      case CONNECT_FAILED:
        return /refused/i.test(what)
          ? new ConnectError(`nobody listens at ${addressText(address)}`, "absent", { cause: error })
          : new ConnectError(`ssh: ${where} cannot connect to ${target}: ${what}`, "absent", { cause: error });
      default:
        return new ConnectError(`ssh: ${where} opens no way to ${target}: ${what}`, "cut", { cause: error });
    }
  }
}

/** What is known of a connection while it is being made. */
class Attempt {
  readonly username: string;
  readonly #options: SshOptions;
  readonly #where: string;
  readonly #find: (options: SshOptions) => Promise<UserKeys>;
  fail: (error: ConnectError) => void = () => undefined;
  #stage: Stage = "handshake";
  #last: Error | undefined;
  #found: UserKeys | undefined;
  #shown = 0;

  constructor(options: SshOptions, where: string, find: (options: SshOptions) => Promise<UserKeys>) {
    this.username = options.user ?? userInfo().username;
    this.#options = options;
    this.#where = where;
    this.#find = find;
  }

  /** @returns whether the host is good */
  judge(refusal: ConnectError | undefined): boolean {
    if (refusal !== undefined) this.fail(refusal);
    return refusal === undefined;
  }

  /** Say by what the user may be let in next. */
  async next(
    left: readonly AuthenticationType[] | null,
    partial: boolean | null,
    say: (method: AnyAuthMethod) => void,
  ): Promise<void> {
    this.#stage = "login";
    const { username } = this;
    // Asking without a key shows which ways there are.
    if (left === null) return say({ type: "none", username });
    try {
      if (!left.includes("publickey")) return this.fail(this.#noKeys(left, partial === true));
      this.#found ??= await this.#find(this.#options);
      const key = this.#found.keys[this.#shown++];
      if (key === undefined) this.fail(this.#denied("lets nobody in"));
      else say(key.method(username));
    } catch (error) {
      this.fail(
        error instanceof ConnectError ? error : new ConnectError(`ssh: ${said(error)}`, "final", { cause: error }),
      );
    }
  }

  /** An error of the library's; those of an agent or a key are not its last word. */
  failed(error: Error & { level?: string; code?: unknown }): void {
    this.#last = error;
    const { level } = error;
    if (level === "agent" || level === "client-authentication") return;
    const cause = { cause: error };
    // A server that says goodbye while keys are shown has seen enough of them.
    if (this.#stage === "login" && level === undefined && typeof error.code === "number") {
      return this.fail(
        this.#denied(`says "${said(error)}" and lets nobody in`, "; --identity FILE shows one key alone"),
      );
    }
    if (level === "handshake") {
      return this.fail(new ConnectError(`ssh: ${this.#where} and cohsh do not agree: ${said(error)}`, "final", cause));
    }
    this.fail(new ConnectError(`ssh: the connection to ${this.#where} broke: ${said(error)}`, "cut", cause));
  }

  closed(): ConnectError {
    const before = this.#stage === "handshake" ? "before anybody was known" : `before ${this.username} was let in`;
    return new ConnectError(`ssh: ${this.#where} closed the connection ${before}`, "cut", { cause: this.#last });
  }

  late(): ConnectError {
    const what =
      this.#stage === "handshake"
        ? "did not say in time who it is: it may hang, or be no ssh server"
        : `did not let ${this.username} in in time: it may hang, or an agent wait for its user`;
    return new ConnectError(`ssh: ${this.#where} ${what}`, "cut");
  }

  #noKeys(left: readonly string[], partial: boolean): ConnectError {
    const by = left.map((way) => printable(way)).join(", ");
    const text = partial
      ? `wants more than a key of ${this.username}: ${by}`
      : `lets ${this.username} in by ${by === "" ? "nothing" : by} alone, and all that is shown from here is keys`;
    return new ConnectError(`ssh: ${this.#where} ${text}`, "final");
  }

  #denied(what: string, hint = ""): ConnectError {
    const { keys = [], notes = [] } = this.#found ?? {};
    const shown = keys.slice(0, this.#shown).map(({ name }) => printable(name));
    const by = shown.length === 0 ? "there is no key to show" : `it takes none of ${shown.join(", ")}`;
    const user = printable(this.username);
    return new ConnectError(`ssh: ${this.#where} ${what} as ${user}: ${[by, ...notes].join("; ")}${hint}`, "final");
  }
}

function said(error: unknown): string {
  const text = printable(error instanceof Error ? error.message : String(error)).trim();
  return text.length > SAID ? `${text.slice(0, SAID)}…` : text;
}

/**
 * Whether a host is the one that is meant: its key against the user's and the machine's files of known hosts, read anew for each
 * connection. Whatever is not plainly known is refused, in a sentence that says what was shown, what is known where, and what to do.
 */

import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ConnectError } from "../transports/tcp-connection.ts";
import { hostText, SSH_PORT } from "./destination.ts";
import {
  fingerprint,
  judge,
  type KnownHosts,
  type KnownKey,
  knownName,
  knownTypes,
  parseKnownHosts,
  typeOf,
} from "./known-hosts.ts";

/** Larger than any that is kept. */
const FILE_LIMIT = 4 * 1024 * 1024;
/** The machine's own; as ssh(1) has it in GlobalKnownHostsFile. */
const SYSTEM_FILE = "/etc/ssh/ssh_known_hosts";
/** What a host may sign with. `ssh-rsa` is not among them: its signature is over SHA-1 (RFC 8332 §1). */
const ALGORITHMS = [
  { algorithm: "ssh-ed25519", type: "ssh-ed25519" },
  { algorithm: "ecdsa-sha2-nistp256", type: "ecdsa-sha2-nistp256" },
  { algorithm: "ecdsa-sha2-nistp384", type: "ecdsa-sha2-nistp384" },
  { algorithm: "ecdsa-sha2-nistp521", type: "ecdsa-sha2-nistp521" },
  { algorithm: "rsa-sha2-512", type: "ssh-rsa" },
  { algorithm: "rsa-sha2-256", type: "ssh-rsa" },
] as const;
/** What `ssh-keyscan -t` calls them. */
const SCANNED: Readonly<Record<string, string>> = { "ssh-ed25519": "ed25519", "ssh-rsa": "rsa" };

export interface HostOptions {
  readonly host: string;
  readonly port: number;
  /** In place of the user's and the machine's. */
  readonly knownHosts: string | undefined;
}

export class HostKeys {
  readonly #options: HostOptions;
  readonly #files: readonly string[];
  readonly #known: KnownHosts;

  /** @throws ConnectError with one sentence if a file cannot be read, or says in a way that nobody understands what is revoked */
  constructor(options: HostOptions) {
    this.#options = options;
    const { knownHosts } = options;
    this.#files = knownHosts === undefined ? [join(homedir(), ".ssh", "known_hosts"), SYSTEM_FILE] : [knownHosts];
    const read = this.#files.map(readFile);
    this.#known = { keys: read.flatMap(({ keys }) => keys), mistakes: read.flatMap(({ mistakes }) => mistakes) };
    const unclear = this.#known.mistakes.find(({ revoked }) => revoked);
    if (unclear !== undefined) {
      const { file, line, why } = unclear;
      throw new ConnectError(`ssh: ${file} line ${line} is to revoke a key, but ${why}; nothing was sent`, "final");
    }
  }

  /** What to ask the host for, the kinds by which it is known first. */
  get algorithms(): (typeof ALGORITHMS)[number]["algorithm"][] {
    const { host, port } = this.#options;
    const types = knownTypes(this.#known.keys, host, port);
    const known = ALGORITHMS.filter(({ type }) => types.includes(type));
    return [...known, ...ALGORITHMS.filter((one) => !known.includes(one))].map(({ algorithm }) => algorithm);
  }

  /** @param key that the host shows @returns why it is not to be trusted */
  refusal(key: Buffer): ConnectError | undefined {
    const { host, port } = this.#options;
    const verdict = judge(this.#known.keys, host, port, key);
    const shown = `${typeOf(key) ?? "a key of no kind"} ${fingerprint(key)}`;
    switch (verdict.kind) {
      case "known":
        return undefined;
      case "revoked":
        return refused(
          `the host key of ${hostText(this.#options)}, ${shown}, is revoked in ${placeOf(verdict.by)}; nothing was sent`,
        );
      case "changed":
        return refused(this.#changed(shown, verdict.known));
      case "unknown":
        return refused(this.#unknown(shown, key, verdict.others, verdict.authorities));
    }
  }

  #changed(shown: string, known: readonly KnownKey[]): string {
    const { host, port } = this.#options;
    const [first] = known;
    return (
      `the host key of ${hostText(this.#options)} has changed: it shows ${shown}, but ${known.map(keyText).join(", ")} is known; ` +
      "somebody may stand in between, and nothing was sent; once whoever runs the host has confirmed the new key, " +
      `forget the old one with: ssh-keygen -R '${knownName(host, port)}' -f ${first?.file ?? ""}`
    );
  }

  #unknown(shown: string, key: Buffer, others: readonly KnownKey[], authorities: readonly KnownKey[]): string {
    const { host, port } = this.#options;
    const [file = ""] = this.#files;
    const scan = SCANNED[typeOf(key) ?? ""] ?? "ecdsa";
    const notes = [
      ...others.slice(0, 4).map((other) => `; by another kind of key it is known: ${keyText(other)}`),
      ...authorities.slice(0, 1).map((by) => `; ${placeOf(by)} is for certificates, which are not checked here`),
      ...this.#known.mistakes.slice(0, 1).map(({ file, line, why }) => `; ${file} line ${line} ${why}`),
    ];
    const command = `ssh-keyscan${port === SSH_PORT ? "" : ` -p ${port}`} -t ${scan} ${host} >> ${file}`;
    return (
      `the host key of ${hostText(this.#options)} is not known: it shows ${shown}, and there is no line for ` +
      `${knownName(host, port)} in ${this.#files.join(" or ")}${notes.join("")}; nothing was sent; ` +
      `if whoever runs the host confirms that fingerprint, make it known with: ${command}`
    );
  }
}

function refused(why: string): ConnectError {
  return new ConnectError(`ssh: ${why}`, "final");
}

function placeOf({ file, line }: KnownKey): string {
  return `${file} line ${line}`;
}

function keyText(known: KnownKey): string {
  return `${known.type} ${fingerprint(known.key)} (${placeOf(known)})`;
}

/** A file that is not there knows nobody. */
function readFile(file: string): KnownHosts {
  try {
    if (statSync(file).size > FILE_LIMIT) throw new Error(`it is longer than ${FILE_LIMIT} bytes`);
    return parseKnownHosts(readFileSync(file, "utf8"), file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return { keys: [], mistakes: [] };
    const why = error instanceof Error ? error.message : String(error);
    throw new ConnectError(`ssh: ${file} cannot be read, so no host is known: ${why}`, "final", { cause: error });
  }
}

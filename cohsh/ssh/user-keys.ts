/**
 * The keys that a user may be known by at an ssh server: those of an agent, then the usual files; with a file of the user's choice
 * that one alone, from the agent where the file is encrypted. What cannot be used is a note for whoever is not let in.
 */

import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type * as Library from "ssh2";
import type { AnyAuthMethod, ParsedKey } from "ssh2";
import { ConnectError } from "../transports/tcp-connection.ts";

export interface UserKeyOptions {
  /** A file of the user's choice. */
  readonly identity: string | undefined;
  /** The agent's socket, as in `SSH_AUTH_SOCK`. */
  readonly agent: string | undefined;
}

export interface UserKey {
  /** As messages call it. */
  readonly name: string;
  readonly method: (username: string) => AnyAuthMethod;
}

export interface UserKeys {
  readonly keys: readonly UserKey[];
  /** Why others are not among them. */
  readonly notes: readonly string[];
}

type Ssh2 = typeof Library;

/** As ssh(1) looks for them, without what nobody should use any more. */
const NAMES = ["id_ed25519", "id_ecdsa", "id_rsa"];
/** A server counts them, and few allow more than 6. */
export const KEYS_LIMIT = 16;
const FILE_LIMIT = 64 * 1024;
/** Mode bits with which ssh itself takes no key. */
const SHARED = 0o077;

/** @param ssh2 the library, which is loaded when it is needed @throws ConnectError if the chosen file is of no use */
export async function userKeys(ssh2: Ssh2, { identity, agent }: UserKeyOptions): Promise<UserKeys> {
  const notes: string[] = [];
  const held = await agentKeys(ssh2, agent, notes);
  const keys =
    identity === undefined ? [...held, ...usualKeys(ssh2, held, notes)] : [chosen(ssh2, identity, held, notes)];
  if (keys.length > KEYS_LIMIT) notes.push(`only the first ${KEYS_LIMIT} keys of ${keys.length} were shown`);
  return { keys: keys.slice(0, KEYS_LIMIT), notes };
}

interface Held extends UserKey {
  readonly key: ParsedKey;
}

async function agentKeys(ssh2: Ssh2, path: string | undefined, notes: string[]): Promise<Held[]> {
  if (path === undefined || path === "") {
    notes.push("SSH_AUTH_SOCK names no agent");
    return [];
  }
  const agent = new ssh2.OpenSSHAgent(path);
  try {
    const keys = await new Promise<ParsedKey[]>((resolve, reject) => {
      agent.getIdentities((error, found) => {
        if (error) reject(error);
        else resolve((found ?? []) as ParsedKey[]);
      });
    });
    if (keys.length === 0) notes.push("the agent holds no key");
    return keys.map((key) => ({
      key,
      name: `${key.type} ${key.comment === "" ? "" : `"${key.comment}" `}of the agent`,
      method: (username) => ({ type: "agent", username, agent: withOneKey(ssh2, path, key) }),
    }));
  } catch {
    notes.push(`the agent at ${path} does not answer`);
    return [];
  }
}

function withOneKey(ssh2: Ssh2, path: string, key: ParsedKey): InstanceType<Ssh2["OpenSSHAgent"]> {
  const agent = new ssh2.OpenSSHAgent(path);
  agent.getIdentities = (done) => done(undefined, [key]);
  return agent;
}

/** Files that are there and are not of a key that the agent holds. */
function usualKeys(ssh2: Ssh2, held: readonly Held[], notes: string[]): UserKey[] {
  const folder = join(homedir(), ".ssh");
  const found: UserKey[] = [];
  let missing = 0;
  for (const name of NAMES) {
    const read = readKey(ssh2, join(folder, name));
    if ("missing" in read) missing++;
    else if ("why" in read) notes.push(read.why);
    else if (!held.some(({ key }) => key.equals(read.key))) found.push(ofFile(join(folder, name), read.key));
  }
  if (missing === NAMES.length) notes.push(`${folder} has none of ${NAMES.join(", ")}`);
  return found;
}

function chosen(ssh2: Ssh2, file: string, held: readonly Held[], notes: string[]): UserKey {
  const read = readKey(ssh2, file);
  if ("key" in read && read.key.isPrivateKey()) return ofFile(file, read.key);
  // Its public half says which of the agent's keys it is.
  const half = "key" in read ? read : readKey(ssh2, `${file}.pub`);
  const same = "key" in half ? held.find(({ key }) => key.equals(half.key)) : undefined;
  if (same !== undefined && !("missing" in read)) return same;
  const why =
    "missing" in read
      ? `${file} is not there`
      : "why" in read
        ? read.why
        : `${file} is a public key that no agent holds`;
  throw new ConnectError(`ssh: ${[why, ...notes].join("; ")}`, "final");
}

function ofFile(file: string, key: ParsedKey): UserKey {
  return { name: file, method: (username) => ({ type: "publickey", username, key: key as unknown as Buffer }) };
}

type Read = { readonly key: ParsedKey } | { readonly missing: true } | { readonly why: string };

function readKey(ssh2: Ssh2, file: string): Read {
  let bytes: Buffer;
  try {
    const status = statSync(file);
    if (status.size > FILE_LIMIT) return { why: `${file} is too long for a key` };
    bytes = readFileSync(file);
    if ((status.mode & SHARED) !== 0 && bytes.includes("PRIVATE KEY")) {
      return { why: `${file} can be read by others, so nobody should be let in by it: chmod 600 ${file}` };
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return { missing: true };
    return { why: `${file} cannot be read` };
  }
  // Some formats have room for several.
  const parsed: unknown = ssh2.utils.parseKey(bytes);
  const key = (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey | Error | undefined;
  if (key instanceof Error || key === undefined) {
    return /encrypted/i.test(key?.message ?? "")
      ? {
          why: `${file} is encrypted, and its passphrase is not asked for here: give it to an agent with ssh-add ${file}`,
        }
      : { why: `${file} is no key that can be used here` };
  }
  return { key };
}

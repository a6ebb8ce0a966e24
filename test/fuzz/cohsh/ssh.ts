/** What decides whether an ssh server is the one that is meant, under fuzz: files of known hosts, and the URL of the way by it. */
import { createHmac } from "node:crypto";
import { destinationText, readDestination } from "../../../cohsh/ssh/destination.ts";
import { fingerprint, judge, knownTypes, parseKnownHosts, wildcard } from "../../../cohsh/ssh/known-hosts.ts";
import type { Random } from "../random.ts";
import { must, type Target } from "../target.ts";
import { damaged, PRINTABLE } from "../text/texts.ts";
import { target } from "./taken.ts";

/** A key on the wire, which nobody checks further than that. */
function key(type: string, filling: number): Buffer {
  const name = Buffer.from(type);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, Buffer.alloc(20, filling)]);
}

const TYPES = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"];
const KEYS = TYPES.flatMap((type) => [key(type, 1), key(type, 2)]);
const HOSTS = ["bastion", "web1.example", "10.0.0.1", "::1"];
const PORTS = [22, 2222];
const PATTERNS = [...HOSTS, "*", "*.example", "web?.*", "!bastion", "[bastion]:2222", "[*]:*", "other"];

function hashed(name: string): string {
  const salt = Buffer.alloc(20, name.length);
  return `|1|${salt.toString("base64")}|${createHmac("sha1", salt).update(name).digest("base64")}`;
}

interface Line {
  readonly text: string;
  /** Its key, if it makes it known. */
  readonly key: Buffer | undefined;
}

function line(random: Random): Line {
  const one = random.of(KEYS);
  const marker = random.of(["", "", "", "@revoked ", "@cert-authority ", "@other "]);
  const hosts = random.once(3)
    ? hashed(random.of([...HOSTS, "[bastion]:2222"]))
    : Array.from({ length: 1 + random.int(3) }, () => random.of(PATTERNS)).join(",");
  const type = one.toString("latin1", 4, 4 + one.readUInt32BE(0));
  const text = `${marker}${hosts} ${type} ${one.toString("base64")}${random.once(3) ? " a comment" : ""}`;
  return { text, key: marker === "" ? one : undefined };
}

const WORDS = [
  "@revoked",
  "@",
  "|1|",
  "|",
  "*",
  "?",
  "!",
  ",",
  "[",
  "]:",
  ":22",
  "=",
  "#",
  "\n",
  "\r\n",
  "\t",
  ...TYPES,
];

function knownHosts(random: Random): boolean {
  const lines = Array.from({ length: random.int(6) }, () => line(random));
  const whole = lines.map(({ text }) => text).join("\n");
  const text = random.once(3) ? whole : damaged(whole, WORDS, random);
  const { keys, mistakes } = parseKnownHosts(text, "hosts");
  const shown = (): string => JSON.stringify(text);
  // Nothing is lost: every line that says something is a key or a mistake.
  const said = text.split("\n").filter((one) => one.trim() !== "" && !one.trim().startsWith("#")).length;
  must(keys.length + mistakes.length === said, () => `${keys.length} and ${mistakes.length} of ${said}: ${shown()}`);
  for (const { why } of mistakes) must(PRINTABLE.test(why), () => `${JSON.stringify(why)} of ${shown()}`);
  const [host, port, asked] = [random.of(HOSTS), random.of(PORTS), random.of(KEYS)];
  const verdict = judge(keys, host, port, asked);
  if (verdict.kind === "known") {
    // Nobody is known but by a line with the very key on it.
    const found = text.split("\n").some((one) => one.includes(asked.toString("base64")) && !one.trim().startsWith("@"));
    must(found, () => `${host}:${port} is known by ${fingerprint(asked)}: ${shown()}`);
    must(knownTypes(keys, host, port).length > 0, () => `it is known by no kind: ${shown()}`);
  }
  // What is revoked of everybody is never known, wherever that stands.
  const revoked = parseKnownHosts(
    `${text}\n@revoked * ${asked.toString("latin1", 4, 4 + asked.readUInt32BE(0))} ${asked.toString("base64")}`,
    "hosts",
  );
  must(judge(revoked.keys, host, port, asked).kind === "revoked", () => `revoking is of no use: ${shown()}`);
  matched(random);
  return verdict.kind === "known";
}

/** Patterns against a second opinion, where they are short enough for one. */
function matched(random: Random): void {
  const some = (from: readonly string[], most: number): string =>
    Array.from({ length: random.int(most) }, () => random.of(from)).join("");
  const pattern = some(["a", "b", ".", "*", "?"], 6);
  const name = some(["a", "b", "."], 6);
  const expression = pattern.replace(/\./g, "\\.").replace(/\*/g, ".*").replace(/\?/g, ".");
  const other = new RegExp(`^${expression}$`).test(name);
  must(wildcard(pattern, name) === other, () => `${pattern} and ${name} do not go together as they should`);
}

const URLS = [
  "ssh://me@bastion",
  "ssh://bastion:2222",
  "ssh://me@[::1]:22/",
  "SSH://a%40b@10.0.0.1",
  "ssh://me:s3cret@h",
];
const URL_WORDS = ["ssh", "://", "@", ":", "/", "[", "]", "::1", "%41", "%", "?", "#", ".", "65535", "-", " ", "é"];

function destination(random: Random): boolean {
  const text = random.once(8) ? random.of(URLS) : damaged(random.of(URLS), URL_WORDS, random);
  const read = readDestination(text);
  if ("mistake" in read) {
    must(PRINTABLE.test(read.mistake), () => `${JSON.stringify(read.mistake)} of ${JSON.stringify(text)}`);
    must(!read.mistake.includes("s3cret"), () => `a password is shown: ${read.mistake}`);
    return false;
  }
  must(read.port >= 1 && read.port <= 65_535 && /^[\w.:%-]+$/.test(read.host), () => JSON.stringify([text, read]));
  must(!/[\s\p{Cc}]|^-/u.test(read.user ?? "x"), () => JSON.stringify([text, read]));
  // As it is shown it means the same.
  const again = readDestination(destinationText(read));
  must(
    JSON.stringify(again) === JSON.stringify(read),
    () => `${JSON.stringify(text)} is shown as ${destinationText(read)}`,
  );
  return true;
}

export const SSH_TARGETS: readonly Target[] = [
  target(
    "known-hosts",
    "damaged files of known hosts at the shell",
    { run: 2048, short: 2 * 2048, weight: 4 },
    knownHosts,
  ),
  target("ssh-url", "damaged URLs of ssh servers at the shell", { run: 8192, short: 2 * 8192 }, destination),
];

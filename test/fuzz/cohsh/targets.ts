/** What the shell reads under fuzz: scripts, acknowledgements, commands, settings, and what a serial console prints. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAcknowledgement } from "../../../cohsh/acknowledgement.ts";
import { requestOf } from "../../../cohsh/request.ts";
import { parseScript, type Script, WAIT_LIMIT_MS } from "../../../cohsh/script/parse.ts";
import { readConfig, readEnvironment } from "../../../cohsh/settings.ts";
import { COMMAND_LIMIT } from "../../../cohsh/shell.ts";
import { TRANSPORTS } from "../../../cohsh/transport.ts";
import { PROMPT, SerialLines } from "../../../cohsh/transports/serial-lines.ts";
import { err, ok, VERBS } from "../../../services/console/grammar.ts";
import { readJson } from "../../../services/queen/json.ts";
import { consoleLine, WORDS } from "../console/lines.ts";
import { damage, GROWTH } from "../damage.ts";
import type { Random } from "../random.ts";
import { must, type Target } from "../target.ts";
import { damaged, noise, PRINTABLE } from "../text/texts.ts";
import { SSH_TARGETS } from "./ssh.ts";
import { target } from "./taken.ts";

const CREDENTIAL = "cohesix-ticket-00ff.ee";
const TOKEN = "token-of-the-operator";

const SCRIPT_WORDS = [
  ...WORDS, "EXPECT", "EXPECT OK", "EXPECT ERR", "EXPECT SUBSTR x", "EXPECT NOT", "expect not y", "WAIT", "WAIT 100", "WAIT 60001", "# no", "quit", "\n", "\r\n",
]; // prettier-ignore

function scriptText(random: Random): string {
  const lines: string[] = [];
  for (let left = random.int(12); left > 0; left--) {
    const what = random.int(6);
    if (what === 0) lines.push(`EXPECT ${random.of(["OK", "ERR", "SUBSTR text", "NOT text", "SUBSTR", "MAYBE"])}`);
    else if (what === 1) lines.push(`WAIT ${random.of(["0", "250", "60000", "60001", "1e3", ""])}`);
    else if (what === 2) lines.push(random.of(["", "# a comment", "ping", "attach queen", "quit"]));
    else lines.push(consoleLine(random));
  }
  const text = lines.join("\n");
  return random.once(2) ? damaged(text, SCRIPT_WORDS, random) : text;
}

/** @throws Error if it is not what a script has to be */
function sound({ steps, mistakes }: Script, lines: number, shown: () => string): void {
  let before = 0;
  for (const { line, sentence } of mistakes) {
    must(line >= before && line >= 1 && line <= lines, () => `a mistake in line ${line} of ${lines}: ${shown()}`);
    must(PRINTABLE.test(sentence) && sentence.endsWith("."), () => `${JSON.stringify(sentence)} of ${shown()}`);
    before = line;
  }
  for (const step of steps) {
    must(step.line >= 1 && step.line <= lines, () => `a step in line ${step.line} of ${lines}: ${shown()}`);
    if (step.kind === "wait") must(step.ms >= 0 && step.ms <= WAIT_LIMIT_MS, () => `WAIT ${step.ms}`);
    if (step.kind !== "command") continue;
    must(step.text !== "" && Buffer.byteLength(step.text) <= COMMAND_LIMIT, () => `a command of ${step.text.length}`);
    must(!/\p{Cc}/u.test(step.text), () => `a command with a control character: ${JSON.stringify(step.text)}`);
  }
}

const bytes = Buffer.alloc(64 * 1024);

function script(random: Random): boolean {
  const text = scriptText(random);
  let length = bytes.write(text, 0, bytes.length - 4 * GROWTH, "utf8");
  if (random.once(4)) length = damage(bytes, 0, 0, length, random);
  const input = bytes.subarray(0, length);
  const parsed = parseScript(input);
  const shown = (): string => JSON.stringify(input.toString("latin1"));
  sound(parsed, input.filter((byte) => byte === 0x0a).length + 1, shown);
  // However its lines end it says the same.
  if (!input.includes(0x0d)) {
    const other = parseScript(Buffer.from(input.toString("latin1").replaceAll("\n", "\r\n"), "latin1"));
    must(JSON.stringify(other) === JSON.stringify(parsed), () => `CR LF changes ${shown()}`);
  }
  return parsed.mistakes.length === 0;
}

const ANSWERS = [
  ok("PING", "reply=pong"), ok("AUTH"), ok("CAT", "path=/proc/boot data=a|b error=x path=y"), err("CAT", { reason: "policy", detail: "not-found", path: "/x", error: "ENOENT" }),
  err("AUTH", { reason: "quota", detail: "rate-limited delay_ms=100" }), err("LS", { reason: "cut" }), "END", "PONG", "[   0.000001] log: OK PING",
]; // prettier-ignore
const ANSWER_WORDS = [
  "OK ",
  "ERR ",
  " reason=",
  "busy",
  "quota",
  " detail=",
  " path=",
  " error=",
  "EPERM",
  ...Object.keys(VERBS),
];

function acknowledgement(random: Random): boolean {
  const line = damaged(random.of(ANSWERS), ANSWER_WORDS, random);
  const parsed = parseAcknowledgement(line);
  if (parsed === undefined) return false;
  // It is nothing but what would be written so.
  const again = parsed.ok ? ok(parsed.verb, parsed.detail) : err(parsed.verb, parsed);
  must(again === line || `${again} ` === line, () => `${JSON.stringify(line)} is read as ${JSON.stringify(parsed)}`);
  return true;
}

const SPAWNS = [
  "spawn heartbeat ticks=3 ttl_s=5",
  "spawn heartbeat",
  "spawn heartbeat priority=control",
  "spawn gpu",
  "spawn {}",
];

function request(random: Random): boolean {
  const line = random.once(3)
    ? damaged(random.of(SPAWNS), [...WORDS, "ops=1", "budget_ticks=9", "priority=worker", "ticks="], random)
    : consoleLine(random);
  const command = line.trim();
  if (/\p{Cc}/u.test(command)) return false;
  const asked = requestOf(command, {
    find: (_, subject) => (subject === undefined ? { credential: CREDENTIAL } : { missing: "there is none" }),
  });
  if (asked.kind === "refused") {
    must(PRINTABLE.test(asked.why), () => `refused with ${JSON.stringify(asked.why)}`);
    return false;
  }
  must(!/\p{Cc}/u.test(asked.line), () => `sent: ${JSON.stringify(asked.line)}`);
  if (asked.line === command) return true;
  // All that is added is a credential or the JSON of a spawn.
  if (/^spawn /.test(asked.line))
    must("value" in readJson(asked.line.slice("spawn ".length)), () => `sent: ${asked.line}`);
  else
    must(
      /^(?:attach|login) +\S+(?: \S+)?$/i.test(asked.line),
      () => `sent: ${JSON.stringify(asked.line)} for ${JSON.stringify(command)}`,
    );
  return true;
}

const SETTINGS = [
  'transport = "tcp"',
  'host = "hive.example"',
  "port = 31337",
  'via = "ssh://me@h"',
  'identity = "k"',
  "timeout = 2.5",
  "follow = true",
  'log = "events"',
  'net = "none"',
  'serial = "/dev/tty"',
  'credentials = "~/c.json"',
  "json = false",
];
const SETTING_WORDS = [
  "transport",
  "host",
  "port",
  "serial",
  "sel4",
  "history",
  "open_timeout",
  ...TRANSPORTS,
  "=",
  "[a]",
  '"""',
  "'",
  "0x1F",
  "1e9",
  "inf",
  "nan",
  "1979-05-27",
  "{ a = 1 }",
  "__proto__",
  "constructor",
];
const VARIABLES = [
  "TRANSPORT",
  "HOST",
  "PORT",
  "VIA",
  "SERIAL",
  "TIMEOUT",
  "FOLLOW",
  "JSON",
  "NET",
  "TOKEN",
  "TICKET",
  "CREDENTIALS",
  "NONSENSE",
  "port",
];

const folder = mkdtempSync(join(tmpdir(), "fuzz-settings-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "cohsh.toml");

/** Whether it was taken. @throws Error if it was refused otherwise than in a sentence that shows no secret */
function refusedWell(read: () => unknown, name: string, shown: () => string): boolean {
  try {
    read();
    return true;
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    must(sentence.includes(name) && sentence.endsWith("."), () => `${JSON.stringify(sentence)} of ${shown()}`);
    must(PRINTABLE.test(sentence), () => `${JSON.stringify(sentence)} of ${shown()}`);
    must(!sentence.includes(CREDENTIAL), () => `a ticket is shown: ${sentence}`);
    return false;
  }
}

function settings(random: Random): boolean {
  if (random.once(2)) {
    const env: NodeJS.ProcessEnv = {};
    for (let left = random.int(4); left > 0; left--) {
      const value = random.of([TOKEN, CREDENTIAL, ...SETTING_WORDS, "31337", "true", "0", "", noise(random, 10)]);
      env[`COHSH_${random.of(VARIABLES)}`] = random.once(4) ? damaged(value, SETTING_WORDS, random) : value;
    }
    return refusedWell(
      () => readEnvironment(env),
      "COHSH_",
      () => JSON.stringify(env),
    );
  }
  const lines = Array.from({ length: random.int(4) }, () => random.of(SETTINGS));
  const text = damaged(`${lines.join("\n")}\n`, SETTING_WORDS, random);
  writeFileSync(file, text);
  return refusedWell(
    () => readConfig(file),
    file,
    () => JSON.stringify(text),
  );
}

const PRINTED = [
  "\r\n", "\r\n", "\n", "\r", "\r\x1b[K", "\x1b[K", "\x1b[2K", "\x1b", "\x1b[", "\b", "\b \b", PROMPT, PROMPT, "ping", "OK PING reply=pong", "PONG", "END",
  "[   1.000000] pump: tick 1", "\0", "\x07", "ö", "漢", "😀", "\ufffd", "attach queen ***", `attach queen ${CREDENTIAL}`, "x".repeat(300),
]; // prettier-ignore

function printed(random: Random): Buffer {
  let text = "";
  for (let left = random.int(40); left > 0; left--) text += random.once(8) ? noise(random, 20) : random.of(PRINTED);
  if (random.once(32)) text += "y".repeat(random.of([8191, 8192, 20_000]));
  const bytes = Buffer.from(text, "utf8");
  for (let left = random.int(random.of([1, 4])); left > 0 && bytes.length > 0; left--) {
    bytes[random.int(bytes.length)] = random.int(256);
  }
  return bytes;
}

function heard(pieces: readonly Uint8Array[], sent: readonly string[]): string[] {
  const lines: string[] = [];
  const serial = new SerialLines({
    reply: (line) => lines.push(`reply ${line}`),
    log: (line) => lines.push(`log ${line}`),
    ended: () => undefined,
  });
  for (const line of sent) serial.sent(line);
  for (const piece of pieces) serial.feed(piece);
  serial.end();
  return lines;
}

function serialLines(random: Random): boolean {
  const bytes = printed(random);
  const sent = Array.from({ length: random.int(3) }, () => random.of(["ping", `attach queen ${CREDENTIAL}`, "help"]));
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random.int(random.of([1, 5, 100]));
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  const lines = heard(pieces, sent);
  const shown = (): string => JSON.stringify([bytes.toString("latin1"), lines]);
  must(JSON.stringify(heard([bytes], sent)) === JSON.stringify(lines), () => `it matters how it is cut: ${shown()}`);
  for (const line of lines) {
    // eslint-disable-next-line no-control-regex
    must(line.length <= 8200 && !/[\x00-\x1f]/.test(line), () => `a line of ${line.length}: ${shown()}`);
    must(!/\p{Cs}/u.test(line), () => `half a character: ${shown()}`);
  }
  return lines.length > 2;
}

export const COHSH_TARGETS: readonly Target[] = [
  target("script", "damaged scripts at the shell's reader", { run: 1024, short: 2 * 1024, weight: 4 }, script),
  target("acknowledgement", "damaged answers at the shell's reader", { run: 8192, short: 2 * 8192 }, acknowledgement),
  target(
    "cohsh-request",
    "damaged commands at the shell, as they would be sent",
    { run: 8192, short: 2 * 8192 },
    request,
  ),
  target("settings", "damaged settings and variables at the shell", { run: 512, short: 2 * 512, weight: 8 }, settings),
  target(
    "serial-lines",
    "what consoles and bad lines print at the shell",
    { run: 512, short: 2 * 512, weight: 8 },
    serialLines,
  ),
  ...SSH_TARGETS,
];

/**
 * Makes the transcripts in the documentation: runs the commands that a block shows on a real hive and puts the
 * hive's own answers into it. A block stands between `<!-- transcript HIVE -->` and `<!-- /transcript -->`; its
 * lines that begin with a prompt are the commands. HIVE is a transport of `cohsh`, or `start-sim` or `start-qemu`
 * for what `npm start` shows.
 */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { promisify } from "node:util";
import { TextOutput } from "../cohsh/output.ts";
import { SHELL_PROMPT } from "../cohsh/repl.ts";
import { Shell } from "../cohsh/shell.ts";
import { makeWay } from "../cohsh/transports/make.ts";
import { PROMPT } from "../cohsh/transports/serial-lines.ts";
import { readCredentials } from "../services/roles/credentials.ts";
import { ensureCredentials } from "./lib/credentials.ts";
import { writeIfChanged } from "./lib/output.ts";
import { inRepository } from "./lib/repository.ts";

const BLOCK = /<!-- transcript (\S+) -->\n```console\n([^]*?)```\n<!-- \/transcript -->/g;
const OPEN_MS = 300_000;
/** The last line that every boot prints. */
const BOOTED = "pong: PONG 1";
/** Back to the margin, and the line erased (ECMA-48 §8.3.41 EL). */
const ERASED = "\r\x1b[K";
/** What a console shows in the place of a credential. */
const HIDDEN = "***";
const ANSWER_MS = 10_000;

const STARTED = ["start-sim", "start-qemu"] as const;
/** A serial line leads to a hive that nobody knows here. */
const SHELLS = ["mock", "sim", "qemu"] as const;
const HIVES = [...SHELLS, ...STARTED] as const;
export type HiveName = (typeof HIVES)[number];

export interface Transcript {
  readonly hive: HiveName;
  readonly text: string;
}

/** The transcripts in a Markdown text, in order. @throws Error if one names no hive. */
export function transcriptsIn(markdown: string): Transcript[] {
  return [...markdown.matchAll(BLOCK)].map(([, name = "", text = ""]) => ({ hive: hiveOf(name), text }));
}

function hiveOf(name: string): HiveName {
  const hive = HIVES.find((known) => known === name);
  if (hive === undefined) throw new Error(`a transcript names "${name}", which is none of ${HIVES.join(", ")}`);
  return hive;
}

/** Run a transcript's commands anew. @returns what the block shall hold. */
export function record({ hive, text }: Transcript): Promise<string> {
  if (hive === "start-sim" || hive === "start-qemu") return recordConsole(hive.slice("start-".length), text);
  return recordShell(hive, text);
}

async function recordShell(transport: (typeof SHELLS)[number], text: string): Promise<string> {
  const lines: string[] = [];
  const { transport: way, keys } = await makeWay({ transport });
  const output = new TextOutput((line) => lines.push(line), SHELL_PROMPT);
  const shell = new Shell(way, { timeoutMs: ANSWER_MS, follow: false, output, keys });
  await shell.open(AbortSignal.timeout(OPEN_MS));
  try {
    for (const line of text.split("\n").filter((shown) => shown.startsWith(SHELL_PROMPT))) {
      if ((await shell.execute(line.slice(SHELL_PROMPT.length))) === "lost") throw new Error(shell.gone);
    }
  } finally {
    await shell.close();
  }
  return `${lines.join("\n")}\n`;
}

/** What `npm start` shows on a terminal when somebody types the commands after the boot. */
async function recordConsole(target: string, text: string): Promise<string> {
  const commands = text.split("\n").filter((shown) => shown.startsWith(PROMPT));
  const words = ["--target", target, "--expect", BOOTED, "--port", "none"];
  const { token } = readCredentials(ensureCredentials());
  // What the console shows of a credential stands for the operator's.
  for (const command of commands)
    words.push(
      "--send",
      command.slice(PROMPT.length).replace(HIDDEN, () => token),
    );
  const running = promisify(execFile)(
    process.execPath,
    ["--import", "tsx", inRepository("scripts", "start.ts"), ...words],
    { cwd: inRepository(), timeout: OPEN_MS },
  );
  running.child.stdin?.end();
  const { stdout } = await running;
  return asShown(stdout);
}

/** Serial output as it stands on a terminal's screen: what was erased is gone, and the last prompt waits for nothing. */
export function asShown(output: string): string {
  const lines = output.split(/\r?\n/).map((line) => line.split(ERASED).at(-1) ?? "");
  if (lines.at(-1)?.trimEnd() === PROMPT.trimEnd()) lines.pop();
  return `${lines.join("\n").trimEnd()}\n`;
}

/** A transcript without what differs from one run, machine or revision to the next: times, sizes in use, hashes. */
export function comparable(text: string): string {
  return text
    .replace(/^\[ *\d+\.\d{6}\]/gm, "[time]")
    .replace(/\b\d+\.\d{3} ms\b/g, "<time>")
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z\b/g, "<date>")
    .replace(/\b[0-9a-f]{12}(-dirty)?\b/g, "<revision>")
    .replace(/\b[0-9a-f]{16}\b/g, "<hash>");
}

/** The text with each of its transcripts on one of these hives made anew. */
async function refresh(markdown: string, hives: readonly HiveName[]): Promise<string> {
  let result = "";
  let from = 0;
  for (const match of markdown.matchAll(BLOCK)) {
    const [whole, name = "", text = ""] = match;
    const hive = hiveOf(name);
    if (!hives.includes(hive)) continue;
    const fresh = await record({ hive, text });
    // A run that differs only in its times is not worth a change.
    const kept = comparable(fresh) === comparable(text) ? text : fresh;
    result += markdown.slice(from, match.index) + whole.replace(text, () => kept);
    from = match.index + whole.length;
  }
  return result + markdown.slice(from);
}

/** README.md and every page of `docs/`. */
export function documents(): string[] {
  const pages = readdirSync(inRepository("docs")).filter((name) => name.endsWith(".md"));
  return [inRepository("README.md"), ...pages.sort().map((name) => inRepository("docs", name))];
}

async function main(): Promise<void> {
  const program = new Command("transcript")
    .description("Makes the transcripts in README.md and docs/ anew.")
    .argument("[hive...]", `only those on these hives (${HIVES.join(", ")})`)
    .parse();
  const hives = program.args.length === 0 ? HIVES : program.args.map(hiveOf);
  for (const file of documents()) {
    if (writeIfChanged(file, await refresh(readFileSync(file, "utf8"), hives))) console.log(file);
  }
}

if (process.argv[1] === inRepository("scripts", "transcript.ts")) {
  try {
    await main();
  } catch (error) {
    console.error(`transcript: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

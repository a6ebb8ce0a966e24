/**
 * Makes the transcripts in the documentation: runs the commands that a block shows on a real hive and puts the
 * hive's own answers into it. A block stands between `<!-- transcript TRANSPORT -->` and `<!-- /transcript -->`;
 * its lines that begin with the shell's prompt are the commands.
 */
import { readdirSync, readFileSync } from "node:fs";
import { Command } from "commander";
import { SHELL_PROMPT } from "../cohsh/repl.ts";
import { Shell } from "../cohsh/shell.ts";
import { TRANSPORTS, type TransportName } from "../cohsh/transport.ts";
import { makeTransport } from "../cohsh/transports/make.ts";
import { writeIfChanged } from "./lib/output.ts";
import { inRepository } from "./lib/repository.ts";

const BLOCK = /<!-- transcript (\S+) -->\n```console\n([^]*?)```\n<!-- \/transcript -->/g;
const OPEN_MS = 300_000;
const ANSWER_MS = 10_000;

export interface Transcript {
  readonly transport: TransportName;
  readonly text: string;
}

/** The transcripts in a Markdown text, in order. @throws Error if one names no transport. */
export function transcriptsIn(markdown: string): Transcript[] {
  return [...markdown.matchAll(BLOCK)].map(([, name = "", text = ""]) => ({ transport: transportOf(name), text }));
}

function transportOf(name: string): TransportName {
  const transport = TRANSPORTS.find((known) => known === name);
  if (transport === undefined) throw new Error(`a transcript names "${name}", which is no transport`);
  return transport;
}

/** Run a transcript's commands anew. @returns what the block shall hold. */
export async function record({ transport, text }: Transcript): Promise<string> {
  const lines: string[] = [];
  const way = await makeTransport({ transport, sel4: undefined, net: undefined });
  const shell = new Shell(way, { timeoutMs: ANSWER_MS, follow: false, print: (line) => lines.push(line) });
  await shell.open(AbortSignal.timeout(OPEN_MS));
  try {
    for (const line of text.split("\n").filter((shown) => shown.startsWith(SHELL_PROMPT))) {
      lines.push(line);
      if ((await shell.execute(line.slice(SHELL_PROMPT.length))) === "lost") throw new Error(shell.gone);
    }
  } finally {
    await shell.close();
  }
  return `${lines.join("\n")}\n`;
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

/** The text with each of its transcripts on one of these transports made anew. */
async function refresh(markdown: string, transports: readonly TransportName[]): Promise<string> {
  let result = "";
  let from = 0;
  for (const match of markdown.matchAll(BLOCK)) {
    const [whole, name = "", text = ""] = match;
    const transport = transportOf(name);
    if (!transports.includes(transport)) continue;
    const fresh = await record({ transport, text });
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
    .argument("[transport...]", `only those on these transports (${TRANSPORTS.join(", ")})`)
    .parse();
  const transports = program.args.length === 0 ? TRANSPORTS : program.args.map(transportOf);
  for (const file of documents()) {
    if (writeIfChanged(file, await refresh(readFileSync(file, "utf8"), transports))) console.log(file);
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

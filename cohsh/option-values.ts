/** What options of the shell's programs take, and how it is said that one takes something else. */

import { InvalidArgumentError } from "commander";
import { isHost, portNumber } from "./addresses.ts";
import { OPEN_TIMEOUT, seconds, TIMEOUT } from "./settings.ts";

/** What a console surely keeps of commands that wait. */
const PIPELINE_MOST = 8;

export function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

function bounded(text: string, bounds: { readonly least: number; readonly most: number }): number {
  const number = seconds(text, bounds);
  if (Number.isNaN(number)) {
    throw new InvalidArgumentError(`It must be a number of seconds from ${bounds.least} to ${bounds.most}.`);
  }
  return number;
}

export function hostOf(text: string): string {
  if (!isHost(text)) throw new InvalidArgumentError("It must be a host's name or address.");
  return text;
}

export function portOf(text: string): number {
  const port = portNumber(text);
  if (Number.isNaN(port)) throw new InvalidArgumentError("It must be a port from 1 to 65535.");
  return port;
}

export function pipelineOf(text: string): number {
  const number = /^\d$/.test(text) ? Number(text) : NaN;
  if (!(number >= 1 && number <= PIPELINE_MOST)) {
    throw new InvalidArgumentError(`It must be a number from 1 to ${PIPELINE_MOST}.`);
  }
  return number;
}

export function timeoutOf(text: string): number {
  return bounded(text, TIMEOUT);
}

export function openTimeoutOf(text: string): number {
  return bounded(text, OPEN_TIMEOUT);
}

/** commander's `error: …` or one of ours, on one line and under the program's name. @param command `cohsh export`, for example */
export function sentence(message: string, command = "cohsh"): string {
  const text = message
    .replace(/^error: /, "")
    .replace(/\s+/g, " ")
    .trim();
  return `${command.split(" ", 1)[0]}: ${text.endsWith(".") ? text : `${text}.`}`;
}

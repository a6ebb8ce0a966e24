/**
 * Runs a serial line on a pipe or a file: types what comes in from the first prompt on, shows what the line prints,
 * and comes to an end after the input's end, when the answers are out. Ctrl-A x leaves at once, as on a terminal.
 */
import type { Duplex, Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { EscapeFilter } from "../../engine/sim/start.ts";
import { prompt } from "./serial-script.ts";

export interface PipedPatience {
  /** After the input's end: how long the line must have had nothing to say. */
  readonly quietMs: number;
  /** After the input's end: how long it may take in all. */
  readonly totalMs: number;
}

const defaultPatience: PipedPatience = { quietMs: 1000, totalMs: 60_000 };
/** What may wait for the prompt before the input has to wait itself. */
const waitingLimit = 64 * 1024;
/** More than the prompt has, so that it is found across two pieces. */
const promptCharacters = 32;

/** @returns 0, or 1 if the input was over and no prompt came to type it at. */
export function runPiped(
  line: Duplex,
  input: Readable,
  output: Writable,
  { quietMs, totalMs }: PipedPatience = defaultPatience,
): Promise<number> {
  const escapes = new EscapeFilter();
  const decoder = new StringDecoder("utf8");
  let waiting = Buffer.alloc(0);
  let tail = "";
  let prompted = false;
  let inputEnded = false;
  let quiet: NodeJS.Timeout | undefined;
  let total: NodeJS.Timeout | undefined;
  return new Promise((settle) => {
    const end = (status: number): void => {
      clearTimeout(quiet);
      clearTimeout(total);
      input.off("data", typed);
      line.off("data", printed);
      settle(status);
    };
    const restartQuiet = (): void => {
      clearTimeout(quiet);
      if (!inputEnded || !prompted) return;
      quiet = setTimeout(() => {
        if (line.writableLength === 0 && output.writableLength === 0) end(0);
        else restartQuiet();
      }, quietMs);
    };
    const forward = (): void => {
      if (prompted && waiting.length > 0) {
        line.write(waiting);
        waiting = Buffer.alloc(0);
      }
      if (line.writableNeedDrain || waiting.length > waitingLimit) input.pause();
      else input.resume();
    };
    const typed = (bytes: Buffer): void => {
      const { forward: taken, command } = escapes.filter(bytes);
      waiting = Buffer.concat([waiting, taken]);
      forward();
      if (command === "leave") end(0);
    };
    const printed = (bytes: Buffer): void => {
      if (!output.write(bytes)) line.pause();
      if (!prompted) {
        tail += decoder.write(bytes);
        prompted = prompt.test(tail);
        tail = tail.slice(-promptCharacters);
        if (prompted) forward();
      }
      restartQuiet();
    };
    input.on("data", typed);
    input.once("end", () => {
      inputEnded = true;
      total = setTimeout(() => {
        if (!prompted) console.error(`\nqemu-run: no prompt came within ${totalMs / 1000} s`);
        end(prompted ? 0 : 1);
      }, totalMs);
      restartQuiet();
    });
    line.on("data", printed);
    line.on("drain", forward);
    output.on("drain", () => line.resume());
    // The reader of a pipe may leave first; the status of a QEMU that ended is its own.
    for (const [event, stream] of [
      ["error", output],
      ["error", line],
      ["close", line],
      ["error", input],
    ] as const) {
      stream.on(event, () => end(0));
    }
  });
}

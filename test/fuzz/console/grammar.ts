/**
 * The console's grammar under fuzz, with the shell's reader of acknowledgements at the other end: every text has one meaning within the
 * limits, and what is written of it is read as what was meant.
 */
import { parseAcknowledgement } from "../../../cohsh/acknowledgement.ts";
import { ARGUMENT_LIMITS } from "../../../services/console/arguments.ts";
import { err, ok, parse, type Parsed, VERBS } from "../../../services/console/grammar.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";
import { consoleLine } from "./lines.ts";

const ANSWERS = new Set(Object.values(VERBS).map(({ word }) => word as string))
  .add("PARSE")
  .add("SECURE9P")
  .add("EXPORT");
const DETAIL = /^[a-z0-9][a-z0-9 :-]*$/;

function within(text: string, limit: number, line: string): void {
  must(
    Buffer.byteLength(text) <= limit,
    () => `an argument of ${Buffer.byteLength(text)} bytes of ${JSON.stringify(line)}`,
  );
}

/** @throws Error if a command is none that may be done */
function sound(parsed: Parsed, line: string): void {
  const wrong = (): string => `${JSON.stringify(line)} is read as ${JSON.stringify(parsed)}`;
  if (parsed.kind === "refused") {
    const { word, refusal } = parsed;
    must(ANSWERS.has(word) && DETAIL.test(refusal.detail ?? ""), wrong);
    must(
      JSON.stringify(parseAcknowledgement(err(word, refusal))) ===
        JSON.stringify({ ok: false, verb: word, ...refusal }),
      wrong,
    );
    return;
  }
  must(parseAcknowledgement(ok(VERBS[parsed.verb].word))?.verb === VERBS[parsed.verb].word, wrong);
  if ("path" in parsed) {
    within(parsed.path, ARGUMENT_LIMITS.path, line);
    must(parsed.names.length <= 8 && `/${parsed.names.join("/")}` === parsed.path, wrong);
    must(
      parsed.names.every((name) => name !== "" && name !== "." && name !== ".."),
      wrong,
    );
  }
  switch (parsed.verb) {
    case "ATTACH":
      within(parsed.credential, ARGUMENT_LIMITS.ticket, line);
      must(parsed.credential !== "" && !parsed.credential.includes(" "), wrong);
      break;
    case "TAIL":
      must(parsed.offset === undefined || Number.isSafeInteger(parsed.offset), wrong);
      break;
    case "ECHO":
      must(parsed.text !== "" && line.includes(parsed.text), wrong);
      break;
    case "KILL":
      within(parsed.id, ARGUMENT_LIMITS.id, line);
      break;
    case "BIND":
      within(parsed.from, ARGUMENT_LIMITS.path, line);
      within(parsed.to, ARGUMENT_LIMITS.path, line);
      break;
    case "MOUNT":
      within(parsed.service, ARGUMENT_LIMITS.service, line);
      within(parsed.at, ARGUMENT_LIMITS.path, line);
      break;
    default:
  }
}

export const grammar: Target = {
  name: "grammar",
  what: "damaged console lines at the grammar, and its answers at the shell's reader",
  run: 8192,
  short: 2 * 8192,
  counts: () => ({ lines: 0, commands: 0, refused: 0 }),
  fuzz(seed, inputs, counts) {
    const random = new Random(seed);
    for (let n = 0; n < inputs; n++) {
      const line = consoleLine(random);
      const parsed = parse(line);
      sound(parsed, line);
      // Blanks around a line are none of it.
      must(
        JSON.stringify(parse(` ${line}  `)) === JSON.stringify(parsed),
        () => `blanks change ${JSON.stringify(line)}`,
      );
      counts["lines"]!++;
      counts[parsed.kind === "command" ? "commands" : "refused"]!++;
    }
  },
  reached(counts) {
    atLeast(counts, "commands", 0.1, "lines");
    atLeast(counts, "refused", 0.2, "lines");
  },
};

/** Lines for fuzzing: put together from what verbs take and from what they must not. */
import fc from "fast-check";
import { VERBS } from "../../../services/console/grammar.ts";

const word = fc.constantFrom(
  ...Object.keys(VERBS),
  ...Object.keys(VERBS).map((verb) => verb.toLowerCase()),
  "login",
  "SECURE9P",
  "export",
  "nothing",
);

const argument = fc.oneof(
  fc.constantFrom(
    "/",
    "/proc",
    "/proc/boot",
    "/log/queen.log",
    "/log/queen.log.follow",
    "/queen/ctl",
    "/worker",
    "/shadow",
  ),
  fc.constantFrom("/worker/worker-1/telemetry", "/worker/worker-1/status", "/worker/worker-9", "/nowhere/at/all"),
  fc.constantFrom(
    "queen",
    "observer",
    "worker",
    "good",
    "bad",
    "worker-1",
    "log",
    "-f",
    ">",
    "'",
    '"',
    "0",
    "17",
    "-1",
  ),
  fc.constantFrom('{"spawn":"heartbeat"}', '{"spawn":"heartbeat","ticks":0}', '{"kill":"worker-1"}', "{", "hello"),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "grapheme", maxLength: 8 }),
  fc.integer({ min: 250, max: 260 }).map((length) => `/${"a".repeat(length)}`),
  fc.array(fc.constantFrom("a", ".", "..", ""), { maxLength: 10 }).map((names) => `/${names.join("/")}`),
);

export const randomLine = fc
  .tuple(word, fc.array(argument, { maxLength: 4 }), fc.constantFrom(" ", "  "))
  .map(([verb, given, blanks]) => [verb, ...given].join(blanks));

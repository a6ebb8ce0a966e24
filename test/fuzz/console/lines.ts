/** Console lines as operators, programs and strangers write them. */
import { VERBS } from "../../../services/console/grammar.ts";
import type { Random } from "../random.ts";
import { damaged, noise } from "../text/texts.ts";

const HEADS = [
  ...Object.keys(VERBS),
  ...Object.keys(VERBS).map((verb) => verb.toLowerCase()),
  "Login",
  "secure9p",
  "EXPORT",
  "auth",
];
const PATHS = [
  "/", "/proc", "/proc/boot", "/log/queen.log", "/log/queen.log.follow", "/queen/ctl", "/worker", "/worker/worker-1/telemetry", "/nowhere",
  "/proc/..", "//", "/a/", "proc", `/${"a".repeat(254)}`, `/${"a".repeat(255)}`, "/1/2/3/4/5/6/7/8", "/1/2/3/4/5/6/7/8/9", "/größe",
]; // prettier-ignore
const ARGUMENTS = [
  ...PATHS, "queen", "observer", "worker", "worker-heartbeat", "king", "worker-1", "log", "-f", ">", ">>", "'", '"', "0", "17", "-1", "999999999999999",
  "9999999999999999", "hello", "a b", "''", '{"spawn":"heartbeat"}', '{"kill":"worker-1"}', "{", "x".repeat(224), "x".repeat(225),
  `cohesix-ticket-${"0".repeat(40)}.${"1".repeat(64)}`, "cohesix-ticket-", "subject=worker-1", "ticks=3",
]; // prettier-ignore
export const WORDS = [...HEADS, ...ARGUMENTS];

/** A line that may be a command. */
export function consoleLine(random: Random): string {
  if (random.once(24)) return noise(random, random.of([10, 100, 1100]));
  const words = [random.of(HEADS)];
  for (let left = random.int(4); left > 0; left--) words.push(random.of(random.once(2) ? PATHS : ARGUMENTS));
  const line = words.join(random.of([" ", " ", "  "]));
  return random.once(3) ? damaged(line, WORDS, random) : line;
}

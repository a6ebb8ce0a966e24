/**
 * The worker's bundle, as the engine steps it. For now it greets the root and leaves: whoever starts one sees that a
 * request and its answer crossed a protection boundary.
 */
const HELLO = 0x200;
const START = 0x201;
const EXIT = 0x204;
const PROTOCOL = 1;

/** See {@link WorkerBundle}. */
export function step(label: number, _word: number): readonly [label: number, word: number] {
  return label === 0 ? [HELLO, PROTOCOL] : [EXIT, label === START ? 0 : 1];
}

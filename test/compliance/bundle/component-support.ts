/** What tests of components share: events, what must be the same before and after, and that the machine goes on. */
import { TIMER, between, equal, fail, steps as plainSteps, throws } from "./harness.ts";
import type { Steps, Test, Turn } from "./harness.ts";

export const CALL = 1;
export const FAULT = 2;
export const VIOLATION = 3;
export const FRAME_BYTES = 16384;
export const PATIENCE_US = 5_000_000;

export interface Event {
  readonly id: number;
  readonly kind: number;
  /** event[2] to event[6]. */
  readonly words: readonly number[];
}

const fields = new Float64Array(8);

export function take(): Event | undefined {
  if (!host.componentEvent(fields)) return undefined;
  const [id = -1, kind = -1, ...words] = fields.subarray(0, 7);
  return { id, kind, words };
}

/** The next event, whoever's. */
export function* next(): Generator<number, Event, Turn> {
  const until = host.nowUs() + PATIENCE_US;
  for (;;) {
    const event = take();
    if (event !== undefined) return event;
    if (host.nowUs() > until) return fail("no event came from a component");
    yield until;
  }
}

export function* expectCall(id: number, label: number, word: number): Generator<number, void, Turn> {
  const event = yield* next();
  equal(`${event.id} ${event.kind}`, `${id} ${CALL}`, "component and kind of event");
  equal(event.words.join(" "), `${label} ${word} 0 0 0`, "label and words");
}

export function* expectFault(id: number): Generator<number, readonly number[], Turn> {
  const event = yield* next();
  equal(`${event.id} ${event.kind}`, `${id} ${FAULT}`, "component and kind of event");
  equal(host.componentInfo(id).state, "faulted", "state");
  throws("Error", "componentResume", () => host.componentResume(id), "resume after a fault");
  throws("Error", "componentReply", () => host.componentReply(id, 0, 0, 0, 0, 0), "reply after a fault");
  return event.words;
}

/** What may be left of memory and capabilities, to be the same before and after. */
export function holdings(): string {
  const { untypedFreeBytes, components } = host.caps();
  return `${untypedFreeBytes} bytes free, ${components} components`;
}

/** The machine goes on: a deadline comes about when it should. */
export function* goesOn(us: number): Generator<number, void, Turn> {
  const deadline = host.nowUs() + us;
  let turn: Turn;
  do turn = yield deadline;
  while ((turn.raised & TIMER) === 0);
  between(turn.nowUs, deadline, deadline + 1_000_000, "a deadline beside a component that misbehaves");
}

/** A test after which no component and no event is left, however it ended. */
export function steps(name: string, run: () => Steps, skip?: string): Test {
  return plainSteps(
    name,
    function* () {
      try {
        yield* run();
      } finally {
        for (let id = 0; id < 64 && host.caps().components > 0; id++) {
          try {
            host.componentDestroy(id);
          } catch {
            // There is none of that id.
          }
        }
      }
    },
    skip,
  );
}

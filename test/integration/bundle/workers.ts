/**
 * Many workers: 64 at once, a thousand one after the other. Capabilities and memory must come back to the very same level
 * and the root's tick of 10 ms must come while workers start, end and loop; what it took is reported as figures. The workers'
 * bundle is that of the compliance suite.
 */
import { expectCall, next, steps, take } from "../../compliance/bundle/component-support.ts";
import { Suite, between, equal, holds } from "../../compliance/bundle/harness.ts";
import type { Turn } from "../../compliance/bundle/harness.ts";
import { LABEL, MODE } from "../../compliance/bundle/worker-protocol.ts";
import { go, greeted, startWorker } from "../../compliance/bundle/workers.ts";

const COUNT = 64;
const CYCLES = 1000;
const TICK_US = 10_000;
/** How late a tick may come: half of them, and any; QEMU shares its processors with others, which costs it time now and then. */
const LATE_US = 10_000;
const LATE_MAX_US = 1_000_000;
const REPORTED = ["spawn", "destroy"] as const;

/** Least, middle and most of what was measured, in microseconds. */
class Figures {
  readonly #values: number[] = [];

  add(us: number): void {
    this.#values.push(us);
  }

  #sorted(): [least: number, middle: number, most: number] {
    const sorted = this.#values.sort((a, b) => a - b);
    return [sorted[0] ?? NaN, sorted[sorted.length >> 1] ?? NaN, sorted.at(-1) ?? NaN];
  }

  get text(): string {
    return this.#sorted().join(" ");
  }

  /** The ticks came about when they should. */
  hold(): void {
    const [, middle, most] = this.#sorted();
    between(middle, 0, LATE_US, "lateness of the middle of all ticks");
    between(most, 0, LATE_MAX_US, "lateness of a tick");
  }
}

function timed<T>(figures: Figures, work: () => T): T {
  const start = host.nowUs();
  const result = work();
  figures.add(host.nowUs() - start);
  return result;
}

function report(what: string, figures: Figures): void {
  host.log(`# ${what} us: ${figures.text}\n`);
}

/** Everything that must be the same before and after. */
function levels(): string {
  const { slotsUsed, untypedCount, untypedBytes, untypedFreeBytes, components } = host.caps();
  return [slotsUsed, untypedCount, untypedBytes, untypedFreeBytes, components].join();
}

/** Starts 64, answers each until it stands still, and ends them. */
function* wave(spawning: Figures, destroying: Figures): Generator<number, void, Turn> {
  const ids: number[] = [];
  for (let i = 0; i < COUNT; i++) ids.push(timed(spawning, () => startWorker(MODE.echo, i)));
  const greetings = new Set<number>();
  for (let i = 0; i < 2 * COUNT; i++) {
    const { id, words } = yield* next();
    if (words[0] === LABEL.HELLO) {
      greetings.add(words[1] ?? -1);
      go(id, id);
    } else {
      equal(words[1], id, "word of the second call");
    }
  }
  equal(greetings.size, COUNT, "workers that greeted");
  for (const id of ids) timed(destroying, () => host.componentDestroy(id));
}

/** Wait for one tick. @returns how late it was. */
function* tick(): Generator<number, number, Turn> {
  const deadline = host.nowUs() + TICK_US;
  while (host.nowUs() < deadline) yield deadline;
  return host.nowUs() - deadline;
}

const suite = new Suite([
  steps("64 workers live at once, and leave capabilities and memory as they were", function* () {
    const first = { spawn: new Figures(), destroy: new Figures() };
    yield* wave(first.spawn, first.destroy);
    for (const what of REPORTED) report(`${what} of the first 64`, first[what]);
    const before = levels();
    const again = { spawn: new Figures(), destroy: new Figures() };
    yield* wave(again.spawn, again.destroy);
    for (const what of REPORTED) report(`${what} of the next 64`, again[what]);
    equal(levels(), before, "slots, untypeds and bytes");
  }),
  steps("1,000 workers one after the other cost nothing", function* () {
    const before = levels();
    const figures = { spawn: new Figures(), destroy: new Figures() };
    const start = host.nowUs();
    for (let i = 0; i < CYCLES; i++) {
      const id = timed(figures.spawn, () => startWorker(MODE.echo, i));
      if (i % 2 === 0) yield* expectCall(id, LABEL.HELLO, i);
      else yield 0;
      timed(figures.destroy, () => host.componentDestroy(id));
    }
    host.log(`# 1000 cycles: ${Math.round((host.nowUs() - start) / 1000)} ms\n`);
    for (const what of REPORTED) report(what, figures[what]);
    equal(levels(), before, "slots, untypeds and bytes");
    equal(take(), undefined, "an event of what is gone");
  }),
  steps("a tick of 10 ms comes while workers start, greet and end", function* () {
    const late = new Figures();
    for (let i = 0; i < 100; i++) {
      const id = startWorker(MODE.echo, i);
      late.add(yield* tick());
      yield* expectCall(id, LABEL.HELLO, i);
      host.componentDestroy(id);
    }
    report("late beside workers that come and go", late);
    late.hold();
  }),
  steps("a tick of 10 ms comes while a worker loops", function* () {
    const before = levels();
    const modes = host.engine === "sel4" ? [MODE.loops, MODE.loopsInNative] : [MODE.loops];
    for (const mode of modes) {
      const id = yield* greeted(mode);
      const late = new Figures();
      for (let i = 0; i < 50; i++) late.add(yield* tick());
      report(`late beside a loop (${mode})`, late);
      late.hold();
      host.componentSuspend(id);
      yield* tick();
      host.componentDestroy(id);
    }
    equal(levels(), before, "slots, untypeds and bytes");
  }),
  steps("a worker takes less than 1.5 MiB", function* () {
    const id = startWorker(MODE.echo, 1);
    const { bytes } = host.componentInfo(id);
    host.log(`# bytes of a worker: ${bytes}\n`);
    holds(bytes < 1.5 * 1024 * 1024, `${bytes} bytes`);
    yield* expectCall(id, LABEL.HELLO, 1);
    host.componentDestroy(id);
  }),
]);

/** One turn; see {@link Bundle}. */
export function turn(raised: number, nowUs: number): number {
  return suite.turn({ raised, nowUs }) ?? host.halt("the workers are done");
}

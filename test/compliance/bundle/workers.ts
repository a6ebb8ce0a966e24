/**
 * Workers: what `WorkerHost` promises, and that whatever ends one in JavaScript reaches the root as a text, while a loop
 * reaches it as nothing at all and can be ended. The worker's side is `worker.ts`.
 */
import { CALL, PATIENCE_US, expectCall, goesOn, holdings, next, steps, take } from "./component-support.ts";
import { bytesEqual, equal, holds } from "./harness.ts";
import type { Test, Turn } from "./harness.ts";
import { LABEL, MODE } from "./worker-protocol.ts";

const ARENA = 1024 * 1024;
const MEMORY_MAX = 1.5 * 1024 * 1024;

/** @returns its id. */
export function startWorker(mode: number, word = 0, arenaBytes = ARENA): number {
  return host.componentSpawn("worker.elf", { priority: 100, arenaBytes, args: [mode, word, 3, 0xffffffff] });
}

export function go(id: number, word = 0): void {
  host.componentReply(id, LABEL.GO, word, 0, 0, 0);
}

/** A worker whose greeting was answered, so that it does what its mode says. */
export function* greeted(mode: number, arenaBytes = ARENA): Generator<number, number, Turn> {
  const id = startWorker(mode, 7, arenaBytes);
  yield* expectCall(id, LABEL.HELLO, 7);
  go(id);
  return id;
}

/** The text of a call with that label. */
export function* expectText(id: number, label: number): Generator<number, string, Turn> {
  const event = yield* next();
  equal(`${event.id} ${event.kind} ${event.words[0]}`, `${id} ${CALL} ${label}`, "component, kind of event and label");
  return host.utf8Decode(new Uint8Array(host.componentFrame(id)), 0, event.words[1] ?? 0);
}

/** It has ended with a text that begins like this, and makes no other call. */
function* expectFailure(id: number, beginning: string): Generator<number, string, Turn> {
  const text = yield* expectText(id, LABEL.FAILED);
  holds(text.startsWith(beginning), `"${text}" does not begin with "${beginning}"`);
  yield* goesOn(20_000);
  equal(take(), undefined, "an event of a worker that has failed");
  equal(host.componentInfo(id).state, "calling", "state");
  return text;
}

const cannotStop =
  host.engine === "sim" ? "the simulator cannot break off a native function: it would hold the process" : undefined;

export const workerTests: readonly Test[] = [
  steps("a worker greets with its arguments, is answered, and shares the frame from call to reply", function* () {
    host.componentDestroy(startWorker(MODE.echo));
    const before = holdings();
    const id = startWorker(MODE.echo, 0xfffffffe);
    yield* expectCall(id, LABEL.HELLO, 0xfffffffe);
    const { bytes, state } = host.componentInfo(id);
    equal(state, "calling", "state");
    holds(bytes > ARENA && bytes < MEMORY_MAX, `made from ${bytes} bytes`);
    const frame = new Uint8Array(host.componentFrame(id));
    for (let round = 0; round < 3; round++) {
      const sent = frame.map((_, i) => i + round);
      frame.set(sent);
      host.componentReply(id, LABEL.GO + round, 0xffffffff - round, 0, 0, 0);
      yield* expectCall(id, LABEL.GO + round, 0xffffffff - round);
      bytesEqual(
        frame,
        sent.map((byte) => ~byte),
        "what came back",
      );
    }
    host.componentDestroy(id);
    equal(holdings(), before, "holdings");
  }),
  steps("a worker finds sys, its arguments and the frame, and nothing else", function* () {
    const id = startWorker(MODE.world, host.engine === "sel4" ? 1 : 0);
    const [keys, found, values, range, kind] = (yield* expectText(id, LABEL.TEXT)).split("|");
    equal(keys, "abi,args,copy,describe,engine,frame,plainRun,utf8Decode,utf8Encode,utf8Validate", "keys of sys");
    equal(found, "", "globals that it must not find");
    const word = host.engine === "sel4" ? 1 : 0;
    equal(values, `true,1,${MODE.world},${word},3,4294967295,16384,false`, "values");
    holds(range?.startsWith("RangeError: copy: ") === true, `a range beyond the frame: ${range}`);
    holds(kind?.startsWith("TypeError: copy: ") === true, `a number as an array: ${kind}`);
    host.componentDestroy(id);
  }),
  steps("a worker's promise jobs run between its steps", function* () {
    const id = yield* greeted(MODE.jobs);
    yield* expectCall(id, LABEL.HELLO, 0);
    go(id);
    equal(yield* expectText(id, LABEL.TEXT), "first second", "what the jobs did");
  }),
  steps("a worker decodes, validates, copies, describes and encodes text", function* () {
    const id = startWorker(MODE.text, 7);
    yield* expectCall(id, LABEL.HELLO, 7);
    const length = host.utf8Encode("grün 😀", new Uint8Array(host.componentFrame(id)), 0);
    go(id, length);
    equal(yield* expectText(id, LABEL.TEXT), "grün 😀 true true RangeError: r", "its answer");
  }),
  steps("a worker that throws ends with message and TypeScript positions", function* () {
    const id = yield* greeted(MODE.throws);
    const text = yield* expectFailure(id, "TypeError: on purpose\n");
    holds(/at inner \(test\/compliance\/bundle\/worker\.ts:\d+/.test(text), `no position in: ${text}`);
    holds(/at step \(test\/compliance\/bundle\/worker\.ts:\d+/.test(text), `no position of step in: ${text}`);
  }),
  steps("a bundle that throws while it is loaded ends the same way", function* () {
    const text = yield* expectFailure(startWorker(MODE.throwsAtOnce), "TypeError: while it was loaded\n");
    holds(text.includes("worker.ts:"), `no position in: ${text}`);
  }),
  steps("a step that returns no call ends the worker", function* () {
    yield* expectFailure(startWorker(MODE.badLabel), "RangeError: step: the label ");
    yield* expectFailure(startWorker(MODE.noCall), "TypeError: ");
  }),
  steps("what is thrown may be null or too long for the frame", function* () {
    yield* expectFailure(startWorker(MODE.throwNull), "null");
    const text = yield* expectFailure(startWorker(MODE.throwLong), "Error: ééé");
    // 2048 bytes at most: seven of "Error: ", then characters of two.
    equal(text, `Error: ${"é".repeat(1020)}`, "what is left of it");
  }),
  steps("a worker that exhausts its arena ends with a text, and its memory comes back", function* () {
    const before = holdings();
    const id = yield* greeted(MODE.exhausts);
    const text = yield* expectFailure(id, "");
    holds(/out of memory/.test(text), `no word of memory in: ${text}`);
    host.componentDestroy(id);
    equal(holdings(), before, "holdings");
  }),
  steps("a worker that catches the end of its memory goes on", function* () {
    const id = yield* greeted(MODE.recovers);
    for (let step = 1; step <= 3; step++) {
      yield* expectCall(id, LABEL.HELLO, step);
      go(id);
    }
  }),
  steps("a worker's garbage is collected, cycles too", function* () {
    const id = yield* greeted(MODE.garbage);
    for (let step = 1; step <= 100; step++) {
      yield* expectCall(id, LABEL.HELLO, step);
      go(id);
    }
  }),
  steps("a worker that overflows its stack ends with a text", function* () {
    const id = yield* greeted(MODE.overflows);
    const text = yield* expectFailure(id, "");
    holds(/stack/.test(text), `no word of the stack in: ${text}`);
  }),
  steps("a worker that loops makes no call, holds up nobody, and can be ended", function* () {
    const before = holdings();
    const id = yield* greeted(MODE.loops);
    yield* goesOn(50_000);
    equal(host.componentInfo(id).state, "running", "state while it loops");
    host.componentSuspend(id);
    const other = startWorker(MODE.echo, 5);
    yield* expectCall(other, LABEL.HELLO, 5);
    equal(take(), undefined, "an event of the one that loops");
    equal(host.componentInfo(id).state, "suspended", "state");
    host.componentDestroy(other);
    host.componentDestroy(id);
    equal(holdings(), before, "holdings");
  }),
  steps(
    "a worker that loops in a native function is stopped there, and its memory comes back",
    function* () {
      const before = holdings();
      const id = yield* greeted(MODE.loopsInNative);
      yield* goesOn(50_000);
      host.componentSuspend(id);
      yield* goesOn(20_000);
      host.componentDestroy(id);
      equal(holdings(), before, "holdings");
    },
    cannotStop,
  ),
  steps("a suspended worker does not run, and an answer to it waits until it is resumed", function* () {
    const id = startWorker(MODE.echo, 1);
    host.componentSuspend(id);
    yield* goesOn(50_000);
    equal(take(), undefined, "an event of one that was suspended at once");
    host.componentResume(id);
    yield* expectCall(id, LABEL.HELLO, 1);
    host.componentSuspend(id);
    host.componentReply(id, LABEL.GO, 9, 0, 0, 0);
    yield* goesOn(50_000);
    equal(take(), undefined, "an event of one that was answered while it was suspended");
    equal(host.componentInfo(id).state, "suspended", "state");
    host.componentResume(id);
    yield* expectCall(id, LABEL.GO, 9);
  }),
  steps("workers that are suspended and resumed in turn lose no call", function* () {
    const ids = [1, 2, 3].map((word) => startWorker(MODE.counts, word));
    const rounds = ids.map(() => 0);
    for (const id of ids) host.componentSuspend(id);
    const until = host.nowUs() + PATIENCE_US;
    for (let turn = 0; rounds.some((count) => count < 20) && host.nowUs() < until; turn++) {
      const running = ids[turn % ids.length]!;
      host.componentResume(running);
      yield host.nowUs() + 1000;
      host.componentSuspend(running);
      for (let event = take(); event !== undefined; event = take()) {
        equal(`${event.kind} ${event.id}`, `${CALL} ${running}`, "kind of event, and that only the resumed one calls");
        const at = ids.indexOf(event.id);
        equal(event.words[1], rounds[at] === 0 ? at + 1 : rounds[at], "word of the call");
        rounds[at] = (rounds[at] ?? 0) + 1;
        go(event.id, rounds[at]);
      }
    }
    holds(
      rounds.every((count) => count >= 20),
      `only ${rounds.join()} rounds`,
    );
  }),
  steps("an arena too small for QuickJS ends the worker with a text", function* () {
    for (const arenaBytes of [0, 65536, 262143 - 4096]) {
      yield* expectFailure(startWorker(MODE.echo, 0, arenaBytes), "worker: the arena is too small");
    }
    const id = startWorker(MODE.echo, 1, 262144);
    yield* expectCall(id, LABEL.HELLO, 1);
  }),
];

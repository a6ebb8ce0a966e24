/**
 * Components: the protocol of `pong.elf`, its ways to misbehave, and that a destroyed one leaves nothing behind. The root
 * goes on in every case, which is what its turns prove.
 */
import {
  CALL,
  FAULT,
  FRAME_BYTES,
  PATIENCE_US,
  VIOLATION,
  expectCall,
  expectFault,
  goesOn,
  holdings,
  next,
  steps,
  take,
} from "./component-support.ts";
import { COMPONENT, between, bytesEqual, equal, holds, loose, test, throws } from "./harness.ts";
import type { Test, Turn } from "./harness.ts";

const HELLO = 0x100;
const PING = 0x101;
const PONG = 0x102;
const FLOOD = 0x103;
const DONE = 0x104;
const WAIT = 0x105;
const ECHO = 0x106;
const ECHO_OK = 0x107;

const MODE = {
  hang: 1,
  fault: 2,
  callFlood: 3,
  sendAndFault: 4,
  overflow: 5,
  sendFlood: 6,
  arena: 7,
  jump: 8,
  frame: 9,
};
const FAULT_VM = 1;

const IMAGE = { from: 0x400000, to: 0x900000 };
const STACK_BOTTOM = 0x960000;
const GUARD_BYTES = 0x10000;

function spawn(mode: number, options: { priority?: number; arenaBytes?: number } = {}): number {
  const { priority = 100, arenaBytes = 65536 } = options;
  return host.componentSpawn("pong.elf", { priority, arenaBytes, args: [mode, 0, 0, 0] });
}

/** A pong whose greeting is answered, so that it does what its mode says. */
function* greet(mode: number): Generator<number, number, Turn> {
  const id = spawn(mode);
  yield* expectCall(id, HELLO, 1);
  host.componentReply(id, PING, 1, 0, 0, 0);
  return id;
}

const noStarvation =
  host.engine === "sim" ? "the simulator runs components in turn: none can starve another" : undefined;

export const componentTests: readonly Test[] = [
  steps("a component calls, is answered, and waits when it is not", function* () {
    // The first spawn may fill tables that stay; holdings are compared from the second on.
    host.componentDestroy(spawn(0));
    const before = holdings();
    const id = spawn(0);
    holds(id >= 0 && id <= 63, `id ${id}`);
    equal(host.caps().components, 1, "components");
    const turn = yield host.nowUs() + PATIENCE_US;
    equal(turn.raised & COMPONENT, COMPONENT, "COMPONENT is raised");
    throws("Error", "componentReply", () => host.componentReply(id, PING, 1, 0, 0, 0), "before its call was taken");
    yield* expectCall(id, HELLO, 1);
    const info = host.componentInfo(id);
    equal(`${info.image} ${info.state} ${info.calls} ${info.refused}`, "pong.elf calling 1 0", "info");
    holds(info.bytes >= 65536 + FRAME_BYTES, `made from ${info.bytes} bytes`);
    equal(take(), undefined, "a second event");
    host.componentReply(id, PING, 1, 0, 0, 0);
    throws("Error", "componentReply", () => host.componentReply(id, PING, 1, 0, 0, 0), "a second reply");
    yield* expectCall(id, PONG, 1);
    host.componentReply(id, DONE, 0, 0, 0, 0);
    yield* expectCall(id, WAIT, 0);
    equal(host.componentInfo(id).calls, 3, "calls");
    yield* goesOn(20_000);
    equal(take(), undefined, "an event while it waits");
    host.componentDestroy(id);
    equal(holdings(), before, "holdings");
    throws("Error", "componentInfo", () => host.componentInfo(id), "info of what is gone");
  }),
  test("componentSpawn checks its arguments and starts nothing then", () => {
    const before = holdings();
    const good = { priority: 100, arenaBytes: 4096, args: [0, 0, 0, 0] };
    const start = loose("componentSpawn");
    throws("Error", "componentSpawn", () => start("no-such-file", good), "no such file");
    throws("Error", "componentSpawn", () => start("engine.conf", good), "a text");
    throws("Error", "componentSpawn", () => start("main.lines", good), "a table");
    throws("TypeError", "componentSpawn", () => start(5, good), "a number as image");
    throws("TypeError", "componentSpawn", () => start("pong.elf"), "no options");
    throws("TypeError", "componentSpawn", () => start("pong.elf", null), "null as options");
    throws("TypeError", "componentSpawn", () => start("pong.elf", {}), "empty options");
    throws("TypeError", "componentSpawn", () => start("pong.elf", { ...good, args: 0 }), "a number as args");
    throws("TypeError", "componentSpawn", () => start("pong.elf", { ...good, args: [0, 0, 0] }), "three args");
    for (const priority of [0, -1, 201, 1.5, NaN]) {
      throws("RangeError", "componentSpawn", () => start("pong.elf", { ...good, priority }), `priority ${priority}`);
    }
    for (const arenaBytes of [-1, 0.5, 16 * 1024 * 1024 + 1]) {
      throws("RangeError", "componentSpawn", () => start("pong.elf", { ...good, arenaBytes }), `arena ${arenaBytes}`);
    }
    for (const word of [-1, 2 ** 32, 0.5]) {
      throws(
        "RangeError",
        "componentSpawn",
        () => start("pong.elf", { ...good, args: [0, 0, 0, word] }),
        `arg ${word}`,
      );
    }
    equal(holdings(), before, "holdings");
  }),
  test("the other component functions check their arguments", () => {
    const names = [
      "componentSuspend",
      "componentResume",
      "componentDestroy",
      "componentFrame",
      "componentInfo",
    ] as const;
    for (const name of names) {
      for (const id of [-1, 80, 1.5, NaN]) throws("RangeError", name, () => loose(name)(id), `${name}(${id})`);
      throws("TypeError", name, () => loose(name)("0"), `${name} of a string`);
      throws("Error", name, () => loose(name)(63), `${name} of none`);
    }
    const reply = loose("componentReply");
    throws("RangeError", "componentReply", () => reply(80, PING, 0, 0, 0, 0), "id 80");
    throws("RangeError", "componentReply", () => reply(0, 2 ** 32, 0, 0, 0, 0), "a label of 33 bits");
    throws("RangeError", "componentReply", () => reply(0, PING, 0, 0, 0, -1), "a negative word");
    throws("TypeError", "componentReply", () => reply(0, PING, 0, 0, 0), "a word too few");
    throws("Error", "componentReply", () => reply(63, PING, 0, 0, 0, 0), "to none");
    const event = loose("componentEvent");
    throws("TypeError", "componentEvent", () => event(new Float32Array(8)), "a Float32Array");
    throws("TypeError", "componentEvent", () => event(), "nothing");
    throws("RangeError", "componentEvent", () => event(new Float64Array(7)), "seven elements");
    const untouched = new Float64Array(8).fill(7);
    equal(host.componentEvent(untouched), false, "an event though there is none");
    equal(untouched.join(), "7,7,7,7,7,7,7,7", "the array");
  }),
  steps(
    "the frame carries 16 KiB there and back, is the same buffer each time, and is detached by destroy",
    function* () {
      const id = yield* greet(MODE.frame);
      const buffer = host.componentFrame(id);
      equal(host.componentFrame(id), buffer, "the buffer of a second call");
      equal(buffer.byteLength, FRAME_BYTES, "byteLength");
      const frame = new Uint8Array(buffer);
      yield* expectCall(id, ECHO, FRAME_BYTES);
      bytesEqual(
        frame,
        Uint8Array.from({ length: FRAME_BYTES }, (_, i) => i),
        "what the component wrote",
      );
      for (let i = 0; i < FRAME_BYTES; i++) frame[i] = ~(frame[i] ?? 0);
      host.componentReply(id, PING, 1, 0, 0, 0);
      yield* expectCall(id, ECHO_OK, 1);
      host.componentDestroy(id);
      equal(buffer.byteLength, 0, "byteLength after destroy");
      equal(frame.length, 0, "length of an array over it");
      throws("TypeError", "copy", () => host.copy(new Uint8Array(1), 0, frame, 0, 0), "copy from a detached frame");
      throws("TypeError", "utf8Validate", () => host.utf8Validate(frame, 0, 0), "utf8Validate of a detached frame");
    },
  ),
  steps("a frame is zeroed for the next component", function* () {
    const id = spawn(0);
    const frame = new Uint8Array(host.componentFrame(id));
    holds(
      frame.every((byte) => byte === 0),
      "bytes of the last one are in it",
    );
    yield* expectCall(id, HELLO, 1);
    host.componentDestroy(id);
  }),
  steps("a component that hangs does not stop the root, and can be suspended, resumed and destroyed", function* () {
    const before = holdings();
    const id = yield* greet(MODE.hang);
    yield* goesOn(100_000);
    equal(host.componentInfo(id).state, "running", "state while it hangs");
    throws("Error", "componentResume", () => host.componentResume(id), "resume of what runs");
    host.componentSuspend(id);
    equal(host.componentInfo(id).state, "suspended", "state when suspended");
    yield* goesOn(20_000);
    host.componentResume(id);
    equal(host.componentInfo(id).state, "running", "state when resumed");
    yield* goesOn(20_000);
    equal(take(), undefined, "an event of a hanging component");
    host.componentDestroy(id);
    equal(holdings(), before, "holdings");
  }),
  steps(
    "suspending a component that hangs lets those of lower priority run",
    function* () {
      const hanging = yield* greet(MODE.hang);
      yield* goesOn(20_000);
      const lower = spawn(0, { priority: 50 });
      yield* goesOn(100_000);
      equal(take(), undefined, "a call of the lower one while the other hangs");
      host.componentSuspend(hanging);
      yield* expectCall(lower, HELLO, 1);
      host.componentDestroy(hanging);
      host.componentDestroy(lower);
    },
    noStarvation,
  ),
  steps("a suspended component that waits for an answer gets it when it is resumed", function* () {
    const id = spawn(0);
    yield* expectCall(id, HELLO, 1);
    host.componentSuspend(id);
    equal(host.componentInfo(id).state, "suspended", "state");
    host.componentReply(id, PING, 1, 0, 0, 0);
    yield* goesOn(50_000);
    equal(take(), undefined, "an event of a suspended component");
    host.componentResume(id);
    yield* expectCall(id, PONG, 1);
    host.componentDestroy(id);
  }),
  steps("a write to unmapped memory is a VM fault with its address", function* () {
    const id = yield* greet(MODE.fault);
    const [kind, ip = 0, address, , access] = yield* expectFault(id);
    equal(kind, FAULT_VM, "kind");
    equal(address, 0xbad0000000, "address");
    between(ip, IMAGE.from, IMAGE.to, "instruction pointer");
    equal(access, 2, "access: a write");
    yield* goesOn(10_000);
    host.componentDestroy(id);
  }),
  steps("a jump into data is a VM fault of an instruction fetch", function* () {
    const id = yield* greet(MODE.jump);
    const [kind, ip = 0, address = 0, , access] = yield* expectFault(id);
    equal(kind, FAULT_VM, "kind");
    between(address, IMAGE.from, IMAGE.to, "address");
    equal(ip, address, "instruction pointer");
    equal(access, 1, "access: an instruction fetch");
    host.componentDestroy(id);
  }),
  steps("a stack that overflows is a VM fault in the pages below it", function* () {
    const id = yield* greet(MODE.overflow);
    const [kind, ip = 0, address = 0, , access] = yield* expectFault(id);
    equal(kind, FAULT_VM, "kind");
    between(address, STACK_BOTTOM - GUARD_BYTES, STACK_BOTTOM - 1, "address");
    between(ip, IMAGE.from, IMAGE.to, "instruction pointer");
    equal(access, 2, "access: a write");
    host.componentDestroy(id);
  }),
  steps("a message that is no call is refused and counted, and the fault after it still arrives", function* () {
    const id = yield* greet(MODE.sendAndFault);
    // The root works for it meanwhile.
    host.checksum(new Uint8Array(65536), 0, 65536, 0);
    const kinds = new Set<number>();
    for (let i = 0; i < 2; i++) {
      const event = yield* next();
      equal(event.id, id, "component");
      kinds.add(event.kind);
    }
    equal([...kinds].sort().join(" "), `${FAULT} ${VIOLATION}`, "kinds of events");
    const { state, refused, calls } = host.componentInfo(id);
    equal(`${state} ${refused} ${calls}`, "faulted 1 1", "info");
    host.componentDestroy(id);
  }),
  steps("a flood of sent messages is counted, waits as one event and does not stop the root", function* () {
    const id = yield* greet(MODE.sendFlood);
    let events = 0;
    const until = host.nowUs() + 100_000;
    while (host.nowUs() < until) {
      yield until;
      for (let event = take(); event !== undefined; event = take()) {
        equal(`${event.id} ${event.kind}`, `${id} ${VIOLATION}`, "component and kind of event");
        events++;
      }
    }
    between(host.nowUs() - until, 0, 1_000_000, "lateness of a deadline in the flood");
    const { refused, state } = host.componentInfo(id);
    equal(state, "running", "state");
    holds(refused > 20, `only ${refused} messages were counted`);
    holds(events > 0 && events <= refused, `${events} events for ${refused} messages`);
    host.componentDestroy(id);
    yield* goesOn(5000);
    equal(take(), undefined, "an event of what is gone");
  }),
  steps("a flood of calls goes as fast as it is answered, and no further", function* () {
    const id = yield* greet(MODE.callFlood);
    for (let i = 0; i < 500; i++) {
      yield* expectCall(id, FLOOD, 0);
      host.componentReply(id, PING, 0, 0, 0, 0);
    }
    yield* expectCall(id, FLOOD, 0);
    yield* goesOn(50_000);
    const { calls, state } = host.componentInfo(id);
    equal(`${calls} ${state}`, "502 calling", "calls and state");
    host.componentDestroy(id);
  }),
  steps("an arena is zeroed, also when it was another's before", function* () {
    for (let i = 0; i < 3; i++) {
      const id = yield* greet(MODE.arena);
      yield* expectCall(id, PONG, 1);
      host.componentDestroy(id);
    }
  }),
  steps("an arena of 16 MiB and one of nothing work, and come back", function* () {
    const before = holdings();
    for (const arenaBytes of [16 * 1024 * 1024, 0]) {
      const id = spawn(0, { arenaBytes });
      holds(host.componentInfo(id).bytes >= arenaBytes, "made from less than its arena");
      yield* expectCall(id, HELLO, 1);
      host.componentDestroy(id);
    }
    equal(holdings(), before, "holdings");
  }),
  steps("of eight components each one's call comes once, and no other while it waits", function* () {
    const ids = Array.from({ length: 8 }, () => spawn(0, { arenaBytes: 4096 }));
    const seen: number[] = [];
    for (let i = 0; i < 8; i++) {
      const event = yield* next();
      equal(`${event.kind} ${event.words[0]}`, `${CALL} ${HELLO}`, "kind and label");
      seen.push(event.id);
    }
    yield* goesOn(50_000);
    equal(take(), undefined, "a ninth event");
    equal(seen.sort((a, b) => a - b).join(), ids.sort((a, b) => a - b).join(), "components");
    for (const id of ids) host.componentDestroy(id);
  }),
  steps("what waits of a component is gone with it", function* () {
    const id = spawn(0);
    yield* goesOn(50_000);
    host.componentDestroy(id);
    equal(take(), undefined, "an event of what is gone");
    const other = spawn(0);
    equal(other, id, "the id comes back");
    yield* expectCall(other, HELLO, 1);
    equal(host.componentInfo(other).calls, 1, "calls of the new one");
    host.componentDestroy(other);
  }),
  steps("one after the other costs nothing: memory is whole after 40 components", function* () {
    const before = holdings();
    for (let i = 0; i < 40; i++) {
      const id = spawn(0, { arenaBytes: 4096 * (i % 7) });
      if (i % 3 > 0) yield* expectCall(id, HELLO, 1);
      if (i % 3 > 1) host.componentReply(id, PING, 1, 0, 0, 0);
      host.componentDestroy(id);
    }
    equal(holdings(), before, "holdings");
  }),
  test("there are 80 ids, then componentSpawn throws an Error, and all of them come back", () => {
    const before = holdings();
    const ids = new Set(Array.from({ length: 80 }, () => spawn(0, { arenaBytes: 0 })));
    equal(ids.size, 80, "different ids");
    throws("Error", "componentSpawn", () => spawn(0, { arenaBytes: 0 }), "the 65th");
    equal(host.caps().components, 80, "components");
    for (const id of ids) host.componentDestroy(id);
    equal(holdings(), before, "holdings");
  }),
];

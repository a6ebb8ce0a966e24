/** Host functions that start, serve and end components. */
import { COMPONENTS_MAX } from "../components.ts";
import { COMPONENT_MAGIC } from "../components/pong.ts";
import { FRAME_BYTES } from "../component.ts";
import { TAG_OBJECT } from "../quickjs/layout.ts";
import type { HostFunction } from "../quickjs/runtime.ts";
import { GuestError } from "../quickjs/errors.ts";
import type { HostContext } from "./context.ts";

const ARENA_MAX = 16 * 1024 * 1024;
const EVENT_FIELDS = 8;
const U32_MAX = 0xffffffff;

export function componentFunctions({ machine, runtime }: HostContext): Record<string, HostFunction> {
  const { components } = machine;
  const { f64 } = runtime.instance;
  /** ArrayBuffers over the frames, by component id. */
  const frames = new Map<number, number>();

  const identity = (argv: number, argc: number): number => runtime.integer(argv, argc, 0, 0, COMPONENTS_MAX - 1, "id");
  const existing = (argv: number, argc: number): number => {
    const id = identity(argv, argc);
    if (!components.find(id)) throw new GuestError("Error", `there is no component ${String(id)}`);
    return id;
  };
  /** A number in a property of `object`. */
  const field = (object: number, key: string, min: number, max: number): number => {
    const value = runtime.property(object, key);
    try {
      return runtime.integer(value, 1, 0, min, max, key);
    } finally {
      runtime.release(value);
    }
  };
  const spawnOptions = (argv: number, argc: number): { arenaBytes: number; args: number[] } => {
    if (runtime.tag(argv, argc, 1) !== TAG_OBJECT) throw new GuestError("TypeError", "options must be an object");
    const options = argv + 8;
    field(options, "priority", 1, 200);
    const arenaBytes = field(options, "arenaBytes", 0, ARENA_MAX);
    const list = runtime.property(options, "args");
    try {
      if (runtime.typeTag(list) !== TAG_OBJECT) throw new GuestError("TypeError", "args must be an array");
      return { arenaBytes, args: ["0", "1", "2", "3"].map((key) => field(list, key, 0, U32_MAX)) };
    } finally {
      runtime.release(list);
    }
  };

  return {
    componentSpawn: (argv, argc) => {
      const image = runtime.text(argv, argc, 0, "image");
      const { arenaBytes, args } = spawnOptions(argv, argc);
      const file = machine.rootfs.get(image);
      if (!file) throw new GuestError("Error", `there is no file ${image}`);
      const source = Buffer.from(file).toString("utf8");
      if (!source.startsWith(COMPONENT_MAGIC)) {
        throw new GuestError("Error", `${image}: is no ELF program for this machine`);
      }
      const refusal = components.refusal({ source, arenaBytes });
      if (refusal === "ids") throw new GuestError("Error", `${image}: all component ids are in use`);
      const at = refusal ? 0 : runtime.instance.malloc(FRAME_BYTES);
      if (at === 0) throw new GuestError("Error", `${image}: there is not enough memory`);
      runtime.instance.u8.fill(0, at, at + FRAME_BYTES);
      const lines = machine.rootfs.get(image.replace(/\.elf$/, ".lines"));
      const frame = { u8: runtime.instance.u8, at };
      return runtime.newNumber(components.spawn({ image, source, lines, arenaBytes, args }, frame));
    },

    componentEvent: (argv, argc) => {
      const event = runtime.float64Array(argv, argc, 0, "event");
      if (runtime.arrayCount(event) < EVENT_FIELDS) {
        throw new GuestError("RangeError", `the array must have ${String(EVENT_FIELDS)} elements or more`);
      }
      const next = components.takeEvent();
      if (!next) return runtime.newBoolean(false);
      const at = runtime.arrayPointer(event) >> 3;
      f64[at] = next.id;
      f64[at + 1] = next.kind;
      for (let i = 0; i < 5; i++) f64[at + 2 + i] = next.words[i] ?? 0;
      return runtime.newBoolean(true);
    },

    componentReply: (argv, argc) => {
      const id = identity(argv, argc);
      const word = (i: number, what: string): number => runtime.integer(argv, argc, i, 0, U32_MAX, what);
      const label = word(1, "label");
      const done = components.reply(id, [label, word(2, "w0"), word(3, "w1"), word(4, "w2"), word(5, "w3")]);
      if (!done) throw new GuestError("Error", `no call of component ${String(id)} waits`);
      return 0;
    },

    componentSuspend: (argv, argc) => {
      components.suspend(existing(argv, argc));
      return 0;
    },
    componentResume: (argv, argc) => {
      const id = existing(argv, argc);
      if (!components.resume(id)) throw new GuestError("Error", `component ${String(id)} is not in a state for it`);
      return 0;
    },
    componentDestroy: (argv, argc) => {
      const id = existing(argv, argc);
      const at = components.find(id)?.frame.at ?? 0;
      components.destroy(id);
      const buffer = frames.get(id);
      if (buffer === undefined) {
        runtime.instance.free(at);
      } else {
        frames.delete(id);
        runtime.detach(buffer);
        runtime.release(buffer);
      }
      return 0;
    },

    componentFrame: (argv, argc) => {
      const id = existing(argv, argc);
      let buffer = frames.get(id);
      if (buffer === undefined) {
        buffer = runtime.newArrayBuffer(components.find(id)?.frame.at ?? 0, FRAME_BYTES);
        frames.set(id, buffer);
      }
      return runtime.duplicate(buffer);
    },
    componentInfo: (argv, argc) => {
      const id = existing(argv, argc);
      const summary = components.summary(id);
      if (!summary) throw new GuestError("Error", `there is no component ${String(id)}`);
      return runtime.newObject({
        image: runtime.newString(summary.image),
        state: runtime.newString(summary.state),
        bytes: runtime.newNumber(summary.bytes),
        calls: runtime.newNumber(summary.calls),
        refused: runtime.newNumber(summary.refused),
      });
    },
  };
}

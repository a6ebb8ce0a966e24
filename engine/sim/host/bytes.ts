/** Host functions over bytes: bulk copy, Internet checksum, UTF-8, printable ASCII. */
import { isUtf8 } from "node:buffer";
import type { HostFunction, Runtime } from "../quickjs/runtime.ts";
import { replaceSurrogates } from "../quickjs/context.ts";
import { GuestError } from "../quickjs/errors.ts";

type ByteFunction = "copy" | "checksum" | "utf8Encode" | "utf8Decode" | "utf8Validate" | "plainRun";

function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f;
}

export function byteFunctions(runtime: Runtime): Record<ByteFunction, HostFunction> {
  const { u8 } = runtime.instance;
  let rangeStart = 0;
  let rangeLength = 0;

  /** A Uint8Array's JSObject, not detached. */
  const array = (argv: number, argc: number, i: number, what: string): number => {
    const object = runtime.uint8Array(argv, argc, i, what);
    if (runtime.arrayPointer(object) === 0) throw new GuestError("TypeError", `the buffer of ${what} is detached`);
    return object;
  };

  /** Argument i is an array, the next two a range in it. */
  const range = (argv: number, argc: number, i: number, what: string): void => {
    const object = array(argv, argc, i, what);
    const count = runtime.arrayCount(object);
    const start = runtime.integer(argv, argc, i + 1, 0, count, "start");
    rangeLength = runtime.integer(argv, argc, i + 2, 0, count - start, "length");
    rangeStart = runtime.arrayPointer(object) + start;
  };

  return {
    copy: (argv, argc) => {
      range(argv, argc, 2, "from");
      const into = array(argv, argc, 0, "into");
      const count = runtime.arrayCount(into);
      if (rangeLength > count) throw new GuestError("RangeError", "the array copied into is too short");
      const at = runtime.integer(argv, argc, 1, 0, count - rangeLength, "at");
      u8.copyWithin(runtime.arrayPointer(into) + at, rangeStart, rangeStart + rangeLength);
      return 0;
    },

    checksum: (argv, argc) => {
      range(argv, argc, 0, "bytes");
      let sum = runtime.integer(argv, argc, 3, 0, 0xffffffff, "initial");
      const even = rangeStart + (rangeLength & ~1);
      // The sum of 4 MiB of words stays far below 2^53.
      for (let i = rangeStart; i < even; i += 2) sum += ((u8[i] ?? 0) << 8) | (u8[i + 1] ?? 0);
      if (rangeLength & 1) sum += (u8[even] ?? 0) << 8;
      while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
      return runtime.newNumber(sum);
    },

    utf8Encode: (argv, argc) => {
      const text = runtime.cString(argv, argc, 0, "text");
      try {
        const into = array(argv, argc, 1, "into");
        const count = runtime.arrayCount(into);
        const at = runtime.integer(argv, argc, 2, 0, count, "at");
        const length = runtime.cStringLength(text);
        if (length > count - at) throw new GuestError("RangeError", "the text does not fit into the array");
        const to = runtime.arrayPointer(into) + at;
        u8.copyWithin(to, text, text + length);
        replaceSurrogates(u8, to, length);
        return runtime.newNumber(length);
      } finally {
        runtime.freeCString(text);
      }
    },
    utf8Decode: (argv, argc) => {
      range(argv, argc, 0, "bytes");
      return runtime.decode(rangeStart, rangeLength);
    },
    utf8Validate: (argv, argc) => {
      range(argv, argc, 0, "bytes");
      return runtime.newBoolean(isUtf8(u8.subarray(rangeStart, rangeStart + rangeLength)));
    },
    plainRun: (argv, argc) => {
      range(argv, argc, 0, "bytes");
      let run = 0;
      while (run < rangeLength && isPlain(u8[rangeStart + run] ?? 0)) run++;
      return runtime.newNumber(run);
    },
  };
}

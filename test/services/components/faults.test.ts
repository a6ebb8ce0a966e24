import { expect } from "chai";
import fc from "fast-check";
import { nameFault } from "../../../services/components/faults.ts";
import { LAYOUT } from "../../../services/components/layout.ts";
import type { ComponentEvent } from "../../../services/ports/index.ts";

function fault(fields: Partial<ComponentEvent>): ComponentEvent {
  return {
    id: 0,
    kind: "fault",
    label: 0,
    words: [0, 0, 0, 0],
    fault: "vm",
    ip: 0x400100,
    address: 0,
    detail: 0,
    access: "read",
    ...fields,
  };
}

const DATA_ABORT = 0x92000000;
const INSTRUCTION_ABORT = 0x82000000;
const WRITE = 0x40;
/** Fault status codes: translation level 3, permission level 3, alignment. */
const TRANSLATION = 0x07;
const PERMISSION = 0x0f;
const ALIGNMENT = 0x21;

const GUARD = LAYOUT.stackTop - LAYOUT.stackBytes - 16;

describe("fault names", () => {
  const cases: [what: string, event: Partial<ComponentEvent>, cause: string, hint: RegExp][] = [
    ["a null pointer", { address: 0x18, detail: DATA_ABORT | TRANSLATION }, "read from 0x18", /^null pointer$/],
    [
      "a call through a null pointer",
      { address: 0, ip: 0, access: "fetch", detail: INSTRUCTION_ABORT | TRANSLATION },
      "instruction fetch from 0x0",
      /^null pointer$/,
    ],
    [
      "a stack overflow",
      { address: GUARD, access: "write", detail: DATA_ABORT | WRITE | TRANSLATION },
      "write to 0x95fff0, in the guard page under the stack",
      /^stack overflow: the stack has 128 KiB$/,
    ],
    [
      "a write to unmapped memory",
      { address: 0xbad0000000, access: "write", detail: DATA_ABORT | WRITE | TRANSLATION },
      "write to unmapped address 0xbad0000000",
      /stray pointer/,
    ],
    [
      "a write to code",
      { address: 0x400010, access: "write", detail: DATA_ABORT | WRITE | PERMISSION },
      "write to read-only address 0x400010",
      /code and constants of the image are read-only/,
    ],
    [
      "a jump into the image's data",
      { address: 0x401000, ip: 0x401000, access: "fetch", detail: INSTRUCTION_ABORT | PERMISSION },
      "instruction fetch from 0x401000, which is data",
      /the image's data, and no data is executable/,
    ],
    [
      "a jump into the stack",
      { address: LAYOUT.stackTop - 64, access: "fetch", detail: INSTRUCTION_ABORT | PERMISSION },
      "instruction fetch from 0x97ffc0, which is data",
      /into the stack/,
    ],
    [
      "running past the private heap",
      { address: LAYOUT.arena + 0x10000, access: "write", detail: DATA_ABORT | WRITE | TRANSLATION },
      "write to unmapped address 0xa10000",
      /past the end of its private heap/,
    ],
    [
      "a misaligned access",
      { address: 0x9a0001, detail: DATA_ABORT | ALIGNMENT },
      "misaligned read from 0x9a0001",
      /aligned/,
    ],
    [
      "a capability it does not hold",
      { fault: "cap", address: 0x17 },
      "use of capability 0x17, which it does not hold",
      /endpoint in slot 1/,
    ],
    ["an unknown system call", { fault: "syscall", detail: 99 }, "unknown system call 99", /another kernel/],
    [
      "an undefined instruction",
      { fault: "exception", detail: 0x02000000 },
      "undefined instruction",
      /data was executed/,
    ],
    [
      "a breakpoint instruction",
      { fault: "exception", detail: 0xf2000001 },
      "breakpoint instruction",
      /abort or assertion/,
    ],
    [
      "an exception class that the table does not have",
      { fault: "exception", detail: (0x3f << 26) >>> 0 },
      "exception of class 0x3f",
      /D17\.2\.37/,
    ],
  ];
  for (const [what, event, cause, hint] of cases) {
    it(`names ${what}`, () => {
      const name = nameFault(fault(event), LAYOUT);
      expect(name.cause).to.equal(cause);
      expect(name.hint).to.match(hint);
      expect(name.numbers).to.match(/^ip 0x[0-9a-f]+/);
    });
  }

  it("decodes the fault status code with its level", () => {
    const numbers = (code: number): string => nameFault(fault({ detail: DATA_ABORT | code }), LAYOUT).numbers;
    expect(numbers(0x04)).to.contain("translation fault, level 0");
    expect(numbers(0x07)).to.contain("translation fault, level 3");
    expect(numbers(0x0d)).to.contain("permission fault, level 1");
    expect(numbers(0x0a)).to.contain("access flag fault, level 2");
    expect(numbers(0x01)).to.contain("address size fault, level 1");
    expect(numbers(0x10)).to.contain("external abort");
    expect(numbers(0x15)).to.contain("external abort on a table walk, level 1");
    expect(numbers(0x21)).to.contain("alignment fault");
    expect(numbers(0x30)).to.contain("TLB conflict");
    expect(numbers(0x3f)).to.contain("status 0x3f");
  });

  it("has a sentence for any numbers", () => {
    const number = fc.maxSafeInteger().map(Math.abs);
    fc.assert(
      fc.property(
        fc.constantFrom("vm", "cap", "syscall", "exception", "other"),
        fc.constantFrom("fetch", "write", "read"),
        number,
        number,
        number,
        (kind, access, ip, address, detail) => {
          const name = nameFault(fault({ fault: kind, access, ip, address, detail }), LAYOUT);
          for (const part of Object.values(name) as string[]) {
            expect(part).to.not.match(/undefined(?! instruction)|NaN|0x-/);
            expect(part.length).to.be.within(1, 160);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

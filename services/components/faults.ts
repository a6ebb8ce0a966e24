/**
 * Names a component's fault from the numbers that the kernel delivers with it: a cause, the address, and a hint where to look.
 * Never throws, whatever the numbers.
 */
import type { ComponentEvent } from "../ports/index.ts";
import { type Layout, regionOf } from "./layout.ts";

/** A fault in words. */
export interface FaultName {
  /** What happened, e.g. `write to unmapped address 0xbad0000000`. */
  readonly cause: string;
  /** Where to look. */
  readonly hint: string;
  /** The numbers behind it. */
  readonly numbers: string;
}

/** Exception class, ESR_EL1 bits 31:26 (Arm ARM DDI 0487 D17.2.37). */
const EXCEPTION_CLASS: Readonly<Record<number, readonly [cause: string, hint: string]>> = {
  0x00: ["undefined instruction", "data was executed, or the image was built for another processor"],
  0x07: ["trapped floating-point instruction", "the component was not given the FPU"],
  0x0e: ["illegal execution state", "a corrupted exception return"],
  0x15: ["supervisor call that the kernel does not know", "a corrupted or foreign system call"],
  0x18: ["trapped system register access", "that register is not exported to components"],
  0x20: ["instruction abort", "execution left the image"],
  0x22: ["misaligned program counter", "a corrupted return address or function pointer"],
  0x24: ["data abort", "a stray pointer"],
  0x26: ["misaligned stack pointer", "a corrupted stack"],
  0x2c: ["floating-point exception", "a trapping floating-point operation"],
  0x30: ["breakpoint", "a debugger's breakpoint was left in"],
  0x3c: ["breakpoint instruction", "the component ended itself (abort or assertion)"],
};

/** Fault status code, ISS bits 5:0 of an abort (Arm ARM DDI 0487 D17.2.37), without its level. */
function statusName(code: number): string {
  const level = code & 3;
  switch (code & 0x3c) {
    case 0x00:
      return `address size fault, level ${level}`;
    case 0x04:
      return `translation fault, level ${level}`;
    case 0x08:
      return `access flag fault, level ${level}`;
    case 0x0c:
      return `permission fault, level ${level}`;
    case 0x14:
      return `external abort on a table walk, level ${level}`;
    case 0x1c:
      return `parity or ECC error on a table walk, level ${level}`;
  }
  switch (code) {
    case 0x10:
      return "external abort";
    case 0x18:
      return "parity or ECC error";
    case 0x21:
      return "alignment fault";
    case 0x30:
      return "TLB conflict";
    case 0x35:
      return "unsupported exclusive or atomic access";
    default:
      return `status 0x${code.toString(16)}`;
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Put a fault into words. */
export function nameFault(event: ComponentEvent, layout: Layout): FaultName {
  const at = `ip ${hex(event.ip)}`;
  switch (event.fault) {
    case "vm":
      return nameMemoryFault(event, layout);
    case "cap":
      return {
        cause: `use of capability ${hex(event.address)}, which it does not hold`,
        hint: "a component holds one capability: its endpoint in slot 1",
        numbers: at,
      };
    case "syscall":
      return {
        cause: `unknown system call ${event.detail}`,
        hint: "the image was built for another kernel, or jumped into the middle of an instruction sequence",
        numbers: at,
      };
    case "exception": {
      const [cause, hint] = exceptionClass(event.detail);
      return { cause, hint, numbers: `${at}, esr ${hex(event.detail)}` };
    }
    case "other":
      return {
        cause: `fault of a kind that the kernel numbers ${event.detail}`,
        hint: "see the kernel's manual",
        numbers: at,
      };
  }
}

function exceptionClass(esr: number): readonly [string, string] {
  const code = (esr >>> 26) & 0x3f;
  return EXCEPTION_CLASS[code] ?? [`exception of class 0x${code.toString(16)}`, "see Arm ARM D17.2.37"];
}

function nameMemoryFault(event: ComponentEvent, layout: Layout): FaultName {
  const code = event.detail & 0x3f;
  const permission = (code & 0x3c) === 0x0c;
  const region = regionOf(layout, event.address);
  const verb =
    event.access === "fetch" ? "instruction fetch from" : event.access === "write" ? "write to" : "read from";
  const numbers = `ip ${hex(event.ip)}, esr ${hex(event.detail)}, ${statusName(code)}`;
  const where = hex(event.address);

  if (code === 0x21) {
    return { cause: `misaligned ${verb} ${where}`, hint: "that access needs an aligned address", numbers };
  }
  if (permission && event.access === "fetch") {
    const what = region === "unmapped" ? "memory" : region === "image" ? "the image's data" : `the ${region}`;
    return {
      cause: `${verb} ${where}, which is data`,
      hint: `a function pointer or return address leads into ${what}, and no data is executable`,
      numbers,
    };
  }
  if (permission && event.access === "write") {
    return {
      cause: `${verb} read-only address ${where}`,
      hint: region === "image" ? "code and constants of the image are read-only" : `the ${region} is read-only there`,
      numbers,
    };
  }
  switch (region) {
    case "null":
      return { cause: `${verb} ${where}`, hint: "null pointer", numbers };
    case "guard":
      return {
        cause: `${verb} ${where}, in the guard page under the stack`,
        hint: `stack overflow: the stack has ${layout.stackBytes / 1024} KiB`,
        numbers,
      };
    case "arena":
      return {
        cause: `${verb} unmapped address ${where}`,
        hint: "past the end of its private heap",
        numbers,
      };
    case "image":
      return {
        cause: `${verb} unmapped address ${where}`,
        hint: "between or past the image's segments",
        numbers,
      };
    default:
      return {
        cause: `${verb} unmapped address ${where}`,
        hint: "stray pointer: nothing of the component is there",
        numbers,
      };
  }
}

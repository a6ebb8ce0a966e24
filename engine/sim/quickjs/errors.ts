/** What is thrown across the border between the simulator and its guest. */

export type ErrorKind = "TypeError" | "RangeError" | "Error";

/** Thrown by a host function to throw in the guest. */
export class GuestError extends Error {
  readonly kind: ErrorKind;
  constructor(kind: ErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Passes through the guest and ends it; nothing in the guest can catch it. */
export class Stop extends Error {}

/** What a guest call threw, as a JSValue that the receiver frees. */
export class Thrown extends Error {
  readonly value: number;
  constructor(value: number) {
    super("the guest threw an exception");
    this.value = value;
  }
}

/**
 * A result that comes later: told once, or never after it was cancelled, and then what was under way is undone.
 */
export class Later<T> {
  #told: ((result: T) => void) | undefined = undefined;
  #cancelled: (() => void) | undefined;
  /** What came before anybody listened. */
  #early: { readonly result: T } | undefined = undefined;

  /** @param cancelled told that nobody wants the result any more; at most once, and never after {@link tell} */
  constructor(cancelled: () => void) {
    this.#cancelled = cancelled;
  }

  /** The result is here. Of several only the first is one. */
  tell(result: T): void {
    if (this.#cancelled === undefined) return;
    const told = this.#told;
    this.#over();
    if (told === undefined) this.#early = { result };
    else told(result);
  }

  /** Hear it, be it at once. One listens. */
  hear(told: (result: T) => void): void {
    const early = this.#early;
    this.#early = undefined;
    if (early !== undefined) told(early.result);
    else if (this.#cancelled !== undefined) this.#told = told;
  }

  /** Nobody wants it any more. May be called again. */
  cancel(): void {
    const cancelled = this.#cancelled;
    this.#over();
    cancelled?.();
  }

  /** What comes of it, made of what comes of this one; to cancel that cancels this. */
  map<U>(change: (result: T) => U): Later<U> {
    const changed = new Later<U>(() => this.cancel());
    this.hear((result) => changed.tell(change(result)));
    return changed;
  }

  /** Nothing is held of those who waited. */
  #over(): void {
    this.#told = undefined;
    this.#cancelled = undefined;
  }
}

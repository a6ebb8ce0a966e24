/** Waiting for what happens elsewhere: whoever changes something says so, whoever waits looks again. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  /** Something is not as it was. */
  tell(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** @param patienceMs of real time. @throws Error, with `what`, if it does not come true. */
  until(condition: () => boolean, what: string | (() => string), patienceMs = 5_000): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((settle, fail) => {
      const look = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        fail(new Error(`within ${patienceMs} ms there was no ${typeof what === "string" ? what : what()}`));
      }, patienceMs);
      this.#waiting.add(look);
    });
  }
}

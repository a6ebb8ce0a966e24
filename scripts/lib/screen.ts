/** Text that comes piece by piece, and whoever waits for what has not been waited for before. */
export class Screen {
  /** All of it. */
  text = "";
  #looked = 0;
  #gone: string | undefined;
  #changed: (() => void) | undefined;

  print(more: string): void {
    this.text += more;
    this.#changed?.();
  }

  /** Nothing more comes. @param why for whoever waits, e.g. `QEMU is gone` */
  end(why: string): void {
    this.#gone ??= why;
    this.#changed?.();
  }

  /** Why nothing more comes; `undefined` while something may. */
  get gone(): string | undefined {
    return this.#gone;
  }

  /** Where the text ends up to which was waited for. */
  get looked(): number {
    return this.#looked;
  }

  /**
   * Wait for text that matches.
   * @returns what came up to and with it. @throws Error at the time-out or when nothing more comes.
   */
  async expect(pattern: RegExp, patienceMs: number): Promise<string> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const rest = this.text.slice(this.#looked);
      const found = pattern.exec(rest);
      if (found !== null) {
        const end = found.index + found[0].length;
        this.#looked += end;
        return rest.slice(0, end);
      }
      const left = deadline - performance.now();
      if (this.#gone !== undefined || left <= 0) {
        const why = this.#gone ?? `not within ${patienceMs} ms`;
        throw new Error(`${String(pattern)} did not come: ${why}; the output ends: ${rest.slice(-600)}`);
      }
      await new Promise<void>((settle) => {
        const timer = setTimeout(settle, left);
        this.#changed = () => {
          clearTimeout(timer);
          settle();
        };
      });
      this.#changed = undefined;
    }
  }
}

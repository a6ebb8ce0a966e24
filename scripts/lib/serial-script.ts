/**
 * What an unattended run does at a serial line: expectations and typed lines, in their order. Expectations
 * between two typed lines may come true in any order, and each looks only at what was printed since the last
 * typed line; a line with no expectation before it, and the end after a typed line, wait for the prompt.
 */
export type Step =
  { readonly kind: "expect"; readonly pattern: RegExp } | { readonly kind: "send"; readonly text: string };

export const prompt = /cohesix> /;
/** Output kept for matching since the last typed line; expectations are about lines, not about megabytes. */
const keptCharacters = 1024 * 1024;

/** @throws Error if the text is no regular expression. */
export function expectStep(text: string): Step {
  try {
    return { kind: "expect", pattern: new RegExp(text, "m") };
  } catch (error) {
    throw new Error(`--expect ${text}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

export class SerialScript {
  readonly #steps: readonly Step[];
  readonly #type: (text: string) => void;
  #next = 0;
  /** Expectations since the last typed line that are still open. */
  #open: RegExp[] = [];
  #seen = "";

  /** @param type puts a text on the line */
  constructor(steps: readonly Step[], type: (text: string) => void) {
    this.#steps = steps;
    this.#type = type;
    this.#collect();
  }

  /** Whether every expectation came true and every line was typed. */
  get done(): boolean {
    return this.#open.length === 0 && this.#next === this.#steps.length;
  }

  /** What it waits for. */
  get waitingFor(): readonly RegExp[] {
    return this.#open;
  }

  /** Takes what the line printed, in pieces of any size. */
  printed(text: string): void {
    this.#seen = (this.#seen + text).slice(-keptCharacters);
    for (;;) {
      const lines = this.#seen.replaceAll("\r", "");
      this.#open = this.#open.filter((pattern) => !pattern.test(lines));
      const step = this.#steps[this.#next];
      if (this.#open.length > 0 || step?.kind !== "send") return;
      this.#next++;
      this.#seen = "";
      this.#type(`${step.text}\r`);
      this.#collect();
    }
  }

  /** Opens the expectations up to the next line to type, or the prompt if there are none. */
  #collect(): void {
    const first = this.#next;
    for (let step = this.#steps[first]; step?.kind === "expect"; step = this.#steps[++this.#next]) {
      this.#open.push(step.pattern);
    }
    if (this.#next === first && this.#steps.length > 0) this.#open.push(prompt);
  }
}

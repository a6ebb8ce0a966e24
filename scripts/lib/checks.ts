/**
 * Runs named checks one after the other and counts them. What is skipped is said as loudly as what fails, and
 * the last line is the one that `.ci/run` adds up: `N passed, N failed, N skipped`.
 */
export class Skipped extends Error {}

export class Checks {
  passed = 0;
  failed = 0;
  skipped = 0;

  /** @param work returns what was measured; throws if the check fails, {@link Skipped} if it cannot run here. */
  async run(name: string, work: () => Promise<string> | string): Promise<void> {
    try {
      const measured = await work();
      this.passed++;
      console.log(`ok       ${name}${measured === "" ? "" : `: ${measured}`}`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (error instanceof Skipped) {
        this.skipped++;
        console.log(`SKIPPED  ${name}: ${why}`);
      } else {
        this.failed++;
        console.log(`FAILED   ${name}: ${why}`);
      }
    }
  }

  /** Prints the sum. @returns the exit status. */
  finish(): number {
    console.log(`${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
    return this.failed === 0 ? 0 : 1;
  }
}

/** @throws Error with the text unless the condition holds. */
export function ensure(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(text);
}

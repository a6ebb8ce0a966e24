/**
 * The compliance suite of `runtime-bindings.d.ts` as a bundle: both engines boot it and must pass it. It reports on the
 * debug console, one line a test and last `compliance: N passed, M failed, K skipped`, then ends the machine.
 */
import { byteTests } from "./bytes.ts";
import { componentTests } from "./components.ts";
import { dmaTests } from "./dma.ts";
import { fileTests } from "./files.ts";
import { Suite } from "./harness.ts";
import { livesTests, spendLives } from "./lives.ts";
import { machineTests } from "./machine.ts";
import { exhaustionTests, registerTests } from "./registers.ts";
import { timeTests } from "./time.ts";
import { workerTests } from "./workers.ts";

const suite = new Suite([
  ...livesTests,
  ...machineTests,
  ...timeTests,
  ...fileTests,
  ...byteTests,
  ...registerTests,
  ...dmaTests,
  ...componentTests,
  ...workerTests,
  ...exhaustionTests,
]);

/** One turn; see {@link Bundle}. */
export function turn(raised: number, nowUs: number): number {
  spendLives();
  return suite.turn({ raised, nowUs }) ?? host.halt("the compliance suite is done");
}

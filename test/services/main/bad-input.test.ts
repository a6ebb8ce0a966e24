/** The tables of bad input at both terminals of the whole hive: the UART and the virtio console, each with its driver. */
import { expect } from "chai";
import { TypedLine } from "../../integration/console-ends.ts";
import type { VmBundle } from "../../../scripts/lib/vm-bundle.ts";
import { BAD_INPUT, PONG } from "../console/bad-input.ts";
import { bundle, Hive, type HiveSetup } from "./hive.ts";

const LINES: readonly [name: string, setup: HiveSetup][] = [
  ["serial line", {}],
  ["virtio console", { console: {} }],
];

describe("bad input in the simulator", function () {
  this.timeout(60_000);
  let built: VmBundle;
  before(async () => {
    built = await bundle();
  });

  for (const [name, setup] of LINES) {
    describe(`on the ${name}`, () => {
      let hive: Hive;
      let line: TypedLine;
      before(async () => {
        hive = new Hive(built, setup);
        await hive.boot();
        line = new TypedLine({
          type: (keys) => hive.keys(Buffer.from(keys as string)),
          expect: (pattern, patienceMs) => hive.terminal.expect(pattern, 1000 * patienceMs),
        });
      });

      for (const { what, typed } of BAD_INPUT) {
        if (typed === undefined) continue;
        it(`answers ${what} and goes on`, async () => {
          await line.raw(typed.keys);
          line.send("ping");
          expect(await line.lines(typed.answers.length + PONG.length)).to.deep.equal([...typed.answers, ...PONG]);
        });
      }
    });
  }
});

/** A bundle for the VM whose only job throws: what the log then shows is looked at by `stack.test.ts`. */
import { Pump } from "../../../services/pump/pump.ts";

const pump = new Pump({
  clock: host,
  log: { line: (subsystem, text) => host.log(`${subsystem}: ${text}\n`) },
  heap: { usedBytes: () => 0, collect: () => 0 },
  describe: (error) => host.describe(error),
  tickUs: 10_000,
});

function fail(): never {
  throw new TypeError("the cable is loose");
}

pump.addJob({ name: "loose", restarts: 0, start: () => () => fail() });

export function turn(_raised: number, nowUs: number): number {
  return pump.turn(nowUs);
}

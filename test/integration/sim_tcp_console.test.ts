import { inSimulator } from "./listening-hive.ts";
import { tcpConsole } from "./tcp-console.ts";

describe(`the TCP console of a hive ${inSimulator.name}`, function () {
  inSimulator.needed(this);
  this.timeout(60_000);
  tcpConsole(inSimulator);
});

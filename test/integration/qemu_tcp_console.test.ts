import { onQemu } from "./listening-hive.ts";
import { tcpConsole } from "./tcp-console.ts";

describe(`the TCP console of a hive ${onQemu.name}`, function () {
  onQemu.needed(this);
  this.timeout(120_000);
  tcpConsole(onQemu);
});

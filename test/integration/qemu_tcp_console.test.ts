import { type ListeningHive, onQemu } from "./listening-hive.ts";
import { tcpConsole } from "./tcp-console.ts";
import { tcpShell } from "./tcp-shell.ts";

describe(`the TCP console of a hive ${onQemu.name}`, function () {
  onQemu.needed(this);
  this.timeout(120_000);
  let hive: ListeningHive;
  before(async () => (hive = await onQemu.start()));
  after(() => hive.end());

  tcpConsole(() => hive);
  tcpShell(() => hive);
});

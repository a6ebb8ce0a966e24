import { readFileSync } from "node:fs";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { manifestWith } from "../services/main/hive.ts";
import { ConsoleWire } from "./console-wire.ts";
import { inSimulator } from "./listening-hive.ts";
import { SimulatedHive } from "./simulated-hive.ts";
import { tcpConsole } from "./tcp-console.ts";
import { tcpRecovery } from "./tcp-recovery.ts";
import { tcpShell } from "./tcp-shell.ts";

describe(`the TCP console of a hive ${inSimulator.name}`, function () {
  this.timeout(60_000);
  let hive: SimulatedHive;
  before(async () => (hive = await inSimulator.start()));
  after(() => hive.end());

  tcpConsole(() => hive);
  tcpShell(() => hive);
  tcpRecovery(() => hive);

  it("is reached through the guest's own network alone, which counts every frame", async () => {
    const { token } = readCredentials(readFileSync(credentialsPath, "utf8"));
    const before = await netstats(hive);
    const wire = await ConsoleWire.open(hive.port);
    wire.send(`AUTH ${token}`, "QUIT");
    expect(await wire.lines(2)).to.deep.equal(["OK AUTH", "OK QUIT"]);
    expect(await wire.line()).to.equal(undefined);
    // The last acknowledgements take their time.
    let after = before;
    const grown = (name: string): number => after.get(name)! - before.get(name)!;
    for (let tries = 0; tries < 100; tries++) {
      after = await netstats(hive);
      if (after.get("rx_frames") === hive.gateway.port.counters.txFrames) break;
    }
    expect(after.get("rx_frames")).to.equal(hive.gateway.port.counters.txFrames);
    expect(after.get("tx_frames")).to.equal(hive.gateway.port.counters.rxFrames);
    // SYN, what was said, FIN.
    expect(grown("rx_frames")).to.be.at.least(3);
    expect(grown("accepted")).to.equal(1);
  });
});

/** The numbers of `netstats`, asked for on the machine's line. */
async function netstats(hive: SimulatedHive): Promise<ReadonlyMap<string, number>> {
  hive.type("netstats\r");
  const shown = await hive.expect(/OK NETSTATS[^]*\nEND\r?\n/, 10_000);
  return new Map([...shown.matchAll(/(\w+)=(\d+)/g)].map(([, name = "", value]) => [name, Number(value)]));
}

describe("a hive in the simulator that asks for its address", function () {
  this.timeout(60_000);

  it("gets one from the gateway, and has its console there", async () => {
    const hive = await SimulatedHive.start({ manifest: manifestWith({ network: { mode: "dhcp" } }) });
    try {
      const wire = await ConsoleWire.open(hive.port);
      wire.send("AUTH nonsense");
      expect(await wire.line()).to.equal("ERR AUTH reason=policy detail=denied");
      expect(hive.output).to.match(/net: 10\.0\.2\.15\/24 gateway 10\.0\.2\.2, leased by 10\.0\.2\.2\r\n/);
    } finally {
      await hive.end();
    }
  });
});

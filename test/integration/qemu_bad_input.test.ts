/** Bad input on seL4 in QEMU: over TCP, on the serial line, on the virtio console. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import {
  acceptBadInputAtTerminal,
  acceptBadInputOverTcp,
  acceptTick,
  type HiveAtHand,
} from "./bad-input.acceptance.ts";
import { MonitoredHive, OWN_TIME } from "./monitored-hive.ts";
import { needsQemu } from "./qemu-image.ts";

const TICK_US = 10_000;

for (const [what, words] of [
  ["on the serial line", []],
  ["on the virtio console", ["--console", "virtio"]],
] as const) {
  describe(`bad input to a hive on seL4 in QEMU that has its console ${what}`, function () {
    needsQemu(this);
    let machine: MonitoredHive;
    let hive: HiveAtHand;
    before(async () => {
      machine = await MonitoredHive.start(words, OWN_TIME);
      const { token, tickets } = readCredentials(readFileSync(credentialsPath, "utf8"));
      hive = { port: machine.port, token, ticket: tickets.queen ?? "", terminal: machine.line };
    });
    after(async () => {
      expect(await machine.end(), machine.line.messages).to.equal(0);
    });

    describe("at its terminal", () => acceptBadInputAtTerminal(() => hive));
    // The wire is the same whatever the terminal is.
    if (words.length === 0) describe("over TCP", () => acceptBadInputOverTcp(() => hive));
    describe("and its tick", () => acceptTick(() => hive, TICK_US));
  });
}

/**
 * Bad input to a hive on each kind of machine: over TCP, and on seL4 in QEMU on the serial line and on the virtio console as well. Those
 * of the simulator are tested in virtual time (`test/services/main/bad-input.test.ts`).
 */
import { readFileSync } from "node:fs";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import {
  acceptBadInputAtTerminal,
  acceptBadInputOverTcp,
  acceptTick,
  type HiveAtHand,
  tickOf,
} from "./bad-input.acceptance.ts";
import { ConsoleWire } from "./console-wire.ts";
import { inSimulator, type ListeningHive } from "./listening-hive.ts";
import { MonitoredHive, OWN_TIME } from "./monitored-hive.ts";
import { needsQemu } from "./qemu-image.ts";

const TICK_US = 10_000;

/** The hive that a suite starts and ends. */
function started(start: () => Promise<ListeningHive>): () => HiveAtHand {
  let hive: ListeningHive;
  let at: HiveAtHand;
  before(async () => {
    hive = await start();
    const { token, tickets } = readCredentials(readFileSync(credentialsPath, "utf8"));
    const keys = { port: hive.port, token, ticket: tickets.queen ?? "" };
    const wire = await ConsoleWire.attached(keys.port, keys.token, keys.ticket);
    at = { ...keys, terminal: hive, tick: await tickOf(wire) };
    wire.close();
  });
  let shown = false;
  afterEach(function () {
    if (shown || this.currentTest?.state !== "failed") return;
    shown = true;
    console.log(`      its line said: ${JSON.stringify(hive.output.slice(-8000))}`);
  });
  after(() => hive.end());
  return () => at;
}

describe("bad input to a hive on seL4 in QEMU that has its console on the serial line", function () {
  needsQemu(this);
  const hive = started(() => MonitoredHive.start([], OWN_TIME));
  describe("at its terminal", () => acceptBadInputAtTerminal(hive));
  describe("over TCP", () => acceptBadInputOverTcp(hive));
  describe("and its tick", () => acceptTick(hive, TICK_US));
});

describe("bad input to a hive on seL4 in QEMU that has its console on the virtio console", function () {
  needsQemu(this);
  const hive = started(() => MonitoredHive.start(["--console", "virtio"], OWN_TIME));
  describe("at its terminal", () => acceptBadInputAtTerminal(hive));
  describe("and its tick", () => acceptTick(hive, TICK_US));
});

describe(`bad input to a hive ${inSimulator.name}`, function () {
  this.timeout(60_000);
  describe("over TCP", () => acceptBadInputOverTcp(started(() => inSimulator.start())));
});

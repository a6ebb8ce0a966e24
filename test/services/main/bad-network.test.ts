/**
 * The bundle that ships on a network that does everything wrong at once: frames that are cut, too long, damaged or noise, bursts
 * that take every descriptor, a link that flaps, a device that stalls, lies and is reset. The seed stands in the test's name.
 */
import { expect } from "chai";
import type { UsedEntry } from "../../../engine/sim/devices/virtio/queue.ts";
import { SeededRandom } from "../../../services/net/phy/random.ts";
import { SEED, SEEDED } from "../../fuzz/seed.ts";
import {
  arpPacket,
  BROADCAST_MAC,
  ethernet,
  icmpMessage,
  ipv4Frame,
  OWN_IP,
  OWN_MAC,
  PEER_IP,
  PEER_MAC,
} from "../net/fixture.ts";
import { bundle, Hive } from "./hive.ts";

const STEPS = 400;
const BUFFERS = 128;
/** Longer than the minute in which so many resets are allowed. */
const REST_US = 61_000_000;

const ping = ipv4Frame(icmpMessage(8, 0, [0, 1, 0, 2, 3, 4, 5, 6]));

/** A frame that somebody may send, mostly with something wrong. */
function frame(random: SeededRandom): Uint8Array {
  const bytes = (count: number): number[] => Array.from({ length: count }, () => random.below(256));
  const made = [
    () => [...ping],
    () => ipv4Frame(icmpMessage(8, 0, bytes(random.below(1472)))),
    () => ipv4Frame(bytes(random.below(60)), { protocol: 6 }),
    () => ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, arpPacket(1, PEER_MAC, PEER_IP, [0, 0, 0, 0, 0, 0], OWN_IP)),
    () => ethernet(OWN_MAC, PEER_MAC, random.below(0x1_0000), bytes(random.below(1500))),
    () => bytes(random.below(1600)),
  ][random.below(6)]!();
  const fate = random.below(4);
  if (fate === 0) return Uint8Array.from(made.slice(0, random.below(made.length)));
  if (fate === 1) return Uint8Array.from([...made, ...bytes(random.below(1600))].slice(0, 1526));
  if (fate === 2 && made.length > 0) {
    const at = random.below(made.length);
    made[at] = made[at]! ^ (1 << random.below(8));
  }
  return Uint8Array.from(made);
}

/** Numbers of a line by name, and their sum. */
function numbers(lines: readonly string[], name: string): Record<string, number> {
  const line = lines.find((one) => one.startsWith(`${name} `)) ?? "";
  const found: Record<string, number> = {};
  for (const [, key = "", value] of line.matchAll(/ ([a-z_0-9]+)=(\d+)/g)) found[key] = Number(value);
  return found;
}
const sum = (group: Record<string, number>): number => Object.values(group).reduce((a, b) => a + b, 0);

describe(`a hive on the worst of networks (${SEEDED})`, function () {
  this.timeout(120_000);

  it("answers its operator all the while, accounts for every frame and descriptor, and works when it is over", async () => {
    const random = new SeededRandom(SEED);
    let lies = 0;
    let lie = false;
    const used = (entry: UsedEntry): void => {
      if (!lie) return;
      lie = false;
      lies++;
      entry[(["id", "length", "index"] as const)[random.below(3)]!] = random.below(0x1_0000);
    };
    const hive = new Hive(await bundle(), { net: { hooks: { used } } });
    await hive.boot();
    const { machine } = hive;
    const net = machine.net!;
    let flaps = 0;
    let dry = 0;
    for (let step = 0; step < STEPS; step++) {
      const what = random.below(10);
      if (what === 0) net.setLink(++flaps % 2 === 0);
      else if (what === 1) lie = random.chance(0.5);
      else if (what === 2) {
        net.stalled = !net.stalled;
        net.resume();
      } else if (what === 3) {
        // More than there are descriptors, before the hive has a turn.
        for (let i = 0; i < 3 * BUFFERS; i++) if (!net.inject(Uint8Array.from(ping))) dry++;
      } else for (let i = random.below(20); i > 0; i--) net.inject(frame(random));
      await machine.runFor([10, 1000, 200_000, 5_000_000][random.below(4)]!);
      if (step % 20 > 0) continue;
      hive.terminal.type("ping\r");
      await hive.terminal.expect("\r\nPONG\r\n");
    }
    for (const [what, count] of Object.entries({ flaps, lies, dry })) expect(count, what).to.be.greaterThan(0);

    lie = false;
    net.stalled = false;
    net.setLink(true);
    net.resume();
    for (let i = 0; i < 3; i++) {
      await machine.runFor(REST_US);
      net.inject(Uint8Array.from(ping));
    }
    await hive.quiet();
    let answered = 0;
    net.wire = { frame: (bytes) => void (answered += Number(bytes[23] === 1 && bytes[34] === 0)) };
    for (let i = 0; i < 3 * BUFFERS; i++) {
      expect(net.inject(Uint8Array.from(ping)), "a frame more").to.equal(true);
      await machine.runFor(1000);
    }
    expect(answered).to.equal(3 * BUFFERS);

    // The log comes between prompts.
    const { terminal } = hive;
    const asked = terminal.transcript.length;
    terminal.type("netstats\rps\r");
    await hive.quiet();
    const stats = terminal.transcript.slice(asked).split("\r\n");
    const fates = (fate: string): number =>
      ["interface", "arp", "ipv4", "icmp"].reduce((all, layer) => all + sum(numbers(stats, `${layer}.${fate}`)), 0);
    const frames = Number(/^frames (\d+)$/m.exec(stats.join("\n"))?.[1]);
    expect(frames).to.be.greaterThan(1000);
    expect(fates("handled") + fates("dropped"), "each frame has one fate").to.equal(frames);
    const device = numbers(stats, "device");
    expect(device["device_errors"]).to.be.greaterThan(0);
    expect(device["resets"]).to.be.greaterThan(0);
    for (const queue of ["net.rx", "net.tx"]) {
      const { size, free, driver, device: given } = numbers(stats, `queue ${queue}`);
      expect([free! + driver! + given!, driver], queue).to.deep.equal([size, 0]);
    }
    expect(stats.some((line) => line.startsWith("link up "))).to.equal(true);
    expect(numbers(stats, "tcp")["sockets"] ?? 0).to.equal(0);
    expect(machine.restarts).to.equal(0);
    expect(stats.join("\n"))
      .to.match(/^OK PS/m)
      .and.not.match(/stopped/);
  });
});

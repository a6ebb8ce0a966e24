/**
 * The wire formats under fuzz, each with the whole stack behind it. Nothing beyond a frame is ever read, each frame has one fate, each
 * answer is one that may be sent, and nothing is left when it is over.
 */
import { Random } from "../random.ts";
import { atLeast, type Counts, type Target } from "../target.ts";
import { Maker, type Protocol } from "./maker.ts";
import { World } from "./world.ts";

const LIVE = 8;
function netCounts() {
  return { frames: 0, damaged: 0, taken: 0, dropped: 0, sent: 0, segments: 0, connections: 0, datagrams: 0, leases: 0 };
}

function fuzz(protocol: Protocol, seed: number, inputs: number, counts: ReturnType<typeof netCounts>): void {
  const random = new Random(seed);
  const world = new World(protocol === "dhcp");
  const maker = new Maker(random, world);
  world.pass(0);
  for (let n = 0; n < inputs; n++) {
    // What others say on the link makes some of it get further.
    if (maker.make(random.once(16) ? random.of(["arp", "tcp"]) : protocol)) counts.damaged++;
    world.take(maker, random.int(16));
    if (n % LIVE !== 0) continue;
    world.live(random);
    world.balance();
  }
  world.end();
  tally(world, counts);
}

function tally({ stack, port }: World, counts: ReturnType<typeof netCounts>): void {
  const sum = (group: object): number => Object.values(group as Record<string, number>).reduce((a, b) => a + b, 0);
  const { link, tcp, udp, dhcp } = stack;
  counts.frames += link.counters.frames;
  counts.taken += sum(link.counters.handled);
  counts.dropped += sum(link.counters.dropped);
  counts.sent += port.counters.txFrames;
  counts.segments += tcp.counters.segments;
  counts.connections += tcp.counters.sockets.accepted;
  counts.datagrams += udp.counters.datagrams;
  counts.leases += dhcp?.counters.acknowledged ?? 0;
}

function target(protocol: Protocol, what: string, reached: (counts: Counts) => void): Target {
  return {
    name: protocol,
    what,
    run: 2048,
    short: 2 * 2048,
    counts: netCounts,
    fuzz: (seed, inputs, counts) => fuzz(protocol, seed, inputs, counts as ReturnType<typeof netCounts>),
    reached(counts) {
      // It is no fuzzing if nothing gets through, or everything does.
      atLeast(counts, "dropped", 0.05, "frames");
      reached(counts);
    },
  };
}

export const NET_TARGETS: readonly Target[] = [
  target("ethernet", "damaged Ethernet frames at the network stack", (counts) =>
    atLeast(counts, "taken", 0.02, "frames"),
  ),
  target("arp", "damaged ARP packets at the network stack", (counts) => atLeast(counts, "sent", 0.1, "frames")),
  target("ipv4", "damaged IPv4 headers at the network stack", (counts) => atLeast(counts, "datagrams", 0.02, "frames")),
  target("icmp", "damaged ICMP messages at the network stack", (counts) => atLeast(counts, "taken", 0.2, "frames")),
  target("udp", "damaged UDP datagrams at the network stack", (counts) => atLeast(counts, "taken", 0.1, "frames")),
  target("tcp", "damaged TCP segments and options at the network stack", (counts) => {
    atLeast(counts, "segments", 0.5, "frames");
    atLeast(counts, "connections", 0.002, "frames");
  }),
  target("dhcp", "damaged DHCP answers at the network stack", (counts) => {
    atLeast(counts, "datagrams", 0.3, "frames");
    atLeast(counts, "leases", 0.001, "frames");
  }),
];

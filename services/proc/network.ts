/**
 * The reports on the network: a file below `/proc/net` for each protocol that the hive speaks, all of them together the answer
 * to `NETSTATS`. Each begins with what there is now, then counts what came, was dropped and went; every frame that came is in
 * exactly one of `handled` and `dropped`.
 */
import type { NetStack } from "../net/stack.ts";
import { connectionLines } from "../net/tcp/report.ts";
import type { FramePort } from "../ports/index.ts";
import { groups, row } from "./rows.ts";

/** A port that knows how often its link changed, and where its descriptors are. */
export interface ReportedPort extends FramePort {
  readonly linkChanges: number;
  queues(): readonly string[];
}

/** What of the stack is shown. */
export type ReportedStack = Pick<NetStack, "link" | "udp" | "tcp" | "dhcp" | "address" | "leaseLines">;

/** Lines by the name of the file. */
export type Reports = Readonly<Record<string, () => readonly string[]>>;

/** Whose a counter of the interface is, by how its name begins; the others are IPv4's. */
const OWNERS: Readonly<Record<string, RegExp>> = { interface: /^ethernet/, arp: /^arp/, icmp: /^(icmp|echo)/ };
const FATES = ["handled", "dropped", "sent", "unsent"] as const;

/** Link and address alone, which cost little to say. */
export function linkLines(port: ReportedPort, stack: ReportedStack): string[] {
  return [
    `link ${port.linkUp ? "up" : "down"} mtu=${port.mtu} changes=${port.linkChanges}`,
    `address ${stack.address}`,
  ];
}

export function networkReports(port: ReportedPort, stack: ReportedStack): Reports {
  const { link, tcp, udp, dhcp } = stack;
  const { counters } = link;
  const layer = (file: string): string[] =>
    FATES.map((fate) => row(`${file}.${fate}`, counters[fate], (key) => ownerOf(key) === file)).filter(hasNumbers);
  const reports: Record<string, () => readonly string[]> = {
    interface: () => [
      ...linkLines(port, stack),
      row("device", port.counters),
      ...port.queues(),
      `frames ${counters.frames}`,
      ...layer("interface"),
    ],
    arp: () => [...link.neighbours(), row("neighbours", counters.neighbours), ...layer("arp")],
    ipv4: () => layer("ipv4"),
    icmp: () => layer("icmp"),
    udp: () => [row("udp", udp.counters)],
    tcp: () => [
      `tcp sockets=${tcp.sockets} half_open=${tcp.halfOpen} time_wait=${tcp.timeWait}`,
      ...groups("tcp", tcp.counters),
      ...connectionLines(tcp, link.own.address),
    ],
  };
  if (dhcp !== undefined) reports["dhcp"] = () => [...stack.leaseLines(), row("dhcp", dhcp.counters)];
  return reports;
}

/** By the counter's name; the names are the code's own. */
const owners = new Map<string, string>();

function ownerOf(counter: string): string {
  let owner = owners.get(counter);
  if (owner === undefined) {
    owner = Object.keys(OWNERS).find((file) => OWNERS[file]!.test(counter)) ?? "ipv4";
    owners.set(counter, owner);
  }
  return owner;
}

function hasNumbers(line: string): boolean {
  return line.includes("=");
}

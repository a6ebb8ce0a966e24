/**
 * The report on the network: link and address first, then every counter of the device and the stack, one group a line.
 */
import type { NetStack } from "../net/stack.ts";
import type { FramePort } from "../ports/index.ts";

/** A port that knows how often its link changed, and in what ways its device broke the protocol. */
export interface ReportedPort extends FramePort {
  readonly linkChanges: number;
  readonly faults: object;
}

/** Link and address alone, which cost little to say. */
export function linkLines(port: ReportedPort, stack: NetStack): string[] {
  return [
    `link ${port.linkUp ? "up" : "down"} mtu=${port.mtu} changes=${port.linkChanges}`,
    `address ${stack.address}`,
  ];
}

export function networkLines(port: ReportedPort, stack: NetStack): string[] {
  const { link, tcp, udp } = stack;
  const { frames, handled, dropped, sent, unsent, neighbours } = link.counters;
  return [
    ...linkLines(port, stack),
    row("device", port.counters),
    row("device.faults", port.faults),
    `frames ${frames}`,
    row("handled", handled),
    row("dropped", dropped),
    row("sent", sent),
    row("unsent", unsent),
    row("neighbours", neighbours),
    `tcp sockets=${tcp.sockets} half_open=${tcp.halfOpen} time_wait=${tcp.timeWait}`,
    ...groups("tcp", tcp.counters),
    ...groups("udp", udp.counters),
    ...(stack.dhcp === undefined ? [] : [`dhcp state=${stack.dhcp.state}`, ...groups("dhcp", stack.dhcp.counters)]),
  ];
}

function row(name: string, values: object): string {
  const pairs = Object.entries(values as Record<string, unknown>).filter(([, value]) => typeof value !== "object");
  return `${name} ${pairs.map(([key, value]) => `${key}=${String(value)}`).join(" ")}`;
}

/** A line for the counters themselves, and one for each group of them. */
function groups(name: string, counters: object): string[] {
  const nested = Object.entries(counters as Record<string, unknown>).filter(([, value]) => typeof value === "object");
  return [row(name, counters), ...nested.map(([key, value]) => row(`${name}.${key}`, value as object))];
}

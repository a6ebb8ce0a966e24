/**
 * TCP's connections and pools as reports show them. Sequence numbers are counted from a connection's own first ones: who may
 * read a report learns none that a forged segment would need.
 */
import type { Pool } from "../../ports/index.ts";
import { Several } from "../../proc/pools.ts";
import { formatIpv4 } from "../address.ts";
import { type ControlBlock, STATE_NAMES } from "./control-block.ts";
import { RANGES_MAX } from "./receive-buffer.ts";
import { distance } from "./sequence.ts";
import type { Tcp } from "./tcp.ts";

/** Memory of a connection without its buffers, as it was measured, and of entries of tables, by their arrays. */
const BLOCK_BYTES = 8192;
const SEGMENT_BYTES = 37;
const RANGE_BYTES = 16;
const HALF_OPEN_BYTES = 69;
const TIME_WAIT_BYTES = 48;

/** One line for each connection. @param own our address */
export function connectionLines(tcp: Tcp, own: number): string[] {
  const lines: string[] = [];
  for (const tcb of tcp.blocks) if (tcb.used) lines.push(connectionLine(tcb, own));
  return lines;
}

/** In one piece, for there may be many of them and whoever asks for a report shall not hold up the others. */
function connectionLine(tcb: ControlBlock, own: number): string {
  const { ports, iss, control, rtt, receive } = tcb;
  return (
    `connection ${tcb.slot} ${formatIpv4(own)}:${ports & 0xffff} ${formatIpv4(tcb.remoteAddress)}:${ports >>> 16}` +
    ` ${STATE_NAMES[tcb.state]!} una=${(tcb.una - iss) >>> 0} nxt=${(tcb.nxt - iss) >>> 0}` +
    ` wnd=${distance(tcb.una, tcb.edge)} rcv_nxt=${(tcb.rcvNxt - tcb.irs) >>> 0}` +
    ` rcv_wnd=${distance(tcb.rcvNxt, tcb.advertised)} cwnd=${Math.floor(control.window)}` +
    ` ssthresh=${Math.floor(control.threshold)} pacing=${Math.floor(control.pacingRate)} mss=${tcb.mss} srtt_us=${Math.floor(rtt.smoothedUs)}` +
    ` rto_us=${Math.floor(rtt.timeout(tcb.backoff))} resent=${tcb.resent} bytes_in=${tcb.bytesIn}` +
    ` bytes_out=${tcb.bytesOut} unread=${receive.length} unacked=${tcb.send.length} gaps=${receive.ranges}`
  );
}

/** What TCP may hold; of the buffers that each connection has, the fullest. */
export function tcpPools(tcp: Tcp): Pool[] {
  const { counters, settings } = tcp;
  const { sockets, segments, receiveBytes, sendBytes, halfOpen, timeWait } = settings;
  const { sockets: all, halfOpen: opening, timeWait: closed } = counters;
  const each = new Several(sockets, [
    ["tcp.receive", receiveBytes, 0, receiveBytes, 0, "beyond_window", counters.receive.beyondWindow],
    ["tcp.gaps", RANGES_MAX * RANGE_BYTES, 0, RANGES_MAX, 0, "refused", counters.receive.rangesFull],
    ["tcp.send", sendBytes, 0, sendBytes, 0, "held_back", 0],
    ["tcp.segments", segments * SEGMENT_BYTES, 0, segments, 0, "held_back", counters.unsent.segmentsFull],
  ]);
  return [
    ["tcp.sockets", sockets * BLOCK_BYTES, tcp.sockets, sockets, all.highWater, "reclaimed", all.reclaimed],
    ...each.pools(tcp.blocks.map(bufferPools)),
    [
      "tcp.half_open",
      halfOpen * HALF_OPEN_BYTES,
      tcp.halfOpen,
      halfOpen,
      opening.highWater,
      "cookies",
      opening.overflowed,
    ],
    ["tcp.time_wait", timeWait * TIME_WAIT_BYTES, tcp.timeWait, timeWait, closed.highWater, "evicted", closed.evicted],
    [
      "tcp.backlog",
      2 * sockets,
      tcp.pending,
      tcp.backlog,
      all.backlogHighWater,
      "refused",
      counters.dropped.backlogFull,
    ],
  ];
}

function bufferPools({ receive, send, segments }: ControlBlock): Pool[] {
  const pool = (used: number, peak: number, times = 0): Pool => ["", 0, used, 0, peak, "", times];
  return [
    pool(receive.length, receive.highWater),
    pool(receive.ranges, receive.rangesHighWater),
    pool(send.length, send.highWater, send.short),
    pool(segments.count, segments.highWater),
  ];
}

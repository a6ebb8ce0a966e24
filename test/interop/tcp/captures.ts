/** Wireshark looks at every frame of the captures: none may be malformed, and each checksum has to be right. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Checks, ensure, Skipped } from "../../../scripts/lib/checks.ts";
import { tsharkMissing } from "../dissect.ts";

/** tshark's word for a checksum that is right (packet.c), and for a frame of a capture that we sent (`epb_flags`). */
const GOOD = "1";
const OUTBOUND = "0x00000002";
/** What there is to say of TCP with Linux 6: a sum of 0x0000 is sent as 0xffff, which is the same to a receiver (RFC 1624). */
const KERNEL_SUM = "0xffff";
const FIELDS = [
  ...["frame.number", "ip.src", "ip.dst", "frame.packet_flags_direction", "_ws.malformed"],
  ...["ip.checksum.status", "tcp.checksum.status", "tcp.checksum"],
];
const PREFERENCES = [
  ...["tcp.check_checksum:TRUE", "ip.check_checksum:TRUE"],
  // What becomes of a stream takes its time and is not asked for.
  ...["tcp.analyze_sequence_numbers:FALSE", "tcp.track_bytes_in_flight:FALSE", "tcp.desegment_tcp_streams:FALSE"],
].flatMap((preference) => ["-o", preference]);

/** Frames and segments of ours, and what is wrong. */
interface Looked {
  readonly frames: number;
  readonly segments: number;
  readonly wrong: readonly string[];
}

/** @param path of a capture file that {@link PcapWriter} has written, or of several that stand one behind the other */
async function look(path: string): Promise<Looked> {
  const { stdout } = await promisify(execFile)(
    "tshark",
    ["-n", "-r", path, ...PREFERENCES, "-T", "fields", ...FIELDS.flatMap((field) => ["-e", field])],
    { maxBuffer: 1 << 28, timeout: 60_000 },
  );
  const wrong: string[] = [];
  let segments = 0;
  const lines = stdout.split("\n").slice(0, -1);
  for (const line of lines) {
    // ARP has no checksums, and a segment in an error of ICMP none that is looked at.
    const [number, source, destination, direction, malformed, ip = "", tcp = "", sum] = line.split("\t");
    const outbound = direction === OUTBOUND;
    if (outbound && tcp !== "") segments++;
    const right = tcp === "" || tcp === GOOD || (!outbound && sum === KERNEL_SUM);
    if (malformed === "" && (ip === "" || ip === GOOD) && right) continue;
    wrong.push(`${number}, from ${source} to ${destination}`);
  }
  return { frames: lines.length, segments, wrong };
}

/** @param path of a file with all that was captured */
export async function captureChecks(checks: Checks, path: string): Promise<void> {
  await checks.run("Wireshark finds every frame well-formed and every checksum right", async () => {
    const why = tsharkMissing();
    if (why !== undefined) throw new Skipped(why);
    const { frames, segments, wrong } = await look(path);
    ensure(wrong.length === 0, `${wrong.length} frames are wrong: ${wrong.slice(0, 5).join("; ")}`);
    ensure(segments > 1000, "there was nothing to look at");
    return `${frames} frames, ${segments} segments of ours`;
  });
}

/**
 * The measurements of smoltcp's `tests/netsim.rs`, under its conditions: B connects to A and sends without pause, A reads at
 * once; Ethernet, 1500 bytes, 50 ms each way, loss in both directions, buffers of the same size on both sides.
 */
import type { TcpSettings } from "../../../../services/net/tcp/settings.ts";
import type { TcpSocket } from "../../../../services/net/tcp/socket.ts";
import { Bottleneck, Dice, Network, Wire } from "./network.ts";

/** No flow may give up: with 30 % loss both ways it would, sooner or later. */
const PATIENT: Partial<TcpSettings> = {
  sockets: 2,
  userTimeoutUs: Infinity,
  connectUs: Infinity,
  keepAliveUs: 0,
};

export interface FlowResult {
  /** Bytes received by each flow. */
  received: number[];
  seconds: number;
  /** Share of the frames that the queue dropped. */
  dropped: number;
}

interface FlowSpec {
  /** One way there and back, in microseconds. */
  delaysUs: readonly [number, number];
  loss: number;
  seeds: readonly [number, number];
}

function run(
  flows: readonly FlowSpec[],
  bytes: number,
  settings: Partial<TcpSettings>,
  there?: Bottleneck,
  back?: Bottleneck,
): FlowResult {
  const network = new Network();
  const sink = new Uint8Array(65_536);
  const received = flows.map(() => 0);
  let behind = flows.length;
  flows.forEach(({ delaysUs, loss, seeds }, i) => {
    const toA = new Wire({ delayUs: delaysUs[0], loss }, seeds[0], there);
    const toB = new Wire({ delayUs: delaysUs[1], loss }, seeds[1], back);
    // Hosts of a pair have numbers 2i + 1 and 2i + 2; A sends on the wire to B.
    const [a, b] = network.join(toB, toA, { ...PATIENT, ...settings });
    const listener = a.tcp.listen(1, 1);
    let socket: TcpSocket | undefined;
    a.work = () => {
      socket ??= listener.accept();
      if (socket === undefined) return;
      for (let got = socket.read(sink, 0, sink.length); got > 0; got = socket.read(sink, 0, sink.length)) {
        const had = received[i]!;
        received[i] = had + got;
        if (had < bytes && had + got >= bytes) behind--;
      }
    };
    const sender = b.tcp.connect(0x0a000000 | (2 * i + 1), 1);
    b.work = () => {
      while (sender !== undefined && sender.write(sink, 0, sink.length) > 0);
    };
  });
  network.settle();
  if (!network.run(() => behind === 0)) throw new Error(`a flow stopped at ${network.clock.us} us`);
  const pushes = (there?.pushes ?? 0) + (back?.pushes ?? 0);
  const drops = (there?.drops ?? 0) + (back?.drops ?? 0);
  return { received, seconds: network.clock.us / 1e6, dropped: pushes === 0 ? 0 : drops / pushes };
}

/** Of either wire. Three runs, because 10 MiB at 0.1 % see only seven losses: one run says more of its seed than of us. */
const SEEDS = [
  [1, 0],
  [3, 2],
  [5, 4],
] as const;

/** Bytes per second of one flow, over three runs. @param rttUs round trip */
export function oneFlow(
  buffer: number,
  loss: number,
  bytes: number,
  control: TcpSettings["control"],
  rttUs = 100_000,
): number {
  const runs = loss === 0 ? SEEDS.slice(0, 1) : SEEDS;
  let total = 0;
  for (const seeds of runs) {
    const spec: FlowSpec = { delaysUs: [rttUs / 2, rttUs / 2], loss, seeds };
    total += run([spec], bytes, { receiveBytes: buffer, sendBytes: buffer, control }).seconds;
  }
  return (runs.length * bytes) / total;
}

/** One link of 200 Mbit/s each way with a queue of 64 KiB, each direction of each flow 25 to 75 ms, buffers of 256 KiB. */
export function manyFlows(count: number, bytes: number, control: TcpSettings["control"]): FlowResult {
  const dice = new Dice(count);
  const flows = Array.from({ length: count }, (_, i): FlowSpec => {
    const delay = (): number => 25_000 + Math.floor(dice.next() * 50_000);
    return { delaysUs: [delay(), delay()], loss: 0, seeds: [2 * i, 2 * i + 1] };
  });
  const bottleneck = (): Bottleneck => new Bottleneck(25_000_000, 65_536);
  const buffer = 262_144;
  return run(flows, bytes, { receiveBytes: buffer, sendBytes: buffer, control }, bottleneck(), bottleneck());
}

/** Jain's index: 1 if all got the same. */
export function fairness(received: readonly number[]): number {
  const sum = received.reduce((total, bytes) => total + bytes, 0);
  const squares = received.reduce((total, bytes) => total + bytes * bytes, 0);
  return (sum * sum) / (received.length * squares);
}

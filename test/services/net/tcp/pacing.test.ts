/** How the sender keeps to the pace that its congestion control sets, seen on the wire in virtual time. */
import { expect } from "chai";
import type { TcpSettings } from "../../../../services/net/tcp/settings.ts";
import { Bottleneck, Network, Wire } from "../netsim/network.ts";

const RATE = 500_000;
const QUEUE = 20_000;
const SECOND_US = 1_000_000;
/** A full frame on the wire. */
const FRAME = 1514;

class WatchedWire extends Wire {
  readonly sent: [atUs: number, bytes: number][] = [];
  override send(frame: Uint8Array, nowUs: number): void {
    this.sent.push([nowUs, frame.length]);
    super.send(frame, nowUs);
  }
}

/** Send for four seconds over a link of {@link RATE}, 40 ms there and back. @returns what left in the last three. */
function sent(control: TcpSettings["control"]): { steady: [number, number][]; link: Bottleneck; dropsAtFirst: number } {
  const network = new Network();
  const link = new Bottleneck(RATE, QUEUE);
  const out = new WatchedWire({ delayUs: 20_000 }, 1, link);
  const [a, b] = network.join(new Wire({ delayUs: 20_000 }, 2), out, {
    control,
    sockets: 1,
    receiveBytes: 262_144,
    sendBytes: 262_144,
  });
  const listener = a.tcp.listen(1, 1);
  const sink = new Uint8Array(65_536);
  let reader = listener.accept();
  a.work = () => {
    reader ??= listener.accept();
    while (reader !== undefined && reader.read(sink, 0, sink.length) > 0);
  };
  const writer = b.tcp.connect(0x0a000001, 1)!;
  b.work = () => {
    while (writer.write(sink, 0, sink.length) > 0);
  };
  network.settle();
  network.run(() => false, SECOND_US);
  const dropsAtFirst = link.drops;
  network.run(() => false, 4 * SECOND_US);
  return { steady: out.sent.filter(([atUs]) => atUs > SECOND_US), link, dropsAtFirst };
}

/** Most bytes within any `windowUs`. */
function most(steady: readonly [number, number][], windowUs: number): number {
  let max = 0;
  let bytes = 0;
  let from = 0;
  steady.forEach(([atUs, length]) => {
    bytes += length;
    while (steady[from]![0] < atUs - windowUs) bytes -= steady[from++]![1];
    max = Math.max(max, bytes);
  });
  return max;
}

describe("TCP, pacing", () => {
  it("spreads segments over the round trip: at no moment more leave than the pace, and a few ahead of it", () => {
    const { steady, link, dropsAtFirst } = sent("rate");
    const total = steady.reduce((sum, [, bytes]) => sum + bytes, 0);
    expect(total, "the link is used").to.be.within(0.85 * 3 * RATE, 1.02 * 3 * RATE);
    // A quarter more than the path takes, for a round trip at a time.
    for (const windowUs of [0, 5_000, 20_000]) {
      expect(most(steady, windowUs), `${windowUs} us`).to.be.at.most((1.25 * RATE * windowUs) / 1e6 + 3 * FRAME);
    }
    expect(link.drops - dropsAtFirst, "nothing is lost once the path is known").to.equal(0);
  });

  it("is not done by the classic control, which fills the queue until it overflows", () => {
    const { link, dropsAtFirst } = sent("newreno");
    expect(link.drops - dropsAtFirst).to.be.greaterThan(0);
  });
});

import { expect } from "chai";
import {
  type CongestionControl,
  createSample,
  initialWindow,
  type Sample,
} from "../../../../services/net/tcp/congestion.ts";
import { DeliveryRate } from "../../../../services/net/tcp/delivery-rate.ts";
import { NewReno } from "../../../../services/net/tcp/new-reno.ts";

const MSS = 1000;

function acked(control: CongestionControl, fields: Partial<Sample>): void {
  const sample = { ...createSample(), priorFlight: control.window, deliveredBytes: MSS, ...fields };
  control.acknowledged(sample);
}

describe("initialWindow", () => {
  it("is ten segments up to 14,600 bytes (RFC 6928)", () => {
    expect([536, 1448, 1460, 9000].map(initialWindow)).to.deep.equal([5360, 14_480, 14_600, 18_000]);
  });
});

describe("NewReno", () => {
  let control: NewReno;
  beforeEach(() => {
    control = new NewReno();
    control.start(MSS);
  });

  it("grows by what is acknowledged in slow start, by two segments at most (RFC 3465)", () => {
    acked(control, { deliveredBytes: 2 * MSS });
    acked(control, { deliveredBytes: 9 * MSS });
    expect(control.window).to.equal(14 * MSS);
  });

  it("does not grow while the window is not used (RFC 7661)", () => {
    acked(control, { priorFlight: 4 * MSS });
    expect(control.window).to.equal(10 * MSS);
  });

  it("halves once for a round of losses, and then grows by a segment a round", () => {
    control.lost(10 * MSS);
    expect(control.window).to.equal(5 * MSS);
    acked(control, { recovering: "fast" });
    expect(control.window).to.equal(5 * MSS);
    control.recovered();
    for (let i = 0; i < 5; i++) acked(control, {});
    expect(control.window).to.equal(6 * MSS);
  });

  it("starts anew after a time-out, up to half of what was on its way", () => {
    control.timedOut(10 * MSS);
    expect(control.window).to.equal(MSS);
    for (let i = 0; i < 4; i++) acked(control, { recovering: "timeout" });
    expect([control.window, control.threshold]).to.deep.equal([5 * MSS, 5 * MSS]);
  });

  it("never goes below two segments, and forgets its window in silence (RFC 5681 §4.1)", () => {
    control.lost(0);
    expect(control.window).to.equal(2 * MSS);
    control.start(MSS);
    acked(control, { deliveredBytes: 2 * MSS });
    control.resumed(100, 200);
    expect(control.window).to.equal(12 * MSS);
    control.resumed(300, 200);
    expect(control.window).to.equal(10 * MSS);
  });
});

/** A path: so many bytes a second, this round trip when empty, and a queue. Rounds of acknowledgements. */
function rounds(
  control: DeliveryRate,
  count: number,
  path: { rate: number; rttUs: number },
  from = 0,
  loss = 0,
): number {
  let nowUs = from;
  let delivered = Math.floor(from);
  for (let i = 0; i < count; i++) {
    const product = (path.rate * path.rttUs) / 1e6;
    const sent = Math.min(control.window, (control.pacingRate * path.rttUs) / 1e6);
    const rttUs = path.rttUs * Math.max(1, sent / product);
    nowUs += rttUs;
    const priorDelivered = delivered;
    delivered += Math.floor(Math.min(sent, (path.rate * rttUs) / 1e6) * (1 - loss));
    acked(control, {
      nowUs,
      deliveredBytes: delivered - priorDelivered,
      lostBytes: sent * loss,
      rttUs,
      rate: ((delivered - priorDelivered) * 1e6) / rttUs,
      delivered,
      priorDelivered,
      flight: sent,
      priorFlight: sent,
    });
  }
  return nowUs;
}

/** An acknowledgement that begins a round, and those of that round, with losses and these round-trip times; the last ends it. */
function lossyRound(control: DeliveryRate, at: number, rttsUs: readonly number[]): void {
  const prior = Math.floor(at) + 10_000_000;
  acked(control, { nowUs: at, rttUs: 50_000, delivered: prior, priorDelivered: prior });
  rttsUs.forEach((rttUs, i) => {
    const delivered = prior + (i + 1) * MSS;
    const priorDelivered = i === rttsUs.length - 1 ? prior : prior - 1;
    acked(control, { nowUs: at + i, rttUs, delivered, priorDelivered, lostBytes: MSS });
  });
}

describe("DeliveryRate", () => {
  const path = { rate: 1_000_000, rttUs: 50_000 };
  let control: DeliveryRate;
  beforeEach(() => {
    control = new DeliveryRate();
    control.start(MSS, 0);
  });

  it("finds what a path delivers within a few round trips, and keeps about twice that on its way", () => {
    rounds(control, 12, path);
    expect(control.rate).to.be.within(900_000, 1_100_000);
    expect(control.window).to.be.within(80_000, 160_000);
    expect(control.pacingRate).to.be.within(300_000, 1_400_000);
  });

  it("is not slowed by losses without a queue", () => {
    const at = rounds(control, 12, path);
    const before = control.rate;
    control.lost();
    rounds(control, 5, { ...path, rate: 980_000 }, at, 0.02);
    expect(control.rate).to.be.greaterThan(0.9 * before);
  });

  it("forgets within ten rounds a rate that the path has no more", () => {
    const at = rounds(control, 12, path);
    rounds(control, 24, { ...path, rate: 200_000 }, at);
    expect(control.rate).to.be.lessThan(300_000);
  });

  it("forgets nothing while the layer above holds back, however long", () => {
    const at = rounds(control, 12, path);
    const before = control.rate;
    const window = control.window;
    for (let i = 1; i <= 30; i++) {
      const delivered = Math.floor(at) + 1_000_000 + 64 * i;
      const nowUs = at + i * path.rttUs;
      const sample = { nowUs, rate: 1280, limited: true, rttUs: path.rttUs, deliveredBytes: 64 };
      acked(control, { ...sample, delivered, priorDelivered: delivered - 64, priorFlight: 64 });
    }
    expect(control.rate).to.equal(before);
    expect(control.window).to.be.at.least(Math.min(window, path.rate * 0.05));
  });

  it("takes losses in a round for a full path if every round-trip time of it shows a queue", () => {
    const at = rounds(control, 12, path);
    const before = control.rate;
    lossyRound(control, at, [60_000, 70_000]);
    expect(control.rate).to.be.within(0.69 * before, 0.71 * before);
  });

  it("takes one acknowledgement that was delayed for none", () => {
    const at = rounds(control, 12, path);
    const before = control.rate;
    lossyRound(control, at, [90_000, 50_000, 90_000]);
    expect(control.rate).to.be.closeTo(before, 0.01 * before);
  });

  it("learns nothing of a queue from a round in which all was sent twice", () => {
    const at = rounds(control, 12, path);
    const before = control.rate;
    lossyRound(control, at, [-1, -1]);
    expect(control.rate).to.be.closeTo(before, 0.01 * before);
  });

  it("shuts after a time-out until something is delivered", () => {
    const at = rounds(control, 12, path);
    control.timedOut();
    expect(control.window).to.equal(MSS);
    rounds(control, 1, path, at);
    expect(control.window).to.be.greaterThan(10 * MSS);
  });

  it("does not take what the layer above held back for what the path carries", () => {
    const at = rounds(control, 12, path);
    const before = control.rate;
    acked(control, { nowUs: at + 1, rate: 1000, limited: true, rttUs: 50_000, delivered: 1, priorDelivered: 0 });
    expect(control.rate).to.equal(before);
  });
});

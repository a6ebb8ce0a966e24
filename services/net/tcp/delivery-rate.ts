/**
 * Congestion control by delivery rate, after BBR (Cardwell et al., 2016): it models the path by the most that was delivered
 * in a time and the least round-trip time, paces at the one and keeps on its way twice their product. A single loss changes
 * nothing, so that a path that loses at random is used; a queue that grows is seen in what is delivered, and drained.
 */
import { type CongestionControl, initialWindow, type Sample } from "./congestion.ts";

/** 2 / ln 2: doubles what is on its way every round trip. */
const STARTUP_GAIN = 2.885;
const WINDOW_GAIN = 2;
/** Gains of a cycle, each for one round trip: try for more, let the queue of that drain, go on. */
const CYCLE = [1.25, 0.75, 1, 1, 1, 1, 1, 1] as const;
/** Where a connection begins in it, so that not all try for more at once; none begins with draining. */
const FIRST_PHASES = [0, 2, 3, 4, 5, 6, 7] as const;
/** Rounds for which the greatest rate is remembered. */
const ROUNDS = 10;
/** Rounds without growth by a quarter after which the path is full. */
const FULL_ROUNDS = 3;
/** After this time without a new least round-trip time it is measured with an empty queue, for so long. */
const PROBE_INTERVAL_US = 10_000_000;
const PROBE_US = 200_000;
const SEGMENTS_MIN = 4;
/** Segments a round trip by which a share grows when it tries for more, at most by a quarter. */
const MORE_SEGMENTS = 2;
/**
 * Share of losses in a round that is taken for a full path if there was a queue. One acknowledgement that was delayed is none:
 * the round's least round-trip time has to be so much longer than with an empty queue. Then what is left of the rate.
 */
const LOSS_MAX = 0.005;
const QUEUE_US = 200;
const BACK_OFF = 0.7;
/** Rounds for which a path counts as crowded after that. */
const CROWDED_ROUNDS = 100;

const STARTUP = 0;
const DRAIN = 1;
const CRUISE = 2;
const PROBE = 3;

export class DeliveryRate implements CongestionControl {
  window = 0;
  pacingRate = Infinity;
  readonly threshold = Infinity;
  #mss = 0;
  #mode = STARTUP;
  /** Greatest rate of each of the last rounds, in bytes per second: a ring. */
  readonly #rates = new Float64Array(ROUNDS);
  #round = 0;
  #roundEnds = 0;
  #fullRate = 0;
  #fullRounds = 0;
  #minRttUs = Infinity;
  #minRttAtUs = 0;
  #phase = 0;
  #phaseUs = 0;
  #probeEndsUs = 0;
  /** Of this round: bytes lost and delivered, and the least round-trip time. */
  #lostBytes = 0;
  #deliveredBytes = 0;
  #leastRttUs = Infinity;
  /** Rounds for which the path still counts as one that others use. */
  #crowded = 0;

  /** What the path delivers, in bytes per second; 0 before it is known. */
  get rate(): number {
    let most = 0;
    for (let i = 0; i < ROUNDS; i++) if (this.#rates[i]! > most) most = this.#rates[i]!;
    return most;
  }

  start(mss: number, nowUs: number): void {
    this.#mss = mss;
    this.#mode = STARTUP;
    this.window = initialWindow(mss);
    this.pacingRate = Infinity;
    this.#rates.fill(0);
    this.#round = 0;
    this.#roundEnds = 0;
    this.#fullRate = 0;
    this.#fullRounds = 0;
    this.#minRttUs = Infinity;
    this.#minRttAtUs = nowUs;
    this.#phaseUs = nowUs;
    this.#lostBytes = 0;
    this.#deliveredBytes = 0;
    this.#leastRttUs = Infinity;
    this.#crowded = 0;
  }

  acknowledged(sample: Sample): void {
    if (sample.deliveredBytes === 0) return;
    const newRound = sample.priorDelivered >= this.#roundEnds;
    this.#watch(sample);
    if (newRound) {
      this.#judge();
      this.#roundEnds = sample.delivered;
      // While the layer above holds back nothing new is learnt, and nothing forgotten.
      if (!sample.limited) {
        this.#round = (this.#round + 1) % ROUNDS;
        this.#rates[this.#round] = 0;
      }
    }
    // What the layer above held back says only that the path carries so much.
    if (sample.rate > this.#rates[this.#round]! && (!sample.limited || sample.rate >= this.rate)) {
      this.#rates[this.#round] = sample.rate;
    }
    const rate = this.rate;
    this.#measure(sample);
    if (rate > 0 && this.#minRttUs !== Infinity) this.#step(sample, rate, newRound);
    this.#set(sample, rate);
  }

  lost(): void {
    // A loss alone is no sign of a full path.
  }

  recovered(): void {
    // Nothing was taken back.
  }

  timedOut(): void {
    // Until something is delivered: then the model holds again.
    this.window = this.#mss;
  }

  resumed(): void {
    // The pacer does not let a burst out after silence, and the model is as good as it was.
  }

  /** Losses and delay of this round. */
  #watch(sample: Sample): void {
    this.#lostBytes += sample.lostBytes;
    this.#deliveredBytes += sample.deliveredBytes;
    if (sample.rttUs >= 0 && sample.rttUs < this.#leastRttUs) this.#leastRttUs = sample.rttUs;
  }

  /** A round is over: if more than a little was lost and a queue was there, the path is full and our share of it too much. */
  #judge(): void {
    const lost = this.#lostBytes > LOSS_MAX * (this.#lostBytes + this.#deliveredBytes);
    const queued = this.#leastRttUs < Infinity && this.#leastRttUs > this.#minRttUs + QUEUE_US;
    if (lost && queued) {
      const most = BACK_OFF * this.rate;
      for (let i = 0; i < ROUNDS; i++) if (this.#rates[i]! > most) this.#rates[i] = most;
      this.#crowded = CROWDED_ROUNDS;
    } else if (this.#crowded > 0) this.#crowded--;
    this.#lostBytes = 0;
    this.#deliveredBytes = 0;
    this.#leastRttUs = Infinity;
  }

  #measure(sample: Sample): void {
    const rttUs = sample.rttUs;
    if (rttUs < 0) return;
    if (rttUs <= this.#minRttUs) {
      this.#minRttUs = Math.max(1, rttUs);
      this.#minRttAtUs = sample.nowUs;
    }
  }

  #step(sample: Sample, rate: number, newRound: boolean): void {
    const nowUs = sample.nowUs;
    const product = (rate * this.#minRttUs) / 1_000_000;
    if (this.#mode === STARTUP && newRound && !sample.limited) {
      if (rate >= 1.25 * this.#fullRate) {
        this.#fullRate = rate;
        this.#fullRounds = 0;
      } else if (++this.#fullRounds >= FULL_ROUNDS) this.#mode = DRAIN;
    }
    if (this.#mode === DRAIN && sample.flight <= product) this.#cruise(nowUs, sample.delivered);
    if (this.#mode === CRUISE) this.#turn(sample, product);
    if (this.#mode !== PROBE && nowUs - this.#minRttAtUs > PROBE_INTERVAL_US) {
      this.#mode = PROBE;
      this.#probeEndsUs = 0;
      this.#minRttUs = sample.rttUs >= 0 ? sample.rttUs : this.#minRttUs;
    }
    if (this.#mode === PROBE) this.#probe(sample);
  }

  #cruise(nowUs: number, variety: number): void {
    this.#mode = CRUISE;
    this.#phase = FIRST_PHASES[variety % FIRST_PHASES.length]!;
    this.#phaseUs = nowUs;
  }

  #turn(sample: Sample, product: number): void {
    const gain = CYCLE[this.#phase]!;
    const over = sample.nowUs - this.#phaseUs > this.#minRttUs;
    // Draining ends when there is nothing left to drain.
    const done = gain < 1 ? over || sample.flight <= product : over;
    if (!done) return;
    this.#phase = (this.#phase + 1) % CYCLE.length;
    this.#phaseUs = sample.nowUs;
  }

  /** Of this phase. On a path that was full lately, some segments more whatever the share: so small shares grow faster. */
  #gain(rate: number): number {
    const gain = CYCLE[this.#phase]!;
    if (gain === 1 || this.#crowded === 0) return gain;
    const more = Math.min(0.25, (MORE_SEGMENTS * this.#mss * 1_000_000) / (rate * this.#minRttUs));
    return gain > 1 ? 1 + more : 1 - more;
  }

  #probe(sample: Sample): void {
    const nowUs = sample.nowUs;
    if (this.#probeEndsUs === 0) {
      if (sample.flight <= SEGMENTS_MIN * this.#mss) this.#probeEndsUs = nowUs + Math.max(PROBE_US, this.#minRttUs);
      return;
    }
    if (nowUs < this.#probeEndsUs) return;
    this.#minRttAtUs = nowUs;
    if (this.#fullRounds >= FULL_ROUNDS) this.#cruise(nowUs, sample.delivered);
    else this.#mode = STARTUP;
  }

  #set(sample: Sample, rate: number): void {
    const floor = SEGMENTS_MIN * this.#mss;
    if (rate === 0 || this.#minRttUs === Infinity) {
      this.window += sample.deliveredBytes;
      return;
    }
    const mode = this.#mode;
    const gain =
      mode === STARTUP ? STARTUP_GAIN : mode === DRAIN ? 1 / STARTUP_GAIN : mode === CRUISE ? this.#gain(rate) : 1;
    this.pacingRate = Math.max(gain * rate, this.#mss);
    const windowGain = mode === STARTUP || mode === DRAIN ? STARTUP_GAIN : WINDOW_GAIN;
    // Room for acknowledgements that come several segments at a time.
    const target = (windowGain * rate * this.#minRttUs) / 1_000_000 + 3 * this.#mss;
    if (mode === PROBE) this.window = floor;
    else if (this.#fullRounds >= FULL_ROUNDS) this.window = Math.max(floor, target);
    else this.window = Math.max(this.window + sample.deliveredBytes, target);
  }
}

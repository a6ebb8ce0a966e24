/**
 * Our stack at a bridge, with a clock that runs with real time and can jump ahead: hours pass as fast as the kernel answers
 * what they bring. Whoever works with its sockets does so in its turn.
 */
import { Timers } from "../../../services/pump/timers.ts";
import { FaultInjector } from "../../../services/net/phy/fault-injector.ts";
import type { Faults } from "../../../services/net/phy/fault-queue.ts";
import { PcapWriter } from "../../../services/net/phy/pcap-writer.ts";
import { NetStack } from "../../../services/net/stack.ts";
import type { TcpSettings } from "../../../services/net/tcp/settings.ts";
import type { Clock, FramePort } from "../../../services/ports/index.ts";
import { total } from "../../services/net/fixture.ts";
import { fastBytes, fixedRandom } from "../../services/net/netsim/network.ts";
import type { Bridge } from "./bridge.ts";
import { BridgePort } from "./bridge-port.ts";
import type { Changes } from "./changes.ts";

const TIMERS = 16;
const FRAMES_A_TURN = 32;
const SEGMENTS_A_TURN = 64;
/** Turns in a row before others of this process have theirs. */
const TURNS = 16;
/** How long the kernel may take for its answer before virtual time goes on without it, and if none is expected. */
const ANSWER_MS = 3_000;
const NO_ANSWER_MS = 10;
/** How long it is quiet when nothing more is coming. */
const QUIET_MS = 2;

export class JumpClock implements Clock {
  #aheadUs = 0;

  nowUs(): number {
    return Math.floor(performance.now() * 1000) + this.#aheadUs;
  }

  /** It is this late now, if it is not later already. */
  jump(toUs: number): void {
    this.#aheadUs += Math.max(0, toUs - this.nowUs());
  }
}

/** Who works with a station's sockets. @returns whether it did something. */
export type Work = () => boolean;

export interface StationOptions {
  readonly bridge: Bridge;
  readonly changes: Changes;
  /** Last number of its address and its MAC address. */
  readonly number: number;
  readonly faults?: { readonly seed: number; readonly receive?: Faults; readonly transmit?: Faults };
  readonly tcp?: Partial<TcpSettings>;
  /** Takes a capture file, piece by piece. */
  readonly capture?: (piece: Uint8Array) => void;
}

const nothing = (): void => undefined;

export class Station {
  readonly address: string;
  readonly clock = new JumpClock();
  readonly port: BridgePort;
  readonly injector: FaultInjector | undefined;
  readonly stack: NetStack;
  readonly work = new Set<Work>();
  readonly #changes: Changes;
  readonly #timers = new Timers(TIMERS);
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Immediate | undefined;
  #ended = false;

  constructor(options: StationOptions) {
    const { bridge, changes, number, faults, capture } = options;
    this.#changes = changes;
    this.address = `10.77.0.${number}`;
    this.port = new BridgePort(bridge, Uint8Array.of(0x02, 0x77, 0, 0, 0, number));
    const { clock } = this;
    const bytes = fastBytes;
    let port: FramePort = this.port;
    if (capture !== undefined) {
      const sink = (from: Uint8Array, start: number, length: number): boolean => {
        capture(from.slice(start, start + length));
        return true;
      };
      port = new PcapWriter({ port, clock, bytes, sink });
    }
    if (faults !== undefined) {
      this.injector = new FaultInjector({ port, clock, bytes, slots: 256, ...faults });
      port = this.injector;
    }
    this.stack = new NetStack({
      port,
      clock,
      bytes,
      random: fixedRandom(number),
      timers: this.#timers,
      ipv4: { address: this.address, prefix: 24 },
      addressed: nothing,
      // As hives have it.
      tcp: { control: "newreno", ...options.tcp },
    });
    this.port.settle = () => this.turn();
    bridge.attach(this.port);
  }

  get tcp(): NetStack["tcp"] {
    return this.stack.tcp;
  }

  /** Serve what there is to serve, then wait for frames and timers. */
  turn(): void {
    if (this.#ended) return;
    let more = true;
    for (let turns = 0; more && turns < TURNS; turns++) more = this.#turn();
    this.#changes.tell();
    if (more) this.#again ??= setImmediate(() => this.#resume());
    clearTimeout(this.#timer);
    const waitUs = this.nextUs() - this.clock.nowUs();
    if (waitUs !== Infinity) this.#timer = setTimeout(() => this.turn(), Math.min(Math.max(0, waitUs / 1000), 1e9));
  }

  #resume(): void {
    this.#again = undefined;
    this.turn();
  }

  /** @returns whether there may be more to do at once. */
  #turn(): boolean {
    const nowUs = this.clock.nowUs();
    const { stack, injector } = this;
    this.#timers.fire(nowUs, TIMERS);
    if (this.port.waiting > 0 || (injector !== undefined && injector.nextUs() <= nowUs)) stack.raise();
    stack.receive(FRAMES_A_TURN);
    let worked = false;
    for (const work of this.work) worked = work() || worked;
    stack.send(SEGMENTS_A_TURN, nowUs);
    return worked || stack.receiving || this.port.waiting > 0 || stack.sending(nowUs);
  }

  /** When something is due, `Infinity` if nothing is. */
  nextUs(): number {
    return Math.min(this.#timers.nextUs(), this.injector?.nextUs() ?? Infinity);
  }

  /**
   * Let time pass, everything that is due done in its time; the kernel is waited for whenever it was told something.
   * @param answers whether it can be expected to answer
   */
  async pass(us: number, answers = true): Promise<void> {
    const endUs = this.clock.nowUs() + us;
    for (;;) {
      const { txFrames } = this.port.counters;
      this.clock.jump(Math.min(this.nextUs(), endUs));
      this.turn();
      if (this.port.counters.txFrames !== txFrames) await this.#answered(answers ? ANSWER_MS : NO_ANSWER_MS);
      if (this.clock.nowUs() >= endUs) return;
    }
  }

  /** A frame has come, and whatever was to come with it. */
  async #answered(patienceMs: number): Promise<void> {
    const { counters } = this.port;
    for (let waitMs = patienceMs; ; waitMs = QUIET_MS) {
      const { rxFrames } = counters;
      const came = this.#changes.until(() => counters.rxFrames !== rxFrames, "frame", waitMs);
      if (
        !(await came.then(
          () => true,
          () => false,
        ))
      )
        return;
    }
  }

  /** Connections, half-open ones and those in TIME-WAIT. */
  get level(): string {
    const { sockets, halfOpen, timeWait } = this.tcp;
    return `${sockets} connections, ${halfOpen} half-open, ${timeWait} in TIME-WAIT`;
  }

  /** Whether each segment that came has exactly one fate. */
  get balanced(): boolean {
    const { segments, taken, dropped } = this.tcp.counters;
    return total(taken) + total(dropped) === segments;
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#again);
  }
}

/**
 * The network as the pump serves it: frames in, segments out. A port whose driver has put its device out of service is said
 * to be so once and looked at again when the driver asks for it.
 */
import type { FramePort, Log } from "../ports/index.ts";
import { HeldTimer } from "../pump/held-timer.ts";
import type { Source } from "../pump/pump.ts";
import type { TimerPort } from "../pump/timers.ts";
import type { NetStack } from "./stack.ts";

/** A port that can be out of service for a while. */
export interface RecoveringPort extends FramePort {
  /** Why it is out of service. */
  readonly trouble: string;
  /** When it may be tried again; `Infinity` while it works. */
  retryAtUs(): number;
}

export interface NetSourcesOptions {
  /** The device as the log calls it. */
  readonly name: string;
  readonly port: RecoveringPort;
  readonly stack: NetStack;
  readonly timers: TimerPort;
  readonly log: Log;
}

export class NetSources {
  /** For stage `net-rx`. */
  readonly receive: Source;
  /** For stage `net-tx`, behind all that hands TCP something to send. */
  readonly transmit: Source;

  /** @throws Error if no timer is left. */
  constructor({ name, port, stack, timers, log }: NetSourcesOptions) {
    const retry = HeldTimer.take(timers, () => stack.raise());
    if (retry === undefined) throw new Error("NetSources: no timer is left");
    this.receive = {
      serve: (budget) => {
        const taken = stack.receive(budget);
        const retryUs = port.retryAtUs();
        if (retryUs !== Infinity && retry.deadlineUs === Infinity) {
          retry.set(retryUs);
          log.line("net", `${name} is out of service: ${port.trouble}`);
        }
        return taken;
      },
      ready: () => stack.receiving,
    };
    this.transmit = {
      serve: (budget, nowUs) => stack.send(budget, nowUs),
      ready: (nowUs) => stack.sending(nowUs),
      refused: () => port.counters.txFull,
    };
  }
}

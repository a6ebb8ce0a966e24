/**
 * The root's side of the first component, `pong`: it proves that a request and its answer cross a real protection boundary,
 * exactly once per boot. Everything that `pong` may ask is here; any other call, or one out of turn, is a violation.
 */
import type { ComponentEvent, Components, Log } from "../ports/index.ts";
import type { Protocol } from "./supervisor.ts";

/** Labels of the calls and replies; w0 to w3 are their words. */
export const PONG = {
  /** Call, w0 = protocol version 1. Reply {@link PING}, w0 = 1. */
  HELLO: 0x100,
  PING: 0x101,
  /** Call, w0 = 1. Reply {@link DONE}. */
  PONG: 0x102,
  /** Call of the self-tests; reply PING. */
  FLOOD: 0x103,
  DONE: 0x104,
  /** Call that is left unanswered: the component is parked. */
  WAIT: 0x105,
  /** Call, w0 = bytes in the frame. Each byte is inverted; reply PING. */
  ECHO: 0x106,
  /** Call, w0 = 1 if the component found what it expected. Reply DONE. */
  ECHO_OK: 0x107,
} as const;

/** Bytes of the frame shared with a component. */
const FRAME_BYTES = 16384;

/** The protocol's state for one started `pong`. */
export class PongProtocol implements Protocol {
  readonly name = "pong";
  readonly #log: Log;
  #state: "new" | "pinged" | "answered" = "new";

  constructor(log: Log) {
    this.#log = log;
  }

  get settled(): boolean {
    return this.#state === "answered";
  }

  call(event: ComponentEvent, components: Components): string | undefined {
    const { id, label } = event;
    const w0 = event.words[0];
    switch (label) {
      case PONG.HELLO:
        if (this.#state !== "new" || w0 !== 1) return `HELLO ${w0} out of turn`;
        this.#state = "pinged";
        this.#log.line("pong", "PING 1");
        components.reply(id, PONG.PING, 1, 0, 0, 0);
        return undefined;
      case PONG.PONG:
        if (this.#state !== "pinged" || w0 !== 1) return `PONG ${w0} out of turn`;
        this.#state = "answered";
        this.#log.line("pong", "PONG 1");
        components.reply(id, PONG.DONE, 1, 0, 0, 0);
        return undefined;
      case PONG.FLOOD:
        if (this.#state === "new") return "FLOOD before HELLO";
        components.reply(id, PONG.PING, 1, 0, 0, 0);
        return undefined;
      case PONG.ECHO:
        if (this.#state === "new" || w0 > FRAME_BYTES) return `ECHO of ${w0} bytes out of turn`;
        invert(components.frame(id), w0);
        components.reply(id, PONG.PING, 1, 0, 0, 0);
        return undefined;
      case PONG.ECHO_OK:
        if (this.#state === "new") return "ECHO_OK before HELLO";
        this.#state = "answered";
        this.#log.line("pong", w0 === 1 ? "ECHO 1" : "ECHO came back damaged");
        components.reply(id, PONG.DONE, 1, 0, 0, 0);
        return undefined;
      case PONG.WAIT:
        return this.#state === "answered" ? undefined : "WAIT out of turn";
      default:
        return `call with label 0x${label.toString(16)}`;
    }
  }
}

function invert(frame: Uint8Array, length: number): void {
  for (let i = 0; i < length; i++) frame[i] = ~frame[i]!;
}

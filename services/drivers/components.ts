/**
 * The engine's components as {@link Components}: numbers into names, nothing else. The event and its words are one object
 * for ever, valid until the next `next()`.
 */
import type { Host } from "../../runtime-bindings.d.ts";
import type { ComponentEvent, Components } from "../ports/index.ts";

export type ComponentsHost = Pick<
  Host,
  | "componentSpawn"
  | "componentEvent"
  | "componentReply"
  | "componentSuspend"
  | "componentResume"
  | "componentDestroy"
  | "componentFrame"
  | "componentInfo"
>;

/** `EventKind` and `FaultKind` of the bindings, by number. */
const KINDS = ["call", "call", "fault", "violation"] as const;
const FAULTS = ["other", "vm", "cap", "syscall", "exception", "other"] as const;
const ACCESSES = ["read", "fetch", "write"] as const;

export class HostComponents implements Components {
  private readonly host: ComponentsHost;
  private readonly raw = new Float64Array(8);
  private readonly event: ComponentEvent = {
    id: 0,
    kind: "call",
    label: 0,
    words: [0, 0, 0, 0],
    fault: "other",
    ip: 0,
    address: 0,
    detail: 0,
    access: "read",
  };

  constructor(host: ComponentsHost) {
    this.host = host;
  }

  spawn(image: string, options: Parameters<Components["spawn"]>[1]): number {
    return this.host.componentSpawn(image, options);
  }

  next(): ComponentEvent | undefined {
    const raw = this.raw;
    if (!this.host.componentEvent(raw)) return undefined;
    const event = this.event;
    event.id = raw[0]!;
    event.kind = KINDS[raw[1]!] ?? "violation";
    if (event.kind === "fault") {
      event.fault = FAULTS[raw[2]!] ?? "other";
      event.ip = raw[3]!;
      event.address = raw[4]!;
      event.detail = raw[5]!;
      event.access = ACCESSES[raw[6]!] ?? "read";
    } else if (event.kind === "call") {
      event.label = raw[2]!;
      for (let i = 0; i < 4; i++) event.words[i] = raw[3 + i]!;
    }
    return event;
  }

  reply(id: number, label: number, w0: number, w1: number, w2: number, w3: number): void {
    this.host.componentReply(id, label, w0, w1, w2, w3);
  }

  suspend(id: number): void {
    this.host.componentSuspend(id);
  }

  resume(id: number): void {
    this.host.componentResume(id);
  }

  destroy(id: number): void {
    this.host.componentDestroy(id);
  }

  frame(id: number): Uint8Array {
    return new Uint8Array(this.host.componentFrame(id));
  }

  info(id: number): ReturnType<Components["info"]> {
    return this.host.componentInfo(id);
  }
}

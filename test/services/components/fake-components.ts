/** Components whose behaviour the test scripts: it queues events and sees what the root did about them. */
import { componentEvent } from "../../../cohsh/mock/components.ts";
import type { ComponentEvent, Components } from "../../../services/ports/index.ts";

export class FakeComponents implements Components {
  readonly actions: string[] = [];
  readonly buffer = new Uint8Array(16384);
  readonly live = new Map<number, { image: string; state: "running" | "calling" | "suspended"; calls: number }>();
  #nextId = 0;
  #events: Partial<ComponentEvent>[] = [];
  readonly #event = componentEvent();

  call(id: number, label: number, ...words: number[]): void {
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = words;
    this.#events.push({ id, kind: "call", label, words: [w0, w1, w2, w3] });
    const component = this.live.get(id);
    if (component !== undefined) {
      component.state = "calling";
      component.calls++;
    }
  }

  push(event: Partial<ComponentEvent>): void {
    this.#events.push(event);
  }

  spawn(image: string, options: { priority: number; args: readonly number[] }): number {
    if (image !== "pong.elf") throw new Error(`componentSpawn: no file ${image}`);
    const id = this.#nextId++;
    this.live.set(id, { image, state: "running", calls: 0 });
    this.actions.push(`spawn ${image} priority=${options.priority} args=${options.args.join()}`);
    return id;
  }

  next(): ComponentEvent | undefined {
    const event = this.#events.shift();
    return event === undefined ? undefined : Object.assign(this.#event, event);
  }

  reply(id: number, label: number, w0: number): void {
    const component = this.#get(id);
    if (component.state !== "calling") throw new Error("componentReply: no call waits");
    component.state = "running";
    this.actions.push(`reply ${id} 0x${label.toString(16)} ${w0}`);
  }

  suspend(id: number): void {
    this.#get(id).state = "suspended";
    this.actions.push(`suspend ${id}`);
  }

  resume(id: number): void {
    this.#get(id).state = "running";
  }

  destroy(id: number): void {
    this.#get(id);
    this.live.delete(id);
    this.actions.push(`destroy ${id}`);
  }

  frame(id: number): Uint8Array {
    this.#get(id);
    return this.buffer;
  }

  info(id: number): ReturnType<Components["info"]> {
    const { image, state, calls } = this.#get(id);
    return { image, state, calls, bytes: 131072, refused: 0 };
  }

  #get(id: number): { image: string; state: "running" | "calling" | "suspended"; calls: number } {
    const component = this.live.get(id);
    if (component === undefined) throw new Error(`no component ${id}`);
    return component;
  }
}

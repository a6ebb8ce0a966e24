/** The shell's components of this process, counted, and as large as a machine's. */
import { LocalComponents, type Programs } from "../../../cohsh/mock/components.ts";
import type { Components } from "../../../services/ports/index.ts";

/** What the machine takes for one. */
const COMPONENT_BYTES = 1280 * 1024;

export class InProcessComponents extends LocalComponents {
  /** Most that ever could run at once. */
  runnableHighWater = 0;
  spawned = 0;
  destroyed = 0;

  constructor(programs?: Programs, capacity?: number) {
    super({ programs, capacity });
  }

  /** Bytes that all of them have. */
  get bytes(): number {
    return this.size * COMPONENT_BYTES;
  }

  override run(): boolean {
    this.runnableHighWater = Math.max(this.runnableHighWater, this.running);
    return super.run();
  }

  override spawn(image: string, options: Parameters<Components["spawn"]>[1]): number {
    const id = super.spawn(image, options);
    this.spawned++;
    return id;
  }

  override destroy(id: number): void {
    super.destroy(id);
    this.destroyed++;
  }

  override info(id: number): ReturnType<Components["info"]> {
    return { ...super.info(id), bytes: COMPONENT_BYTES };
  }
}

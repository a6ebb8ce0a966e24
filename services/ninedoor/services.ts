/**
 * What `mount` can mount: trees with a name. Each has a home, the path by which the policy knows its files, so that a
 * service mounted elsewhere is no way around the table.
 */
import type { Place } from "./place.ts";

export interface Service {
  /** Names from the namespace's root. */
  readonly home: readonly string[];
  readonly root: Place;
}

/** Names that are remembered of those that went away. */
const AWAY = 16;

export class Services {
  readonly #services = new Map<string, Service>();
  readonly #away = new Set<string>();

  /** @throws Error if the name is taken. */
  add(name: string, service: Service): void {
    if (this.#services.has(name)) throw new Error(`Services: there is a ${name} already`);
    this.#services.set(name, service);
    this.#away.delete(name);
  }

  /** It went away; mounts of it answer `Busy` until it is there again. @returns whether it was there. */
  remove(name: string): boolean {
    if (!this.#services.delete(name)) return false;
    this.#away.add(name);
    for (const oldest of this.#away) {
      if (this.#away.size <= AWAY) break;
      this.#away.delete(oldest);
    }
    return true;
  }

  /** Those that went away and have not come back, as far as they are remembered. */
  get away(): ReadonlySet<string> {
    return this.#away;
  }

  find(name: string): Service | undefined {
    return this.#services.get(name);
  }
}

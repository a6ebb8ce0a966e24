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

export class Services {
  readonly #services = new Map<string, Service>();

  /** @throws Error if the name is taken. */
  add(name: string, service: Service): void {
    if (this.#services.has(name)) throw new Error(`Services: there is a ${name} already`);
    this.#services.set(name, service);
  }

  /** It went away; mounts of it answer `Busy` until it is there again. @returns whether it was there. */
  remove(name: string): boolean {
    return this.#services.delete(name);
  }

  find(name: string): Service | undefined {
    return this.#services.get(name);
  }
}

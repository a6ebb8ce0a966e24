/**
 * What a session has mounted where: at most so many points, each showing one thing, and none of them, followed through
 * the others, inside itself. The table is the session's own, so nobody else sees what it does.
 */
import { BUSY, INVALID, type Refusal } from "../secure9p/refusal.ts";
import type { Qid } from "../secure9p/wire.ts";

export type Names = readonly string[];

/** Something in the tree, whatever is mounted over it. */
export interface Target {
  /** The service whose tree it is in; undefined for the namespace. */
  readonly service: string | undefined;
  /** Names from that tree's root. */
  readonly rest: Names;
  /** The path by which the policy knows it. */
  readonly names: Names;
}

/** A mount point. */
export interface Mount {
  /** Path as the session sees it. */
  readonly at: Names;
  /** Path that it shows, as the session saw it then; of a service its home. */
  readonly from: Names;
  readonly target: Target;
  /** For listings of the directory that it is in. */
  readonly qid: Qid;
}

export class MountTable {
  readonly capacity: number;
  /** Times that one more was refused. */
  full = 0;
  readonly #mounts: Mount[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.#mounts.length;
  }

  get mounts(): readonly Mount[] {
    return this.#mounts;
  }

  /** What is mounted at exactly that path. */
  find(path: Names): Mount | undefined {
    for (let i = 0; i < this.#mounts.length; i++) {
      const mount = this.#mounts[i]!;
      if (areSame(path, mount.at)) return mount;
    }
    return undefined;
  }

  /** What a path means to the session: the innermost mount on it decides. */
  resolve(path: Names): Target {
    let best: Mount | undefined;
    for (const mount of this.#mounts) {
      if (isWithin(path, mount.at) && (best === undefined || mount.at.length > best.at.length)) best = mount;
    }
    if (best === undefined) return { service: undefined, rest: path, names: path };
    const below = path.slice(best.at.length);
    const { service, rest, names } = best.target;
    return { service, rest: [...rest, ...below], names: [...names, ...below] };
  }

  /** Why nothing may be mounted there that shows `from`; what is mounted there already would be replaced. */
  check(at: Names, from: Names): Refusal | undefined {
    if (at.length === 0) return INVALID;
    const replaced = this.find(at);
    const others = this.#mounts.filter((mount) => mount !== replaced);
    if (others.length >= this.capacity) {
      this.full++;
      return BUSY;
    }
    // A service may well be mounted at home.
    const circle = areSame(at, from) ? reachesThrough(from, at, others) : reaches(from, at, others);
    return circle ? INVALID : undefined;
  }

  /** @throws Error if {@link check} refuses it. */
  set(mount: Mount): void {
    if (this.check(mount.at, mount.from) !== undefined) throw new Error("MountTable: it was refused");
    const replaced = this.find(mount.at);
    if (replaced === undefined) this.#mounts.push(mount);
    else this.#mounts[this.#mounts.indexOf(replaced)] = mount;
  }
}

/** Whether `path` is `top` or below it. */
export function isWithin(path: Names, top: Names): boolean {
  if (path.length < top.length) return false;
  for (let i = 0; i < top.length; i++) if (path[i] !== top[i]) return false;
  return true;
}

export function areSame(one: Names, other: Names): boolean {
  return one.length === other.length && isWithin(one, other);
}

/** Whether what is seen at `from` shows `goal`, below it or through a mount. */
function reaches(from: Names, goal: Names, mounts: readonly Mount[]): boolean {
  return isWithin(goal, from) || reachesThrough(from, goal, mounts);
}

/** Each mount needs to be followed once. */
function reachesThrough(from: Names, goal: Names, mounts: readonly Mount[]): boolean {
  return mounts.some((mount) => {
    const others = mounts.filter((other) => other !== mount);
    return isWithin(mount.at, from) && reaches(mount.from, goal, others);
  });
}

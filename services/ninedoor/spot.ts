/**
 * Paths as one session knows them, so that what belongs to a path is not made again for every walk and asked again for
 * every request: its names, and what is granted there for good. What may change, a lease or a rate, is never kept. There
 * are as many as the table has places; one that is pushed out lives on with the fids that stand there.
 */
import type { Operation } from "../roles/policy.ts";
import type { Names } from "./mounts.ts";

/** Places of the table, a power of 2. */
const KNOWN = 64;

const ROOT: Names = [];
const BITS: Readonly<Record<Operation, number>> = { walk: 1, read: 2, append: 4, write: 8, bind: 16, mount: 32 };

export class Spot {
  /** Path as the session sees it, and as the policy knows it: the same array where nothing is mounted. */
  readonly visible: Names;
  readonly names: Names;
  #asked = 0;
  #granted = 0;

  constructor(visible: Names, names: Names) {
    this.visible = visible;
    this.names = names;
  }

  /** Whether that is known to be granted for good. */
  grants(operation: Operation): boolean {
    return (this.#granted & BITS[operation]) !== 0;
  }

  /** Learn once whether that is granted for good. */
  learn(operation: Operation, always: (operation: Operation, names: Names) => boolean): void {
    const bit = BITS[operation];
    if ((this.#asked & bit) !== 0) return;
    this.#asked |= bit;
    if (always(operation, this.names)) this.#granted |= bit;
  }
}

export class Spots {
  readonly root = new Spot(ROOT, ROOT);
  readonly #parents = new Array<Spot | undefined>(KNOWN).fill(undefined);
  readonly #names = new Array<string>(KNOWN).fill("");
  readonly #spots = new Array<Spot>(KNOWN).fill(this.root);

  /** The spot with that name in the directory at another. @param name not empty */
  below(parent: Spot, name: string): Spot {
    const { visible } = parent;
    // Siblings differ in their ends, and what has the same name elsewhere differs in depth.
    const place = (name.charCodeAt(name.length - 1) + 13 * name.length + 29 * visible.length) & (KNOWN - 1);
    if (this.#parents[place] === parent && this.#names[place] === name) return this.#spots[place]!;
    const seen = [...visible, name];
    const spot = new Spot(seen, parent.names === visible ? seen : [...parent.names, name]);
    this.#parents[place] = parent;
    this.#names[place] = name;
    this.#spots[place] = spot;
    return spot;
  }
}

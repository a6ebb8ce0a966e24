/**
 * Time by layer: a method that is entered from another layer is charged to its own until it returns, less what it hands on.
 * What the accounting itself costs is found out beforehand and taken off.
 */

/** In the order of the report; `pump` is what belongs to none of the others. */
export const LAYERS = ["pump", "virtio", "ip", "tcp", "console", "hive", "9p", "ninedoor", "workers"] as const;

export type Layer = (typeof LAYERS)[number];

type Method = (this: unknown, ...given: unknown[]) => unknown;

const CALIBRATION = 2000;

/** Do something more whenever a method is called, before it is. @throws Error if it is not there */
export function before(of: object, name: string, what: (...given: unknown[]) => unknown): void {
  const method = methodOf(of, name);
  Reflect.set(of, name, function (this: unknown, ...given: unknown[]): unknown {
    what(...given);
    return method.apply(this, given);
  });
}

function methodOf(of: object, name: string): Method {
  const method: unknown = Reflect.get(of, name);
  if (typeof method !== "function") throw new Error(`profile: nothing called ${name}`);
  return method as Method;
}

export class Layers {
  readonly #nowUs: () => number;
  readonly #us = new Float64Array(LAYERS.length);
  /** Entries into each layer, and exits from each to another. */
  readonly #entered = new Float64Array(LAYERS.length);
  readonly #left = new Float64Array(LAYERS.length);
  /** Calls of what is charged from its own layer. */
  readonly #passed = new Float64Array(LAYERS.length);
  #layer = -1;
  #sinceUs = 0;
  /** What an entry costs the layer that is entered and the one that it is entered from. */
  #innerUs = 0;
  #outerUs = 0;
  #passUs = 0;

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
    this.#calibrate();
  }

  /**
   * Charge methods of a class, or of an object, to a layer, and the functions that they are given, to be called back, to another.
   * @throws Error if one of them is not there
   */
  charge(of: object, layer: Layer, names: readonly string[], caller = layer): void {
    const backwards = (value: unknown): unknown =>
      typeof value === "function" ? this.wrap(value as Method, caller) : value;
    for (const name of names) {
      const method = this.wrap(methodOf(of, name), layer);
      const handing = function (this: unknown, ...given: unknown[]): unknown {
        return method.apply(this, given.map(backwards));
      };
      Reflect.set(of, name, caller === layer ? method : handing);
    }
  }

  wrap(method: Method, layer: Layer): Method {
    const index = LAYERS.indexOf(layer);
    const charged = (self: unknown, given: unknown[]): unknown => {
      const from = this.#layer;
      if (from === index) {
        this.#passed[index] = this.#passed[index]! + 1;
        return method.apply(self, given);
      }
      this.#enter(from, index);
      try {
        return method.apply(self, given);
      } finally {
        this.#switch(from);
      }
    };
    return function (...given) {
      return charged(this, given);
    };
  }

  /** One line `profile LAYER NANOSECONDS` for each layer since the last time. */
  report(): string[] {
    this.#switch(this.#layer);
    const lines = LAYERS.map((name, at) => {
      const passes = this.#passed[at]! * this.#passUs;
      const own = this.#us[at]! - this.#entered[at]! * this.#innerUs - this.#left[at]! * this.#outerUs - passes;
      return `profile ${name} ${Math.round(own * 1000)}`;
    });
    this.#clear();
    return lines;
  }

  #clear(): void {
    for (const figures of [this.#us, this.#entered, this.#left, this.#passed]) figures.fill(0);
  }

  #enter(from: number, to: number): void {
    this.#entered[to] = this.#entered[to]! + 1;
    if (from >= 0) this.#left[from] = this.#left[from]! + 1;
    this.#switch(to);
  }

  #switch(to: number): void {
    const nowUs = this.#nowUs();
    if (this.#layer >= 0) this.#us[this.#layer] = this.#us[this.#layer]! + nowUs - this.#sinceUs;
    this.#layer = to;
    this.#sinceUs = nowUs;
  }

  #calibrate(): void {
    const bare: Method = () => undefined;
    const charged = this.wrap(bare, LAYERS[1]);
    /** Microseconds of the caller's layer and of that which is called, for each call. */
    const measure = (method: Method, caller: number): readonly [number, number] => {
      this.#switch(caller);
      this.#clear();
      for (let i = 0; i < CALIBRATION; i++) method(bare, i, CALIBRATION);
      this.#switch(-1);
      return [this.#us[caller]! / CALIBRATION, this.#us[1]! / CALIBRATION];
    };
    const [directUs] = measure(bare, 0);
    const [outerUs, innerUs] = measure(charged, 0);
    const [passUs] = measure(charged, 1);
    this.#outerUs = outerUs - directUs;
    this.#innerUs = innerUs;
    this.#passUs = passUs - directUs;
    this.#clear();
  }
}

/**
 * Runs PTX as the PTX ISA states it, one thread after the other: the few instructions that our kernels have, and a refusal of any
 * other. It knows nothing of what the kernels are for.
 */

type Register = bigint | number | boolean;

interface Instruction {
  readonly guard?: string | undefined;
  readonly operation: string;
  readonly operands: readonly string[];
}

export interface Entry {
  /** `u64` or `u32`, by name, in order. */
  readonly parameters: readonly (readonly [name: string, type: string])[];
  readonly registers: ReadonlySet<string>;
  readonly code: readonly Instruction[];
  readonly labels: ReadonlyMap<string, number>;
}

const BITS = { u32: 32, u64: 64 } as const;
const STEPS = 100_000;

/** @throws Error with the line that it cannot make anything of */
export function parseEntries(ptx: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [, name = "", head = "", body = ""] of ptx.matchAll(/\.visible \.entry (\w+)\(([^)]*)\)\s*\{([^}]*)\}/g)) {
    const parameters = [...head.matchAll(/\.param \.(u32|u64) (\w+)/g)].map(
      ([, type = "", each = ""]) => [each, type] as const,
    );
    const registers = new Set<string>();
    const code: Instruction[] = [];
    const labels = new Map<string, number>();
    for (const line of body.split("\n").map((text) => text.trim())) {
      if (line === "") continue;
      const declared = /^\.reg \.\w+ (%\w+)<(\d+)>;$/.exec(line);
      const label = /^(\w+):$/.exec(line);
      const instruction = /^(?:@(%p\d+) )?([\w.]+)((?: [^;]+)?);$/.exec(line);
      if (declared !== null) {
        for (let i = 0; i < Number(declared[2]); i++) registers.add(`${declared[1]}${i}`);
      } else if (label !== null) labels.set(label[1] ?? "", code.length);
      else if (instruction !== null) {
        const [, guard, operation = "", operands = ""] = instruction;
        code.push({ guard, operation, operands: operands.split(",").map((each) => each.trim()) });
      } else throw new Error(`no PTX that this machine knows: ${line}`);
    }
    entries.set(name, { parameters, registers, code, labels });
  }
  return entries;
}

/** Of a thread: `%tid.x` and the like. */
export type Special = Readonly<Record<string, number>>;

export class PtxThread {
  readonly #entry: Entry;
  readonly #parameters: ReadonlyMap<string, bigint>;
  readonly #special: Special;
  readonly #memory: DataView;
  readonly #registers = new Map<string, Register>();

  /** @param memory of the GPU, from address 0 on */
  constructor(entry: Entry, parameters: readonly bigint[], special: Special, memory: DataView) {
    this.#entry = entry;
    this.#parameters = new Map(entry.parameters.map(([name], index) => [name, parameters[index] ?? 0n]));
    this.#special = special;
    this.#memory = memory;
  }

  #read(operand: string): Register {
    const special = this.#special[operand];
    if (special !== undefined) return BigInt(special);
    if (/^\d+$/.test(operand)) return BigInt(operand);
    if (operand.startsWith("0f")) {
      const view = new DataView(new ArrayBuffer(4));
      view.setUint32(0, Number.parseInt(operand.slice(2), 16));
      return view.getFloat32(0);
    }
    const value = this.#registers.get(operand);
    if (value === undefined) throw new Error(`${operand} is read before it is written`);
    return value;
  }

  #int(operand: string): bigint {
    const value = this.#read(operand);
    if (typeof value !== "bigint") throw new Error(`${operand} holds no integer`);
    return value;
  }

  #float(operand: string): number {
    const value = this.#read(operand);
    if (typeof value !== "number") throw new Error(`${operand} holds no float`);
    return value;
  }

  #write(register: string, value: Register): void {
    if (!this.#entry.registers.has(register)) throw new Error(`${register} is not declared`);
    const kind = /^%[a-z]+/.exec(register)?.[0];
    const right = { "%p": "boolean", "%f": "number", "%r": "bigint", "%rd": "bigint" }[kind ?? ""];
    if (typeof value !== right) throw new Error(`${register} cannot hold ${String(value)}`);
    if (kind === "%r" && (value as bigint) >> 32n !== 0n) throw new Error(`${register} takes 32 bits`);
    this.#registers.set(register, value);
  }

  /** The address within `[…]`. */
  #address(operand: string): number {
    return Number(this.#int(operand.slice(1, -1)));
  }

  /** @throws Error if it does what the ISA does not allow, or touches what is not in memory */
  run(): void {
    let at = 0;
    for (let step = 0; step < STEPS; step++) {
      const instruction = this.#entry.code[at++];
      if (instruction === undefined) throw new Error("it runs beyond its end");
      const { guard, operation, operands } = instruction;
      if (guard !== undefined && this.#read(guard) !== true) continue;
      if (operation === "ret") return;
      if (operation === "bra") {
        const target = this.#entry.labels.get(operands[0] ?? "");
        if (target === undefined) throw new Error(`there is no label ${operands[0]}`);
        at = target;
      } else this.#execute(operation, operands);
    }
    throw new Error(`it does not end within ${STEPS} steps`);
  }

  #execute(operation: string, [to = "", a = "", b = "", c = ""]: readonly string[]): void {
    const wrap = (type: "u32" | "u64", value: bigint): bigint => BigInt.asUintN(BITS[type], value);
    switch (operation) {
      case "mov.u32":
      case "mov.f32":
        return this.#write(to, this.#read(a));
      case "ld.param.u32":
      case "ld.param.u64": {
        const name = a.slice(1, -1);
        if (!this.#entry.parameters.some(([each, type]) => each === name && operation.endsWith(type))) break;
        return this.#write(to, this.#parameters.get(name) ?? 0n);
      }
      case "add.u32":
      case "add.u64":
        return this.#write(to, wrap(operation.slice(4) as "u32" | "u64", this.#int(a) + this.#int(b)));
      case "mul.lo.u32":
        return this.#write(to, wrap("u32", this.#int(a) * this.#int(b)));
      case "mul.wide.u32":
        return this.#write(to, this.#int(a) * this.#int(b));
      case "mad.lo.u32":
        return this.#write(to, wrap("u32", this.#int(a) * this.#int(b) + this.#int(c)));
      case "setp.ge.u32":
        return this.#write(to, this.#int(a) >= this.#int(b));
      case "setp.lt.u32":
        return this.#write(to, this.#int(a) < this.#int(b));
      case "add.rn.f32":
        return this.#write(to, Math.fround(this.#float(a) + this.#float(b)));
      case "mul.rn.f32":
        return this.#write(to, Math.fround(this.#float(a) * this.#float(b)));
      case "ld.global.f32":
        return this.#write(to, this.#memory.getFloat32(this.#address(a), true));
      case "st.global.f32":
        return this.#memory.setFloat32(this.#address(to), this.#float(a), true);
    }
    throw new Error(`no instruction that this machine knows: ${operation} ${[to, a, b, c].join(" ")}`);
  }
}

/**
 * QuickJS built with Emscripten counts eight bytes for every block whatever its size, so its memory limit limits nothing.
 * This puts three functions around its allocator, in the module's binary before it is compiled, that add and subtract
 * each block's true size (dlmalloc keeps it in the word before the block); limit, counters, peak and collection then hold.
 */

const SECTION_FUNCTION = 3;
const SECTION_IMPORT = 2;
const SECTION_ELEMENT = 9;
const SECTION_CODE = 10;
const IMPORT_FUNCTION = 0;
const IMPORT_TABLE = 1;
const IMPORT_MEMORY = 2;
const IMPORT_GLOBAL = 3;

/** Where struct JSRuntime's first words, `js_malloc`, `js_free` and `js_realloc`, point to in the module's table. */
const TABLE_MALLOC = 142;
const TABLE_FREE = 143;
const TABLE_REALLOC = 144;

/** WebAssembly binary format §5.2.2: LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}

class Reader {
  at = 0;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error("quickjs-emscripten's module ends early");
    return byte;
  }
  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
  take(length: number): Uint8Array {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }
  vector<T>(read: () => T): T[] {
    return Array.from({ length: this.unsigned() }, read);
  }
}

function importedFunctions(section: Uint8Array): number {
  const reader = new Reader(section);
  let functions = 0;
  reader.vector(() => {
    reader.take(reader.unsigned());
    reader.take(reader.unsigned());
    const kind = reader.byte();
    if (kind === IMPORT_FUNCTION) {
      reader.unsigned();
      functions++;
    } else if (kind === IMPORT_GLOBAL) {
      reader.take(2);
    } else if (kind === IMPORT_TABLE || kind === IMPORT_MEMORY) {
      if (kind === IMPORT_TABLE) reader.byte();
      const limits = reader.byte();
      reader.unsigned();
      if (limits & 1) reader.unsigned();
    }
  });
  return functions;
}

/** Function indices in the table, from its first element on. */
function tableElements(section: Uint8Array): { base: number; functions: number[] } {
  const reader = new Reader(section);
  const I32_CONST = 0x41;
  const END = 0x0b;
  const expected = reader.unsigned() === 1 && reader.unsigned() === 0 && reader.byte() === I32_CONST;
  const base = reader.unsigned();
  if (!expected || reader.byte() !== END) throw new Error("quickjs-emscripten's module has another kind of table");
  return { base, functions: reader.vector(() => reader.unsigned()) };
}

// Instructions (§5.4).
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];
const call = (index: number): number[] => [0x10, ...unsigned(index)];
const ADD = [0x6a];
const SUBTRACT = [0x6b];
const IF = [0x04, 0x40];
const IF_I32 = [0x04, 0x7f];
const ELSE = [0x05];
const END = [0x0b];
const RETURN = [0x0f];
const EQZ = [0x45];
const SELECT = [0x1b];
const ZERO = [0x41, 0];
/** JSMallocState.malloc_size, the second word. */
const LOAD_SIZE = [0x28, 2, 4];
const STORE_SIZE = [0x36, 2, 4];
/** JSMallocState.opaque, the fourth word: QuickJS's own allocator leaves it alone, so the peak is kept there. */
const LOAD_PEAK = [0x28, 2, 12];
const STORE_PEAK = [0x36, 2, 12];
const GREATER = [0x4b];
/** Size of the block that a local points to: the word before it without dlmalloc's three flag bits. */
const block = (local: number): number[] => [...get(local), 0x41, 4, ...SUBTRACT, 0x28, 2, 0, 0x41, 0x78, 0x71];
/** `state->malloc_size = state->malloc_size <operation> <amount>` */
const change = (amount: number[], operation: number[]): number[] => [
  ...get(0),
  ...get(0),
  ...LOAD_SIZE,
  ...amount,
  ...operation,
  ...STORE_SIZE,
];
const both = [...get(0), ...LOAD_SIZE, ...get(0), ...LOAD_PEAK];
/** `state->opaque = max(state->malloc_size, state->opaque)` */
const PEAK = [...get(0), ...both, ...both, ...GREATER, ...SELECT, ...STORE_PEAK];
const locals = (count: number): number[] => (count === 0 ? [0] : [1, count, 0x7f]);

/** `void *(JSMallocState *, size_t)`; local 2 is the block. */
function mallocWrapper(original: number): number[] {
  return [
    ...locals(1),
    ...get(0),
    ...get(1),
    ...call(original),
    ...tee(2),
    ...IF,
    ...change(block(2), ADD),
    ...PEAK,
    ...END,
    ...get(2),
    ...END,
  ];
}

/** `void (JSMallocState *, void *)` */
function freeWrapper(original: number): number[] {
  const count = [...get(1), ...IF, ...change(block(1), SUBTRACT), ...END];
  return [...locals(0), ...count, ...get(0), ...get(1), ...call(original), ...END];
}

/** `void *(JSMallocState *, void *, size_t)`; local 3 is the old block's size, local 4 the new block. */
function reallocWrapper(original: number): number[] {
  const through = [...get(0), ...get(1), ...get(2), ...call(original)];
  // Without an old block the original calls js_malloc, which counts by itself.
  const first = [...get(1), ...EQZ, ...IF, ...through, ...RETURN, ...END];
  // Without the old block the original's check against the limit is exact. Back it comes if nothing was done.
  const without = [...block(1), ...set(3), ...change(get(3), SUBTRACT)];
  const unchanged = [...get(3), ...ZERO, ...get(2), ...SELECT];
  const after = [...get(4), ...IF_I32, ...block(4), ...ELSE, ...unchanged, ...END];
  return [...locals(2), ...first, ...without, ...through, ...set(4), ...change(after, ADD), ...PEAK, ...get(4), ...END];
}

/** @returns the module with an allocator that counts. @throws Error if the module is built in another way. */
export function countAllocations(module: Uint8Array): Uint8Array {
  const reader = new Reader(module);
  const header = reader.take(8);
  const sections: { id: number; content: Uint8Array }[] = [];
  while (reader.at < module.length) sections.push({ id: reader.byte(), content: reader.take(reader.unsigned()) });
  const section = (id: number): { id: number; content: Uint8Array } => {
    const found = sections.find((candidate) => candidate.id === id);
    if (!found) throw new Error(`quickjs-emscripten's module has no section ${String(id)}`);
    return found;
  };
  const imports = importedFunctions(section(SECTION_IMPORT).content);
  const table = tableElements(section(SECTION_ELEMENT).content);
  const types = ((r) => r.vector(() => r.unsigned()))(new Reader(section(SECTION_FUNCTION).content));
  const bodies = ((r) => r.vector(() => r.take(r.unsigned())))(new Reader(section(SECTION_CODE).content));

  for (const [slot, wrapper] of [
    [TABLE_MALLOC, mallocWrapper],
    [TABLE_FREE, freeWrapper],
    [TABLE_REALLOC, reallocWrapper],
  ] as const) {
    const defined = (table.functions[slot - table.base] ?? 0) - imports;
    const type = types[defined];
    const body = bodies[defined];
    if (type === undefined || body === undefined) throw new Error("quickjs-emscripten's allocator is somewhere else");
    // The original moves to the end, where no index changes, and the wrapper takes its place.
    bodies[defined] = Uint8Array.from(wrapper(imports + bodies.length));
    bodies.push(body);
    types.push(type);
  }

  section(SECTION_FUNCTION).content = Uint8Array.from([types.length, ...types].flatMap(unsigned));
  const sized = (bytes: Uint8Array): Uint8Array[] => [Uint8Array.from(unsigned(bytes.length)), bytes];
  section(SECTION_CODE).content = Buffer.concat([Uint8Array.from(unsigned(bodies.length)), ...bodies.flatMap(sized)]);
  return Buffer.concat([header, ...sections.flatMap(({ id, content }) => [Uint8Array.of(id), ...sized(content)])]);
}

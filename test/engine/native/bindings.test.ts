import { expect } from "chai";
import fc from "fast-check";
import { buildOrSkip, Workshop } from "./native-build.ts";

describe("the native engine's host functions", () => {
  before(buildOrSkip);
  let shop: Workshop;
  beforeEach(() => {
    shop = new Workshop();
  });
  afterEach(() => {
    shop.dispose();
  });

  it("name themselves when an argument has the wrong type or range", () => {
    const calls: readonly (readonly [string, string])[] = [
      ["host.mmioMap('0', 1)", "TypeError: mmioMap: argument 1 must be a number"],
      ["host.mmioMap(-1, 1)", "RangeError: mmioMap: argument 1 must be an integer from 0 to 9007199254740991"],
      ["host.mmioMap(0x10000000, 0)", "RangeError: mmioMap: argument 2 must be an integer from 1 to 9007199254740991"],
      ["host.mmioMap(268435456.5, 1)", "RangeError: mmioMap: argument 1 must be an integer from 0 to 9007199254740991"],
      ["host.mmioMap(0x5000, 16)", "Error: mmioMap: 0x5000 to 0x500f is no device memory or cannot be mapped"],
      ["host.mmioRead32(0, 0)", "RangeError: mmioRead32: the window must be an integer from 0 to -1"],
      ["host.dmaAlloc(0)", "RangeError: dmaAlloc: argument 1 must be an integer from 1 to 4194304"],
      ["host.dmaAlloc(NaN)", "RangeError: dmaAlloc: argument 1 must be an integer from 1 to 4194304"],
      ["host.dmaAlloc(65537)", "Error: dmaAlloc: no 69632 bytes of DMA memory are left"],
      ["host.barrier(3)", "RangeError: barrier: argument 1 must be an integer from 0 to 2"],
      ["host.irqBind(33, 'rising')", 'RangeError: irqBind: trigger must be "level" or "edge"'],
      ["host.irqBind(33)", "TypeError: irqBind: expected a string"],
      ["host.irqAck(1)", "RangeError: irqAck: argument 1 must be an integer from 2 to 29"],
      ["host.irqAck(29)", "Error: irqAck: bit 29 is not bound"],
      ["host.log(1)", "TypeError: log: expected a string"],
      ["host.rootfsRead()", "TypeError: rootfsRead: expected a string"],
      ["host.componentSpawn('pong.elf')", "TypeError: componentSpawn: expected an object with options"],
      [
        "host.componentSpawn('pong.elf', { priority: 201, arenaBytes: 0, args: [0, 0, 0, 0] })",
        "RangeError: componentSpawn: priority must be an integer from 1 to 200",
      ],
      [
        "host.componentSpawn('pong.elf', { priority: 1, arenaBytes: 0, args: [0, 0, 0] })",
        "TypeError: componentSpawn: 3 must be a number",
      ],
      [
        "host.componentSpawn('none.elf', { priority: 1, arenaBytes: 0, args: [0, 0, 0, 0] })",
        "Error: componentSpawn: there is no file none.elf",
      ],
      [
        "host.componentSpawn('build.json', { priority: 1, arenaBytes: 0, args: [0, 0, 0, 0] })",
        "Error: componentSpawn: build.json is no ELF program for this machine",
      ],
      [
        "host.componentEvent(new Float64Array(7))",
        "RangeError: componentEvent: the array must have 8 elements or more",
      ],
      ["host.componentEvent(new Float32Array(8))", "TypeError: componentEvent: expected a Float64Array"],
      ["host.componentReply(0, 0, 0, 0, 0, 0)", "Error: componentReply: no call of component 0 waits"],
      ["host.componentReply(0, 0, 0, 0, 0)", "TypeError: componentReply: argument 6 must be a number"],
      ["host.componentDestroy(80)", "RangeError: componentDestroy: argument 1 must be an integer from 0 to 79"],
      ["host.componentInfo(0)", "Error: componentInfo: there is no component 0"],
      ["host.checksum([1], 0, 1, 0)", "TypeError: checksum: expected a Uint8Array"],
      ["host.checksum(new Uint8ClampedArray(2), 0, 1, 0)", "TypeError: checksum: expected a Uint8Array"],
      ["host.checksum(new Uint8Array(2), 1, 2, 0)", "RangeError: checksum: length must be an integer from 0 to 1"],
      [
        "host.copy(new Uint8Array(2), 1, new Uint8Array(2), 0, 2)",
        "RangeError: copy: argument 2 must be an integer from 0 to 0",
      ],
      [
        "host.copy(new Uint8Array(1), 0, new Uint8Array(2), 0, 2)",
        "RangeError: copy: the array copied into is too short",
      ],
      ["host.utf8Encode('abc', new Uint8Array(2), 0)", "RangeError: utf8Encode: the text does not fit into the array"],
      ["host.utf8Encode(1, new Uint8Array(2), 0)", "TypeError: utf8Encode: expected a string"],
      ["host.utf8Validate(new Uint8Array(2), 3, 0)", "RangeError: utf8Validate: start must be an integer from 0 to 2"],
    ];
    const printed = shop.run(calls.map(([call]) => `print(thrown(() => ${call}));`).join("\n"));
    expect(printed).to.deep.equal(calls.map(([, message]) => message));
  });

  it("map the same registers to an equal window and access them by exact width inside it", () => {
    expect(
      shop.run(`const a = host.mmioMap(0x10000000, 64);
      print(host.mmioMap(0x10000000, 64) === a);
      const b = host.mmioMap(0x10000010, 16);
      print(b === a);
      host.mmioWrite32(a, 16, 0xfedcba98);
      print(host.mmioRead32(b, 0) + " " + host.mmioRead16(b, 2) + " " + host.mmioRead8(b, 1));
      host.mmioWrite8(b, 0, 1); host.mmioWrite16(b, 2, 2);
      print(host.mmioRead32(a, 16).toString(16));
      print(thrown(() => host.mmioRead32(b, 13)));
      print(thrown(() => host.mmioRead32(b, 2)));
      print(thrown(() => host.mmioWrite8(b, 0, 256)));
      print(thrown(() => host.mmioWrite32(b, 0, -1)));
      for (let i = 2; i < 64; i++) host.mmioMap(0x10000000 + i, 1);
      print(thrown(() => host.mmioMap(0x10000000, 1)));`),
    ).to.deep.equal([
      "true",
      "false",
      "4275878552 65244 186",
      "2ba01",
      "RangeError: mmioRead32: the offset must be an integer from 0 to 12",
      "RangeError: mmioRead32: the offset must be a multiple of 4",
      "RangeError: mmioWrite8: the value must be an integer from 0 to 255",
      "RangeError: mmioWrite32: argument 3 must be an integer from 0 to 4294967295",
      "Error: mmioMap: all 64 windows are in use",
    ]);
  });

  it("hand out DMA memory as a view of whole pages and count it", () => {
    expect(
      shop.run(`const a = host.dmaAlloc(1), b = host.dmaAlloc(4097);
      print(a.buffer.byteLength + " " + a.address + " " + b.buffer.byteLength + " " + (b.address - a.address));
      const bytes = new Uint8Array(b.buffer);
      print(bytes.every((byte) => byte === 0));
      host.copy(bytes, 1, Uint8Array.of(1, 2, 3), 0, 3);
      host.copy(bytes, 2, bytes, 1, 3);
      print(bytes.subarray(0, 6).join());
      const { dmaUsed, dmaTotal } = host.memory();
      print(dmaUsed + " of " + dmaTotal);`),
    ).to.deep.equal(["4096 1073741824 8192 4096", "true", "0,1,1,2,3,0", "12288 of 65536"]);
  });

  it("tell what the machine, its devices and its capabilities are", () => {
    const [info, devices, caps, memory] = shop.run(`print(JSON.stringify(host.bootInfo()));
      print(JSON.stringify(host.devices()));
      print(JSON.stringify(host.caps()));
      print(JSON.stringify(host.memory()));`);
    const parsed = JSON.parse(info ?? "") as { phases: { name: string; us: number }[] };
    expect(parsed).to.deep.include({ kernel: "host", platform: "posix", ramBytes: 2 ** 30, restarts: 0 });
    expect(parsed.phases.map((phase) => phase.name)).to.deep.equal(["kernel", "files", "heap", "runtime", "bundle"]);
    expect(parsed.phases.map((phase) => phase.us)).to.deep.equal(parsed.phases.map((p) => p.us).sort((a, b) => a - b));
    expect(JSON.parse(devices ?? "")).to.deep.equal([
      { name: "uart@10000000", compatible: "test,uart", base: 2 ** 28, size: 4096, irq: 33, trigger: "level" },
      { name: "clock@20000000", compatible: "test,clock", base: 2 ** 29, size: 4096, irq: -1, trigger: "edge" },
    ]);
    expect(JSON.parse(caps ?? "")).to.deep.equal({
      slotsTotal: 100,
      slotsUsed: 7,
      untypedCount: 3,
      untypedBytes: 1048576,
      untypedFreeBytes: 524288,
      deviceUntypedCount: 1,
      irqHandlers: 2,
      components: 0,
      componentsMax: 80,
    });
    const usage = JSON.parse(memory ?? "") as Record<string, number>;
    expect(usage).to.have.all.keys(
      ...["heapUsed", "heapPeak", "heapLimit", "heapBlocks", "dmaUsed", "dmaTotal"],
      ...["gcRuns", "gcLongestUs", "jobsDeferred"],
    );
    expect(usage["heapLimit"]).to.be.within(4194304 - 16384, 4194304);
    expect(usage["heapUsed"]).to.be.within(30_000, usage["heapPeak"] ?? 0);
  });

  it("bind an interrupt once, to a bit that is then raised", () => {
    const source = `let bits;
export function turn(raised) {
  if (bits === undefined) {
    bits = [host.irqBind(33, "level"), host.irqBind(34, "edge")];
    try { host.irqBind(33, "level"); } catch (error) { host.log(String(error) + "\\n"); }
    return Infinity;
  }
  for (const bit of bits) if (raised & (1 << bit)) { host.log("bit " + bit + "\\n"); host.irqAck(bit); }
  host.halt("raised " + raised);
}`;
    expect(shop.boot(shop.archive(source)).lines).to.deep.equal([
      "Error: irqBind: interrupt 33 is bound already",
      "bit 2",
      "bit 3",
      "halt: raised 12",
    ]);
  });

  it("read boot files, and answer null for others", () => {
    expect(
      shop.run(
        `print(host.rootfsList().join());
      print(new Uint8Array(host.rootfsRead("notes")).join());
      print(host.rootfsRead("other"));`,
        { notes: "abc" },
      ),
    ).to.deep.equal(["crc32,build.json,engine.conf,main.lines,main.qbc,pong.elf,notes", "97,98,99", "null"]);
  });

  it("serve a component from spawn to destroy, and detach its frame", () => {
    expect(
      shop.run(`const event = new Float64Array(8);
      print(host.componentEvent(event));
      const id = host.componentSpawn("pong.elf", { priority: 7, arenaBytes: 4097, args: [1, 2, 3, 4294967295] });
      print(JSON.stringify(host.componentInfo(id)));
      print(host.componentEvent(event) + " " + event.join());
      print(host.componentInfo(id).state);
      const frame = host.componentFrame(id);
      print(frame.byteLength + " " + (host.componentFrame(id) === frame));
      const view = new Uint8Array(frame);
      host.componentReply(id, 0x101, 1, 2, 3, 4294967295);
      print(thrown(() => host.componentReply(id, 0x101, 1, 2, 3, 4)));
      host.componentSuspend(id); print(host.componentInfo(id).state);
      host.componentResume(id); print(host.componentInfo(id).state);
      host.componentDestroy(id);
      print(frame.byteLength + " " + view.length);
      print(thrown(() => host.copy(view, 0, view, 0, 0)));
      print(thrown(() => host.componentFrame(id)));
      for (let i = 0; i < 80; i++) host.componentSpawn("pong.elf", { priority: 1, arenaBytes: 0, args: [0, 0, 0, 0] });
      print(thrown(() => host.componentSpawn("pong.elf", { priority: 1, arenaBytes: 0, args: [0, 0, 0, 0] })));`),
    ).to.have.members([
      "false",
      '{"image":"pong.elf","state":"running","bytes":8193,"calls":0,"refused":0}',
      "true 0,1,256,1,4294967295,3,4,0",
      "calling",
      "16384 true",
      "reply 0 0x101 1 2 3 4294967295",
      "Error: componentReply: no call of component 0 waits",
      "suspended",
      "running",
      "0 0",
      "TypeError: copy: the buffer of the Uint8Array is detached",
      "Error: componentFrame: there is no component 0",
      "Error: componentSpawn: pong.elf: all component ids are in use",
    ]);
  });

  it("sum as RFC 1071 says, whatever the length, the alignment and the initial value", function () {
    this.timeout(60_000);
    const reference = (bytes: number[], initial: number): number => {
      let sum = initial;
      for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
      while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
      return sum;
    };
    const byte = fc.oneof(fc.constantFrom(0, 255), fc.integer({ min: 0, max: 255 }));
    const cases = fc.sample(
      fc.record({
        bytes: fc.array(byte, { maxLength: 70 }),
        initial: fc.oneof(fc.constantFrom(0, 0xffff, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff })),
        start: fc.integer({ min: 0, max: 9 }),
      }),
      400,
    );
    const printed = shop.run(`for (const { bytes, initial, start } of ${JSON.stringify(cases)}) {
      const array = new Uint8Array(start + bytes.length + 3).fill(0xa5); array.set(bytes, start);
      print(host.checksum(array, start, bytes.length, initial)); }`);
    expect(printed.map(Number)).to.deep.equal(cases.map(({ bytes, initial }) => reference(bytes, initial)));
  });

  it("decode and validate UTF-8 as the WHATWG decoder does", function () {
    this.timeout(60_000);
    const byte = fc.oneof(
      fc.constantFrom(
        0xc1,
        0xc2,
        0xe0,
        0xed,
        0xef,
        0xf0,
        0xf4,
        0xf5,
        0x80,
        0x8f,
        0x90,
        0x9f,
        0xa0,
        0xbb,
        0xbf,
        0x41,
        0,
      ),
      fc.integer({ min: 0, max: 255 }),
    );
    const text = fc.string({ unit: "binary", maxLength: 12 }).map((string) => [...Buffer.from(string)]);
    const cases = fc.sample(fc.oneof(fc.array(byte, { maxLength: 24 }), text), 600);
    const printed = shop.run(`for (const bytes of ${JSON.stringify(cases)}) {
      const array = Uint8Array.from([1, ...bytes, 0x80]);
      const text = host.utf8Decode(array, 1, bytes.length);
      print(host.utf8Validate(array, 1, bytes.length) + " " + text.split("").map((c) => c.charCodeAt(0)).join()); }`);
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    expect(printed).to.deep.equal(
      cases.map((bytes) => {
        const decoded = decoder.decode(Uint8Array.from(bytes));
        const valid = Buffer.from(decoded).equals(Buffer.from(bytes));
        return `${String(valid)} ${[...Array(decoded.length).keys()].map((i) => decoded.charCodeAt(i)).join()}`;
      }),
    );
  });

  it("encode UTF-8, lone surrogates as U+FFFD, and write nothing when it does not fit", function () {
    this.timeout(60_000);
    const unit = fc.oneof(
      fc.constantFrom(0xd800, 0xdbff, 0xdc00, 0xdfff, 0xfffd, 0xe000, 0xd7ff, 0x7f, 0x80, 0x7ff, 0x800, 0),
      fc.integer({ min: 0, max: 0xffff }),
    );
    const cases = fc.sample(fc.array(unit, { maxLength: 16 }), 600);
    const printed = shop.run(`for (const units of ${JSON.stringify(cases)}) {
      const text = String.fromCharCode(...units), array = new Uint8Array(64).fill(0xa5);
      const written = host.utf8Encode(text, array, 3);
      print(array.subarray(3, 3 + written).join() + " " + (array[2] === 0xa5 && array[3 + written] === 0xa5)); }
    const small = new Uint8Array(2).fill(7);
    print(thrown(() => host.utf8Encode("\\u20ac", small, 0)) + " " + small.join());
    print(host.utf8Encode("rope ".repeat(3) + small.length, new Uint8Array(20), 4));`);
    const encoder = new TextEncoder();
    expect(printed).to.deep.equal([
      ...cases.map((units) => `${encoder.encode(String.fromCharCode(...units)).join()} true`),
      "RangeError: utf8Encode: the text does not fit into the array 7,7",
      "16",
    ]);
  });

  it("describe whatever was thrown, with TypeScript positions", () => {
    const printed = shop.run(`print(host.describe(new RangeError("far")));
    print(host.describe("text"));
    print(host.describe(null));
    print(host.describe(undefined));
    print(host.describe(Symbol("s")));
    print(host.describe({ toString() { throw 1; } }));
    print(host.describe(Object.assign(new Error("m"), { stack: 5 })));
    print(host.describe(Object.defineProperty(new Error("late"), "stack", { get() { throw 1; } })));
    print(host.describe(new Error("x".repeat(20000))).length);`);
    // Line 4 of the bundle is the body's first; the test's table alternates between two files from 100 on.
    expect(printed.slice(0, 2)).to.deep.equal(["RangeError: far", "    at turn (src/second.ts:103)"]);
    expect(printed.slice(2)).to.deep.equal([
      "text",
      "null (out of memory)",
      "undefined",
      "an exception that cannot be shown",
      "an exception that cannot be shown",
      "Error: m",
      "Error: late",
      "8191",
    ]);
  });

  it("cut a log text of more than 4096 bytes before a character", () => {
    const printed = shop.run(`host.log("a" + "\\u20ac".repeat(2000)); host.log("\\n");`);
    expect(printed).to.deep.equal([`a${"\u20ac".repeat(1365)}`]);
  });
});

import { expect } from "chai";
import fc from "fast-check";
import { verifyLayout } from "../../../../engine/sim/quickjs/layout.ts";
import { GuestError, Stop, Thrown } from "../../../../engine/sim/quickjs/errors.ts";
import { Runtime } from "../../../../engine/sim/quickjs/runtime.ts";
import type { HostFunction } from "../../../../engine/sim/quickjs/runtime.ts";

const MEBIBYTE = 1024 * 1024;

async function make(heapBytes = 4 * MEBIBYTE, interrupt = (): boolean => false): Promise<Runtime> {
  return Runtime.create({ heapBytes, extraBytes: MEBIBYTE, interrupt });
}

/** The value of an expression as text. */
function text(runtime: Runtime, source: string): string | undefined {
  const value = runtime.evaluate(source, "test.js", false);
  const result = runtime.toText(value);
  runtime.release(value);
  return result;
}

function thrown(runtime: Runtime, source: string): string | undefined {
  try {
    runtime.release(runtime.evaluate(source, "test.js", false));
  } catch (error) {
    if (error instanceof Thrown) return runtime.toText(error.value);
    throw error;
  }
  throw new Error("nothing was thrown");
}

function define(runtime: Runtime, functions: (runtime: Runtime) => Record<string, HostFunction>): void {
  runtime.defineGlobal("it", functions(runtime), {});
}

describe("QuickJS runtime", () => {
  describe("values", () => {
    it("pass numbers both ways exactly", async () => {
      const runtime = await make();
      define(runtime, (r) => ({ same: (argv, argc) => r.newNumber(r.number(argv, argc, 0, "x")) }));
      const special =
        "[0, -0, 1, -1, 2**31-1, -(2**31), 2**31, 2**32, 2**53-1, 0.1, 1e308, 5e-324, Infinity, -Infinity, NaN]";
      expect(text(runtime, `${special}.every(x => Object.is(it.same(x), x))`)).to.equal("true");
    });

    it("pass any double exactly", async () => {
      const runtime = await make();
      let value = 0;
      let seen = 0;
      define(runtime, (r) => ({
        give: () => r.newNumber(value),
        take: (argv, argc) => {
          seen = r.number(argv, argc, 0, "x");
          return 0;
        },
      }));
      fc.assert(
        fc.property(fc.double(), (x) => {
          value = x;
          runtime.release(runtime.evaluate("it.take(it.give())", "test.js", false));
          expect(Object.is(seen, x)).to.equal(true);
        }),
      );
    });

    it("pass any text, NUL and all planes included, lone surrogates replaced", async () => {
      const runtime = await make();
      let seen = "";
      let give = "";
      define(runtime, (r) => ({
        give: () => r.newString(give),
        take: (argv, argc) => {
          seen = r.text(argv, argc, 0, "text");
          return 0;
        },
      }));
      fc.assert(
        fc.property(fc.string({ unit: "binary" }), (string) => {
          give = string;
          runtime.release(runtime.evaluate("it.take(it.give())", "test.js", false));
          expect(seen).to.equal(string);
        }),
      );
      runtime.release(runtime.evaluate('it.take("a\\ud800b\\udc00" + "\\0c")', "test.js", false));
      expect(seen).to.equal("a\ufffdb\ufffd\0c");
    });

    it("keep what was allocated for them balanced", async () => {
      const runtime = await make();
      define(runtime, (r) => ({
        all: () =>
          r.newObject({ a: r.newNumber(0.5), b: r.newArray([r.newString("x\0y"), r.newNull(), r.newBoolean(true)]) }),
      }));
      const loop = runtime.evaluate("() => { for (let i = 0; i < 1000; i++) it.all(); }", "test.js", false);
      runtime.release(runtime.call(loop, loop));
      const before = [runtime.heapUsed, runtime.heapBlocks];
      for (let i = 0; i < 20; i++) runtime.release(runtime.call(loop, loop));
      expect([runtime.heapUsed, runtime.heapBlocks]).to.deep.equal(before);
    });
  });

  describe("exceptions", () => {
    it("of host functions reach the guest as the class they name, with the function's name", async () => {
      const runtime = await make();
      define(runtime, () => ({
        type: () => {
          throw new GuestError("TypeError", "what");
        },
        range: () => {
          throw new GuestError("RangeError", "how far");
        },
        error: () => {
          throw new GuestError("Error", "why");
        },
      }));
      for (const [name, message] of [
        ["TypeError", "type: what"],
        ["RangeError", "range: how far"],
        ["Error", "error: why"],
      ] as const) {
        const call = `it.${message.split(":")[0] ?? ""}()`;
        expect(text(runtime, `try { ${call} } catch (e) { (e instanceof ${name}) + " " + e.message }`)).to.equal(
          `true ${message}`,
        );
      }
    });

    it("are the built-in classes even if the guest replaces them", async () => {
      const runtime = await make();
      define(runtime, () => ({
        type: () => {
          throw new GuestError("TypeError", "what");
        },
      }));
      expect(
        text(
          runtime,
          "const T = TypeError; globalThis.TypeError = null; try { it.type() } catch (e) { e instanceof T }",
        ),
      ).to.equal("true");
    });

    it("that stop the guest pass through its catch and finally", async () => {
      const runtime = await make();
      define(runtime, () => ({
        stop: () => {
          throw new Stop("enough");
        },
      }));
      expect(() => runtime.evaluate("try { it.stop() } catch { 1 } finally { 2 }", "test.js", false)).to.throw(
        Stop,
        "enough",
      );
    });

    it("of a runaway recursion can be caught by the guest", async () => {
      const runtime = await make();
      expect(text(runtime, "const f = () => 1 + f(); try { f() } catch (e) { e.message }")).to.equal("stack overflow");
    });

    it("of an interrupted loop cannot", async () => {
      const runtime = await make(MEBIBYTE, () => true);
      expect(thrown(runtime, "for (;;) try { for (;;); } catch {}")).to.equal("InternalError: interrupted");
    });
  });

  describe("heap", () => {
    it("is counted by the blocks' true sizes", async () => {
      const runtime = await make();
      const keep = runtime.evaluate("globalThis.kept = []; (n) => { kept.push(new Uint8Array(n)); }", "test.js", false);
      const before = runtime.heapUsed;
      const size = runtime.newNumber(100_000);
      for (let i = 0; i < 10; i++) runtime.release(runtime.call(keep, size));
      expect(runtime.heapUsed - before).to.be.within(1_000_000, 1_005_000);
      runtime.release(runtime.evaluate("kept.length = 0", "test.js", false));
      expect(runtime.heapUsed - before).to.be.within(-1000, 1000);
      expect(runtime.heapPeak).to.be.within(before + 1_000_000, before + 1_010_000);
    });

    it("counts a block that grows once", async () => {
      const runtime = await make();
      const before = runtime.heapUsed;
      runtime.release(
        runtime.evaluate("globalThis.kept = []; for (let i = 0; i < 100000; i++) kept.push(i);", "test.js", false),
      );
      expect(runtime.heapUsed - before).to.be.within(800_000, 1_300_000);
      runtime.release(runtime.evaluate("kept = undefined", "test.js", false));
      expect(runtime.heapUsed - before).to.be.within(-2000, 2000);
    });

    it("has a hard limit, at which the guest can go on if it lets go", async () => {
      const runtime = await make(2 * MEBIBYTE);
      const fill =
        "const f = () => { const a = []; for (;;) a.push(new Uint8Array(1000)); }; try { f() } catch (e) { String(e) }";
      expect(text(runtime, fill)).to.be.oneOf(["null", "InternalError: out of memory"]);
      expect(runtime.heapPeak).to.be.within(1.95 * MEBIBYTE, 2 * MEBIBYTE);
      expect(text(runtime, "new Uint8Array(1000000).length")).to.equal("1000000");
    });

    it("refuses one block beyond the limit", async () => {
      const runtime = await make(2 * MEBIBYTE);
      expect(thrown(runtime, "new Uint8Array(3000000)")).to.be.oneOf(["null", "InternalError: out of memory"]);
      expect(thrown(runtime, "'x'.repeat(100000000)")).to.be.oneOf(["null", "InternalError: out of memory"]);
    });

    it("collects cycles when told, and by itself only when it is nearly full", async () => {
      const runtime = await make(8 * MEBIBYTE);
      const litter = "(() => { for (let i = 0; i < 1000; i++) { const a = { b: new Uint8Array(1000) }; a.a = a; } })()";
      const before = runtime.heapUsed;
      text(runtime, litter);
      expect(runtime.heapUsed - before).to.be.greaterThan(1_000_000);
      runtime.collect();
      expect(runtime.heapUsed - before).to.be.lessThan(10_000);
      for (let i = 0; i < 20; i++) {
        text(runtime, litter);
        runtime.settle();
      }
      expect(runtime.heapPeak).to.be.within(0.7 * 8 * MEBIBYTE, 8 * MEBIBYTE);
    });

    it("collects after the turn in which it became nearly full, however little each turn adds", async () => {
      const runtime = await make(4 * MEBIBYTE);
      text(runtime, "globalThis.litter = (n) => { const a = { b: new Uint8Array(n) }; a.a = a; }; 0");
      let collections = 0;
      for (let i = 0; i < 1000; i++) {
        text(runtime, "litter(30000)");
        if (runtime.settle() !== undefined) collections++;
      }
      expect(collections).to.be.within(8, 14);
      expect(runtime.heapPeak).to.be.lessThan(0.75 * 4 * MEBIBYTE + 40_000);
    });

    it("collects seldom when what fills it is no garbage", async () => {
      const runtime = await make(4 * MEBIBYTE);
      text(runtime, "globalThis.kept = []; 0");
      let collections = 0;
      for (let i = 0; i < 120; i++) {
        text(runtime, "kept.push(new Uint8Array(30000)); 0");
        if (runtime.settle() !== undefined) collections++;
      }
      expect(runtime.heapUsed).to.be.greaterThan(0.85 * 4 * MEBIBYTE);
      expect(collections).to.be.within(2, 5);
    });

    it("tells who holds what", async () => {
      const runtime = await make();
      const of = (kind: string): number => {
        runtime.liftLimit();
        return runtime.usageByKind().find((row) => row.kind === kind)?.bytes ?? -1;
      };
      const before = { strings: of("strings"), buffers: of("buffers, arrays") };
      text(runtime, "globalThis.o = { a: 'x'.repeat(200000), b: new Uint8Array(300000) }; 0");
      expect(of("strings") - before.strings).to.be.within(200_000, 210_000);
      expect(of("buffers, arrays") - before.buffers).to.be.within(295_000, 310_000);
    });

    it("does not count memory beside it", async () => {
      const runtime = await make(MEBIBYTE);
      const at = runtime.instance.malloc(500_000);
      const before = runtime.heapUsed;
      const buffer = runtime.newArrayBuffer(at, 500_000);
      expect(runtime.heapUsed - before).to.be.lessThan(1000);
      runtime.release(buffer);
    });

    it("must be large enough for QuickJS itself", async () => {
      let message = "";
      await make(20_000).catch((error: unknown) => (message = String(error)));
      expect(message).to.match(/a heap of 20000 bytes is too small for QuickJS/);
    });
  });

  it("shows memory to the guest without a copy, and takes it away", async () => {
    const runtime = await make();
    const at = runtime.instance.malloc(64);
    const buffer = runtime.newArrayBuffer(at, 64);
    runtime.defineGlobal("it", {}, { buffer: runtime.duplicate(buffer) });
    runtime.instance.u8[at + 5] = 77;
    expect(text(runtime, "globalThis.view = new Uint8Array(it.buffer); view[6] = 88; view[5]")).to.equal("77");
    expect(runtime.instance.u8[at + 6]).to.equal(88);
    runtime.detach(buffer);
    expect(text(runtime, "view.length + ' ' + it.buffer.byteLength")).to.equal("0 0");
    runtime.release(buffer);
  });

  it("runs a bounded number of jobs", async () => {
    const runtime = await make();
    text(runtime, "globalThis.n = 0; for (let i = 0; i < 10; i++) Promise.resolve().then(() => { n++; }); 0");
    expect(runtime.runJobs(4)).to.equal(true);
    expect(text(runtime, "n")).to.equal("4");
    expect(runtime.runJobs(6)).to.equal(false);
    expect(runtime.runJobs(6)).to.equal(false);
    expect(text(runtime, "n")).to.equal("10");
  });

  it("has nothing that the native engine's QuickJS lacks", async () => {
    const runtime = await make();
    for (const later of [
      "ArrayBuffer.prototype.transfer",
      "ArrayBuffer.prototype.resize",
      "Set.prototype.union",
      "globalThis.Iterator",
      "[].values().map",
      "Math.sumPrecise",
      "Promise.try",
      "RegExp.escape",
      "Error.isError",
      "globalThis.Float16Array",
      "new Map().getOrInsert",
      "globalThis.Atomics?.pause",
    ]) {
      expect(text(runtime, `typeof (${later})`), later).to.equal("undefined");
    }
    for (const there of ["Promise.withResolvers", "[].findLast", "[].toSorted", "[].values().next", "JSON.parse"]) {
      expect(text(runtime, `typeof (${there})`), there).to.equal("function");
    }
  });

  it("fails with a sentence if QuickJS lays out its memory in another way", async () => {
    const { instance } = await make();
    const zeros = { ...instance, u8: new Uint8Array(64), i32: new Int32Array(16), u32: new Uint32Array(16) };
    const probes = { uint8Array: 0, float64Array: 0, fraction: 0, integer: 0, bufferPointer: 0, cString: 16 };
    expect(() => verifyLayout({ instance: zeros, rt: 0, ...probes, limit: 1, threshold: 0 })).to.throw(
      "quickjs-emscripten lays out the allocator's state differently: engine/sim/quickjs/layout.ts must follow",
    );
  });
});

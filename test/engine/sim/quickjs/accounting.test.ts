import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "chai";
import { countAllocations } from "../../../../engine/sim/quickjs/accounting.ts";

const library = createRequire(import.meta.url).resolve("quickjs-emscripten");
const MODULE = readFileSync(createRequire(library).resolve("@jitl/quickjs-wasmfile-release-sync/wasm"));

describe("allocation counting in QuickJS's module", () => {
  it("makes a valid module with three functions more and the same imports and exports", () => {
    const counted = countAllocations(MODULE);
    const [before, after] = [new WebAssembly.Module(MODULE), new WebAssembly.Module(counted)];
    expect(WebAssembly.Module.exports(after)).to.deep.equal(WebAssembly.Module.exports(before));
    expect(WebAssembly.Module.imports(after)).to.deep.equal(WebAssembly.Module.imports(before));
    expect(counted.length - MODULE.length).to.be.within(100, 400);
  });

  it("refuses what is no such module", () => {
    expect(() => countAllocations(MODULE.subarray(0, 8))).to.throw("has no section");
    expect(() => countAllocations(MODULE.subarray(0, 5000))).to.throw("quickjs-emscripten's module");
  });
});

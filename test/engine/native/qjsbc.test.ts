import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { pin } from "../../../scripts/lib/repository.ts";
import { buildOrSkip, nativeProgram, Workshop } from "./native-build.ts";

describe("qjsbc", () => {
  before(buildOrSkip);
  let shop: Workshop;
  beforeEach(() => {
    shop = new Workshop();
  });
  afterEach(() => {
    shop.dispose();
  });

  const compile = (source: string): { status: number | null; stderr: string } => {
    writeFileSync(shop.path("in.js"), source);
    return spawnSync(nativeProgram("qjsbc"), [shop.path("in.js"), "main.js", shop.path("out.qbc")], {
      encoding: "utf8",
    });
  };

  it("writes magic, QuickJS version and bytecode, without the source text", () => {
    expect(compile("export function turn() { const someLocalName = 'kept text'; return someLocalName; }")).to.include({
      status: 0,
      stderr: "",
    });
    const bytes = readFileSync(shop.path("out.qbc"));
    expect(bytes.toString("latin1", 0, 8)).to.equal("COHQBC1\0");
    expect(bytes.toString("latin1", 8, 40)).to.equal(pin("QUICKJS_VERSION").padEnd(32, "\0"));
    expect(bytes.includes("kept text")).to.equal(true);
    expect(bytes.includes("const someLocalName")).to.equal(false);
  });

  it("gives the same bytes for the same source", () => {
    compile("export const turn = () => 1;");
    const first = readFileSync(shop.path("out.qbc"));
    compile("export const turn = () => 1;");
    expect(readFileSync(shop.path("out.qbc")).equals(first)).to.equal(true);
  });

  it("refuses an import, since the board has nothing to import from", () => {
    expect(compile('import { x } from "./nowhere.js"; export const turn = () => x;')).to.include({
      status: 1,
      stderr: `qjsbc: ${shop.path("in.js")}: ReferenceError: could not load module 'nowhere.js'\n`,
    });
  });

  it("evaluates nothing", () => {
    expect(compile("throw new Error('evaluated'); while (true);")).to.include({ status: 0, stderr: "" });
  });

  it("says in one sentence where a syntax error is", () => {
    const { status, stderr } = compile("export const a = 1;\nexport const b = = 2;\n");
    expect(status).to.equal(1);
    expect(stderr).to.equal(`qjsbc: ${shop.path("in.js")}:2: SyntaxError: unexpected token in expression: '='\n`);
  });

  it("names a file that it cannot read or write", () => {
    const missing = spawnSync(nativeProgram("qjsbc"), [shop.path("none.js"), "main.js", shop.path("o")], {
      encoding: "utf8",
    });
    expect(missing).to.include({ status: 1, stderr: `qjsbc: ${shop.path("none.js")}: cannot be read\n` });
    writeFileSync(shop.path("in.js"), "");
    const target = shop.path("no-folder/o");
    const unwritable = spawnSync(nativeProgram("qjsbc"), [shop.path("in.js"), "main.js", target], { encoding: "utf8" });
    expect(unwritable).to.include({ status: 1, stderr: `qjsbc: ${target}: cannot be written\n` });
  });

  it("shows how it is used when arguments are missing", () => {
    const { status, stderr } = spawnSync(nativeProgram("qjsbc"), [], { encoding: "utf8" });
    expect(status).to.equal(2);
    expect(stderr).to.equal("usage: qjsbc <in.js> <module-name> <out.qbc>\n");
  });
});

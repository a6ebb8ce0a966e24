import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Machine } from "../../../engine/sim/machine.ts";
import { makeRootfs } from "../../../engine/sim/rootfs.ts";
import { decodeLineTable } from "../../../scripts/lib/line-table.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";
import { compileSchemas, loadCtlSchemas } from "../../../scripts/lib/schemas.ts";
import { buildVmBundle } from "../../../scripts/lib/vm-bundle.ts";
import { readCommand } from "../../../services/queen/command.ts";
import { EXAMPLES, MISTAKES } from "../../services/queen/lines.ts";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";
const COMMON = {
  $schema: DIALECT,
  $id: "common.schema.json",
  $defs: { size: { description: "a size", type: "integer" } },
};
const SIZED = {
  $schema: DIALECT,
  $id: "sized.schema.json",
  type: "object",
  properties: { size: { $ref: "common.schema.json#/$defs/size" } },
};

/** What makes code of text, which the VM cannot. */
const COMPILER = /\beval\b|\bFunction\s*\(|\brequire\b|\bimport\s*\(/;

describe("schemas", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "schemas-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  describe("of a folder", () => {
    const compile = (files: Record<string, unknown>): string => {
      for (const [name, content] of Object.entries(files)) {
        writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
      }
      return compileSchemas(folder);
    };
    const refused = (files: Record<string, unknown>, name: string): string => {
      try {
        compile(files);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        const path = `${join(folder, name)}: `;
        expect(message.startsWith(path), message).to.equal(true);
        return message.slice(path.length);
      }
      throw new Error("it was compiled");
    };

    it("become functions by their names, and descriptions", async () => {
      const text = compile({ "common.schema.json": COMMON, "sized.schema.json": SIZED, "other.json": "{" });
      const module = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as Record<string, unknown>;
      expect(Object.keys(module)).to.have.members(["sized", "descriptions"]);
      expect(module["descriptions"]).to.deep.equal({ size: "a size" });
      const sized = module["sized"] as { (value: unknown): boolean; errors?: { instancePath: string }[] | null };
      expect(sized({ size: 1 })).to.equal(true);
      expect(sized({ size: "1" })).to.equal(false);
      expect(sized.errors?.[0]?.instancePath).to.equal("/size");
      expect(text).not.to.match(COMPILER);
    });

    it("are refused by file and reason", () => {
      const common = { "common.schema.json": COMMON };
      expect(refused({ ...common, "sized.schema.json": "{" }, "sized.schema.json")).to.match(/^it is no JSON: /);
      expect(refused({ ...common, "sized.schema.json": { ...SIZED, $id: "x" } }, "sized.schema.json")).to.equal(
        "/$id must be sized.schema.json.",
      );
      expect(refused({ ...common, "sized.schema.json": { ...SIZED, type: "objekt" } }, "sized.schema.json")).to.match(
        /^schema is invalid: data\/type /,
      );
      expect(refused({ ...common, "sized.schema.json": { ...SIZED, sizes: 1 } }, "sized.schema.json")).to.equal(
        'strict mode: unknown keyword: "sizes"',
      );
      const dangling = { ...SIZED, properties: { size: { $ref: "common.schema.json#/$defs/none" } } };
      expect(refused({ ...common, "sized.schema.json": dangling }, "sized.schema.json")).to.match(/^can't resolve ref/);
      const nameless = { ...COMMON, $defs: { size: { type: "integer" } } };
      expect(refused({ "common.schema.json": nameless, "sized.schema.json": SIZED }, "common.schema.json")).to.equal(
        "/$defs/size/description is missing.",
      );
    });
  });

  it("of /queen/ctl describe every command and every scalar that one may hold", async () => {
    const schemas = await loadCtlSchemas();
    for (const name of ["heartbeat", "gpu", "kill", "bind", "mount", "set_budget", "budget"] as const) {
      expect(schemas[name], name).to.be.a("function");
      const text = readFileSync(inRepository("services", "queen", "schema", `${name}.schema.json`), "utf8");
      expect(JSON.parse(text), name).to.include.keys("title", "description");
    }
  });

  describe("in a bundle for the VM", function () {
    this.timeout(30_000);
    const lines = [...EXAMPLES, ...MISTAKES.map(([line]) => line).filter((line) => line.length < 2000)];

    const bundle = async (): Promise<{ js: string; files: readonly string[] }> => {
      const services = inRepository("services", "queen");
      writeFileSync(join(folder, "manifest.json"), "{}");
      writeFileSync(
        join(folder, "entry.ts"),
        `import * as schemas from ${JSON.stringify(join(services, "validators.js"))};
import { readCommand } from ${JSON.stringify(join(services, "command.ts"))};
const lines = ${JSON.stringify(lines)};
let next = 0;
export function turn() {
  if (next === lines.length) host.halt("all lines are read");
  host.log(JSON.stringify(readCommand(lines[next++], schemas)) + "\\n");
  return 0;
}
`,
      );
      const out = join(folder, "vm");
      const made = await buildVmBundle({
        entry: join(folder, "entry.ts"),
        manifest: join(folder, "manifest.json"),
        out,
        net: false,
      });
      return { js: Buffer.from(made.js).toString("utf8"), files: decodeLineTable(made.lines).files };
    };

    it("hold no ajv and nothing that would compile, and stacks name their module", async () => {
      const { js, files } = await bundle();
      expect(js).to.contain("additionalProperties");
      expect(js).not.to.match(COMPILER);
      expect(js).not.to.match(/\bajv\b/i);
      expect(files).to.include("services/queen/validators.js");
    });

    it("give the simulated VM the same answers as Node, to the letter", async () => {
      const { js } = await bundle();
      const schemas = await loadCtlSchemas();
      let log = "";
      const machine = new Machine({
        source: js,
        rootfs: makeRootfs({}),
        clock: "virtual",
        onLog: (text) => (log += text),
      });
      await machine.runFor(1_000_000);
      expect(machine.haltReason, log).to.equal("all lines are read");
      const answers = log.split("\n").slice(0, lines.length);
      expect(answers).to.deep.equal(lines.map((line) => JSON.stringify(readCommand(line, schemas))));
    });
  });
});

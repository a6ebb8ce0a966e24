import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect } from "chai";
import { decodeLineTable } from "../../../scripts/lib/line-table.ts";
import { packageVersion, pin } from "../../../scripts/lib/repository.ts";
import { buildVmBundle, type VmBundle } from "../../../scripts/lib/vm-bundle.ts";

describe("VM bundle", () => {
  let folder: string;
  let manifest: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "vm-bundle-"));
    manifest = join(folder, "manifest.json");
    writeFileSync(manifest, "{}");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const build = (net: boolean): Promise<VmBundle> => {
    const [entry, worker] = [join(folder, "entry.ts"), join(folder, "worker.ts")];
    return buildVmBundle({ entry, worker, manifest, out: join(folder, "out"), net });
  };

  const make = async (net = true): Promise<string> => {
    writeFileSync(join(folder, "net.ts"), 'export const name = "NETWORK";\n');
    writeFileSync(
      join(folder, "entry.ts"),
      'import { name } from "./net.ts";\ndeclare const COHESIX_NET: boolean;\nexport function turn(): number {\n  if (COHESIX_NET) throw new Error(`MARK ü ${name}`);\n  return Infinity;\n}\n',
    );
    writeFileSync(
      join(folder, "worker.ts"),
      "export function step(): readonly [number, number] {\n  return [256, 0];\n}\n",
    );
    await build(net);
    return readFileSync(join(folder, "out", "main.js"), "utf8");
  };

  it("is one ES module that exports turn, with text as it was written", async () => {
    const js = await make();
    expect(js).to.match(/export \{\s*turn\s*\}/);
    expect(js).to.contain("MARK ü");
  });

  it("is built without the network's code when told so", async () => {
    expect(await make(true)).to.contain("NETWORK");
    expect(await make(false)).not.to.contain("NETWORK");
  });

  it("names the files that something of is in it, and no other", async () => {
    const names = async (net: boolean): Promise<string[]> => {
      await make(net);
      const { modules, worker } = await build(net);
      return [...modules, ...worker.modules].map((path) => basename(path));
    };
    expect(await names(true)).to.have.members(["entry.ts", "net.ts", "worker.ts"]);
    expect(await names(false)).to.have.members(["entry.ts", "worker.ts"]);
  });

  it("has a line table that leads to the TypeScript line", async () => {
    const line = (await make()).split("\n").findIndex((text) => text.includes("MARK"));
    const table = decodeLineTable(readFileSync(join(folder, "out", "main.lines")));
    const at = table.lines[line];
    expect(at?.line).to.equal(4);
    expect(table.files[at?.file ?? -1]).to.match(/entry\.ts$/);
  });

  it("makes the worker's bundle and its line table too", async () => {
    await make();
    const js = readFileSync(join(folder, "out", "worker.js"), "utf8");
    expect(js).to.match(/export \{\s*step\s*\}/);
    const table = decodeLineTable(readFileSync(join(folder, "out", "worker.lines")));
    const at = table.lines[js.split("\n").findIndex((text) => text.includes("return"))];
    expect(at?.line).to.equal(2);
    expect(table.files[at?.file ?? -1]).to.match(/worker\.ts$/);
  });

  it("says what it is: hash over both bundles, their lines and the manifest, and the pinned QuickJS", async () => {
    await make();
    const file = (name: string): Buffer => readFileSync(join(folder, "out", name));
    const hashed = createHash("sha256");
    for (const name of ["main.js", "main.lines", "worker.js", "worker.lines"]) hashed.update(file(name));
    const hash = hashed.update("{}").digest("hex");
    const info = JSON.parse(file("build.json").toString()) as Record<string, string>;
    expect(info["imageHash"]).to.equal(hash.slice(0, 16));
    expect(info["quickjs"]).to.equal(pin("QUICKJS_VERSION"));
    expect(info["version"]).to.equal(packageVersion());
    expect(info["revision"]).to.match(/^([0-9a-f]{12}(-dirty)?|unknown)$/);
  });

  it("is not written again when nothing changed", async () => {
    await make();
    const before = statSync(join(folder, "out", "main.js"), { bigint: true }).mtimeNs;
    await make();
    expect(statSync(join(folder, "out", "main.js"), { bigint: true }).mtimeNs).to.equal(before);
  });
});

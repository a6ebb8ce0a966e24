import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { manifestMistakes, manifestPath, manifestSchemaPath, readManifest } from "../../../scripts/lib/manifest.ts";

type Json = Record<string, Record<string, unknown>>;

const schema = JSON.parse(readFileSync(manifestSchemaPath, "utf8")) as object;

describe("manifest", () => {
  const changed = (change: (manifest: Json) => void): string[] => {
    const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Json;
    change(manifest);
    return manifestMistakes(manifest, schema);
  };

  it("accepts the committed one", () => {
    expect(changed(() => undefined)).to.deep.equal([]);
    expect(readManifest(manifestPath).heapBytes).to.equal(32 * 1024 * 1024);
  });

  const cases: [string, (manifest: Json) => void, string][] = [
    ["a missing section", (m) => delete m["tick"], "/tick is missing."],
    ["a missing field", (m) => delete m["network"]?.["gateway"], "/network/gateway is missing."],
    ["an unknown field", (m) => ((m["pump"] ?? {})["tick/ms"] = 1), "/pump/tick~1ms is no field of the manifest."],
    [
      "a wrong type",
      (m) => ((m["limits"] ?? {})["line_bytes"] = "1024"),
      '/limits/line_bytes must be of type integer, not "1024".',
    ],
    [
      "a number out of range",
      (m) => ((m["limits"] ?? {})["line_bytes"] = 8),
      "/limits/line_bytes must be >= 80, not 8.",
    ],
    ["a word out of a list", (m) => ((m["network"] ?? {})["mode"] = "magic"), "/network/mode must be "],
    ["an address that is none", (m) => ((m["network"] ?? {})["address"] = "10.0.2"), "/network/address must "],
    [
      "the subnet's broadcast address",
      (m) => ((m["network"] ?? {})["address"] = "10.0.2.255"),
      "/network/address is wrong: 10.0.2.255 is the subnet's broadcast address.",
    ],
    [
      "a loopback address",
      (m) => ((m["network"] ?? {})["address"] = "127.0.0.1"),
      "/network/address is wrong: 127.0.0.1 is no unicast address.",
    ],
    [
      "a gateway outside the subnet",
      (m) => ((m["network"] ?? {})["gateway"] = "192.168.1.1"),
      "/network/gateway is wrong: 192.168.1.1 is no other machine in 10.0.2.15/24.",
    ],
    [
      "a gateway that is the machine itself",
      (m) => ((m["network"] ?? {})["gateway"] = "10.0.2.15"),
      "/network/gateway is wrong: 10.0.2.15 is no other machine in 10.0.2.15/24.",
    ],
  ];
  for (const [what, change, sentence] of cases) {
    it(`answers ${what} with one sentence and its JSON pointer`, () => {
      const mistakes = changed(change);
      expect(mistakes, mistakes.join("\n")).to.have.length(1);
      expect(mistakes[0]?.startsWith(sentence), mistakes[0]).to.equal(true);
    });
  }

  it("names all mistakes at once", () => {
    const mistakes = changed((m) => {
      delete m["tick"];
      (m["limits"] ?? {})["line_bytes"] = -1;
    });
    expect(mistakes).to.have.length(2);
  });

  it("says in one sentence that there is no such file", () => {
    expect(() => readManifest("/nowhere/manifest.json")).to.throw(
      /^\/nowhere\/manifest\.json: the manifest cannot be read\.$/,
    );
  });

  it("refuses what is no JSON or no object, with the file's name", () => {
    const folder = mkdtempSync(join(tmpdir(), "manifest-"));
    try {
      const file = join(folder, "manifest.json");
      writeFileSync(file, "{");
      expect(() => readManifest(file)).to.throw(`${file}: it is no JSON: `);
      writeFileSync(file, "[]");
      expect(() => readManifest(file)).to.throw(`${file}: / must be of type object, not an array.`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "chai";
import fc from "fast-check";
import { RANGES, readManifest } from "../../../services/config/manifest.ts";

const rootfs = join(import.meta.dirname, "../../../rootfs");
const text = readFileSync(join(rootfs, "manifest.json"), "utf8");

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Fields = { [key: string]: Json };

const parsed = (): Fields => JSON.parse(text) as Fields;
const schema = JSON.parse(readFileSync(join(rootfs, "manifest.schema.json"), "utf8")) as Fields;
const conforms = new Ajv2020({ strict: true }).compile(schema);

function parentOf(root: Fields, pointer: string): [Fields, string] {
  const path = pointer.slice(1).split("/");
  const last = path.pop()!;
  let at = root;
  for (const name of path) at = at[name] as Fields;
  return [at, last];
}

/** The committed manifest with the value at a pointer replaced; removed if `value` is undefined. */
function changed(pointer: string, value: Json | undefined): Fields {
  const root = parsed();
  const [parent, name] = parentOf(root, pointer);
  if (value === undefined) delete parent[name];
  else parent[name] = value;
  return root;
}

/** What the reader says of it; empty if it takes it. */
function complaint(root: Json): string {
  try {
    readManifest(JSON.stringify(root));
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

/** Every pointer to a value in the manifest, objects included. */
function pointers(value: Json, at = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [at];
  return [
    ...(at === "" ? [] : [at]),
    ...Object.entries(value).flatMap(([key, inner]) => pointers(inner, `${at}/${key}`)),
  ];
}

describe("manifest", () => {
  it("of the repository is what its schema says, and is read", () => {
    expect(conforms(parsed()), JSON.stringify(conforms.errors)).to.equal(true);
    const manifest = readManifest(text);
    expect(manifest.lineBytes).to.equal(1024);
    expect(manifest.network).to.deep.equal({
      mode: "static",
      address: "10.0.2.15",
      prefix: 24,
      gateway: "10.0.2.2",
      consolePort: 31337,
      control: "newreno",
    });
    expect(manifest.pumpTickUs).to.equal(10_000);
    expect([manifest.serialConsole, manifest.virtioConsole]).to.deep.equal([true, true]);
    expect(manifest.components.pong).to.equal(true);
  });

  it("has the same bounds for every number in schema and reader", () => {
    const bounds: Record<string, [Json | undefined, Json | undefined]> = {};
    const walk = (node: Fields, at: string): void => {
      if (node["type"] === "integer") bounds[at] = [node["minimum"], node["maximum"]];
      for (const [key, inner] of Object.entries((node["properties"] ?? {}) as Fields))
        walk(inner as Fields, `${at}/${key}`);
    };
    walk(schema, "");
    expect(bounds).to.deep.equal(RANGES);
  });

  it("says what every field is for, and allows no field that it does not name", () => {
    const walk = (node: Fields, at: string): void => {
      if (at !== "") expect(node["description"], at).to.be.a("string");
      if (node["type"] !== "object") return;
      expect(node["additionalProperties"], at).to.equal(false);
      const fields = (node["properties"] ?? {}) as Fields;
      expect([...(node["required"] as string[])].sort(), at).to.deep.equal(
        Object.keys(fields)
          .filter((key) => key !== "$schema")
          .sort(),
      );
      for (const [key, inner] of Object.entries(fields)) walk(inner as Fields, `${at}/${key}`);
    };
    walk(schema, "");
  });

  for (const pointer of pointers(parsed()).filter((one) => one !== "/$schema")) {
    it(`without ${pointer}, or with something else there, is refused with that pointer`, () => {
      for (const value of [undefined, null, "x", -1, 1.5, {}, [null]] as const) {
        const broken = changed(pointer, value);
        if (conforms(broken)) continue;
        expect(complaint(broken), `${pointer} = ${JSON.stringify(value)}`).to.match(
          new RegExp(`^manifest\\.json: ${pointer}(/[a-z_]+)? `),
        );
      }
      expect(complaint(changed(pointer, undefined))).to.not.equal("");
    });
  }

  it("with a field that nobody knows is refused with that field's pointer", () => {
    expect(complaint(changed("/surprise", 1))).to.equal("manifest.json: /surprise is no field of the manifest.");
    const odd = { ...parsed(), "a/b~\u2028\n": 1 };
    expect(complaint(odd)).to.equal("manifest.json: /a~1b~0?? is no field of the manifest.");
    expect(complaint(changed("/network/dns", "x"))).to.equal(
      "manifest.json: /network/dns is no field of the manifest.",
    );
  });

  it("names the lines on which somebody may type", () => {
    for (const [names, serial, virtio] of [
      [[], false, false],
      [["serial"], true, false],
      [["virtio"], false, true],
      [["serial", "virtio"], true, true],
    ] as const) {
      const manifest = readManifest(JSON.stringify(changed("/consoles", [...names])));
      expect([manifest.serialConsole, manifest.virtioConsole], names.join()).to.deep.equal([serial, virtio]);
    }
    const sentence = 'manifest.json: /consoles must be a list of "serial" and "virtio", each at most once.';
    for (const wrong of [["tcp"], ["virtio", "virtio"], "serial"])
      expect(complaint(changed("/consoles", wrong))).to.equal(sentence);
  });

  it("that is no JSON, or no object, is refused", () => {
    expect(() => readManifest("{")).to.throw(/^manifest\.json: \/ is no JSON: /);
    // Some engines quote what is wrong.
    expect(() => readManifest('{"a"::\n1}')).to.throw(/^manifest\.json: \/ is no JSON: [^\n]*\.$/);
    for (const root of [null, [], 1, "text"]) expect(complaint(root)).to.equal("manifest.json: / must be an object.");
  });

  it("is taken by the reader exactly when it conforms to the schema", () => {
    const leaf = fc.oneof(
      fc.integer({ min: -2, max: 5000 }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom("static", "none", "dhcp", "destroy", "keep", "10.0.2.15", "1.2.3.256", "01.2.3.4", "1.2.3", ""),
      fc.constantFrom<Json[]>([], ["serial"], ["serial", "serial"], ["virtio"], ["virtio", "serial"], ["tcp"]),
    );
    fc.assert(
      fc.property(fc.constantFrom(...pointers(parsed())), leaf, (pointer, value) => {
        const root = changed(pointer, value);
        expect(complaint(root) === "", `${pointer} = ${JSON.stringify(value)}`).to.equal(conforms(root));
      }),
      { numRuns: 2000 },
    );
  });
});

import { expect } from "chai";
import fc from "fast-check";
import { DEPTH_MAX, pointerTo, readJson } from "../../../services/queen/json.ts";

/** What `JSON.parse` makes of it; `undefined` if it refuses. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Without prototypes' differences. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("JSON of a line", () => {
  it("is what JSON.parse makes of it", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: DEPTH_MAX - 1 }), (text) => {
        const read = readJson(text);
        if ("mistake" in read) throw new Error(`${text}: ${read.mistake.sentence}`);
        expect(plain(read.value)).to.deep.equal(parsed(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("is refused when JSON.parse refuses it, and else only for a name that stands twice or for its depth", () => {
    const json = fc.json({ maxDepth: 3 });
    const mutated = fc
      .tuple(json, fc.nat(), fc.nat(2), fc.stringMatching(/^[-+.eE0-9"'\\{}[\]:,a-z \t\n\r\f\v]{0,2}$/))
      .map(([text, at, cut, put]) => {
        const where = at % text.length;
        return text.slice(0, where) + put + text.slice(where + cut);
      });
    fc.assert(
      fc.property(mutated, (text) => {
        const read = readJson(text);
        const value = parsed(text);
        if ("value" in read) expect(plain(read.value)).to.deep.equal(plain(value));
        else if (value !== undefined) expect(read.mistake.sentence).to.match(/stands twice\.$|nested deeper/);
      }),
      { numRuns: 20_000 },
    );
  });

  it("may nest as deep as the limit, and no deeper", () => {
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    expect(readJson(nested(DEPTH_MAX))).to.have.property("value");
    expect(readJson(nested(DEPTH_MAX + 1))).to.deep.equal({
      mistake: { pointer: "/0".repeat(DEPTH_MAX), sentence: `The line is nested deeper than ${DEPTH_MAX}.` },
    });
  });

  it("has __proto__ as a name like any other", () => {
    const read = readJson('{"__proto__":{"kill":1}}');
    expect("value" in read && Object.keys(Object(read.value) as object)).to.deep.equal(["__proto__"]);
    expect("value" in read && Reflect.get(Object(read.value) as object, "kill")).to.equal(undefined);
  });

  it("takes time in proportion to its length", () => {
    for (const text of [`"${"\\\\".repeat(500_000)}`, `[${"1,".repeat(200_000)}`, `"${"a".repeat(1_000_000)}`]) {
      const start = performance.now();
      expect(readJson(text)).to.have.property("mistake");
      expect(performance.now() - start).to.be.lessThan(2000);
    }
  });
});

describe("JSON pointer", () => {
  it("escapes what it is made of", () => {
    expect(pointerTo("/a", "b/c~d")).to.equal("/a/b~1c~0d");
    expect(pointerTo("", 0)).to.equal("/0");
  });
});

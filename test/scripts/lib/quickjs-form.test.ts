import { expect } from "chai";
import fc from "fast-check";
import { quickJsForm } from "../../../scripts/lib/quickjs-form.ts";

/** What the body of a function becomes. */
function form(...lines: string[]): string[] {
  const made = quickJsForm(["function f(a) {", ...lines, "}"].join("\n")).split("\n");
  return made.slice(1, -1);
}

/** Variables, loops, blocks and closures over a handful of names, so that they get into each other's way. */
const NAMES = ["a", "b", "c"];
const name = fc.constantFrom(...NAMES);
const value = fc.oneof(
  fc.integer({ min: 0, max: 9 }).map(String),
  name,
  fc.tuple(name, fc.integer({ min: 1, max: 3 })).map(([of, by]) => `${of} + ${by}`),
);
const declaration = fc.oneof(
  fc.tuple(fc.constantFrom("let", "const"), name, value).map(([word, of, is]) => `${word} ${of} = ${is};`),
  name.map((of) => `let ${of};`),
);
const loop = (head: string, inner: string): string => `for (${head}) {\ntick();\n${inner}\n}`;
const { statements } = fc.letrec<{ statements: string; statement: string }>((tie) => ({
  statements: fc.array(tie("statement"), { maxLength: 6 }).map((all) => all.join("\n")),
  statement: fc.oneof(
    { depthSize: "small" },
    { weight: 3, arbitrary: declaration },
    { weight: 3, arbitrary: name.map((of) => `log(${of});`) },
    { weight: 2, arbitrary: fc.tuple(name, value).map(([of, is]) => `${of} = ${is};`) },
    { weight: 3, arbitrary: name.map((of) => `later.push(() => log(${of}));`) },
    { weight: 1, arbitrary: name.map((of) => `later.push(() => { ${of}++; });`) },
    { weight: 2, arbitrary: tie("statements").map((inner) => `{\n${inner}\n}`) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(name, tie("statements"))
        .map(([of, inner]) => loop(`let ${of} = 0, end = 2; ${of} < end; ${of}++`, inner)),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(name, tie("statements")).map(([of, inner]) => loop(`const ${of} of [5, 6]`, inner)),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(name, tie("statements"))
        .map(([of, inner]) => `if (${of} !== 1) {\n${inner}\n} else log("else");`),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(name, tie("statements")).map(([of, inner]) => `later.push((${of}) => {\n${inner}\n});`),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(name, tie("statements"))
        .map(([of, inner]) => `try {\n${inner}\nthrow 7;\n} catch (${of}) { log(${of}); }`),
    },
    { weight: 1, arbitrary: tie("statements").map((inner) => `switch (1) {\ncase 1:\n${inner}\n}`) },
  ),
}));

/** What a program does, and how it ends. Functions that it left are called as well. */
function run(program: string): string[] {
  const logged: string[] = [];
  const later: (() => void)[] = [];
  let left = 2000;
  const tick = (): void => {
    if (--left < 0) throw new Error("there is no end");
  };
  const log = (what: unknown): void => {
    tick();
    logged.push(String(what));
  };
  const call = (one: () => void): void => {
    try {
      one();
    } catch (error) {
      logged.push(error instanceof Error ? error.name : String(error));
    }
  };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  call(() => void new Function("log", "later", "tick", `"use strict";\n${program}\nmain();`)(log, later, tick));
  for (let at = 0; at < later.length && at < 200; at++) call(later[at]!);
  return logged;
}

describe("the form that QuickJS runs soonest", () => {
  it("has variables of the function in the place of those of a block", () => {
    expect(form("let x = 1;", "if (a) { const y = x; use(y); }", "for (let i = 0; i < 3; i++) use(i);")).to.deep.equal([
      "var x = 1;",
      "if (a) { var y = x; use(y); }",
      "for (var i = 0; i < 3; i++) use(i);",
    ]);
    expect(form("for (const { x, y: [z] } of a) use(x, z);")).to.deep.equal([
      "for (var { x, y: [z] } of a) use(x, z);",
    ]);
  });

  for (const [why, ...lines] of [
    ["a name that stands for several things", "let x = 1;", "{ let x = 2; use(x); }", "use(x);"],
    ["a name that a parameter has", "{ let a = 2; use(a); }"],
    ["a name that outside the block is another's", "{ let x = 2; use(x); }", "use(() => x);"],
    ["a variable of a loop that a function keeps", "for (let i = 0; i < 3; i++) use(() => i);"],
    ["what each round of a loop has a new one of", "while (a()) { const x = a(); use(() => x); }"],
    ["what begins each round without a value", "while (a()) { let x; if (a()) x = 1; use(x); }"],
  ] as const) {
    it(`leaves ${why} as it is`, () => {
      expect(form(...lines).join("\n")).to.contain(/\b(let|const) \w+/.exec(lines.join("\n"))![0]);
      expect(form(...lines)).to.deep.equal([...lines]);
    });
  }

  it("has numbers in the place of a module's constants, also of those made of others", () => {
    const source = [
      "var LOW = 5;",
      "var HIGH = LOW << 4 | 1;",
      "var LESS = -LOW;",
      "function f(a) {",
      "  return a - LESS + HIGH;",
      "}",
    ];
    expect(quickJsForm(source.join("\n")).split("\n")).to.deep.equal([
      "",
      "",
      "",
      "function f(a) {",
      "  return a - (-5) + 81;",
      "}",
    ]);
  });

  for (const [why, ...lines] of [
    ["what changes", "var x = 1;", "function f() { x = 2; return x; }"],
    ["what is counted", "var x = 1;", "function f() { return x++; }"],
    ["what a pattern changes", "var x = 1;", "function f(a) { ({ b: [x] } = a); return x; }"],
    ["what a loop changes", "var x = 1;", "function f(a) { for (x of a) ; return x; }"],
    ["what is exported", "var x = 1;", "export {", "  x", "};"],
    ["what names a property", "var x = 1;", "function f() { return { x }; }"],
    ["what has the name of something else, too", "var x = 1;", "function f(x) { return x; }"],
    ["what is no whole number", "var x = 0.5;", "function f() { return x; }"],
  ] as const) {
    it(`takes ${why} for no constant`, () => {
      expect(quickJsForm(lines.join("\n"))).to.equal(lines.join("\n"));
    });
  }

  it("counts without keeping what was, where nobody asks for it", () => {
    expect(form("this.#n++;", "use(this.#n++);", "for (;; a.b--) ;")).to.deep.equal([
      "++this.#n;",
      "use(this.#n++);",
      "for (;; --a.b) ;",
    ]);
  });

  it("looks nothing up for Infinity, and takes no property for it", () => {
    expect(form("return a < Infinity ? a.Infinity : -Infinity;")).to.deep.equal([
      "return a < 1e400 ? a.Infinity : -1e400;",
    ]);
  });

  it("does what was meant, with every line where it was, whatever is in it", () => {
    let lowered = 0;
    fc.assert(
      fc.property(statements, (body) => {
        const program = `let a = 1, b = 2, c = 3;\nfunction main() {\n${body}\n}`;
        const made = quickJsForm(program);
        expect(made.split("\n").length).to.equal(program.split("\n").length);
        const wanted = run(program);
        // What asks for a variable before it is there is wrong, and no program of ours does.
        if (wanted.some((line) => line.includes("Error"))) return;
        if (made !== program) lowered++;
        expect(run(made)).to.deep.equal(wanted);
      }),
      { numRuns: 3000 },
    );
    expect(lowered).to.be.greaterThan(100);
  });
});

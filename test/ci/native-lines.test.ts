import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const count = (...args: string[]): Result =>
  spawnSync(process.execPath, ["ci/native-lines.mjs", ...args], { encoding: "utf8" });

describe("ci/native-lines.mjs", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "native-lines-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const total = (root: number, components = 0): string =>
    `root task and loader: ${root} lines, limit 3000\ncomponents: ${components} lines, limit 500\n`;
  const linesOf = (text: string): number => {
    write("fixture.c", text);
    const { status, stdout } = count(folder);
    expect(status).to.equal(0);
    const [, lines] = /^root task and loader: (\d+) lines/.exec(stdout) ?? [];
    return Number(lines);
  };

  it("counts the repository's own code, and it is below the limits", () => {
    const { status, stdout, stderr } = count("--list");
    expect(status, stderr).to.equal(0);
    const files = new Map(Array.from(stdout.matchAll(/^ *(\d+) (\S+)$/gm), ([, lines, path]) => [path, Number(lines)]));
    expect([...files.keys()]).to.include.members([
      "js/engine.c",
      "platform/platform.h",
      "loader/start.S",
      "components/worker/worker.c",
    ]);
    expect([...files.keys()].filter((path) => /bench|qjsbc/.test(path ?? ""))).to.deep.equal([]);
    const sum = (inComponents: boolean): number =>
      [...files]
        .filter(([path]) => path?.startsWith("components/") === inComponents)
        .reduce((before, [, lines]) => before + lines, 0);
    expect(sum(false)).to.be.greaterThan(2000).and.lessThan(3000);
    expect(sum(true)).to.be.greaterThan(100).and.lessThan(500);
    expect(stdout.endsWith(total(sum(false), sum(true)))).to.equal(true);
  });

  it("counts neither blank lines nor lines of comment", () => {
    expect(linesOf("int a;\n\n   \t\n// comment\n/* comment */\n  /* one */ /* two */  // three\nint b;\n")).to.equal(
      2,
    );
    expect(linesOf("int a;\r\n\r\n// comment\r\nint b;\r\n")).to.equal(2);
    expect(linesOf("int a;")).to.equal(1);
    expect(linesOf("")).to.equal(0);
  });

  it("counts a line with code before, behind or between comments", () => {
    expect(linesOf("int a; // comment\n/* before */ int b;\nint /* within */ c;\n")).to.equal(3);
  });

  it("follows a block comment over several lines", () => {
    expect(linesOf("/*\n * int a;\n *\n */\nint b;\n")).to.equal(1);
    expect(linesOf("int a; /* begins\nint b;\nends */ int c;\n")).to.equal(2);
    expect(linesOf("/* a // does not hide the end */ int a;\n/* nor does a /* nest */ int b;\n")).to.equal(2);
    expect(linesOf("/* a quote \" or ' opens nothing\nint a;\n*/\nint b;\n")).to.equal(1);
    expect(linesOf("int a;\n/* never closed\nint b;\n")).to.equal(1);
    expect(linesOf("/*/ not closed yet\nint a;\n*/\n")).to.equal(0);
  });

  it("lets a line comment hide the beginning of a block comment, and go on behind a backslash", () => {
    expect(linesOf("// hides /*\nint a;\n// hides */\n")).to.equal(1);
    expect(linesOf("// goes on \\\nint a;\nint b;\n")).to.equal(1);
  });

  it("takes nothing within a string or a character for a comment", () => {
    expect(linesOf('char *a = "/*";\nint b;\nchar *c = "*/";\n')).to.equal(3);
    expect(linesOf('char *a = "//"; /* begins\nends */\nint b;\n')).to.equal(2);
    expect(linesOf('char *a = "\\"/*";\nint b;\n')).to.equal(2);
    expect(linesOf('char *a = "\\\\"; /* begins\nint b;\n*/\n')).to.equal(1);
    expect(linesOf("char a = '\"'; /* begins\nint b;\n*/ char c = '\\'';\nint d;\n")).to.equal(3);
    expect(linesOf('char *a = "goes on \\\n/* in its string\n";\nint b;\n')).to.equal(4);
  });

  it("does not let a quote that stands alone reach beyond its line", () => {
    expect(linesOf("#error don't\n/* comment\n */\n#error \"\n// comment\n")).to.equal(2);
  });

  it("counts .c, .h and .S in all folders but those that are not in the hive, and lists each with its lines", () => {
    write("top.c", "int a;\n");
    write("deep/er/part.h", "int a;\nint b;\n");
    write("start.S", "    mov x0, #0 // zero\n    // only comment\n    ret\n");
    write("deep/bench/kept.c", "int a;\n");
    write("bench/echo.c", "int a;\n");
    write("qjsbc/qjsbc.c", "int a;\n");
    write("link.ld", "SECTIONS { }\n");
    write("script.cc", "int a;\n");
    expect(count("--list", folder)).to.include({
      status: 0,
      stdout: `    1 deep/bench/kept.c\n    2 deep/er/part.h\n    2 start.S\n    1 top.c\n${total(6)}`,
      stderr: "",
    });
    expect(count(folder)).to.include({ status: 0, stdout: total(6), stderr: "" });
  });

  it("accepts 2,999 lines and refuses 3,000, with both numbers", () => {
    write("a.c", "int a;\n".repeat(1500));
    write("b.c", `// comment\n${"int b;\n".repeat(1499)}\n`);
    expect(count(folder)).to.include({ status: 0, stdout: total(2999), stderr: "" });
    write("c.h", "int c;\n");
    expect(count(folder)).to.include({
      status: 1,
      stdout: total(3000),
      stderr: "native-lines: root task and loader: 3000 lines, not less than 3000\n",
    });
  });

  it("counts components by themselves, accepts 499 lines of them and refuses 500", () => {
    write("components/pong/pong.c", "int a;\n".repeat(499));
    write("js/shared/components/a.c", "int a;\n".repeat(2999));
    expect(count(folder)).to.include({ status: 0, stdout: total(2999, 499), stderr: "" });
    write("components/layout.h", "int a;\n");
    expect(count(folder)).to.include({
      status: 1,
      stdout: total(2999, 500),
      stderr: "native-lines: components: 500 lines, not less than 500\n",
    });
  });

  it("is an error of use with a folder that is missing or holds nothing, and with options it does not know", () => {
    const missing = join(folder, "missing");
    expect(count(missing).status).to.equal(2);
    expect(count(missing).stderr).to.contain(`${missing} cannot be read`);
    expect(count(folder)).to.include({ status: 2, stdout: "" });
    expect(count("--lines").status).to.equal(2);
    expect(count(folder, folder).status).to.equal(2);
  });
});

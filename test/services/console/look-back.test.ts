import { expect } from "chai";
import fc from "fast-check";
import { shown } from "../../../services/console/line-buffer.ts";
import { TestHive } from "../hive/support.ts";
import { operator } from "./terminal.ts";

const DETAIL_BYTES = 128;

/** What a `CAT` of that text acknowledges with, by the letter of the interface. */
function detail(path: string, text: string): string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  let data = "";
  for (const [behind, line] of lines.reverse().entries()) {
    const more = behind === 0 ? shown(line) : `${shown(line)}|${data}`;
    if (Buffer.byteLength(`path=${path} data=${more}`) > DETAIL_BYTES) break;
    data = more;
  }
  return `path=${path} data=${data}`;
}

describe("what a CAT is acknowledged with", () => {
  const all = new TestHive();
  let text = "";
  all.hive.namespace.addProc("file", () => text);
  const console = operator({ at: all });
  const acknowledged = (content: string): string | undefined => {
    text = content;
    return console.say("cat /proc/file")[0];
  };

  it("is as many of the newest lines as there is room for, whatever is in them", () => {
    const unit = fc.constantFrom(
      "a",
      "b",
      " ",
      "|",
      "\n",
      "\n",
      "\t",
      "\u0085",
      "\u2028",
      "\u202e",
      "\u00e9",
      "\u20ac",
      "\u{1f41d}",
    );
    const content = fc.string({ unit, maxLength: 200 });
    fc.assert(
      fc.property(content, (given) => {
        expect(acknowledged(given)).to.equal(`OK CAT ${detail("/proc/file", given)}`);
      }),
    );
  });

  for (const length of [104, 105, 106]) {
    it(`has room for a line of ${length} bytes or has not`, () => {
      for (const line of ["x".repeat(length), "\u00e9".repeat(length / 2), "\u2028".repeat(length)]) {
        expect(acknowledged(`old\n${line}\n`)).to.equal(`OK CAT ${detail("/proc/file", `old\n${line}\n`)}`);
      }
    });
  }

  it("is no half of a line where a file is longer than one read", () => {
    for (const lines of [
      [`${"x".repeat(5000)}\n`],
      [`${"x".repeat(5000)}\n`, "last\n"],
      [`${"x".repeat(3000)}\n`, "last"],
    ]) {
      const whole = lines.join("");
      const wanted = lines.length === 1 ? "path=/proc/file data=" : "path=/proc/file data=last";
      expect(acknowledged(whole)).to.equal(`OK CAT ${wanted}`);
    }
  });

  it("is what clients have written, where the log has that, and all of it where it has not", () => {
    const other = operator({ at: new TestHive() });
    const log = other.all.hive.queenLog;
    for (let i = 0; i < 3; i++) log.line("audit", `of the hive ${i}`);
    expect(other.say("cat /log/queen.log")[0]).to.match(/^OK CAT path=\/log\/queen\.log data=\[.*of the hive 2$/);
    other.say("echo /log/queen.log from a client");
    for (let i = 0; i < 3; i++) log.line("audit", `of the hive ${i}`);
    expect(other.say("cat /log/queen.log")[0]).to.equal("OK CAT path=/log/queen.log data=from a client");
  });
});

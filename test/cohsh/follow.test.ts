import { expect } from "chai";
import fc from "fast-check";
import { parseAcknowledgement } from "../../cohsh/acknowledgement.ts";
import { Follow } from "../../cohsh/follow.ts";

/** A ring file of a hive, and what its console says of it from an offset on. */
class Ring {
  readonly #lines: string[] = [];
  #base = 0;
  #end = 0;

  get end(): number {
    return this.#end;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#end += Buffer.byteLength(line) + 1;
  }

  /** The oldest lines are overwritten. */
  drop(count: number): void {
    for (const line of this.#lines.splice(0, count)) this.#base += Buffer.byteLength(line) + 1;
  }

  /** The acknowledgement, and then the lines. */
  tail(command: string): string[] {
    const [, , path = "", offset = "0"] = command.split(" ");
    const asked = Number(offset);
    let at = Math.min(Math.max(asked, this.#base), this.#end);
    const told = [`OK TAIL path=${path} offset=${at}`];
    if (asked < this.#base) told.push(`… lost ${this.#base - asked} bytes`);
    let start = this.#base;
    for (const line of this.#lines) {
      const bytes = Buffer.from(`${line}\n`);
      if (start + bytes.length > at) {
        told.push(bytes.subarray(Math.max(0, at - start), -1).toString("utf8"));
        at = start + bytes.length;
      }
      start += bytes.length;
    }
    return told;
  }
}

function begun(command: string): Follow {
  const follow = Follow.of(command);
  if (follow === undefined) throw new Error("nothing to follow");
  return follow;
}

/** What the user sees of this, notes behind `# `. */
function see(follow: Follow, [first = "", ...lines]: readonly string[]): string[] {
  const acknowledgement = parseAcknowledgement(first);
  if (acknowledgement === undefined) throw new Error(first);
  return [follow.acknowledged(acknowledgement, first), ...lines.map((line) => follow.line(line))].flatMap(
    ({ note, text }) => [...(note === undefined ? [] : [`# ${note}`]), ...(text === undefined ? [] : [text])],
  );
}

describe("cohsh follow", () => {
  it("follows tail -f and nothing else", () => {
    expect(Follow.of("TAIL  -F /p")?.command).to.equal("tail -f /p 0");
    expect(Follow.of("tail -f /p 12")?.command).to.equal("tail -f /p 12");
    for (const line of ["tail /p", "tail -f", "tail -f /p 1 2", "tail -f /p x", "cat /p"]) {
      expect(Follow.of(line), line).to.equal(undefined);
    }
  });

  it("shows what a plain tail -f shows: no offset that nobody asked for, and no loss before it began", () => {
    const ring = new Ring();
    for (const line of ["one", "two", "three"]) ring.add(line);
    ring.drop(1);
    const follow = begun("tail -f /p");
    expect(see(follow, ring.tail(follow.command))).to.deep.equal(["OK TAIL path=/p", "two", "three"]);
  });

  it("tells who asked for an offset where it begins, and what is lost", () => {
    const ring = new Ring();
    for (const line of ["one", "two"]) ring.add(line);
    ring.drop(1);
    const follow = begun("tail -f /p 1");
    expect(see(follow, ring.tail(follow.command))).to.deep.equal([
      ...["OK TAIL path=/p offset=4", "… lost 3 bytes", "two"],
    ]);
  });

  it("goes on with the last line again, to see that it is the file, and shows it once", () => {
    const ring = new Ring();
    for (const line of ["grüße", "two"]) ring.add(line);
    const follow = begun("tail -f /p");
    see(follow, ring.tail(follow.command));
    follow.interrupted();
    expect(follow.command).to.equal(`tail -f /p ${Buffer.byteLength("grüße") + 1}`);
    ring.add("three");
    expect(see(follow, ring.tail(follow.command))).to.deep.equal(["three"]);
  });

  it("states the gap when the ring was faster, without the bytes that were shown", () => {
    const ring = new Ring();
    for (const line of ["one", "two"]) ring.add(line);
    const follow = begun("tail -f /p");
    see(follow, ring.tail(follow.command));
    follow.interrupted();
    for (const line of ["lost", "there"]) ring.add(line);
    ring.drop(3);
    expect(see(follow, ring.tail(follow.command))).to.deep.equal(["… lost 5 bytes", "there"]);
    follow.interrupted();
    ring.add("x");
    ring.drop(1);
    expect(see(follow, ring.tail(follow.command)), "only what was shown is gone").to.deep.equal(["x"]);
  });

  it("says that a hive which was started anew has another file", () => {
    const follow = begun("tail -f /p");
    see(follow, ["OK TAIL path=/p offset=0", "a long line of before"]);
    follow.interrupted();
    follow.acknowledged({ ok: true, verb: "TAIL", detail: "path=/p offset=0" }, "OK TAIL path=/p offset=0");
    // It is as long as it was, and has something else there.
    expect(follow.line("another line, as it is")).to.deep.equal({
      text: "another line, as it is",
      note: "/p is not what it was here: lines may be missing or shown twice",
    });
    follow.line("and one more");
    follow.interrupted();
    expect(see(follow, ["OK TAIL path=/p offset=3", "x"])).to.deep.equal([
      "# /p ends at 3, before 36: the hive was started anew, or this place was not known to the byte; lines may be missing",
      "x",
    ]);
  });

  it("does not know its place to the byte behind what cannot be shown, and says so", () => {
    // Eleven bytes of the file, of which one is no UTF-8 and was shown as three.
    const follow = begun("tail -f /p");
    see(follow, ["OK TAIL path=/p offset=0", "b\ufffdd", "second"]);
    follow.interrupted();
    expect(follow.command).to.equal("tail -f /p 6");
    expect(see(follow, ["OK TAIL path=/p offset=6", "cond", "third"])).to.deep.equal([
      ...["# /p is not what it was here: lines may be missing or shown twice", "cond", "third"],
    ]);
  });

  it("does not lose its place when it is interrupted before anything came", () => {
    const ring = new Ring();
    for (const line of ["one", "two"]) ring.add(line);
    const follow = begun("tail -f /p");
    see(follow, ring.tail(follow.command));
    for (let n = 0; n < 3; n++) {
      follow.interrupted();
      see(follow, ring.tail(follow.command).slice(0, 1));
    }
    follow.interrupted();
    ring.add("three");
    expect(see(follow, ring.tail(follow.command))).to.deep.equal(["three"]);
  });

  it("loses and doubles nothing, however often and wherever it is cut, or says how much is gone", () => {
    const word = fc.stringMatching(/^[a-zé€]{0,9}$/);
    const step = fc.record({ adds: fc.array(word, { maxLength: 5 }), drops: fc.nat(4), cut: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const ring = new Ring();
        const follow = begun("tail -f /p");
        const all: string[] = [];
        const seen: string[] = [];
        let counted = 0;
        let whole = false;
        for (const { adds, drops, cut } of [...steps, { adds: ["end"], drops: 0, cut: Infinity }]) {
          adds.forEach((text) => {
            const line = `${all.length} ${text}`;
            all.push(line);
            ring.add(line);
          });
          if (whole) ring.drop(drops);
          const told = ring.tail(follow.command).slice(0, cut);
          if (told.length > 0) {
            const shown = see(follow, told).filter((line) => !line.startsWith("OK "));
            seen.push(...shown);
            whole ||= shown.length > 0;
          }
          follow.interrupted();
        }
        const numbers: number[] = [];
        for (const line of seen) {
          expect(line).to.not.match(/^#/);
          const lost = /^… lost (\d+) bytes$/.exec(line)?.[1];
          counted += lost === undefined ? Buffer.byteLength(line) + 1 : Number(lost);
          if (lost === undefined) numbers.push(all.indexOf(line));
        }
        expect(numbers).to.deep.equal([...new Set(numbers)].sort((a, b) => a - b));
        expect(counted, "every byte is shown or said to be lost").to.equal(ring.end);
      }),
    );
  });
});

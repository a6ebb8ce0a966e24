import { expect } from "chai";
import { Screen } from "../../../scripts/lib/screen.ts";

const LONG = 60_000;

/** What was waited for, or why it did not come. */
const outcome = (waiting: Promise<string>): Promise<string> =>
  waiting.catch((error: unknown) => `!${error instanceof Error ? error.message : String(error)}`);

describe("a screen", () => {
  it("gives whoever waits what came up to what was waited for, and never the same twice", async () => {
    const screen = new Screen();
    screen.print("boot\nready\nre");
    expect(await screen.expect(/ready\n/, LONG)).to.equal("boot\nready\n");
    const again = screen.expect(/ready\n/, LONG);
    screen.print("ad");
    screen.print("y\nmore");
    expect(await again).to.equal("ready\n");
    expect([screen.looked, screen.text]).to.deep.equal([17, "boot\nready\nready\nmore"]);
  });

  it("says what there was instead when the time is over, or when nothing more comes", async () => {
    const screen = new Screen();
    screen.print("halted\n");
    expect(await outcome(screen.expect(/ready/, 10))).to.equal(
      "!/ready/ did not come: not within 10 ms; the output ends: halted\n",
    );
    const waiting = outcome(screen.expect(/ready/, LONG));
    screen.end("it is gone");
    screen.end("and gone once more");
    expect(await waiting).to.equal("!/ready/ did not come: it is gone; the output ends: halted\n");
    expect(screen.gone).to.equal("it is gone");
    // What came before the end can be had after it.
    expect(await screen.expect(/halted/, LONG)).to.equal("halted");
  });
});

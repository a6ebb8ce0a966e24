import { expect } from "chai";
import { ByteRing } from "../../../services/console/byte-ring.ts";
import { TypeAhead } from "../../../services/console/type-ahead.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";

/** What it sees in this input, which begins anywhere in the ring. */
function seen(input: string, before = 0): { stop: boolean; ping: boolean } {
  const ring = new ByteRing(nodeBytes, 64);
  for (let i = 0; i < before; i++) ring.put(0x2e);
  ring.skip(before - 1 < 0 ? 0 : before - 1);
  if (before > 0) {
    ring.append(utf8(input), 0, utf8(input).length);
    ring.take();
  } else ring.append(utf8(input), 0, utf8(input).length);
  const ahead = new TypeAhead(ring);
  expect(ahead.fresh).to.equal(true);
  const stop = ahead.look();
  expect(ahead.fresh).to.equal(false);
  return { stop, ping: ahead.ping };
}

describe("type-ahead", () => {
  for (const [input, what] of [
    ["", "-"],
    ["\x03", "stop"],
    ["ls /\r\x03", "stop"],
    ["stop\r", "stop"],
    ["ls /\r  SToP  \nping\r", "stop"],
    ["stop", "-"],
    ["stopp\r", "-"],
    ["stop it\r", "-"],
    ["unstoppable\r", "-"],
    ["stip\b\x7fop\r", "stop"],
    ["nonsense\x15stop\r", "stop"],
    ["ping\r", "ping"],
    [" Ping \n", "ping"],
    ["pi", "-"],
    ["ls /\rping\r", "-"],
    ["\nping\r", "-"],
    ["ping\rstop\r", "stop ping"],
    ["p\x00ng\r", "-"],
    ["0\x14/0\r", "-"],
  ] as const) {
    it(`sees ${what} in ${JSON.stringify(input)}, wherever it lies in the ring`, () => {
      for (const before of [0, 1, 40, 60, 63]) {
        const { stop, ping } = seen(input, before);
        const words = [stop ? "stop" : "", ping ? "ping" : ""].filter((word) => word !== "").join(" ");
        expect(words === "" ? "-" : words, String(before)).to.equal(what);
      }
    });
  }

  it("looks again when there is more, or when it is told to", () => {
    const ring = new ByteRing(nodeBytes, 64);
    const ahead = new TypeAhead(ring);
    ahead.look();
    ring.append(utf8("stop"), 0, 4);
    expect([ahead.fresh, ahead.look(), ahead.fresh]).to.deep.equal([true, false, false]);
    ring.put(0x0d);
    expect([ahead.fresh, ahead.look(), ahead.fresh]).to.deep.equal([true, true, false]);
    ahead.reset();
    expect([ahead.fresh, ahead.look()]).to.deep.equal([true, true]);
  });
});

import { expect } from "chai";
import { readFileSync } from "node:fs";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { ImageWorkshop, needsQemu } from "./qemu-image.ts";

const patienceMs = 30_000;

describe("a hive on seL4 goes on when its component", function () {
  needsQemu(this);
  let workshop: ImageWorkshop;
  /** KiB of untyped memory that are free when no component was ever started. */
  let whole: string;

  /** What the hive says up to and with `line`, and then of its capabilities. */
  const run = async (components: object, line: RegExp): Promise<{ said: string; caps: string }> => {
    const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as { components: object };
    manifest.components = { ...manifest.components, ...components };
    const image = workshop.withFiles("component", { "manifest.json": JSON.stringify(manifest) });
    const hive = new HiveProcess(["--image", image, "--net", "none"]);
    try {
      const said = await hive.expect(line, patienceMs);
      hive.type("ping\r");
      await hive.expect(/OK PING reply=pong\r?\nPONG\r?\n/, patienceMs);
      hive.type("caps\r");
      return { said, caps: await hive.expect(/\nEND\r?\n/, patienceMs) };
    } finally {
      expect(await hive.end(), hive.messages).to.equal(0);
    }
  };
  const free = (caps: string): string => /^untyped .*\bfree=(\d+) KiB/m.exec(caps)?.[1] ?? "no figure";

  before(async () => {
    workshop = new ImageWorkshop();
    whole = free((await run({ pong: false }, /components: none by manifest\r?\n/)).caps);
    expect(Number(whole)).to.be.greaterThan(0);
  });
  after(() => {
    workshop.remove();
  });

  for (const [mode, what, line] of [
    [1, "hangs", /pong: no answer within 5 s; destroyed, \d+ KiB returned\r?\n/],
    [
      2,
      "writes to unmapped memory",
      /pong: fault: write to unmapped address 0xbad0000000 \(.*\); .*; destroyed, \d+ KiB returned\r?\n/,
    ],
    [3, "floods with calls", /pong: flood: more than 2000 calls in one second; destroyed.*\r?\n/],
    [4, "sends and faults while the root works for it", /pong: (violation|fault): .*; destroyed.*\r?\n/],
    [5, "overflows its stack", /pong: fault: .*stack.*; destroyed.*\r?\n/],
    [6, "floods with messages", /pong: violation: sent a message .*; destroyed.*\r?\n/],
    [8, "executes data", /pong: fault: instruction fetch from 0x[0-9a-f]+, which is data .*; destroyed.*\r?\n/],
  ] as const) {
    it(`${what}: it is named, ended, and its memory is whole again`, async () => {
      const { said, caps } = await run({ pong_mode: mode }, line);
      expect(said.match(/PING 1\r?\n/g)).to.have.length(1);
      expect(said).to.not.contain("PONG 1");
      expect(caps).to.match(/^components live=0 /m);
      expect(free(caps)).to.equal(whole);
    });
  }

  for (const [mode, what, line] of [
    [7, "fills its heap, which was zero", /pong: PONG 1\r?\n/],
    [9, "exchanges 16 KiB through its frame", /pong: ECHO 1\r?\n/],
  ] as const) {
    it(what, async () => {
      const { caps } = await run({ pong_mode: mode }, line);
      expect(caps).to.match(/^components live=1 /m);
    });
  }
});

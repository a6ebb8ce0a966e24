import { expect } from "chai";
import { existsSync, readFileSync } from "node:fs";
import { asShown, comparable, documents, record, transcriptsIn } from "../../scripts/transcript.ts";
import { inRepository } from "../../scripts/lib/repository.ts";

const BLOCK = (transport: string, text: string): string =>
  `# Page\n\n<!-- transcript ${transport} -->\n\`\`\`console\n${text}\`\`\`\n<!-- /transcript -->\n`;

describe("transcripts", function () {
  this.timeout(60_000);

  it("are found in a page, in order", () => {
    expect(transcriptsIn(BLOCK("mock", "cohsh> ping\n") + BLOCK("sim", "cohsh> bi\n"))).to.deep.equal([
      { hive: "mock", text: "cohsh> ping\n" },
      { hive: "sim", text: "cohsh> bi\n" },
    ]);
    expect(transcriptsIn("```console\ncohsh> ping\n```\n")).to.deep.equal([]);
  });

  it("must name a hive", () => {
    expect(() => transcriptsIn(BLOCK("telnet", ""))).to.throw(
      'a transcript names "telnet", which is none of mock, sim, qemu',
    );
  });

  it("keep the commands and replace the answers", async () => {
    const text = await record({ hive: "mock", text: "cohsh> ping\nwrong answer\ncohsh> tail /x\n" });
    expect(text).to.equal(
      "cohsh> ping\nOK PING reply=pong\nPONG\ncohsh> tail /x\nERR TAIL reason=policy detail=unauthenticated\n",
    );
  });

  it("show a serial line as it stands on a screen", () => {
    expect(
      asShown("cohesix> \r\x1b[K[ 0.1] a: b\r\ncohesix> pi\r\x1b[K[ 0.2] c\r\ncohesix> ping\r\nPONG\r\ncohesix> "),
    ).to.equal("[ 0.1] a: b\n[ 0.2] c\ncohesix> ping\nPONG\n");
  });

  it("are compared without times and hashes, and with everything else", () => {
    const one = "[   0.123456] a: b\nphase kernel 34.400 ms\nimage 2a994a00e7bc0a39 (1ec6bd519003-dirty)\n";
    const two = "[  10.000001] a: b\nphase kernel 1.000 ms\nimage 0000000000000000 (1ec6bd519004)\n";
    expect(comparable(one)).to.equal(comparable(two));
    expect(comparable(one)).to.not.equal(comparable(two.replace("a: b", "a: c")));
  });

  for (const file of documents().filter((name) => existsSync(name))) {
    // Those on seL4 say the same as the simulator's: test/integration/qemu_boot.test.ts compares the two.
    const here = transcriptsIn(readFileSync(file, "utf8")).filter(({ hive }) => !hive.includes("qemu"));
    here.forEach((transcript, index) => {
      const name = `${file.slice(inRepository().length + 1)}, ${transcript.hive} ${index + 1}`;
      it(`in ${name}, is what the command makes today`, async () => {
        expect(comparable(await record(transcript))).to.equal(comparable(transcript.text));
      });
    });
  }
});

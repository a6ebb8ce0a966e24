import { expect } from "chai";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { ImageWorkshop, needsQemu } from "./qemu-image.ts";

describe("a hive on seL4 with something wrong", function () {
  needsQemu(this);
  const workshop = new ImageWorkshop();
  after(() => {
    workshop.remove();
  });

  /** What the machine says up to and with `pattern`. */
  const boot = async (image: string, pattern: RegExp, ...words: string[]): Promise<string> => {
    const hive = new HiveProcess(["--image", image, "--net", "none", ...words]);
    try {
      return await hive.expect(pattern, 30_000);
    } finally {
      expect(await hive.end(), hive.messages).to.equal(0);
    }
  };
  /** It must halt with this reason and must not go on to the banner. */
  const halts = async (image: string, reason: string): Promise<void> => {
    const said = await boot(image, /halted: .*\r?\n/);
    expect(said).to.contain(reason);
    expect(said).not.to.contain("cohesix> ");
  };
  const flipped = (archive: Uint8Array, at: number): Uint8Array => {
    archive[at] = (archive[at] ?? 0) ^ 0x10;
    return archive;
  };
  const inside = (archive: Uint8Array, content: Uint8Array): number =>
    Buffer.from(archive).indexOf(content) + (content.length >> 1);

  for (const name of ["main.qbc", "main.lines", "engine.conf", "build.json", "manifest.json", "pong.elf"]) {
    it(`names ${name} when one bit in it is wrong, and halts`, async () => {
      const image = workshop.withArchive("flip", (archive) => flipped(archive, inside(archive, workshop.file(name))));
      await halts(image, `rootfs.cpio: ${name} is damaged`);
    });
  }

  it("says after which file a truncated archive is cut off, and halts", async () => {
    const image = workshop.withArchive("cut", (archive) =>
      archive.subarray(0, inside(archive, workshop.file("main.qbc"))),
    );
    await halts(image, "rootfs.cpio: no valid header after main.qbc");
  });

  it("says that the archive's first header is none, and halts", async () => {
    await halts(
      workshop.withArchive("head", (archive) => flipped(archive, 0)),
      "rootfs.cpio: no valid header after nothing",
    );
  });

  it("names a missing file, and halts", async () => {
    await halts(workshop.withFiles("missing", { "main.qbc": null }), "rootfs.cpio: main.qbc is missing");
  });

  it("refuses a bundle that was cut short though its checksum is right, and halts", async () => {
    const whole = workshop.file("main.qbc");
    await halts(workshop.withFiles("short", { "main.qbc": whole.subarray(0, 20) }), "main.qbc: not a compiled bundle");
  });

  it("refuses a bundle of another QuickJS by both versions, and halts", async () => {
    const bundle = Buffer.from(workshop.file("main.qbc"));
    bundle.fill(0, 8, 40);
    bundle.write("2024-01-13", 8, "latin1");
    await halts(
      workshop.withFiles("version", { "main.qbc": bundle }),
      "main.qbc: made by QuickJS 2024-01-13, but this engine is QuickJS 2025-04-26",
    );
  });

  it("refuses a heap size that is none, and halts", async () => {
    await halts(workshop.withFiles("heap", { "engine.conf": "heap=many\n" }), "engine.conf: heap=BYTES must be");
  });

  it("boots without entropy, says so and keeps the network door shut", async () => {
    const said = await boot(workshop.withFiles("same", {}), /cohesix> [^]*PONG 1/, "--no-rng");
    expect(said).to.match(/rng: .*the network door stays shut/);
  });

  it("boots without a network card and says so", async () => {
    const said = await boot(workshop.withFiles("same", {}), /cohesix> [^]*PONG 1/);
    expect(said).to.match(/net: no /);
  });

  it("shows an exception with TypeScript file and line, rebuilds the runtime three times, then halts", async () => {
    const files = await workshop.bundle(inRepository("test/integration/bundle/exception.ts"));
    const said = await boot(workshop.withFiles("exception", files), /halted: .*\r?\n/);
    expect(said.match(/TypeError: on purpose/g)).to.have.length(4);
    expect(said).to.match(/at inner \(test\/integration\/bundle\/exception\.ts:5\b/);
    expect(said).to.match(/at turn \(test\/integration\/bundle\/exception\.ts:9\b/);
    expect(said.match(/the runtime is rebuilt/g)).to.have.length(3);
    expect(said).to.contain("the runtime failed 4 times within 60 s");
  });

  it("says who held the memory when there is none left, and rebuilds", async () => {
    const files = await workshop.bundle(inRepository("test/integration/bundle/out-of-memory.ts"));
    const image = workshop.withFiles("oom", { ...files, "engine.conf": "heap=4194304\n" });
    const said = await boot(image, /the runtime is rebuilt\r?\n/);
    expect(said).to.match(/out of memory/);
    expect(said).to.match(/strings?\s+\d+/);
    expect(said).to.match(/objects?\s+\d+/);
  });
});

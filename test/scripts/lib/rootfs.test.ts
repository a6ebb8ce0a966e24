import { expect } from "chai";
import { readCpio } from "../../../scripts/lib/cpio.ts";
import { crc32 } from "../../../scripts/lib/crc32.ts";
import { replaceFiles, writeRootfs, type RootfsContent } from "../../../scripts/lib/rootfs.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const content: RootfsContent = {
  buildInfo: '{"version":"1"}\n',
  heapBytes: 1048576,
  kernelDtb: bytes(1),
  lines: bytes(2, 2),
  bytecode: bytes(3, 3, 3),
  manifest: "{}",
  credentials: "{}",
  components: { "pong.elf": bytes(4), "another.elf": bytes(5) },
};

describe("boot archive", () => {
  const files = readCpio(writeRootfs(content));
  const text = (name: string): string => Buffer.from(files.find((file) => file.name === name)?.data ?? []).toString();

  it("has the checksums first and the rest by name", () => {
    expect(files.map(({ name }) => name)).to.deep.equal([
      "crc32",
      "another.elf",
      "build.json",
      "credentials.json",
      "engine.conf",
      "kernel.dtb",
      "main.lines",
      "main.qbc",
      "manifest.json",
      "pong.elf",
    ]);
  });

  it("states the checksum of every other file", () => {
    const lines = text("crc32").trimEnd().split("\n");
    expect(lines).to.deep.equal(
      files.slice(1).map(({ name, data }) => `${crc32(data).toString(16).padStart(8, "0")} ${name}`),
    );
  });

  it("tells the engine its heap in bytes", () => {
    expect(text("engine.conf")).to.equal("heap=1048576\n");
  });

  it("with files replaced or left out is what it would have been with those", () => {
    const archive = writeRootfs(content);
    expect(replaceFiles(archive, {})).to.deep.equal(archive);
    const other = writeRootfs({ ...content, bytecode: bytes(7), lines: bytes() });
    expect(replaceFiles(archive, { "main.qbc": bytes(7), "main.lines": "" })).to.deep.equal(other);
    const names = readCpio(replaceFiles(archive, { "pong.elf": null })).map(({ name }) => name);
    expect(names).to.include("another.elf").and.not.include("pong.elf");
  });
});

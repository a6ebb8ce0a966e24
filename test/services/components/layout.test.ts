import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { LAYOUT, regionOf } from "../../../services/components/layout.ts";

const header = join(import.meta.dirname, "../../../engine/native/components/layout.h");

describe("component layout", () => {
  it("has the numbers that the engine builds a component with", () => {
    const defined = new Map<string, number>();
    for (const [, name = "", value = ""] of readFileSync(header, "utf8").matchAll(/^#define (\w+) (\w+)/gm)) {
      defined.set(name, Number(value));
    }
    expect({
      image: defined.get("COMPONENT_IMAGE"),
      imageEnd: defined.get("COMPONENT_IMAGE_END"),
      stackTop: defined.get("COMPONENT_STACK_TOP"),
      stackBytes: defined.get("COMPONENT_STACK_BYTES"),
      ipcBuffer: defined.get("COMPONENT_IPC_BUFFER"),
      frame: defined.get("COMPONENT_FRAME"),
      arena: defined.get("COMPONENT_ARENA"),
      arenaMax: defined.get("COMPONENT_ARENA_MAX"),
    }).to.deep.equal(LAYOUT);
  });

  it("names the first and last address of each region", () => {
    const stackBottom = LAYOUT.stackTop - LAYOUT.stackBytes;
    const edges: [number, string][] = [
      [0, "null"],
      [LAYOUT.image - 1, "unmapped"],
      [LAYOUT.image, "image"],
      [LAYOUT.imageEnd - 1, "image"],
      [LAYOUT.imageEnd, "unmapped"],
      [stackBottom - 1, "guard"],
      [stackBottom, "stack"],
      [LAYOUT.stackTop - 1, "stack"],
      [LAYOUT.stackTop, "unmapped"],
      [LAYOUT.ipcBuffer, "ipc-buffer"],
      [LAYOUT.ipcBuffer + 0x1000, "unmapped"],
      [LAYOUT.frame + 0x3fff, "frame"],
      [LAYOUT.frame + 0x4000, "unmapped"],
      [LAYOUT.arena, "arena"],
      [LAYOUT.arena + LAYOUT.arenaMax, "unmapped"],
      [2 ** 48, "unmapped"],
    ];
    for (const [address, region] of edges) {
      expect(regionOf(LAYOUT, address), `0x${address.toString(16)}`).to.equal(region);
    }
  });
});

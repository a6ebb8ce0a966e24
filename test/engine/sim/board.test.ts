import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect } from "chai";
import { DEVICE_TREE } from "../../../engine/sim/board.ts";

const TREE = `${process.env["SEL4_PREFIX"] ?? "/opt/sel4"}/support/kernel.dtb`;

interface Node {
  name: string;
  cells: number[];
  compatible: string | undefined;
  reg: number[] | undefined;
  interrupts: number[] | undefined;
}

const numbers = (text: string): number[] => text.trim().split(/\s+/).map(Number);

/** Nodes with registers and a name for a driver, in the order of the source that dtc prints. */
function nodesOf(source: string): string[] {
  const found: string[] = [];
  const path: Node[] = [];
  const keep = (node: Node, parent: Node | undefined): void => {
    if (node.compatible === undefined || node.reg === undefined) return;
    const [addressCells = 2, sizeCells = 2] = parent?.cells ?? [];
    const read = (from: number, count: number): number =>
      (node.reg ?? []).slice(from, from + count).reduce((value, cell) => value * 2 ** 32 + cell, 0);
    const [kind = 0, number = 0, flags = 0] = node.interrupts ?? [];
    const irq = node.interrupts ? number + (kind === 0 ? 32 : 16) : -1;
    const trigger = node.interrupts && flags & 3 ? "edge" : "level";
    const size = read(addressCells, sizeCells);
    found.push([node.name, node.compatible, read(0, addressCells), size, irq, trigger].join(" "));
    node.reg = undefined;
  };
  for (const line of source.split("\n")) {
    const node = path.at(-1);
    const open = /^\s*(\S+) \{$/.exec(line);
    const property = /^\s*([\w#,-]+) = (.*);$/.exec(line);
    if (open) {
      if (node) keep(node, path.at(-2));
      path.push({ name: open[1] ?? "", cells: [2, 2], compatible: undefined, reg: undefined, interrupts: undefined });
    } else if (/^\s*\};$/.test(line)) {
      if (node) keep(node, path.at(-2));
      path.pop();
    } else if (node && property) {
      const [, name, value = ""] = property;
      const cells = numbers(value.replace(/[<>]/g, ""));
      if (name === "compatible") node.compatible = /^"(.*?)(\\0.*)?"$/.exec(value)?.[1];
      else if (name === "reg") node.reg = cells;
      else if (name === "interrupts") node.interrupts = cells;
      else if (name === "#address-cells") node.cells[0] = cells[0] ?? 0;
      else if (name === "#size-cells") node.cells[1] = cells[0] ?? 0;
    }
  }
  return found;
}

describe("board", () => {
  it("lists the devices that the kernel's device tree has, in its order", function () {
    if (!existsSync(TREE)) this.skip();
    const { stdout, error } = spawnSync("dtc", ["-I", "dtb", "-O", "dts", "-q", TREE], { encoding: "utf8" });
    if (error) this.skip();
    const expected = nodesOf(stdout);
    expect(expected.length).to.be.greaterThan(35);
    const actual = DEVICE_TREE.map(({ name, compatible, base, size, irq, trigger }) =>
      [name, compatible, base, size, irq, trigger].join(" "),
    );
    expect(actual).to.deep.equal(expected);
  });

  it("has 32 virtio slots with edge interrupts from 48 on", () => {
    const slots = DEVICE_TREE.filter(({ compatible }) => compatible === "virtio,mmio");
    expect(slots.length).to.equal(32);
    expect(slots.map(({ irq }) => irq)).to.deep.equal(Array.from({ length: 32 }, (_, i) => 48 + i));
    expect(slots.every(({ trigger }) => trigger === "edge")).to.equal(true);
  });
});

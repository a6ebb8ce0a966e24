/**
 * The board that QEMU's `virt` machine is, as its device tree tells it and as far as it is modelled: one UART, one clock
 * and 32 virtio slots that fill from the top. The table is the tree's order and content, so both engines list the same.
 */
import type { DeviceNode } from "../../runtime-bindings.d.ts";

export const PL011_BASE = 0x9000000;
export const PL011_IRQ = 33;
export const PL031_BASE = 0x9010000;
export const PL031_IRQ = 34;
export const VIRTIO_BASE = 0xa000000;
export const VIRTIO_STRIDE = 0x200;
export const VIRTIO_SLOTS = 32;
export const VIRTIO_IRQ = 48;

function node(name: string, compatible: string, base: number, size: number, irq = -1): DeviceNode {
  return { name: `${name}@${base.toString(16)}`, compatible, base, size, irq, trigger: "level" };
}

function virtioNode(slot: number): DeviceNode {
  const base = VIRTIO_BASE + VIRTIO_STRIDE * slot;
  return { ...node("virtio_mmio", "virtio,mmio", base, VIRTIO_STRIDE, VIRTIO_IRQ + slot), trigger: "edge" };
}

export const DEVICE_TREE: readonly DeviceNode[] = [
  node("fw-cfg", "qemu,fw-cfg-mmio", 0x9020000, 0x18),
  ...Array.from({ length: VIRTIO_SLOTS }, (_, slot) => virtioNode(slot)),
  node("pl061", "arm,pl061", 0x9030000, 0x1000, 39),
  { ...node("pcie", "pci-host-ecam-generic", 0x4010000000, 0x10000000), name: "pcie@10000000" },
  node("pl031", "arm,pl031", PL031_BASE, 0x1000, PL031_IRQ),
  node("pl011", "arm,pl011", PL011_BASE, 0x1000, PL011_IRQ),
  node("intc", "arm,gic-v3", 0x8000000, 0x10000),
  node("its", "arm,gic-v3-its", 0x8080000, 0x20000),
  node("flash", "cfi-flash", 0, 0x4000000),
  node("cpu", "arm,cortex-a57", 0, 0),
];

import { cpSync, mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { checkKernel, checkKernelConfig, checkKernelMemory } from "../../../scripts/lib/kernel-config.ts";

/** What a kernel that works states of itself, as seL4 16 writes it. */
const good = {
  PLAT: "qemu-arm-virt",
  SEL4_ARCH: "aarch64",
  ARM_CORTEX_A57: true,
  ARM_GIC_V3_SUPPORT: true,
  KERNEL_MCS: false,
  ARM_HYPERVISOR_SUPPORT: false,
  MAX_NUM_NODES: "1",
  EXPORT_PCNT_USER: true,
  EXPORT_PTMR_USER: true,
  ROOT_CNODE_SIZE_BITS: "13",
  TIMER_TICK_MS: "50",
  DEBUG_BUILD: true,
};
const memory = { memory: [{ start: 0x4000_0000, end: 0x8000_0000 }] };

describe("kernel configuration", () => {
  it("accepts what docs/KERNEL.md asks for, debug or release", () => {
    for (const config of [
      good,
      { ...good, DEBUG_BUILD: false, PRINTING: false },
      { ...good, ROOT_CNODE_SIZE_BITS: "16" },
    ]) {
      expect(checkKernelConfig(config)).to.deep.equal({ mistakes: [], warnings: [] });
    }
  });

  const refusals: [object, string][] = [
    [{ PLAT: "imx8mm-evk" }, "KernelPlatform=qemu-arm-virt (imx8mm-evk)"],
    [{ SEL4_ARCH: "aarch32" }, "KernelSel4Arch=aarch64 (aarch32)"],
    [{ ARM_CORTEX_A57: false }, "ARM_CPU=cortex-a57"],
    [{ ARM_GIC_V3_SUPPORT: false }, "QEMU_GIC_VERSION=3 (ARM_GIC_V3_SUPPORT is OFF)"],
    [{ KERNEL_MCS: true }, "KernelIsMCS=OFF (KERNEL_MCS is ON)"],
    [{ ARM_HYPERVISOR_SUPPORT: true }, "KernelArmHypervisorSupport=OFF"],
    [{ MAX_NUM_NODES: "4" }, "KernelMaxNumNodes=1 (MAX_NUM_NODES is 4)"],
    [{ EXPORT_PCNT_USER: false }, "KernelArmExportPCNTUser=ON"],
    [{ EXPORT_PTMR_USER: undefined }, "KernelArmExportPTMRUser=ON (EXPORT_PTMR_USER is not stated)"],
    [{ ROOT_CNODE_SIZE_BITS: "12" }, "KernelRootCNodeSizeBits=13 or more (ROOT_CNODE_SIZE_BITS is 12)"],
  ];
  for (const [change, text] of refusals) {
    it(`refuses a kernel without ${text}`, () => {
      const { mistakes } = checkKernelConfig({ ...good, ...change });
      expect(mistakes).to.have.length(1);
      expect(mistakes[0])
        .to.contain(`this kernel was built without ${text}`)
        .and.to.match(/: .+\.$/);
    });
  }

  it("warns of a 2 ms tick with its price, not of 20 ms", () => {
    expect(checkKernelConfig({ ...good, TIMER_TICK_MS: "2" })).to.deep.equal({
      mistakes: [],
      warnings: ["KernelTimerTickMS is 2: an idle hive takes 4 to 5 % of a processor with 2 ms, 0.6 % with 50 ms."],
    });
    expect(checkKernelConfig({ ...good, TIMER_TICK_MS: "20" }).warnings).to.deep.equal([]);
  });

  it("refuses another amount or place of memory", () => {
    expect(checkKernelMemory(memory)).to.deep.equal([]);
    expect(checkKernelMemory({ memory: [{ start: 0x4000_0000, end: 0x6000_0000 }] })[0]).to.contain(
      "without QEMU_MEMORY=1024 (memory is 512 MiB at 0x40000000)",
    );
    expect(checkKernelMemory({})[0]).to.contain("states no single region of memory");
  });

  describe("of an install prefix", () => {
    let prefix: string;
    const write = (path: string, content: string | Buffer): void => {
      mkdirSync(join(prefix, path, ".."), { recursive: true });
      writeFileSync(join(prefix, path), content);
    };

    beforeEach(() => {
      prefix = mkdtempSync(join(tmpdir(), "prefix-"));
      const elf = Buffer.alloc(64);
      elf.write("\x7fELF", 0, "latin1");
      elf.writeUInt16LE(183, 18);
      write("bin/kernel.elf", elf);
      write("libsel4/include/kernel/gen_config.json", JSON.stringify(good));
      write("support/platform_gen.json", JSON.stringify(memory));
      for (const header of [
        "sel4/sel4.h",
        "sel4/syscall.h",
        "sel4/invocation.h",
        "sel4/shared_types_gen.h",
        "sel4/sel4_arch/types_gen.h",
        "interfaces/sel4_client.h",
        "kernel/gen_config.h",
        "sel4/gen_config.h",
      ]) {
        write(`libsel4/include/${header}`, "");
      }
      write("libsel4/src/sel4_bootinfo.c", "");
    });
    afterEach(() => {
      rmSync(prefix, { recursive: true, force: true });
    });

    it("accepts a whole one", () => {
      expect(checkKernel(prefix)).to.deep.equal({ mistakes: [], warnings: [] });
    });

    it("refuses a path that does not exist, and one that is no prefix", () => {
      expect(checkKernel(join(prefix, "none")).mistakes[0]).to.contain("there is no seL4 install prefix at");
      expect(checkKernel(join(prefix, "support")).mistakes[0]).to.contain("bin/kernel.elf is missing");
    });

    it("refuses a kernel of another architecture or cut short", () => {
      write("bin/kernel.elf", "\x7fELF");
      expect(checkKernel(prefix).mistakes[0]).to.contain("is no AArch64 ELF file");
    });

    it("refuses an installation without the generated headers, naming one", () => {
      unlinkSync(join(prefix, "libsel4/include/sel4/syscall.h"));
      expect(checkKernel(prefix).mistakes).to.have.length(1);
      expect(checkKernel(prefix).mistakes[0]).to.contain("sel4/syscall.h is missing: build all targets");
    });

    it("refuses a prefix whose configuration is missing or unreadable", () => {
      const copy = `${prefix}-copy`;
      cpSync(prefix, copy, { recursive: true });
      try {
        writeFileSync(join(copy, "libsel4/include/kernel/gen_config.json"), "{");
        expect(checkKernel(copy).mistakes[0]).to.contain("cannot be read");
      } finally {
        rmSync(copy, { recursive: true });
      }
      unlinkSync(join(prefix, "support/platform_gen.json"));
      expect(checkKernel(prefix).mistakes[0]).to.contain("platform_gen.json is missing");
    });

    it("states every mistake at once", () => {
      write("libsel4/include/kernel/gen_config.json", JSON.stringify({ ...good, KERNEL_MCS: true, PLAT: "rockpro64" }));
      expect(checkKernel(prefix).mistakes).to.have.length(2);
    });
  });
});

/*
 * Entry of the boot image: QEMU jumps here at EL1 (or EL2 with virtualization=on), MMU off.
 * load() puts the images in place and says where the kernel starts; then the MMU comes on with the
 * attributes that seL4 relies on and the kernel is entered at its virtual address.
 */
    .section .text.start, "ax"
    .global _start
_start:
    msr daifset, #0xf
    mrs x1, CurrentEL
    cmp x1, #(2 << 2)
    b.ne 1f
    /* EL2 to EL1: AArch64 below, counters and the physical timer open, no traps (Arm ARM D17.2). */
    mov x1, #(1 << 31)
    msr hcr_el2, x1
    mov x1, #3
    msr cnthctl_el2, x1
    msr cntvoff_el2, xzr
    mov x1, #0x33ff
    msr cptr_el2, x1
    /* Let EL1 use the GICv3 system registers (ICC_SRE_EL2.SRE and .Enable). */
    mrs x1, S3_4_C12_C9_5
    mov x2, #9
    orr x1, x1, x2
    msr S3_4_C12_C9_5, x1
    isb
    mov x1, #0x3c5
    msr spsr_el2, x1
    adr x1, 1f
    msr elr_el2, x1
    eret
1:
    ldr x1, =__loader_stack_top
    mov sp, x1
    mov x1, #(3 << 20) /* CPACR_EL1.FPEN */
    msr cpacr_el1, x1
    isb
    bl load
    mov x19, x0 /* struct entry: six arguments, then the kernel's entry */

    dsb sy
    ic iallu
    ldr x1, =0xaaff440c0400 /* MAIR: 4 = normal write-back, as the kernel expects it */
    msr mair_el1, x1
    /* T0SZ = T1SZ = 16, write-back walks, 4 KiB granules, 16-bit ASIDs, physical size from the CPU. */
    ldr x1, =(16 | (16 << 16) | (1 << 8) | (1 << 10) | (1 << 24) | (1 << 26) | (2 << 30) | (1 << 36))
    mrs x2, id_aa64mmfr0_el1
    bfi x1, x2, #32, #3
    msr tcr_el1, x1
    ldr x1, =loader_low
    msr ttbr0_el1, x1
    ldr x1, =loader_high
    msr ttbr1_el1, x1
    isb
    tlbi vmalle1
    dsb sy
    isb
    mrs x1, sctlr_el1
    mov x2, #((1 << 0) | (1 << 2) | (1 << 12)) /* M, C, I */
    orr x1, x1, x2
    msr sctlr_el1, x1
    isb
    ldp x0, x1, [x19]
    ldp x2, x3, [x19, #16]
    ldp x4, x5, [x19, #32]
    ldr x6, [x19, #48]
    br x6

    .section .images, "a"
    .global loader_kernel, loader_root
    .balign 16
loader_kernel:
    .incbin KERNEL_ELF
    .balign 16
loader_root:
    .incbin ROOT_ELF
    .balign 16

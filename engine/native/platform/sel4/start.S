/* Entry of the root server: bootinfo in x0, no stack yet (seL4 manual §9.1). */
    .section .text.start, "ax"
    .global _start
_start:
    ldr x1, =__stack_top
    mov sp, x1
    mov x29, xzr
    mov x30, xzr
    b root_start

    .section .rodata.rootfs, "a"
    .global rootfs_start, rootfs_end
    .balign 4096
rootfs_start:
    .incbin ROOTFS_CPIO
rootfs_end:
    .balign 8

    .section .rodata.fdt, "a"
    .global fdt_fallback_start, fdt_fallback_end
    .balign 8
fdt_fallback_start:
    .incbin KERNEL_DTB
fdt_fallback_end:
    .balign 8

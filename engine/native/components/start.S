/* Entry of a component: the root has set the stack and the first registers. */
    .section .text.start, "ax"
    .global _start
_start:
    mov x29, xzr
    mov x30, xzr
    b component_main

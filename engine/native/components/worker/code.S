/* The worker's programme: bytecode and line table, among the constants that all workers share. */
    .section .rodata.code, "a"
    .global worker_qbc_start, worker_qbc_end, worker_lines_start, worker_lines_end
    .balign 8
worker_qbc_start:
    .incbin WORKER_QBC
worker_qbc_end:
    .balign 8
worker_lines_start:
    .incbin WORKER_LINES
worker_lines_end:
    .balign 8

# Cross compiler and C library of everything that runs on the board: code for aarch64 without an
# operating system, against picolibc's headers and library only. Override with -DCROSS_COMPILE=aarch64-elf-
# and -DPICOLIBC=/path (or the environment variables of these names) on another host system.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
# A program cannot be linked before the project's own start code and linker script exist.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CROSS_COMPILE PICOLIBC)

if(NOT CROSS_COMPILE)
    set(CROSS_COMPILE "$ENV{CROSS_COMPILE}")
endif()
if(NOT CROSS_COMPILE)
    set(CROSS_COMPILE aarch64-linux-gnu-)
endif()
if(NOT PICOLIBC)
    set(PICOLIBC "$ENV{PICOLIBC}")
endif()
if(NOT PICOLIBC)
    set(PICOLIBC /usr/lib/picolibc/aarch64-linux-gnu)
endif()

find_program(FREESTANDING_CC ${CROSS_COMPILE}gcc NO_CMAKE_FIND_ROOT_PATH)
if(NOT FREESTANDING_CC)
    message(FATAL_ERROR "${CROSS_COMPILE}gcc is missing; run toolchain/setup_debian.sh (or set CROSS_COMPILE)")
endif()
if(NOT EXISTS ${PICOLIBC}/include/stdio.h OR NOT EXISTS ${PICOLIBC}/lib/libc.a)
    message(FATAL_ERROR "picolibc is missing in ${PICOLIBC}; run toolchain/setup_debian.sh (or set PICOLIBC)")
endif()
set(CMAKE_C_COMPILER ${FREESTANDING_CC})
set(CMAKE_ASM_COMPILER ${FREESTANDING_CC})

# gcc's own headers (stddef.h, stdarg.h, stdatomic.h) and helpers, but never those of its system.
execute_process(COMMAND ${FREESTANDING_CC} -print-file-name=include
    OUTPUT_VARIABLE gcc_include OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${FREESTANDING_CC} -print-libgcc-file-name
    OUTPUT_VARIABLE FREESTANDING_LIBGCC OUTPUT_STRIP_TRAILING_WHITESPACE)

set(FREESTANDING_COMPILE_OPTIONS
    -ffreestanding -nostdinc -isystem${PICOLIBC}/include -isystem${gcc_include}
    # The compiler may be one for Linux; nothing here is.
    -U__linux__ -U__linux -Ulinux -U__gnu_linux__ -U__unix__ -U__unix -Uunix
    -D_GNU_SOURCE -D_POSIX_TIMERS=1 -D_POSIX_MONOTONIC_CLOCK=1 -D__TM_GMTOFF=tm_gmtoff
    -mcpu=cortex-a57 -fno-pic -fno-pie -ftls-model=local-exec -fno-stack-protector
    # Outlined atomics ask a Linux kernel at start which instructions there are.
    -mno-outline-atomics
    -fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections -fdata-sections)
set(FREESTANDING_LINK_OPTIONS -nostdlib -nostartfiles -static -no-pie -Wl,--gc-sections -Wl,--build-id=none)
set(FREESTANDING_LINK_LIBRARIES
    -Wl,--start-group ${PICOLIBC}/lib/libc.a ${PICOLIBC}/lib/libm.a ${FREESTANDING_LIBGCC} -Wl,--end-group)

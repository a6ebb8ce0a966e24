#!/bin/sh
# The Homebrew counterpart of setup_debian.sh for a Mac with Apple silicon: same checks, same --check.
# picolibc and the QuickJS source have no Homebrew formula; they come by PICOLIBC and QUICKJS_TARBALL.
set -eu

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$repository/toolchain/common.sh"
options "$@"

picolibc=${PICOLIBC:-$repository/out/picolibc}

# need_command COMMAND FORMULA
need_command() {
    command -v "$1" >/dev/null 2>&1 || missing "$1" "$2" "brew install $2"
}

# need_version COMMAND FORMULA MINIMUM
need_version() {
    if ! command -v "$1" >/dev/null 2>&1; then
        need_command "$1" "$2"
        return
    fi
    version=$("$1" --version 2>/dev/null | first_version)
    at_least "${version:-0}" "$3" || missing "$1 $3 or newer (found ${version:-no version})" "$2" "brew upgrade $2"
}

check_packages() {
    missing_packages=
    missing_count=0
    need_command aarch64-elf-gcc aarch64-elf-gcc
    need_version cmake cmake "$CMAKE_MINIMUM"
    need_command ninja ninja
    [ "$build_only" = no ] || return 0
    need_version qemu-system-aarch64 qemu "$QEMU_MINIMUM"
    need_command dtc dtc
    need_command xz xz
}

# Homebrew cannot install these two, so both modes only report them.
check_by_hand() {
    command -v cc >/dev/null 2>&1 || {
        missing_count=$((missing_count + 1))
        say "missing: cc: Apple's command line tools, installed by: xcode-select --install"
    }
    [ -f "$picolibc/include/stdio.h" ] && [ -f "$picolibc/lib/libc.a" ] || {
        missing_count=$((missing_count + 1))
        say "missing: picolibc in $picolibc: unpack Debian's picolibc-aarch64-linux-gnu there or set PICOLIBC (docs/TOOLCHAIN.md)"
    }
    quickjs_ready || {
        missing_count=$((missing_count + 1))
        say "missing: QuickJS $QUICKJS_VERSION in out/quickjs: QUICKJS_TARBALL=/path/$QUICKJS_ORIG toolchain/setup_macos_arm64.sh"
    }
}

check_packages
if [ "$check_only" = no ]; then
    if [ "$missing_count" != 0 ]; then
        command -v brew >/dev/null 2>&1 || fail "no brew on this machine; install Homebrew or the formulae named above"
        # Split on purpose: formula names are one word each.
        # shellcheck disable=SC2086
        brew install $missing_packages || fail "brew could not install: $missing_packages"
        check_packages
    fi
    if ! quickjs_ready && [ -n "${QUICKJS_TARBALL:-}" ]; then quickjs_unpack "$QUICKJS_TARBALL"; fi
fi
check_by_hand
[ "$missing_count" = 0 ]

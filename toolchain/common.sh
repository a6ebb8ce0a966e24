# What both setup scripts share: the list of what is missing, and the pinned QuickJS source.
# Sourced, never run; the caller has set `repository` to the top of the work tree.
# shellcheck shell=sh

. "$repository/toolchain/pins.sh"

quickjs_dir=$repository/out/quickjs
missing_packages=
missing_count=0

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# missing WHAT PACKAGE COMMAND: reports one missing thing and how to get it.
missing() {
    missing_count=$((missing_count + 1))
    say "missing: $1: package $2, installed by: $3"
    case " $missing_packages " in
    *" $2 "*) ;;
    *) missing_packages="${missing_packages:+$missing_packages }$2" ;;
    esac
}

# at_least VERSION MINIMUM: dotted numbers, compared number by number.
at_least() {
    awk -v have="$1" -v want="$2" 'BEGIN {
        n = split(have, h, "."); m = split(want, w, ".")
        for (i = 1; i <= n || i <= m; i++) {
            if (h[i] + 0 > w[i] + 0) exit 0
            if (h[i] + 0 < w[i] + 0) exit 1
        }
    }'
}

# first_version: the first dotted number on standard input.
first_version() {
    sed -n 's/^[^0-9]*\([0-9][0-9]*\(\.[0-9][0-9]*\)*\).*/\1/p' | head -n 1
}

sha256_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    else
        shasum -a 256 "$1" | cut -d ' ' -f 1
    fi
}

# The stamp holds the tarball's digest, so that a new pin replaces an old source tree.
quickjs_ready() {
    [ -f "$quickjs_dir/quickjs.c" ] && [ "$(cat "$quickjs_dir/.sha256" 2>/dev/null)" = "$QUICKJS_SHA256" ]
}

# quickjs_unpack TARBALL: verifies it and puts its content into out/quickjs, whole or not at all.
quickjs_unpack() {
    [ -f "$1" ] || fail "$1: no such file"
    digest=$(sha256_of "$1")
    [ "$digest" = "$QUICKJS_SHA256" ] ||
        fail "$1: SHA-256 is $digest, but the pinned QuickJS $QUICKJS_VERSION has $QUICKJS_SHA256"
    mkdir -p "$repository/out"
    unpacked=$(mktemp -d "$repository/out/quickjs.XXXXXX")
    if ! tar -xJf "$1" -C "$unpacked" --strip-components=1; then
        rm -rf "$unpacked"
        fail "$1: cannot be unpacked"
    fi
    printf '%s\n' "$QUICKJS_SHA256" >"$unpacked/.sha256"
    chmod 755 "$unpacked"
    rm -rf "$quickjs_dir"
    mv "$unpacked" "$quickjs_dir"
    say "QuickJS $QUICKJS_VERSION is in out/quickjs"
}

# options "$@": sets check_only, and build_only if nothing counts but what building the image takes.
options() {
    check_only=no
    build_only=no
    for option; do
        case $option in
        --check) check_only=yes ;;
        --check-build)
            check_only=yes
            build_only=yes
            ;;
        --help | -h)
            say "usage: $(basename "$0") [--check|--check-build]"
            say "Installs what the native build lacks; with --check it only reports, exit 1 if something is missing."
            say "--check-build reports what building the image lacks, and not what running and testing it takes."
            say "QUICKJS_TARBALL=/path/$QUICKJS_ORIG is used in place of a download."
            [ -z "${v9fs_dir:-}" ] ||
                say "V9FS_PACKAGES=/folder takes the packages $V9FS_KERNEL means and $V9FS_BUSYBOX (arm64) from there."
            exit 0
            ;;
        *) fail "unknown option $option (only --check, --check-build and --help)" ;;
        esac
    done
}

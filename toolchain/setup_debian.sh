#!/bin/sh
# Brings a Debian machine to where the native engine can be built and booted in QEMU. It installs only
# what is missing, changes nothing of the machine's package sources, and says nothing when nothing is to do.
set -eu

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$repository/toolchain/common.sh"
. "$repository/toolchain/v9fs.sh"
options "$@"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
picolibc=${PICOLIBC:-/usr/lib/picolibc/aarch64-linux-gnu}

if [ "$(id -u)" = 0 ]; then as_root=; else as_root='sudo '; fi

# need_command COMMAND PACKAGE
need_command() {
    command -v "$1" >/dev/null 2>&1 || missing "$1" "$2" "${as_root}apt-get install $2"
}

# need_version COMMAND PACKAGE MINIMUM: a command that is there, but too old, counts as missing.
need_version() {
    if ! command -v "$1" >/dev/null 2>&1; then
        need_command "$1" "$2"
        return
    fi
    version=$("$1" --version 2>/dev/null | first_version)
    at_least "${version:-0}" "$3" ||
        missing "$1 $3 or newer (found ${version:-no version})" "$2" "${as_root}apt-get install $2"
}

check_packages() {
    missing_packages=
    missing_count=0
    need_command aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
    [ -f "$picolibc/include/stdio.h" ] && [ -f "$picolibc/lib/libc.a" ] ||
        missing "picolibc in $picolibc" picolibc-aarch64-linux-gnu "${as_root}apt-get install picolibc-aarch64-linux-gnu"
    need_command cc build-essential
    need_version cmake cmake "$CMAKE_MINIMUM"
    need_command ninja ninja-build
    [ "$build_only" = no ] || return 0
    need_version qemu-system-aarch64 qemu-system-arm "$QEMU_MINIMUM"
    need_command dtc device-tree-compiler
    need_command xz xz-utils
    need_command ip iproute2
    need_command ping iputils-ping
    need_command diodcat diod
    need_command tshark tshark
    need_command cpio cpio
    # It stands where only root's PATH leads, and is started by its whole name.
    [ -x /usr/sbin/sshd ] || need_command sshd openssh-server
    need_command ssh-agent openssh-client
}

# Mirrors of the machine's own apt sources that carry component `main`, one a line, in their order.
# Both forms are read: deb822 stanzas (*.sources) and one-line entries (*.list).
apt_mirrors() {
    eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    for file in "$list" "${parts%/}"/*.list; do
        [ -f "$file" ] || continue
        sed -e 's/#.*//' -e 's/\[[^]]*\]//' "$file" | awk '$1 == "deb" || $1 == "deb-src" {
            for (i = 4; i <= NF; i++) if ($i == "main" && $3 !~ /-/) print $2
        }'
    done
    for file in "${parts%/}"/*.sources; do
        [ -f "$file" ] || continue
        # A stanza ends at an empty line; a line that starts with a blank continues the field.
        { cat "$file"; echo; } | awk '
            function flush(    i, j, n, m, uris, suites) {
                if (tolower(field["enabled"]) !~ /no/ && field["types"] ~ /deb/ && field["components"] " " ~ /(^| )main /) {
                    m = split(field["suites"], suites, " ")
                    n = split(field["uris"], uris, " ")
                    for (j = 1; j <= m; j++)
                        if (suites[j] !~ /-/) {
                            for (i = 1; i <= n; i++) print uris[i]
                            break
                        }
                }
                split("", field)
            }
            /^#/ { next }
            /^[ \t]*$/ { flush(); next }
            /^[ \t]/ { sub(/^[ \t]+/, ""); field[name] = field[name] " " $0; next }
            { name = tolower($0); sub(/:.*/, "", name); sub(/^[^:]*:[ \t]*/, ""); field[name] = $0 }
            END { flush() }'
    done
}

# apt_private DIRECTORY MORE: an apt.conf there that leaves everything of the machine's as it is, and the list of the
# machine's mirrors. What makes a mirror trustworthy is the archive's signature, so each may be tried in turn.
apt_private() {
    [ -f "$keyring" ] || fail "$keyring: no such file: package debian-archive-keyring, installed by: ${as_root}apt-get install debian-archive-keyring"
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
    : >"$1/status"
    cat >"$1/apt.conf" <<CONF
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1/cache";
Acquire::Languages "none";
APT::Sandbox::User "";
#clear APT::Update;
$2
CONF
    apt_mirrors | awk '!seen[$0]++' >"$1/mirrors"
}

# Downloads the source package into out/quickjs-apt by a configuration of its own.
quickjs_download() {
    state=$repository/out/quickjs-apt
    apt_private "$state" ''
    [ -s "$state/mirrors" ] ||
        fail "the apt sources of this machine name no mirror with component main; give the tarball as QUICKJS_TARBALL=/path/$QUICKJS_ORIG"
    : >"$state/log"
    while read -r mirror; do
        printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$QUICKJS_SUITE" >"$state/sources.list"
        if (cd "$state" &&
            apt-get -c "$state/apt.conf" -o APT::Update::Error-Mode=any -q update &&
            apt-get -c "$state/apt.conf" -q source --download-only "$QUICKJS_PACKAGE") >>"$state/log" 2>&1 </dev/null &&
            [ -f "$state/$QUICKJS_ORIG" ]; then
            quickjs_unpack "$state/$QUICKJS_ORIG"
            rm -rf "$state"
            return
        fi
    done <"$state/mirrors"
    tail -n 5 "$state/log" >&2
    fail "no mirror of this machine gave $QUICKJS_ORIG (whole log: out/quickjs-apt/log); give it as QUICKJS_TARBALL=/path/$QUICKJS_ORIG"
}

check_packages
if [ "$check_only" = yes ]; then
    quickjs_ready || missing "QuickJS $QUICKJS_VERSION in out/quickjs" "source package $QUICKJS_PACKAGE ($QUICKJS_SUITE)" toolchain/setup_debian.sh
    [ "$build_only" = yes ] || v9fs_ready ||
        missing "Linux for the v9fs check in out/v9fs" "$V9FS_KERNEL, $V9FS_BUSYBOX ($V9FS_SUITE, arm64)" toolchain/setup_debian.sh
    [ "$missing_count" = 0 ]
    exit
fi

if [ "$missing_count" != 0 ]; then
    command -v apt-get >/dev/null 2>&1 || fail "no apt-get on this machine; install the packages named above by its own means"
    # Split on purpose: package names are one word each.
    # shellcheck disable=SC2086
    ${as_root}apt-get install -y --no-install-recommends $missing_packages ||
        { ${as_root}apt-get update && ${as_root}apt-get install -y --no-install-recommends $missing_packages; } ||
        fail "apt-get could not install: $missing_packages"
    check_packages
    [ "$missing_count" = 0 ] || fail "still missing after apt-get install"
fi
if ! quickjs_ready; then
    if [ -n "${QUICKJS_TARBALL:-}" ]; then quickjs_unpack "$QUICKJS_TARBALL"; else quickjs_download; fi
fi
if ! v9fs_ready; then
    if [ -n "${V9FS_PACKAGES:-}" ]; then v9fs_take "$V9FS_PACKAGES"; else v9fs_download; fi
fi

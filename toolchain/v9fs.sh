# The Linux that mounts the hive's namespace in `npm run test:interop`: Debian's own kernel for arm64 and its busybox, put
# into out/v9fs. Sourced by setup_debian.sh, which has set `repository`, `keyring` and the functions used here.
# shellcheck shell=sh

v9fs_dir=$repository/out/v9fs
# What the guest loads, and what these depend on in any kernel of Debian's: their names in /lib/modules.
v9fs_modules='9p 9pnet 9pnet_fd netfs fscache virtio_net net_failover failover'

v9fs_ready() {
    [ "$(cat "$v9fs_dir/.suite" 2>/dev/null)" = "$V9FS_SUITE" ]
}

# v9fs_fetch DIRECTORY: downloads the packages from the mirror that apt.conf there names.
v9fs_fetch() {
    apt-get -c "$1/apt.conf" -o APT::Update::Error-Mode=any -q update &&
        kernel=$(apt-cache -c "$1/apt.conf" depends "$V9FS_KERNEL" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }') &&
        [ -n "$kernel" ] &&
        (cd "$1" && apt-get -c "$1/apt.conf" -q download "$kernel" "$V9FS_BUSYBOX")
}

# v9fs_unpack DIRECTORY: puts kernel, modules and busybox of the packages there into out/v9fs, whole or not at all.
v9fs_unpack() {
    for package in "$1"/*.deb; do
        dpkg-deb -x "$package" "$1/root" || fail "$package: cannot be unpacked"
    done
    mkdir -p "$1/v9fs/modules"
    mv "$1"/root/boot/vmlinuz-* "$1/v9fs/vmlinuz" || fail "the kernel's package has no boot/vmlinuz"
    find "$1/root" -type f -name busybox -exec mv {} "$1/v9fs/busybox" \;
    [ -f "$1/v9fs/busybox" ] || fail "the package $V9FS_BUSYBOX has no busybox"
    for module in $v9fs_modules; do
        find "$1/root" -type f -name "$module.ko*" -exec mv {} "$1/v9fs/modules/" \;
    done
    printf '%s\n' "$V9FS_SUITE" >"$1/v9fs/.suite"
    rm -rf "$v9fs_dir"
    mv "$1/v9fs" "$v9fs_dir"
    rm -rf "$1"
    say "Linux for the v9fs check is in out/v9fs"
}

# v9fs_take DIRECTORY: unpacks packages that lie there, whoever put them there.
v9fs_take() {
    [ -d "$1" ] || fail "$1: no such folder"
    state=$repository/out/v9fs-apt
    rm -rf "$state"
    mkdir -p "$state"
    cp "$1"/*.deb "$state/" || fail "$1: has no packages"
    v9fs_unpack "$state"
}

# v9fs_download: by a configuration of its own for arm64, from each mirror of the machine in turn.
v9fs_download() {
    state=$repository/out/v9fs-apt
    rm -rf "$state"
    apt_private "$state" 'APT::Architecture "arm64";
APT::Architectures { "arm64"; };'
    : >"$state/log"
    while read -r mirror; do
        printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$V9FS_SUITE" >"$state/sources.list"
        if v9fs_fetch "$state" >>"$state/log" 2>&1 </dev/null; then
            v9fs_unpack "$state"
            return
        fi
    done <"$state/mirrors"
    tail -n 5 "$state/log" >&2
    fail "no mirror of this machine gave $V9FS_KERNEL and $V9FS_BUSYBOX of $V9FS_SUITE for arm64 (whole log: out/v9fs-apt/log); give them as V9FS_PACKAGES=/folder, or do without: npm run test:interop then skips the v9fs check"
}

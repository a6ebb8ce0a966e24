# The one place that says which versions this project builds with. Sourced by the setup scripts.
# shellcheck shell=sh disable=SC2034

# QuickJS by Fabrice Bellard, release of this date, as Debian's source package carries it.
QUICKJS_VERSION=2025-04-26
QUICKJS_PACKAGE=quickjs
QUICKJS_SUITE=trixie
QUICKJS_ORIG=quickjs_2025.04.26.orig.tar.xz
QUICKJS_SHA256=ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe

# virtio-mmio version 2 with `force-legacy=false` and GICv3 as the kernel expects them.
QEMU_MINIMUM=7.2
CMAKE_MINIMUM=3.20

# The Linux that mounts the namespace in `npm run test:interop`: Debian's for arm64. Each kernel of a suite will do, so what
# vouches for it is the archive's signature.
V9FS_SUITE=trixie
V9FS_KERNEL=linux-image-arm64
V9FS_BUSYBOX=busybox-static

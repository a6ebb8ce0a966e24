#!/usr/bin/env bash
# Boots a hive in QEMU. Without --expect, --send or --exit-after standard input is the serial line (Ctrl-A x ends it, and
# so does the end of a pipe or file); with them the run has a deadline. QEMU never outlives this script, however that ends.
set -euo pipefail

repository=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=toolchain/common.sh
. "$repository/toolchain/common.sh"

usage() {
    cat <<'TEXT'
usage: scripts/qemu-run.sh [option...]
  --sel4 PREFIX         install prefix of the seL4 build (default: $SEL4_PREFIX, then /opt/sel4)
  --image FILE          boot this image as it is; without it out/hive.elf, rebuilt if stale
  --loader FILE         the same for an image that another seL4 loader made of our rootserver.elf
  --console KIND        the hive's console: serial (default) is the UART on the terminal, virtio a virtio console on the
                        terminal (the UART then goes to --log alone), tcp the network, with the UART on the terminal
  --net none|user|tap   network (default: user, with 127.0.0.1:PORT forwarded to the hive's TCP console)
  --tcp-port PORT|none  the forwarded port (default: 31337); --port is the same
  --bind ADDRESS        forward from this IPv4 address of the host instead (0.0.0.0: from all)
  --tap NAME            use this tap device; without it one is made (needs root) and removed again
  --tap-address CIDR    the host's address on a tap device that is made here (default: 10.0.2.2/24)
  --pcap FILE           write all frames to FILE
  --no-rng              leave out the entropy device
  --log FILE            write everything the serial line prints to FILE as well
  --print-command       print QEMU's command, one word a line, and start nothing
  --exit-after SECONDS  end after so many seconds
  --expect REGEX        exit 0 as soon as the serial output has matched, 1 at the deadline (60 s unless --exit-after says)
  --send TEXT           type TEXT and Enter
  --leash FD            end when the pipe at this descriptor does, as it does with the program that holds its other end
Several --expect and --send work in their order: each --send waits for all --expect before it, or for the prompt if
there is none between; an --expect after it looks only at what came since. REGEX is JavaScript's, ^ and $ match at lines.
Exit status: 0 done, 1 not seen or QEMU ended by itself, 2 something is missing or misused.
TEXT
}

refuse() {
    printf 'qemu-run: %s\n' "$*" >&2
    exit 2
}

is_ipv4() {
    local octet='(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
    [[ $1 =~ ^$octet(\.$octet){3}$ ]]
}

prefix=${SEL4_PREFIX:-/opt/sel4}
image=
net=user
port=31337
bind=127.0.0.1
console=serial
tap=
tap_address=10.0.2.2/24
pcap=
rng=yes
log=
session=()
deadline=
leash=
print_command=no

value() {
    [ $# -ge 2 ] || refuse "$1 needs a value (--help lists the options)"
    printf '%s' "$2"
}

while [ $# -gt 0 ]; do
    case $1 in
    --sel4) prefix=$(value "$@") ;;
    --image | --loader)
        image=$(value "$@")
        [ -f "$image" ] || refuse "$1 $image: there is no such file"
        ;;
    --console)
        console=$(value "$@")
        case $console in serial | virtio | tcp) ;; *) refuse "--console $console: only serial, virtio and tcp are there" ;; esac
        ;;
    --net)
        net=$(value "$@")
        case $net in none | user | tap) ;; *) refuse "--net $net: only none, user and tap are there" ;; esac
        ;;
    --tcp-port | --port)
        port=$(value "$@")
        [ "$port" = none ] || { [[ $port =~ ^[1-9][0-9]{0,4}$ ]] && [ "$port" -le 65535 ]; } ||
            refuse "$1 $port: a number from 1 to 65535, or none"
        ;;
    --bind)
        bind=$(value "$@")
        is_ipv4 "$bind" || refuse "--bind $bind: an IPv4 address of this machine, or 0.0.0.0 for all of them"
        ;;
    --tap) tap=$(value "$@") ;;
    --tap-address) tap_address=$(value "$@") ;;
    --pcap) pcap=$(value "$@") ;;
    --log) log=$(value "$@") ;;
    --exit-after)
        deadline=$(value "$@")
        [[ $deadline =~ ^[0-9]+(\.[0-9]+)?$ ]] || refuse "--exit-after $deadline: a number of seconds"
        ;;
    --leash)
        leash=$(value "$@")
        [[ $leash =~ ^[3-8]$ ]] && : 2>/dev/null <&"$leash" || refuse "--leash $leash: an open descriptor from 3 to 8"
        ;;
    --expect | --send) session+=("$1" "$(value "$@")") ;;
    --print-command)
        print_command=yes
        shift
        continue
        ;;
    --no-rng)
        rng=no
        shift
        continue
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    *) refuse "unknown option $1 (--help lists the options)" ;;
    esac
    shift 2
done

# ---- what has to be there ----
qemu=${QEMU:-qemu-system-aarch64}
command -v "$qemu" >/dev/null 2>&1 ||
    refuse "there is no $qemu on this machine: toolchain/setup_debian.sh (or setup_macos_arm64.sh) installs it"
version=$("$qemu" --version 2>/dev/null | first_version)
at_least "${version:-0}" "$QEMU_MINIMUM" ||
    refuse "$qemu is version ${version:-unknown}, but $QEMU_MINIMUM or newer is needed"
command -v node >/dev/null 2>&1 || refuse "there is no node on this machine"
[ -z "$pcap" ] || [ "$net" != none ] || refuse "--pcap needs a network (--net user or --net tap)"
[ -z "$tap" ] || net=tap
[ "$bind" = 127.0.0.1 ] || [ "$net" = user ] || refuse "--bind is for --net user: a hive on --net $net has its own address"
if [ "$console" = tcp ]; then
    [ "$net" != none ] || refuse "--console tcp needs a network (--net user or --net tap)"
    [ "$net" = tap ] || [ "$port" != none ] || refuse "--console tcp needs a port (--tcp-port)"
fi

# What is bound to another address than all of them does not answer at 127.0.0.1, and the other way round.
listening=$bind
[ "$bind" != 0.0.0.0 ] || listening=127.0.0.1
if [ "$net" = user ] && [ "$port" != none ]; then
    if (exec 3<>"/dev/tcp/$listening/$port") 2>/dev/null; then
        refuse "port $port on $listening is in use by another program: give another with --tcp-port, or --tcp-port none"
    fi
    case $bind in
    127.*) ;;
    *)
        echo "qemu-run: warning: the console's port $port is open to whoever reaches $bind, and credentials cross in clear:" \
            "forward it through ssh instead where others can listen" >&2
        ;;
    esac
fi
if [ "$net" = tap ] && [ "$(uname -s)" != Linux ]; then
    refuse "--net tap needs Linux; --net user works everywhere"
fi
if [ "$net" = tap ] && [ ! -c /dev/net/tun ]; then
    refuse "there is no tun device (/dev/net/tun) on this machine: modprobe tun, or --net user"
fi
if [ -n "$tap" ] && [ ! -e "/sys/class/net/$tap" ] && ! ip link show dev "$tap" >/dev/null 2>&1; then
    refuse "--tap $tap: there is no such network device; ip tuntap add dev $tap mode tap user \$USER makes one"
fi
if [ "$net" = tap ] && [ -z "$tap" ]; then
    command -v ip >/dev/null 2>&1 || refuse "there is no ip command to make a tap device with: install iproute2"
    [ "$(id -u)" = 0 ] || refuse "making a tap device needs root: run as root, or name an existing one with --tap"
fi

case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
node "$repository/scripts/bootstrap.mjs" --no-build || exit 2
# Node looks for tsx from its working directory on, so ours has to be the repository.
if [ -z "$image" ]; then
    (cd "$repository" && exec node --import tsx scripts/image.ts --sel4 "$prefix" --quiet) || exit 2
    image=$repository/out/hive.elf
fi

# ---- everything from here on is undone at the end ----
work=
qemu_pid=
leash_pid=
made_tap=

finish() {
    # A second signal must not leave half of this undone.
    trap - EXIT
    trap '' INT TERM HUP
    [ -z "$leash_pid" ] || kill -KILL "$leash_pid" 2>/dev/null || true
    if [ -n "$qemu_pid" ] && kill -0 "$qemu_pid" 2>/dev/null; then
        kill -TERM "$qemu_pid" 2>/dev/null || true
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            kill -0 "$qemu_pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$qemu_pid" 2>/dev/null || true
        wait "$qemu_pid" 2>/dev/null || true
    fi
    [ -z "$made_tap" ] || ip link delete dev "$made_tap" 2>/dev/null || true
    [ -z "$work" ] || rm -rf "$work"
    [ -z "$work" ] || echo finished >&9
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
work=$(mktemp -d "/tmp/qemu-run.XXXXXX")

# What finish() does, should this script be killed outright: only the script holds descriptor 9 open.
guard() {
    trap '' INT TERM HUP PIPE
    local what value pid='' device=''
    while read -r what value; do
        case $what in
        qemu) pid=$value ;;
        tap) device=$value ;;
        finished) return ;;
        esac
    done
    [ -z "$pid" ] || kill -KILL "$pid"
    [ -z "$device" ] || ip link delete dev "$device"
    rm -rf "$work"
}
exec 9> >(trap - EXIT; guard >/dev/null 2>&1)

if [ -n "$leash" ]; then
    (
        trap - EXIT INT TERM HUP
        while read -r _; do :; done
        kill -TERM $$
    ) <&"$leash" >/dev/null 2>&1 9>&- &
    leash_pid=$!
    # Nobody needs to be told on the terminal that it was killed.
    disown "$leash_pid"
fi

if [ "$net" = tap ] && [ -z "$tap" ]; then
    tap=hive$$
    ip tuntap add dev "$tap" mode tap 2>"$work/tap" ||
        refuse "the kernel refuses a tap device ($(tr '\n' ' ' <"$work/tap")): name an existing one with --tap"
    made_tap=$tap
    echo "tap $tap" >&9
    ip addr add "$tap_address" dev "$tap" 2>"$work/tap" ||
        refuse "--tap-address $tap_address cannot be set: $(tr '\n' ' ' <"$work/tap")"
    ip link set dev "$tap" up
fi

machine=(-machine virt,gic-version=3 -cpu cortex-a57 -smp 1 -m 1024 -global virtio-mmio.force-legacy=false
    -nodefaults -no-user-config -display none -no-reboot -kernel "$image")
logfile=
[ -z "$log" ] || logfile=",logfile=$log,logappend=off"
case $net in
none) ;;
user)
    forward=
    [ "$port" = none ] || forward=",hostfwd=tcp:$bind:$port-:31337"
    machine+=(-netdev "user,id=net0$forward")
    ;;
tap) machine+=(-netdev "tap,id=net0,ifname=$tap,script=no,downscript=no") ;;
esac
[ "$net" = none ] || machine+=(-device virtio-net-device,netdev=net0)
[ "$rng" = no ] || machine+=(-device virtio-rng-device)
[ -z "$pcap" ] || machine+=(-object "filter-dump,id=pcap,netdev=net0,file=$pcap")

# The terminal's line is a UART or a virtio console. A UART without a reader still prints the log.
lines=(-serial chardev:serial)
terminal_log=$logfile
if [ "$console" = virtio ]; then
    lines=(-chardev "null,id=uart$logfile" -serial chardev:uart -device virtio-serial-device
        -device virtconsole,chardev=serial)
    terminal_log=
fi
attended=(-chardev "stdio,id=serial,mux=on,signal=off$terminal_log" "${lines[@]}" -mon chardev=serial,mode=readline)
if [ "$print_command" = yes ]; then
    printf '%s\n' "$qemu" "${machine[@]}" "${attended[@]}"
    exit 0
fi

if [ "$console" = tcp ]; then
    host=$listening
    [ "$net" = user ] || host=HIVE-ADDRESS port=31337
    echo "qemu-run: attach with: cohsh --transport tcp --host $host --port $port" >&2
fi

status=0
if [ ${#session[@]} = 0 ] && [ -z "$deadline" ] && [ -t 0 ]; then
    echo "qemu-run: Ctrl-A x ends QEMU" >&2
    "$qemu" "${machine[@]}" "${attended[@]}" <&0 9>&- &
    qemu_pid=$!
    echo "qemu $qemu_pid" >&9
    wait "$qemu_pid" || status=$?
    qemu_pid=
    [ "$status" = 0 ] || status=1
    exit "$status"
fi

[ ${#session[@]} != 0 ] || [ -n "$deadline" ] || session=(--until input-end)
"$qemu" "${machine[@]}" -chardev "socket,id=monitor,path=$work/monitor,server=on,wait=off" \
    -mon chardev=monitor,mode=control -chardev "socket,id=serial,path=$work/serial,server=on,wait=on$terminal_log" \
    "${lines[@]}" </dev/null 9>&- \
    2> >(exec 9>&- && grep -v --line-buffered 'info: QEMU waiting for connection' >&2) >&2 &
qemu_pid=$!
echo "qemu $qemu_pid" >&9
(cd "$repository" && exec node --import tsx scripts/serial-session.ts --serial "$work/serial" \
    --monitor "$work/monitor" --pid "$qemu_pid" ${deadline:+--deadline "$deadline"} \
    ${session[@]+"${session[@]}"}) <&0 9>&- &
session_pid=$!
wait "$session_pid" || status=$?
# The session says so itself if the monitor did not end QEMU; finish() then kills it.
! kill -0 "$qemu_pid" 2>/dev/null || exit "$status"
if ! wait "$qemu_pid" && [ "$status" = 0 ]; then
    echo "qemu-run: QEMU ended with an error" >&2
    status=1
fi
qemu_pid=
exit "$status"

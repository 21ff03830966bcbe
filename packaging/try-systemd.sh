#!/bin/sh
# Boots a Debian with a systemd of its own, as process 1 of namespaces of their own (nothing of this machine is in it but the kernel; its
# network is a loopback), installs the .deb in target/packaging there and looks how the service lives under it: start, reload,
# another program by `sealiftd reload --binary`, kill -9 of server and supervisor, a server that hangs, a stop while it drains.
# As root, with debootstrap and a mirror of Debian's packages to be reached: packaging/try-systemd.sh [FOLDER-OF-A-DEBOOTSTRAPPED-ROOT]
set -eu
cd "$(dirname "$0")/.."
deb=$(ls "$PWD"/target/packaging/*.deb)
work=$(mktemp -d)
root=${1:-$work/root}
boot='' cgroup=''
end() {
    [ -z "$boot" ] || { kill -KILL "$boot" 2> /dev/null || :; wait "$boot" 2> /dev/null || :; }
    # Emptied by the kernel a moment after its last process.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -z "$cgroup" ] || { find "$cgroup" -depth -type d -exec rmdir {} + 2> /dev/null || :; }
        [ -n "$cgroup" ] && [ -d "$cgroup" ] || break
        sleep 0.3
    done
    mountpoint -q "$work/cgroup" && umount "$work/cgroup"
    rm -rf "$work"
}
trap end EXIT
if [ ! -x "$root/lib/systemd/systemd" ]; then
    debootstrap --variant=minbase --include=systemd,systemd-sysv,procps,iproute2 bookworm "$root" > "$work/log" ||
        { tail "$work/log"; exit 1; }
fi
[ -e "$root/deb/$(basename "$deb")" ] && cmp -s "$deb" "$root/deb/$(basename "$deb")" ||
    { mkdir -p "$root/deb" && rm -f "$root"/deb/* && cp "$deb" "$root/deb/"; }

# A group of its own, so that systemd finds what it can manage.
mkdir "$work/cgroup"
mount -t cgroup2 none "$work/cgroup"
cgroup=$work/cgroup/sealift-try-$$
mkdir "$cgroup"
cat > "$work/boot" << 'BOOT'
echo $$ > "$2/cgroup.procs"
exec unshare --fork --kill-child --pid --mount --uts --ipc --net --cgroup --propagation private sh -c '
    set -e
    cd "$1"
    mount --bind . . && cd "$1"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs tmpfs tmp
    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    for node in null zero full random urandom tty; do
        : > dev/$node
        mount --bind /dev/$node dev/$node
    done
    hostname sealift-try
    ip link set lo up
    mkdir -p old && pivot_root . old && umount -l /old
    exec env -i container=sealift-try PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=console --show-status=no
' sh "$1"
BOOT
sh "$work/boot" "$root" "$cgroup" < /dev/null > "$work/console" 2>&1 &
boot=$!
first() { cat "/proc/$boot/task/$boot/children" 2> /dev/null; }
until_it() { # SECONDS COMMAND...: waits until that is so
    patience=$1
    shift
    while ! "$@" > /dev/null 2>&1; do
        patience=$((patience - 1))
        [ "$patience" -gt 0 ] || { echo "FAILED: in vain: $*" >&2; tail -n 40 "$work/console" >&2; return 1; }
        sleep 1
    done
}
inside() { nsenter --target "$(first | tr -d ' ')" --all env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
until_it 60 inside systemctl is-system-running --wait || inside systemctl is-system-running | grep -q degraded
inside sh -c 'dpkg --force-depends --install /deb/*.deb' > "$work/dpkg" 2>&1 || { cat "$work/dpkg"; exit 1; }
cp packaging/try-systemd-inside.sh "$root/deb/inside.sh"
inside sh /deb/inside.sh

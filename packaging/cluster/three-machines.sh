#!/bin/sh
# Three servers of one folder, as docs/CLUSTER.md describes it, tried on one machine: each in a network of its own with a mount of its
# own, behind a balancer. A file that one acknowledged is read at the others; the server that takes a large one is killed in the middle,
# and the client goes on at another by itself; then each is restarted in turn while files come in, and none of those fails.
#
#   sudo PATH="$PWD/target/release:$PATH" packaging/cluster/three-machines.sh
#
# Needs root, iproute2, bindfs and haproxy, with sealiftd and sealift in PATH. Over another file system:
# MOUNTS='/mnt/1 /mnt/2 /mnt/3', three mounts of it on this machine. All of it is in namespaces of its own, and goes with them.
set -eu

if [ "${1:-}" != inside ]; then
    exec unshare --mount --net --pid --fork --kill-child --mount-proc "$0" inside
fi

umask 077
place=$(mktemp -d)
trap 'cd /; umount -l "$place/east" "$place/west" "$place/north" 2> /dev/null || true; rm -rf "$place"' EXIT
cd "$place"
say() { printf '\n== %s\n' "$*"; }
address() { case $1 in east) echo 10.77.0.11 ;; west) echo 10.77.0.12 ;; north) echo 10.77.0.13 ;; esac; }
mount_of() { cat "$place/$1.mount"; }
# Waits until this succeeds.
until_true() {
    for _ in $(seq 300); do
        if "$@" > /dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "in vain: $*" >&2
    exit 1
}

say "Three machines at one switch"
mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns
ip link set lo up
ip link add switch type bridge
ip address add 10.77.0.1/24 dev switch
ip link set switch up
for node in east west north; do
    ip netns add "$node"
    ip link add "to-$node" type veth peer name eth0 netns "$node"
    ip link set "to-$node" master switch up
    ip -n "$node" link set lo up
    ip -n "$node" address add "$(address "$node")/24" dev eth0
    ip -n "$node" link set eth0 up
done

say "One file system, that each of them has mounted"
mkdir folder
for node in east west north; do
    if [ -n "${MOUNTS:-}" ]; then
        set -- $MOUNTS
        MOUNTS="${*#"$1"}"
        mkdir -p "$1/three-machines"
        echo "$1/three-machines" > "$node.mount"
    else
        mkdir "$node"
        bindfs --enable-lock-forwarding --multithreaded -o attr_timeout=0,entry_timeout=0,negative_timeout=0 folder "$node"
        echo "$place/$node" > "$node.mount"
    fi
done

# What is the same for all is on the file system that they share: the data, the state, the users, and the key.
start() {
    at=$(mount_of "$1")
    ip netns exec "$1" sealiftd --shared --node "$1" --listen "$(address "$1"):4456" --proxy-from 10.77.0.1/32 --grace 20s \
        --data "$at/data" --state "$at/state" --users "$at/users.toml" --certs "$at/certs" >> "$1.log" 2>&1 &
    echo $! > "$1.pid"
    until_true grep -q listening "$1.log"
}
is_gone() { ! kill -0 "$(cat "$1.pid")"; }

say "The first one makes the key and the users file; the others find them"
start east
echo 'correct horse battery' > password
sealiftd user add alice --password-stdin --users "$(mount_of east)/users.toml" --data "$(mount_of east)/data" < password
start west
start north

say "A balancer, which keeps who comes from one address at one server and says who that is"
cat > haproxy.cfg <<END
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
listen sealift
    bind 10.77.0.1:4456
    balance source
    hash-type consistent
    option redispatch
    retries 3
    default-server check inter 500ms fall 2 rise 1 send-proxy-v2 on-marked-down shutdown-sessions
    server east $(address east):4456
    server west $(address west):4456
    server north $(address north):4456
END
haproxy -q -f haproxy.cfg &
export HOME="$place" SEALIFT_PASSWORD_FILE="$place/password"
sealift trust add 10.77.0.1 --pin "$(sealiftd cert pin --certs "$(mount_of west)/certs")"
until_true sealift health 10.77.0.1
sealift status alice@10.77.0.1 | grep node

say "What one acknowledged is there at all: read here on each mount"
head -c 200000 /dev/urandom > small
sealift put small alice@10.77.0.1/
for node in east west north; do cmp small "$(mount_of "$node")/data/alice/small" && echo "the same at $node"; done

say "The server that takes a large file is killed in the middle: the client goes on at another"
head -c 200000000 /dev/urandom > large
victim=$(sealift status alice@10.77.0.1 | sed -n 's/^ *node: //p')
sealift put --limit-rate 30M large alice@10.77.0.1/ &
client=$!
sleep 3
echo "kill -9 of $victim"
kill -9 "$(cat "$victim.pid")"
wait "$client" && echo "the client ended with 0"
for node in east west north; do cmp large "$(mount_of "$node")/data/alice/large" && echo "the same at $node"; done
until_true is_gone "$victim"
: > "$victim.log"
start "$victim"
until_true sealift health 10.77.0.1

say "An upgrade: one after the other is ended in order and started again, while files come in"
mkdir many && for n in $(seq 400); do head -c 50000 /dev/urandom > "many/$n"; done
sealift put -r --limit-rate 1M many alice@10.77.0.1/ &
client=$!
for node in east west north; do
    kill -TERM "$(cat "$node.pid")"
    until_true is_gone "$node"
    : > "$node.log"
    start "$node"
    sleep 3
    echo "$node was restarted"
done
wait "$client" && echo "the client ended with 0"
diff -r many "$(mount_of north)/data/alice/many" && echo "all 400 are the same"

say "Done"
[ -z "${MOUNTS:-}" ] || rm -rf "$(mount_of east)"

#!/bin/sh
# A GlusterFS volume of three copies, mounted three times as docs/CLUSTER.md asks, for as long as a command runs: all of it on this machine,
# in namespaces, and gone afterwards. The tests of several servers over it:
#
#   sudo packaging/cluster/gluster-replica3.sh cargo test --offline --test attacks data::nodes
#
# With KILL_BRICKS=1 before it, the test with rounds has one of the three bricks killed in the middle of each, beside a server, and waits at
# its end until the volume is healed:
#
#   sudo KILL_BRICKS=1 SEALIFT_ROUNDS=3 packaging/cluster/gluster-replica3.sh cargo test --offline --test attacks acked_survives_nodes -- --nocapture
#
# Needs root, iproute2, and Debian's glusterfs-server and glusterfs-client.
set -eu

# What the test says in the middle of a round, and at its end, is the number of the round and what is to be done.
case ${2:-} in
break)
    kill -9 "$(gluster volume status v "10.99.0.1:$BRICKS/$(($1 % 3 + 1))" detail | awk '/^Pid/ { print $3 }')"
    exit
    ;;
mend)
    gluster --mode=script volume start v force > /dev/null
    for look in $(seq 120); do
        summary=$(gluster volume heal v info summary)
        left=$(echo "$summary" | awk '/Total Number of entries/ { sum += $NF } END { print sum + 0 }')
        if [ "$left" = 0 ] && [ "$(echo "$summary" | grep -c 'Status: Connected')" = 3 ]; then
            # The mounts come back to a brick within three seconds.
            sleep 3
            exit 0
        fi
        [ $((look % 10)) != 5 ] || gluster volume heal v > /dev/null
        sleep 0.5
    done
    echo "the volume is not healed" >&2
    exit 1
    ;;
esac

case ${1:-} in
inside) shift ;;
'') sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2 ;;
*) exec unshare --mount --net --pid --fork --kill-child --mount-proc "$0" inside "$@" ;;
esac

place=$(mktemp -d)
# The bricks end first, or would write while their folders are removed.
end() {
    umount -l "$place"/m1 "$place"/m2 "$place"/m3 2> /dev/null || true
    gluster --mode=script volume stop v force > /dev/null 2>&1 || true
    rm -rf "$place"
}
trap end EXIT
ip link set lo up
ip address add 10.99.0.1/32 dev lo
mkdir -p /var/lib/glusterd /var/log/glusterfs
for folder in /run /var/lib/glusterd /var/log/glusterfs; do mount -t tmpfs tmpfs "$folder"; done
mkdir "$place/bricks" "$place/bricks/1" "$place/bricks/2" "$place/bricks/3" "$place/m1" "$place/m2" "$place/m3"
glusterd --no-daemon > "$place/log" 2>&1 &
for _ in $(seq 100); do
    if gluster --mode=script volume list > /dev/null 2>&1; then break; fi
    sleep 0.2
done
volume() { gluster --mode=script volume "$@" > /dev/null; }
volume create v replica 3 10.99.0.1:"$place"/bricks/1 10.99.0.1:"$place"/bricks/2 10.99.0.1:"$place"/bricks/3 force
for option in stat-prefetch quick-read io-cache open-behind; do volume set v "performance.$option" off; done
volume set v network.ping-timeout 5
volume start v
for n in 1 2 3; do mount -t glusterfs -o attribute-timeout=0,entry-timeout=0 10.99.0.1:/v "$place/m$n"; done

export BRICKS="$place/bricks" SEALIFT_NODES_OVER="$place/m1:$place/m2:$place/m3"
if [ -n "${KILL_BRICKS:-}" ]; then
    SEALIFT_NODES_DISTURBED_BY=$(readlink -f "$0")
    export SEALIFT_NODES_DISTURBED_BY
fi
code=0
"$@" || code=$?
exit "$code"

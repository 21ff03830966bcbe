#!/bin/sh
# What packaging/try-systemd.sh runs inside. Every step ends with what it found; the first that fails ends it all.
set -eu
cd /var/lib/sealiftd
fail() { echo "FAILED: $*"; systemctl status sealiftd --no-pager || :; journalctl -u sealiftd -n 40 --no-pager -o cat; exit 1; }
of() { systemctl show -P "$1" sealiftd; }
server() { pgrep -P "$(of MainPID)" -x sealiftd || :; }
lists() { sealift --pin "$(sealiftd cert pin)" ls 127.0.0.1/ > /dev/null 2>&1 || fail "nobody serves after: $1"; echo "ok: $1"; }
until_it() { # SECONDS COMMAND...
    patience=$1
    shift
    while ! "$@"; do
        patience=$((patience - 1))
        [ "$patience" -gt 0 ] || fail "in vain: $*"
        sleep 1
    done
}
is_another() { now=$(of MainPID); [ "$now" != 0 ] && [ "$now" != "$1" ] && [ "$(of ActiveState)" = active ]; }
# A download that takes some seconds; says so when it is through.
download() { sealift --pin "$(sealiftd cert pin)" cat 127.0.0.1/large 2> /dev/null | { head -c 1000 > /dev/null; : > /run/begun; sleep 3; wc -c; }; }
for supervise in false true; do
    printf 'supervise = %s\nlisten = ["127.0.0.1:4456"]\ngrace = "20s"\n' $supervise > sealiftd.toml
    systemctl start sealiftd
    [ "$(of SubState)" = running ] || fail "it does not run"
    lists "start, supervise = $supervise"
    main=$(of MainPID)
    systemctl reload sealiftd
    [ "$(of MainPID)" = "$main" ] || fail "a reload ended it"
    lists "reload"
    kill -KILL "$main"
    until_it 30 is_another "$main"
    lists "kill -9 of the main process: NRestarts $(of NRestarts)"
    main=$(of MainPID) restarts=$(of NRestarts)
    if [ $supervise = true ]; then
        one=$(server)
        kill -KILL "$one"
        lists "kill -9 of the server"
        [ "$(of MainPID) $(of NRestarts)" = "$main $restarts" ] || fail "systemd has started it anew"
        one=$(server)
        sealiftd reload --binary
        [ "$(of MainPID)" = "$main" ] && [ "$(server)" != "$one" ] || fail "it was not replaced"
        lists "reload --binary by root"
        setpriv --reuid sealiftd --regid sealiftd --clear-groups sealiftd reload --binary
        lists "reload --binary by the account"
        one=$(server)
    else
        one=$main
    fi
    dpkg --force-depends --install /deb/*.deb > /run/upgrade 2>&1 || { cat /run/upgrade; fail "no upgrade"; }
    [ $supervise = false ] || [ "$(of MainPID)" = "$main" ] || fail "an upgrade has ended the supervisor"
    is_new() { now=$(if [ $supervise = true ]; then server; else of MainPID; fi); [ -n "$now" ] && [ "$now" != "$one" ]; }
    until_it 30 is_new
    lists "an upgrade of the package"
    main=$(of MainPID) one=$now
    head -c 100000000 /dev/zero > server_data/public/large
    rm -f /run/begun
    download > /run/got &
    until_it 30 test -e /run/begun
    [ $supervise = false ] || { sealiftd reload --binary > /run/replaced 2>&1 & until_it 30 sh -c 'journalctl -u sealiftd -n 5 -o cat | grep -q "no longer listening"'; }
    systemctl stop sealiftd
    until_it 30 test -s /run/got
    [ "$(cat /run/got)" = 99999000 ] || fail "a stop cut a download: $(cat /run/got)"
    [ "$(of Result)" = success ] && [ -z "$(pgrep -x sealiftd)" ] || fail "a stop that ended otherwise: $(of Result)"
    echo "ok: stop while it drains, nothing cut"
    systemctl start sealiftd
    main=$(of MainPID)
    [ $supervise = true ] && one=$(server) || one=$main
    kill -STOP "$one"
    echo "a server stands still: the watchdog takes a minute"
    until_it 120 is_another "$main"
    lists "watchdog"
    systemctl stop sealiftd
done
echo "all was as it should be"

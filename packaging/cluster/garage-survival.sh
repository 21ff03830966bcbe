#!/usr/bin/env bash
# Three servers of one bucket over three Garage nodes, behind HAProxy, on this machine alone (127.0.0.1 to 127.0.0.18): one of the seven is killed after the other, with
# kill -9, and started again three seconds later, while eight clients with addresses of their own put, fetch, mirror both ways, remove and rename. At the end what was
# acknowledged has to be so at every server: each file whole, and what was removed gone.
#
# sealift, sealiftd, haproxy and garage (2.x) have to be in PATH:
#   PATH="$PWD/target/release:$PATH" packaging/cluster/garage-survival.sh [TRANSFERS]
set -euo pipefail

transfers=${1:-500}
at_once=8
place=$(mktemp -d)
declare -A process
export HOME=$place/home SEALIFT_PASSWORD=a-password-for-this-alone
mkdir "$HOME"

end() {
  for name in "${!process[@]}"; do kill -9 "${process[$name]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$place"
}
trap end EXIT

start_garage() { RUST_LOG=warn garage -c "$place/garage$1.toml" server >>"$place/garage$1.log" 2>&1 & process[garage$1]=$!; }
start_server() {
  sealiftd --store s3://files/survival --store-endpoint "http://127.0.0.$1:13900" --store-region garage --store-keys "$place/keys" \
    --listen "127.0.0.$1:14456" --proxy-from 127.0.0.1 --data "$place/data$1" --state "$place/state$1" --users "$place/users.toml" \
    --certs "$place/certs" --max-per-source 1000 --web off >>"$place/server$1.log" 2>&1 &
  process[server$1]=$!
}
until_it_works() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; echo "never worked: $*" >&2; exit 1; }

secret=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
for n in 1 2 3; do
  cat >"$place/garage$n.toml" <<TOML
metadata_dir = "$place/garage$n/meta"
data_dir = "$place/garage$n/data"
db_engine = "lmdb"
# Both are off by default, and what is acknowledged would not outlive a power cut.
metadata_fsync = true
data_fsync = true
replication_factor = 3
rpc_bind_addr = "127.0.0.$n:13901"
rpc_public_addr = "127.0.0.$n:13901"
rpc_secret = "$secret"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.$n:13900"
TOML
  start_garage $n
done
by() { garage -c "$place/garage1.toml" "$@"; }
ids=()
for n in 1 2 3; do
  until_it_works garage -c "$place/garage$n.toml" node id -q
  ids+=("$(garage -c "$place/garage$n.toml" node id -q 2>/dev/null)")
done
until_it_works by status
# Whoever comes back finds the others by these.
peers=$(printf '"%s", ' "${ids[@]}")
for n in 1 2 3; do sed -i "s|^rpc_secret.*|&\nbootstrap_peers = [${peers%, }]|" "$place/garage$n.toml"; done
for n in 2 3; do by node connect "${ids[n - 1]}" >/dev/null 2>&1; done
for n in 1 2 3; do by layout assign -z "zone$n" -c 5G "${ids[n - 1]%@*}" >/dev/null 2>&1; done
by layout apply --version 1 >/dev/null 2>&1
until_it_works by key create servers
by key info servers --show-secret >"$place/key.txt" 2>/dev/null
until_it_works by bucket create files
by bucket allow --read --write --owner files --key servers >/dev/null 2>&1
(umask 077; printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$(awk '/^Key ID/ {print $3}' "$place/key.txt")" \
  "$(awk '/^Secret key/ {print $3}' "$place/key.txt")" >"$place/keys")

(cd "$place" && printf '%s\n' "$SEALIFT_PASSWORD" | sealiftd user add alice --password-stdin --users users.toml >/dev/null 2>&1)
start_server 1
until_it_works sealiftd cert pin --certs "$place/certs"
for n in 2 3; do start_server $n; done
pin=$(sealiftd cert pin --certs "$place/certs")
times='  timeout connect 2s\n  timeout client 5m\n  timeout server 5m\n'
{
  printf 'global\n  maxconn 2000\ndefaults\n  mode tcp\n%b  retries 3\n  option redispatch\n' "$times"
  printf 'listen sealift\n  bind 127.0.0.1:14460\n  balance source\n  hash-type consistent\n  default-server check inter 500ms fall 2 rise 1 send-proxy-v2 on-marked-down shutdown-sessions\n'
  for n in 1 2 3; do printf '  server n%s 127.0.0.%s:14456\n' $n $n; done
} >"$place/haproxy.cfg"
# What gives each client an address of its own, as it has on its own machine: it is not killed. Behind it each server has a door of its own, too.
{
  printf 'global\n  maxconn 2000\ndefaults\n  mode tcp\n%b' "$times"
  for n in $(seq 0 $((at_once - 1))); do printf 'listen client%s\n  bind 127.0.0.1:1448%s\n  source 127.0.0.1%s\n  server balancer 127.0.0.1:14460\n' $n $n $n; done
  for n in 1 2 3; do printf 'listen one%s\n  bind 127.0.0.1:1447%s\n  server n 127.0.0.%s:14456 send-proxy-v2\n' $n $n $n; done
} >"$place/clients.cfg"
start_haproxy() { haproxy -f "$place/haproxy.cfg" >>"$place/haproxy.log" 2>&1 & process[haproxy]=$!; }
start_haproxy
haproxy -f "$place/clients.cfg" >"$place/clients.log" 2>&1 & process[clients]=$!
sleep 2

printf '%s\n' "$SEALIFT_PASSWORD" >"$place/password"; chmod 600 "$place/password"
client() { sealift --pin "$pin" --password-file "$place/password" --retry 20 --quiet "$@"; }
export -f client; export pin place
until_it_works client ls alice@127.0.0.1:14480/
# What is acknowledged, and what is gone.
mkdir "$place/sent" "$place/gone" "$place/failed" "$place/base"
for n in 1 2 3 4; do head -c $((n * n * n * 100000)) /dev/urandom >"$place/base/file$n"; done
client put -r "$place/base" alice@127.0.0.1:14480/ >/dev/null
cp -r "$place/base" "$place/sent/"

sizes=(10 4000 300000 2000000 18000000)
kinds=(up down up mirror delete up pull up rename up)
# One transfer, and in the file of its kind how it ended and after how many milliseconds.
one() {
  local n=$1 kind=$2 size=$3 at=alice@127.0.0.1:1448$(($1 % 8)) file=$place/file$1 begun ended=acknowledged
  case $kind in
    mirror) mkdir "$file"; for part in 10 300000 2000000; do head -c "$part" /dev/urandom >"$file/$part"; done ;;
    *) head -c "$size" /dev/urandom >"$file" ;;
  esac
  begun=$(date +%s%N)
  {
    case $kind in
      up) client put "$file" "$at/file$n" ;;
      down) client get "$at/base/file$((n % 4 + 1))" "$place/got$n" ;;
      mirror) client mirror "$file" "$at/file$n" ;;
      pull) client mirror "$at/base" "$place/got$n" ;;
      delete) client put "$file" "$at/file$n" && client rm "$at/file$n" ;;
      rename) client put "$file" "$at/file$n" && client mv "$at/file$n" "$at/moved$n" ;;
    esac
  } >"$place/out$n" 2>&1 || ended=error
  # Garage heeds no condition that a rename depends on: it is refused by name, and the file is where it was.
  [ "$kind$ended" = renameerror ] && grep -q "does not heed the condition" "$place/out$n" && ended=refused
  echo "$ended $((($(date +%s%N) - begun) / 1000000))" >>"$place/ended-$kind"
  case $kind-$ended in
    up-acknowledged | mirror-acknowledged | rename-refused) mv "$file" "$place/sent/" ;;
    rename-acknowledged) mv "$file" "$place/sent/moved$n"; touch "$place/gone/file$n" ;;
    delete-acknowledged) touch "$place/gone/file$n" ;;
    down-acknowledged) cmp -s "$place/base/file$((n % 4 + 1))" "$place/got$n" || echo "wrong $n" >>"$place/wrong" ;;
    pull-acknowledged) diff -r "$place/base" "$place/got$n" >/dev/null || echo "wrong $n" >>"$place/wrong" ;;
    *) cp "$place/out$n" "$place/failed/$kind$n" ;;
  esac
  rm -rf "$file" "$place/got$n"
}
export -f one
(for n in $(seq "$transfers"); do echo "$n ${kinds[n % ${#kinds[@]}]} ${sizes[n / 2 % ${#sizes[@]}]}"; done | xargs -P $at_once -L 1 bash -c 'one "$0" "$1" "$2"') & work=$!
killed=0
while kill -0 $work 2>/dev/null; do
  for name in server1 garage2 haproxy server2 garage3 server3 garage1; do
    kill -0 $work 2>/dev/null || break
    sleep 6
    kill -9 "${process[$name]}"; killed=$((killed + 1)); wait "${process[$name]}" 2>/dev/null || true
    echo "$name" >>"$place/killed"
    sleep 3
    case $name in server*) start_server "${name#server}" ;; garage*) start_garage "${name#garage}" ;; *) start_haproxy ;; esac
  done
done
wait $work || true

touch "$place/wrong" "$place/killed"
lost=$(wc -l <"$place/wrong")
for n in 1 2 3; do
  # Straight to each server.
  until_it_works client ls "alice@127.0.0.1:1447$n/"
  rm -rf "$place/got"
  client get -r "alice@127.0.0.1:1447$n/" "$place/got" >"$place/get$n" 2>&1 || { echo "at server $n:"; tail -3 "$place/get$n"; }
  while read -r file; do
    cmp -s "$place/sent/$file" "$place/got/$file" || { lost=$((lost + 1)); echo "lost at server $n: $file"; }
  done < <(cd "$place/sent" && find . -type f)
  for file in "$place"/gone/*; do
    [ -e "$file" ] && [ -e "$place/got/${file##*/}" ] && { lost=$((lost + 1)); echo "still at server $n: ${file##*/}"; }
  done
done
printf '%-8s %6s %13s %8s %7s %s\n' kind asked acknowledged refused errors longest
for kind in up down mirror pull delete rename; do
  count() { grep -c "^$1" "$place/ended-$kind" || true; }
  longest=$(cut -d' ' -f2 "$place/ended-$kind" | sort -n | tail -1)
  printf '%-8s %6s %13s %8s %7s %s s\n' $kind "$(count '')" "$(count acknowledged)" "$(count refused)" "$(count error)" "$((longest / 1000))"
done
echo "killed $killed ($(sort "$place/killed" | uniq -c | awk '{printf "%s%s %s", (NR > 1 ? ", " : ""), $2, $1}')), lost or wrong: $lost"
for out in "$place"/failed/*; do [ -e "$out" ] && { printf '%s: ' "${out##*/}"; grep -m 1 . "$out"; }; done
[ "$lost" = 0 ]

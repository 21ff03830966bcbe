#!/usr/bin/env bash
# Three servers of one bucket over three Garage nodes, behind HAProxy, on this machine alone (127.0.0.1 to 127.0.0.3): one of the six is killed after the other, with
# kill -9, while files come in. At the end each file that was acknowledged has to be whole at every server.
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
{
  printf 'global\n  maxconn 2000\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 5m\n  timeout server 5m\n  retries 3\n  option redispatch\n'
  printf 'listen sealift\n  bind 127.0.0.1:14460\n  balance source\n'
  for n in 1 2 3; do printf '  server n%s 127.0.0.%s:14456 send-proxy-v2 check inter 500ms fall 2 rise 2\n' $n $n; done
} >"$place/haproxy.cfg"
haproxy -f "$place/haproxy.cfg" >"$place/haproxy.log" 2>&1 & process[haproxy]=$!
sleep 2

printf '%s\n' "$SEALIFT_PASSWORD" >"$place/password"; chmod 600 "$place/password"
client() { sealift --pin "$pin" --password-file "$place/password" --retry 20 --quiet "$@"; }
export -f client; export pin place
until_it_works client ls alice@127.0.0.1:14460/
mkdir "$place/sent" "$place/failed"
sizes=(10 4000 300000 2000000 18000000)
one() {
  # A file of its own: what is acknowledged is compared at the end.
  head -c "$2" /dev/urandom >"$place/file$1"
  begun=$(date +%s%N)
  if client put "$place/file$1" "alice@127.0.0.1:14460/file$1" >"$place/out$1" 2>&1; then
    mv "$place/file$1" "$place/sent/"
    echo $((($(date +%s%N) - begun) / 1000000)) >>"$place/times"
  else
    mv "$place/out$1" "$place/failed/"; rm -f "$place/file$1"
  fi
}
export -f one
(for n in $(seq "$transfers"); do echo "$n ${sizes[n % ${#sizes[@]}]}"; done | xargs -P $at_once -L 1 bash -c 'one "$0" "$1"') & work=$!
killed=0
while kill -0 $work 2>/dev/null; do
  for name in server1 garage2 server2 garage3 server3 garage1; do
    kill -0 $work 2>/dev/null || break
    sleep 6
    kill -9 "${process[$name]}"; killed=$((killed + 1)); wait "${process[$name]}" 2>/dev/null || true
    sleep 3
    case $name in server*) start_server "${name#server}" ;; garage*) start_garage "${name#garage}" ;; esac
  done
done
wait $work || true

acknowledged=$(find "$place/sent" -type f | wc -l)
lost=0
for n in 1 2 3; do
  until_it_works client ls "alice@127.0.0.1:14460/"
  # Straight to each server, which believes the balancer's address alone: by one balancer that has it alone.
  printf 'defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 5m\n  timeout server 5m\nlisten one\n  bind 127.0.0.1:1447%s\n  server n 127.0.0.%s:14456 send-proxy-v2\n' $n $n >"$place/one$n.cfg"
  haproxy -f "$place/one$n.cfg" >/dev/null 2>&1 & process[one$n]=$!
  sleep 1
  rm -rf "$place/got"
  client get -r "alice@127.0.0.1:1447$n/" "$place/got" >"$place/get$n" 2>&1 || { echo "at server $n:"; tail -3 "$place/get$n"; }
  for file in "$place"/sent/*; do
    cmp -s "$file" "$place/got/${file##*/}" || { lost=$((lost + 1)); echo "lost at server $n: ${file##*/}"; }
  done
done
longest=$(sort -n "$place/times" | tail -1)
echo "killed $killed, acknowledged $acknowledged of $transfers, lost $lost, longest transfer $((longest / 1000)) s, clients that ended with an error $(find "$place/failed" -type f | wc -l)"
for out in "$place"/failed/*; do [ -e "$out" ] && tail -1 "$out"; done | sort | uniq -c
[ "$lost" = 0 ]

#!/usr/bin/env bash
# How fast one server over one Garage node is, beside rclone that goes to the same Garage without it: 1 GiB up and down, and small files up and down, each by turns in the
# same run, on this machine alone. What is downloaded is compared with what was sent. At the end the medians of all rounds, and how many times as fast the server is.
#
# sealift, sealiftd, rclone and garage (2.x) have to be in PATH:
#   PATH="$PWD/target/release:$PATH" packaging/cluster/garage-speed.sh [ROUNDS] [SMALL FILES] [MIB OF THE LARGE ONE]
set -euo pipefail

rounds=${1:-5} small=${2:-10000} large=${3:-1024}
place=$(mktemp -d)
declare -A process
export HOME=$place/home SEALIFT_PASSWORD=a-password-for-this-alone
mkdir "$HOME"
unset AWS_CA_BUNDLE

end() {
  for name in "${!process[@]}"; do kill -9 "${process[$name]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$place"
}
trap end EXIT
until_it_works() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; echo "never worked: $*" >&2; exit 1; }

cat >"$place/garage.toml" <<TOML
metadata_dir = "$place/garage/meta"
data_dir = "$place/garage/data"
db_engine = "lmdb"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:15901"
rpc_public_addr = "127.0.0.1:15901"
rpc_secret = "$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:15900"
TOML
RUST_LOG=warn garage -c "$place/garage.toml" server >"$place/garage.log" 2>&1 & process[garage]=$!
by() { garage -c "$place/garage.toml" "$@"; }
until_it_works by status
by layout assign -z zone -c 20G "$(by node id -q 2>/dev/null | cut -d@ -f1)" >/dev/null 2>&1
by layout apply --version 1 >/dev/null 2>&1
until_it_works by key create servers
by key info servers --show-secret >"$place/key.txt" 2>/dev/null
until_it_works by bucket create files
by bucket allow --read --write --owner files --key servers >/dev/null 2>&1
id=$(awk '/^Key ID/ {print $3}' "$place/key.txt") secret=$(awk '/^Secret key/ {print $3}' "$place/key.txt")
(umask 077; printf 'AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n' "$id" "$secret" >"$place/keys")
export RCLONE_CONFIG=$place/rclone.conf RCLONE_CONFIG_G_TYPE=s3 RCLONE_CONFIG_G_PROVIDER=Other RCLONE_CONFIG_G_ENDPOINT=http://127.0.0.1:15900 \
  RCLONE_CONFIG_G_ACCESS_KEY_ID=$id RCLONE_CONFIG_G_SECRET_ACCESS_KEY=$secret RCLONE_CONFIG_G_REGION=garage RCLONE_CONFIG_G_NO_CHECK_BUCKET=true
touch "$RCLONE_CONFIG"

(cd "$place" && printf '%s\n' "$SEALIFT_PASSWORD" | sealiftd user add alice --password-stdin --users users.toml >/dev/null 2>&1)
sealiftd --store s3://files/speed --store-endpoint http://127.0.0.1:15900 --store-region garage --store-keys "$place/keys" --listen 127.0.0.1:15456 \
  --data "$place/data" --state "$place/state" --users "$place/users.toml" --certs "$place/certs" --web off >"$place/server.log" 2>&1 & process[server]=$!
until_it_works sealiftd cert pin --certs "$place/certs"
pin=$(sealiftd cert pin --certs "$place/certs")
printf '%s\n' "$SEALIFT_PASSWORD" >"$place/password"; chmod 600 "$place/password"
client() { sealift --pin "$pin" --password-file "$place/password" --quiet "$@"; }
at=alice@127.0.0.1:15456
until_it_works client ls "$at/"

mkdir "$place/large" "$place/small"
head -c "${large}M" /dev/urandom >"$place/large/file"
for n in $(seq "$small"); do mkdir -p "$place/small/$((n % 100))"; head -c 4096 /dev/urandom >"$place/small/$((n % 100))/file$n"; done

# Milliseconds of what is run, into the file of this name.
timed() { local name=$1 begun; shift; begun=$(date +%s%N); "$@" >"$place/out" 2>&1 || { cat "$place/out"; exit 1; }; echo $((($(date +%s%N) - begun) / 1000000)) >>"$place/times-$name"; }
same() { diff -r "$1" "$2" >/dev/null || { echo "not the same: $1 $2"; exit 1; }; rm -rf "$2"; }
for round in $(seq "$rounds"); do
  for what in large small; do
    timed "$what-up-rclone" rclone copy --transfers 16 "$place/$what" "g:files/rclone/$what"
    timed "$what-up-sealift" client put -r "$place/$what" "$at/"
    timed "$what-down-rclone" rclone copy --transfers 16 "g:files/rclone/$what" "$place/got-rclone"
    same "$place/$what" "$place/got-rclone"
    timed "$what-down-sealift" client get -r "$at/$what" "$place/got-sealift"
    [ -d "$place/got-sealift/$what" ] && { mv "$place/got-sealift/$what" "$place/got"; rmdir "$place/got-sealift"; mv "$place/got" "$place/got-sealift"; }
    same "$place/$what" "$place/got-sealift"
    client rm -r "$at/$what" >/dev/null
    rclone purge --transfers 16 --checkers 16 "g:files/rclone/$what"
  done
  echo "round $round: $(for times in "$place"/times-*; do printf '%s %s ms  ' "${times##*times-}" "$(tail -1 "$times")"; done)"
done
median() { sort -n "$place/times-$1" | awk '{all[NR] = $1} END {print (NR % 2) ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2}'; }
for what in large-up large-down small-up small-down; do
  awk -v what=$what -v rclone="$(median $what-rclone)" -v sealift="$(median $what-sealift)" \
    'BEGIN {printf "%-10s  rclone alone %6.2f s  sealift over the server %6.2f s  %.2f times as fast\n", what, rclone / 1000, sealift / 1000, rclone / sealift}'
done

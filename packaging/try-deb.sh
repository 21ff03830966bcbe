#!/bin/sh
# Installs, upgrades, removes and purges the .deb in target/packaging in a root of its own, and looks at what is there after each step.
set -eu
cd "$(dirname "$0")/.."
deb=$(ls target/packaging/*.deb)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/etc"
touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
# Its dependencies are on this machine and not in that root.
in_root() { dpkg --root="$root" --force-script-chrootless --force-depends --force-not-root --log=/dev/null "$@" 2>&1; }
there() { for path in "$@"; do [ -e "$root/$path" ] || { echo "missing: $path" >&2; exit 1; }; done; }
gone() { for path in "$@"; do [ ! -e "$root/$path" ] || { echo "still there: $path" >&2; exit 1; }; done; }
what="usr/bin/sealift usr/sbin/sealiftd usr/lib/systemd/system/sealiftd.service usr/lib/systemd/system/sealiftd.socket
    usr/lib/sysusers.d/sealiftd.conf usr/lib/tmpfiles.d/sealiftd.conf usr/share/man/man1/sealiftd.1.gz usr/share/man/man1/sealift-put.1.gz
    usr/share/bash-completion/completions/sealift usr/share/zsh/vendor-completions/_sealiftd
    usr/share/fish/vendor_completions.d/sealift.fish usr/share/sealift/completion/sealift.ps1 usr/share/doc/sealift/copyright"

in_root --install "$deb"
# shellcheck disable=SC2086
there $what
grep -q '^sealiftd:' "$root/etc/passwd"
[ "$(stat -c %a "$root/var/lib/sealiftd")" = 700 ]
"$root/usr/bin/sealift" --version
# Every document that another one links to is there.
doc=$root/usr/share/doc/sealift
find "$doc" -name '*.md' | while read -r page; do
    grep -o ']([^)#:]*[#)]' "$page" | sed 's/^](//; s/[#)]$//' | while read -r link; do
        [ -z "$link" ] || [ -e "$(dirname "$page")/$link" ] || { echo "$page: a link to nothing: $link" >&2; exit 1; }
    done || exit 1
done
"$root/usr/sbin/sealiftd" --version

# The upgrade: the same package, as a newer one. What the server has is left alone.
echo secret > "$root/var/lib/sealiftd/users.toml"
newer=$root/newer
dpkg-deb --raw-extract "$deb" "$newer"
sed -i 's/^Version: .*/&+newer/' "$newer/DEBIAN/control"
dpkg-deb --root-owner-group --build "$newer" "$root/newer.deb" > /dev/null
in_root --install "$root/newer.deb"
dpkg --root="$root" --status sealift | grep -q '^Version: .*+newer$'
# shellcheck disable=SC2086
there $what var/lib/sealiftd/users.toml

in_root --remove sealift
# shellcheck disable=SC2086
gone $what
in_root --purge sealift
there var/lib/sealiftd/users.toml
echo "installed, upgraded, removed and purged: $(basename "$deb")"

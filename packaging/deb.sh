#!/bin/sh
# Packs what `packaging/release.sh` has put into target/packaging/ into a .deb there. It takes dpkg-deb and dpkg-shlibdeps alone.
set -eu
cd "$(dirname "$0")/.."
out=target/packaging
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
architecture=$(dpkg --print-architecture)
root=$out/deb
rm -rf "$root"
put() { # MODE FOLDER FILE...
    mode=$1 folder=$root/$2
    shift 2
    mkdir -p "$folder"
    install -m "$mode" "$@" "$folder/"
}

put 755 usr/bin "$out/bin/sealift"
put 755 usr/sbin "$out/bin/sealiftd"
put 644 usr/share/man/man1 "$out"/man/*
gzip -9n "$root"/usr/share/man/man1/*
put 644 usr/share/bash-completion/completions "$out"/completion/bash/*
put 644 usr/share/zsh/vendor-completions "$out"/completion/zsh/*
put 644 usr/share/fish/vendor_completions.d "$out"/completion/fish/*
# PowerShell looks nowhere by itself: `. /usr/share/sealift/completion/sealift.ps1` in $PROFILE.
put 644 usr/share/sealift/completion "$out"/completion/powershell/*
put 644 usr/lib/systemd/system "$out/sealiftd.service" packaging/sealiftd.socket
mkdir -p "$root/usr/lib/sysusers.d" "$root/usr/lib/tmpfiles.d"
install -m 644 packaging/sealiftd.sysusers "$root/usr/lib/sysusers.d/sealiftd.conf"
install -m 644 packaging/sealiftd.tmpfiles "$root/usr/lib/tmpfiles.d/sealiftd.conf"
put 644 usr/share/doc/sealift/monitoring packaging/monitoring/*
# Where they are in the sources, so that links from one to another lead there.
doc=usr/share/doc/sealift
put 644 $doc README.md SECURITY.md ARCHITECTURE.md CONTRIBUTING.md LICENSE LICENSE-APACHE LICENSE-MIT
put 644 $doc/docs docs/*
put 644 $doc/src/proto src/proto/PROTOCOL.md
install -m 644 LICENSE "$root/usr/share/doc/sealift/copyright"
gzip -9nc CHANGELOG.md > "$root/usr/share/doc/sealift/changelog.gz"
chmod 644 "$root/usr/share/doc/sealift/changelog.gz"

# Which libraries of which versions the programs take. The tool wants to stand where a source package is.
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
mkdir "$source/debian"
printf 'Source: sealift\n\nPackage: sealift\nArchitecture: any\n' > "$source/debian/control"
programs="$PWD/$root/usr/bin/sealift $PWD/$root/usr/sbin/sealiftd"
# shellcheck disable=SC2086
libraries=$(cd "$source" && dpkg-shlibdeps -O $programs | sed -n 's/^shlibs:Depends=//p')

put 755 DEBIAN packaging/debian/*
size=$(du -sk --apparent-size "$root/usr" | cut -f 1)
cat > "$root/DEBIAN/control" <<END
Package: sealift
Version: $version
Architecture: $architecture
Maintainer: The Sealift developers
Installed-Size: $size
Depends: $libraries, systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles
Section: net
Priority: optional
Description: secure file server and its pinning client
 sealiftd serves files over TLS 1.3 with users of its own, sealift is the client: pinned keys and no certificate authority, verified,
 atomic and durable transfers.
END
find "$root" -type d -exec chmod 755 {} +
# The same bytes again from the same tree: the time is that of the last commit, or what the environment says.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || echo 0)}
export SOURCE_DATE_EPOCH
dpkg-deb --root-owner-group --build "$root" "$out/sealift_${version}_$architecture.deb" > /dev/null
rm -r "$root"
echo "$out/sealift_${version}_$architecture.deb"

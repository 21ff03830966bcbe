#!/bin/sh
# Builds both programs, their man pages and completion scripts, and packs them into target/packaging/: an archive, beside it what a
# debugger needs, and a .deb where dpkg-dev is installed. With the name of a folder in target/, such
# as debug, it packs the programs that are there and builds nothing: to try the packages, not to give them away.
set -eu
cd "$(dirname "$0")/.."
built=${1:-dist}
[ $# -gt 0 ] || cargo build --locked --profile dist --bins
out=target/packaging
rm -rf "$out"
mkdir -p "$out/bin" "$out/man" "$out/completion/bash" "$out/completion/zsh" "$out/completion/fish" \
    "$out/completion/powershell"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=sealift-$version-$(uname -m)-linux
mkdir -p "$out/$name" "$out/$name-debug"
for program in sealift sealiftd; do
    objcopy --only-keep-debug "target/$built/$program" "$out/$name-debug/$program.debug"
    chmod 644 "$out/$name-debug/$program.debug"
    # The link says by name and checksum where a debugger finds the rest: beside the program, or below /usr/lib/debug.
    objcopy --strip-debug --add-gnu-debuglink="$out/$name-debug/$program.debug" "target/$built/$program" "$out/bin/$program"
done

"$out/bin/sealift" manual "$out/man"
"$out/bin/sealiftd" manual "$out/man"
for program in sealift sealiftd; do
    "$out/bin/$program" completion bash > "$out/completion/bash/$program"
    "$out/bin/$program" completion zsh > "$out/completion/zsh/_$program"
    "$out/bin/$program" completion fish > "$out/completion/fish/$program.fish"
    "$out/bin/$program" completion powershell > "$out/completion/powershell/$program.ps1"
done
sed 's,/usr/local/bin/sealiftd,/usr/sbin/sealiftd,' packaging/sealiftd.service > "$out/sealiftd.service"

cp -r "$out/bin/sealift" "$out/bin/sealiftd" "$out/man" "$out/completion" packaging/sealiftd.service packaging/sealiftd.socket \
    packaging/sealiftd.sysusers packaging/sealiftd.tmpfiles packaging/monitoring docs README.md SECURITY.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md LICENSE LICENSE-APACHE LICENSE-MIT "$out/$name/"
# Where documents link to it.
mkdir -p "$out/$name/src/proto"
cp src/proto/PROTOCOL.md "$out/$name/src/proto/"
for folder in "$name" "$name-debug"; do
    tar -C "$out" --owner=0 --group=0 --numeric-owner -czf "$out/$folder.tar.gz" "$folder"
    rm -r "${out:?}/$folder"
    echo "$out/$folder.tar.gz"
done
if command -v dpkg-shlibdeps > /dev/null; then
    packaging/deb.sh
else
    echo "no .deb: that takes dpkg-dev" >&2
fi

#!/bin/sh
# Builds both programs, their man pages and completion scripts, and packs them: target/packaging/sealift-VERSION-ARCH.tar.gz, and a
# .deb where cargo-deb is installed (`cargo install cargo-deb`).
set -eu
cd "$(dirname "$0")/.."
cargo build --locked --release --bins
out=target/packaging
rm -rf "$out"
mkdir -p "$out/man" "$out/completion/bash" "$out/completion/zsh" "$out/completion/fish"
target/release/sealift manual "$out/man"
target/release/sealiftd manual "$out/man"
for program in sealift sealiftd; do
    target/release/$program completion bash > "$out/completion/bash/$program"
    target/release/$program completion zsh > "$out/completion/zsh/_$program"
    target/release/$program completion fish > "$out/completion/fish/$program.fish"
done
sed 's,/usr/local/bin/sealiftd,/usr/sbin/sealiftd,' packaging/sealiftd.service > "$out/sealiftd.service"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=sealift-$version-$(uname -m)-linux
mkdir -p "$out/$name"
cp -r target/release/sealift target/release/sealiftd "$out/man" "$out/completion" packaging/sealiftd.service \
    README.md SECURITY.md CHANGELOG.md "$out/$name/"
tar -C "$out" -czf "$out/$name.tar.gz" "$name"
rm -r "${out:?}/$name"
echo "$out/$name.tar.gz"
if command -v cargo-deb > /dev/null; then
    cargo deb --no-build --output "$out/"
else
    echo "no .deb: cargo-deb is not installed" >&2
fi

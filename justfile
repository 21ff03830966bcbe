# What people type here, by `just NAME` (https://just.systems). Each is one command that works without just, too.

# What there is.
default:
    @just --list --unsorted

# All that a change must pass, as the CI runs it.
ci:
    .ci/run

# The tests, or those whose names hold a text: `just test cli::help`.
test *ARGS:
    cargo test --locked {{ ARGS }}

# Format, and look for mistakes.
lint:
    cargo fmt
    cargo clippy --locked --all-targets -- -D warnings

# Write anew what the tests compare with: the help pages, and the seeds of the fuzz targets.
bless:
    SEALIFT_BLESS=1 cargo test --locked --test end_to_end cli::help
    SEALIFT_BLESS=1 cargo test --locked --test end_to_end recorded

# Fuzz one target for so many seconds (nightly and cargo-fuzz): `just fuzz session 600`.
fuzz TARGET SECONDS="60":
    cargo +nightly fuzz run {{ TARGET }} fuzz/corpus/{{ TARGET }} -- -max_total_time={{ SECONDS }}

# The comparison with other servers; `just bench --help` lists what it takes.
bench *ARGS:
    cargo bench --locked --bench compare -- {{ ARGS }}

# Whether the oldest compiler that Cargo.toml promises still builds it.
msrv:
    cargo +1.95 check --locked --all-features

# The archive, and the Debian package where dpkg-dev is installed.
release:
    packaging/release.sh

# Install, upgrade and remove that Debian package in a root of its own.
try-deb:
    packaging/try-deb.sh

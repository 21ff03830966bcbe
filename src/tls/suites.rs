//! Which versions and ciphers are spoken: TLS 1.3, and TLS 1.2 for HTTP where an administrator wants it.

#[cfg(feature = "server")]
use rustls::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
};
use rustls::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// The versions spoken.
pub(super) const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// Those of HTTP where TLS 1.2 is let in.
#[cfg(feature = "server")]
pub(super) const OLDER_VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// Those suites of TLS 1.2 that keep what was recorded secret when the key is stolen later, and whose cipher tells what was
/// changed: RFC 9325 asks for no others. Fastest first, where the processor has instructions for AES; a client that has none
/// puts ChaCha20 first itself, and its order is not asked for: these are few connections.
#[cfg(feature = "server")]
static OLDER: [SupportedCipherSuite; 9] = [
    TLS13_AES_128_GCM_SHA256,
    TLS13_AES_256_GCM_SHA384,
    TLS13_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// Those of TLS 1.3, and behind them those of TLS 1.2.
#[cfg(feature = "server")]
pub(super) fn older_cipher_suites() -> &'static [SupportedCipherSuite] {
    &OLDER
}

static AES_FIRST: [SupportedCipherSuite; 3] =
    [TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];

static CHACHA20_FIRST: [SupportedCipherSuite; 3] =
    [TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384];

/// The cipher suites, fastest first. With AES instructions AES-128-GCM runs half again as fast as ChaCha20; without
/// them it is several times slower, and no longer free of timing differences. All three are beyond reach, so speed
/// decides.
pub(super) fn cipher_suites() -> &'static [SupportedCipherSuite] {
    if cpu_has_aes() { &AES_FIRST } else { &CHACHA20_FIRST }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn cpu_has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn cpu_has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_has_aes() -> bool {
    false
}

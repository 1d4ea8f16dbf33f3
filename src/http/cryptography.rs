//! The cipher suites of TLS 1.2 and 1.3 that AWS, its FIPS endpoints, compatible stores and proxies support.

use std::sync::Arc;

use rustls::crypto::ring::{cipher_suite as suite, default_provider};
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::sign::SigningKey;

/// ring's provider without what no connection of ours uses: servers that support ChaCha20 support AES too (RFC 8446,
/// section 9.1, makes it mandatory), and clients without a certificate sign nothing. This makes the program 0.1 MB smaller
/// (2026-11-22).
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        key_provider: &NoKeys,
        ..default_provider()
    })
}

#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: rustls::pki_types::PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General(
            "client certificates are not used".into(),
        ))
    }
}

//! A private certificate authority, made anew for each run of the tests, and servers that it vouches for.

use std::process::Command;
use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use serde_json::Value;

use super::file;

/// What clients and servers need of it.
pub(crate) struct Authority {
    /// Its certificate in PEM form, for `AWS_CA_BUNDLE`.
    pub(crate) certificate: String,
    /// TLS for a server of AWS's names in us-east-1 and of loopback.
    pub(crate) server: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    /// The one of this run.
    pub(crate) fn get() -> &'static Self {
        static AUTHORITY: OnceLock<Authority> = OnceLock::new();
        AUTHORITY.get_or_init(Self::found)
    }

    fn found() -> Self {
        let output = Command::new(file("target/python/bin/python"))
            .arg(file("tests/support/authority.py"))
            .output()
            .unwrap();
        let texts: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let text = |name: &str| texts[name].as_str().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(text("certificate").as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(text("key").as_bytes()).unwrap();
        let server = server(ring::default_provider(), rustls::ALL_VERSIONS, &chain, &key);
        Self {
            certificate: text("authority").to_owned(),
            server,
            chain,
            key,
        }
    }

    /// TLS for such a server, which speaks one version and agrees on keys in one way.
    pub(crate) fn server_of(
        &self,
        version: &'static SupportedProtocolVersion,
        group: &'static dyn SupportedKxGroup,
    ) -> Arc<ServerConfig> {
        let provider = CryptoProvider {
            kx_groups: vec![group],
            ..ring::default_provider()
        };
        server(provider, &[version], &self.chain, &self.key)
    }
}

fn server(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Arc<ServerConfig> {
    let server = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.to_vec(), key.clone_key())
        .unwrap();
    Arc::new(server)
}

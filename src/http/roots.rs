//! The root certificates that servers are verified with: Mozilla's, which are built in, or those of `AWS_CA_BUNDLE`.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ALL_VERSIONS, ClientConfig, RootCertStore};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::cryptography;
use crate::http::verifier::Verifier;
use crate::interrupt;

/// The trusted root certificates. Host names and certificate chains are always verified; only the roots differ.
#[derive(Clone)]
pub(crate) struct RootCertificates(Roots);

#[derive(Clone)]
enum Roots {
    Mozilla,
    Own(Arc<Verifier>),
}

impl RootCertificates {
    /// The certificates in the file that `AWS_CA_BUNDLE` names, as for every AWS tool; Mozilla's where it is not set.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self> {
        let Some(file) = environment.get("AWS_CA_BUNDLE") else {
            return Ok(Self(Roots::Mozilla));
        };
        let text = interrupt::read_file(file).map_err(|error| {
            Error::config(format!(
                "environment variable AWS_CA_BUNDLE: reading {file}"
            ))
            .because(error)
        })?;
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&text).flatten().collect();
        if certificates.is_empty() {
            return Err(Error::config(format!(
                "environment variable AWS_CA_BUNDLE: expected certificates in PEM form in {file}, found none"
            )));
        }
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(certificates.iter().cloned());
        log::debug!("root certificates of AWS_CA_BUNDLE added={added} ignored={ignored}");
        let verifier = Verifier::new(roots, certificates, cryptography::provider());
        let verifier = verifier.ok_or_else(|| {
            Error::config(format!(
                "environment variable AWS_CA_BUNDLE: expected certificates of authorities in {file}, found none that can be read"
            ))
        })?;
        Ok(Self(Roots::Own(Arc::new(verifier))))
    }

    /// What TLS with a server is made with; sessions are resumed among the connections that share it.
    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(cryptography::provider())
            .with_protocol_versions(ALL_VERSIONS)
            .expect("the provider has cipher suites of both versions");
        let config = match &self.0 {
            Roots::Mozilla => {
                let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
                config.with_root_certificates(roots.collect::<RootCertStore>())
            }
            // "Dangerous" is any verifier of one's own; this one asks rustls's.
            Roots::Own(verifier) => {
                config
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::<Verifier>::clone(verifier))
            }
        };
        let config = config.with_no_client_auth();
        Arc::new(config)
    }
}

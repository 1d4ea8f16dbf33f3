//! The root certificates that servers are verified with: Mozilla's, which are built in, or those of `AWS_CA_BUNDLE`.

use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::cryptography;
use crate::interrupt;

/// The trusted root certificates. Host names and certificate chains are always verified; only the roots differ.
#[derive(Clone)]
pub(crate) struct RootCertificates(RootCerts);

impl RootCertificates {
    /// The certificates in the file that `AWS_CA_BUNDLE` names, as for every AWS tool; Mozilla's where it is not set.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self> {
        let Some(file) = environment.get("AWS_CA_BUNDLE") else {
            return Ok(Self(RootCerts::WebPki));
        };
        let text = interrupt::read_file(file).map_err(|error| {
            Error::config(format!(
                "environment variable AWS_CA_BUNDLE: reading {file}"
            ))
            .because(error)
        })?;
        let certificates: Vec<Certificate<'static>> = parse_pem(&text)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(Error::config(format!(
                "environment variable AWS_CA_BUNDLE: expected certificates in PEM form in {file}, found none"
            )));
        }
        Ok(Self(RootCerts::Specific(Arc::new(certificates))))
    }

    pub(super) fn tls(&self) -> TlsConfig {
        TlsConfig::builder()
            .root_certs(self.0.clone())
            .unversioned_rustls_crypto_provider(cryptography::provider())
            .build()
    }
}

//! Whose certificates are believed: Mozilla's roots, which are built in, or those of `AWS_CA_BUNDLE` instead.

use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::http::cryptography;

/// Names of hosts and chains of certificates are always verified; only the roots differ.
#[derive(Clone)]
pub(crate) struct Trust(RootCerts);

impl Trust {
    /// As every AWS tool: the file named by `AWS_CA_BUNDLE`, where there is one.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self> {
        let Some(file) = environment.get("AWS_CA_BUNDLE") else {
            return Ok(Self(RootCerts::WebPki));
        };
        let text = std::fs::read(file).map_err(|error| {
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

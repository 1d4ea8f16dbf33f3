//! The addresses of a host, asked for on this thread and without a deadline.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::interrupt::{self, Stopped};

/// ureq's own resolver without its deadline: to keep one, ureq starts a thread, also for a proxy's name under the connect
/// timeout.
///
/// Nothing ends the system's look-up of a name. So a signal during one ends the process at once, and after a signal only
/// names are used that were looked up before.
#[derive(Debug, Default)]
pub(super) struct BlockingResolver {
    resolver: DefaultResolver,
    known: Mutex<HashMap<String, Vec<SocketAddr>>>,
}

impl Resolver for BlockingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let ask = || self.resolver.resolve(uri, config, NextTimeout::default());
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        if host.parse::<IpAddr>().is_ok() {
            return ask();
        }
        let name = format!("{:?} {host} {:?}", uri.scheme(), uri.port());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signal) = interrupt::signal() {
            let Some(addresses) = known.get(&name) else {
                return Err(ureq::Error::Io(Stopped(signal).into()));
            };
            let mut found = self.empty();
            for address in addresses {
                found.push(*address);
            }
            return Ok(found);
        }
        let found = interrupt::unattended(ask)?;
        known.insert(name, found.to_vec());
        Ok(found)
    }
}

//! The proxy for HTTPS: `HTTPS_PROXY`, and `NO_PROXY` for the hosts that are reached without it.

use crate::environment::Environment;
use crate::error::{Error, Result};

/// A proxy that opens tunnels (CONNECT). Its user name and password are never printed.
#[derive(Clone)]
pub(crate) struct Proxy {
    proxy: ureq::Proxy,
    /// The patterns of `NO_PROXY`, in lower case.
    except: Vec<String>,
}

impl Proxy {
    /// The proxy of `https_proxy`, else of `HTTPS_PROXY` (curl's order); nothing where neither is set.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Option<Self>> {
        let either = |small, capital| environment.get(small).or_else(|| environment.get(capital));
        let Some(url) = either("https_proxy", "HTTPS_PROXY") else {
            return Ok(None);
        };
        let proxy = ureq::Proxy::new(url.trim())
            .ok()
            .filter(|proxy| !proxy.host().is_empty())
            .filter(|proxy| {
                use ureq::ProxyProtocol::{Http, Https};
                matches!(proxy.protocol(), Http | Https)
            });
        let proxy = proxy.ok_or_else(|| {
            // The value may hold a password.
            Error::config(
                "environment variable HTTPS_PROXY: expected http://[user:password@]host:port, found another form",
            )
        })?;
        let except = either("no_proxy", "NO_PROXY").unwrap_or("");
        Ok(Some(Self {
            proxy,
            except: except
                .split([',', ' '])
                .map(|pattern| pattern.trim().to_ascii_lowercase())
                .filter(|pattern| !pattern.is_empty())
                .collect(),
        }))
    }

    /// Whether requests to the host go through the proxy. A name in `NO_PROXY` covers its subdomains too.
    pub(super) fn serves(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        !self.except.iter().any(|pattern| {
            let name = pattern.trim_start_matches('*').trim_start_matches('.');
            let is_below = host
                .strip_suffix(name)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            pattern == "*" || (!name.is_empty() && is_below)
        })
    }

    pub(super) fn ureq(&self) -> ureq::Proxy {
        self.proxy.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Option<Proxy>> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Proxy::from_environment(&Environment::from_pairs(pairs))
    }

    #[test]
    fn hosts_of_no_proxy_are_reached_without_it() {
        let proxy = of(&[
            ("HTTPS_PROXY", "http://proxy:3128"),
            (
                "NO_PROXY",
                "localhost, .internal.example,*.other.example,plain.example,10.0.0.1,::1",
            ),
        ])
        .unwrap()
        .unwrap();
        for near in [
            "localhost",
            "a.internal.example",
            "internal.example",
            "x.other.example",
            "plain.example",
            "a.b.PLAIN.example",
            "10.0.0.1",
            "[::1]",
        ] {
            assert!(!proxy.serves(near), "{near}");
        }
        for far in [
            "s3.amazonaws.com",
            "notplain.example",
            "10.0.0.11",
            "example",
        ] {
            assert!(proxy.serves(far), "{far}");
        }
        let nowhere = of(&[("https_proxy", "proxy:3128"), ("no_proxy", "*")]);
        assert!(!nowhere.unwrap().unwrap().serves("s3.amazonaws.com"));
        assert!(
            of(&[("HTTP_PROXY", "http://proxy:3128")])
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_malformed_url_is_reported_without_the_password() {
        for wrong in [
            "socks5://user:hunter2@proxy",
            "http://user:hunter2@",
            "ht tp://hunter2",
        ] {
            let error = of(&[("HTTPS_PROXY", wrong)]).err().unwrap().to_string();
            assert!(
                error.starts_with("environment variable HTTPS_PROXY"),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

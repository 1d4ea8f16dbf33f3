//! The proxy for HTTPS: `HTTPS_PROXY`, and `NO_PROXY` for the hosts that are reached without it.

use std::net::IpAddr;

use ureq_proto::http::Uri;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::text;

/// A proxy that opens tunnels (CONNECT). Its user name and password are never printed.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Whether it is reached over TLS.
    is_secure: bool,
    host: String,
    port: u16,
    /// `user:password`, decoded.
    login: Option<Secret>,
    except: Vec<Pattern>,
}

/// An entry of `NO_PROXY`, as curl reads it, and with a port as other tools do.
/// <https://curl.se/docs/manpage.html#NOPROXY>
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    hosts: Hosts,
    /// The only port that it covers.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// A name in lower case, and the names below it.
    Name(String),
    /// A network: an address and how many of its bits count.
    Network(IpAddr, u32),
}

impl Proxy {
    /// The proxy of `https_proxy`, else of `HTTPS_PROXY` (curl's order); nothing where neither is set.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Option<Self>> {
        let either = |small, capital| environment.get(small).or_else(|| environment.get(capital));
        let Some(url) = either("https_proxy", "HTTPS_PROXY") else {
            return Ok(None);
        };
        let mut proxy = Self::parse(url.trim()).ok_or_else(|| {
            // The value may hold a password.
            Error::config(
                "environment variable HTTPS_PROXY: expected http://[user:password@]host:port, found another form",
            )
        })?;
        let except = either("no_proxy", "NO_PROXY").unwrap_or("");
        proxy.except = except.split([',', ' ']).filter_map(Pattern::read).collect();
        Ok(Some(proxy))
    }

    /// Reads `[http[s]://][user[:password]@]host[:port]`.
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        let (is_secure, port) = match uri.scheme_str() {
            None | Some("http") => (false, 80),
            Some("https") => (true, 443),
            Some(_) => return None,
        };
        let login = match authority.as_str().rsplit_once('@') {
            None => None,
            Some((login, _)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                let user = text::percent_decoded(user)?;
                let password = text::percent_decoded(password)?;
                Some(Secret::new(format!("{user}:{password}")))
            }
        };
        let proxy = Self {
            is_secure,
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(port),
            login,
            except: Vec::new(),
        };
        Some(proxy).filter(|proxy| !proxy.host.is_empty())
    }

    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// `user:password`, where the proxy asks for one.
    pub(super) fn login(&self) -> Option<&Secret> {
        self.login.as_ref()
    }

    /// Whether requests to the host go through the proxy. Names are not resolved, so networks cover addresses alone.
    pub(super) fn serves(&self, host: &str, port: u16) -> bool {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let address: Option<IpAddr> = host.parse().ok();
        !self.except.iter().any(|pattern| {
            pattern.port.is_none_or(|only| only == port) && pattern.hosts.cover(host, address)
        })
    }
}

impl Pattern {
    /// Reads an entry; nothing where it can match no host.
    fn read(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Self {
                hosts: Hosts::All,
                port: None,
            });
        }
        if let Some(network) = network(&entry) {
            return Some(Self {
                hosts: network,
                port: None,
            });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry.as_str(), None),
        };
        let name = || {
            let name = host.strip_prefix('*').unwrap_or(host);
            let name = name.strip_prefix('.').unwrap_or(name);
            let name = name.strip_suffix('.').unwrap_or(name);
            (!name.is_empty() && !name.contains('/')).then(|| Hosts::Name(name.to_owned()))
        };
        Some(Self {
            hosts: network(host).or_else(name)?,
            port,
        })
    }
}

/// Reads `10.0.0.1`, `10.0.0.0/8`, `::1`, `[::1]` or `fd00::/8`.
fn network(text: &str) -> Option<Hosts> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let bare = address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'));
    let address: IpAddr = bare.unwrap_or(address).parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some(Hosts::Network(address, bits))
}

impl Hosts {
    fn cover(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => {
                address.is_none()
                    && host
                        .strip_suffix(name.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Self::Network(network, bits) => match (network, address) {
                (IpAddr::V4(network), Some(IpAddr::V4(address))) => {
                    let different = network.to_bits() ^ address.to_bits();
                    different.leading_zeros() >= *bits
                }
                (IpAddr::V6(network), Some(IpAddr::V6(address))) => {
                    let different = network.to_bits() ^ address.to_bits();
                    different.leading_zeros() >= *bits
                }
                _ => false,
            },
        }
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

    /// Entries of `NO_PROXY`, hosts that they cover, and hosts that they do not; the README has the forms.
    const FORMS: &[(&str, &[&str], &[&str])] = &[
        ("*", &["a.example", "10.0.0.1", "[::1]"], &[]),
        (
            "plain.example",
            &["plain.example", "a.b.PLAIN.example", "plain.example."],
            &["notplain.example", "example", "plain.example.com"],
        ),
        (
            ".inner.example",
            &["inner.example", "a.inner.example"],
            &["winner.example"],
        ),
        ("*.other.example", &["x.other.example"], &["other.org"]),
        (
            "dot.example.",
            &["dot.example", "a.dot.example"],
            &["dot.org"],
        ),
        (
            "10.0.0.1",
            &["10.0.0.1"],
            &["10.0.0.11", "110.0.0.1", "a.10.0.0.1x"],
        ),
        (
            "10.0.0.0/8",
            &["10.0.0.1", "10.255.255.255"],
            &["11.0.0.0", "ten.example", "[::10.0.0.1]"],
        ),
        ("192.168.4.0/22", &["192.168.7.255"], &["192.168.8.0"]),
        ("0.0.0.0/0", &["8.8.8.8"], &["[::1]", "a.example"]),
        ("::1", &["[::1]"], &["[::2]", "127.0.0.1"]),
        ("fd00::/8", &["[fd12::3]"], &["[fe80::1]"]),
        (
            "a.example, b.example,c.example d.example",
            &["a.example", "b.example", "c.example", "d.example"],
            &["e.example"],
        ),
        ("10.0.0.0/33", &[], &["10.0.0.1"]),
        ("10.0.0.0/x", &[], &["10.0.0.1"]),
        ("", &[], &["a.example"]),
    ];

    fn without(entries: &str) -> Proxy {
        of(&[("https_proxy", "proxy:3128"), ("no_proxy", entries)])
            .unwrap()
            .unwrap()
    }

    #[test]
    fn every_form_of_no_proxy_covers_its_hosts_and_no_others() {
        for (entries, near, far) in FORMS {
            let proxy = without(entries);
            for host in *near {
                assert!(!proxy.serves(host, 443), "{entries}: {host}");
            }
            for host in *far {
                assert!(proxy.serves(host, 443), "{entries}: {host}");
            }
        }
        assert!(
            of(&[("HTTP_PROXY", "http://proxy:3128")])
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_port_in_no_proxy_covers_that_port_alone() {
        let proxy =
            without("a.example:9000,10.0.0.1:9000,[::1]:9000,.b.example:443,c.example:port");
        for host in ["a.example", "x.a.example", "10.0.0.1", "[::1]"] {
            assert!(!proxy.serves(host, 9000), "{host}");
            assert!(proxy.serves(host, 443), "{host}");
        }
        assert!(!proxy.serves("b.example", 443));
        assert!(proxy.serves("c.example", 443));
    }

    /// A proxy that refuses everything: where curl asks it, it exits with another code than where it looks for a host.
    #[test]
    fn curl_covers_the_same_hosts() {
        let server =
            crate::http::stub::Server::script(vec![crate::http::stub::Reply::say(403, "")]);
        let curl = |entries: &str, host: &str| {
            let before = server.received().len();
            let status = std::process::Command::new("curl")
                .args(["--silent", "--max-time", "5", "--connect-timeout", "1"])
                .args(["--connect-to", "::127.0.0.1:1", "--proxy", &server.url()])
                .args(["--proxytunnel", "--noproxy", entries])
                .arg(format!("http://{host}/"))
                .status();
            status.map(|_| server.received().len() > before)
        };
        for (entries, near, far) in FORMS {
            for host in near.iter().chain(*far) {
                // Without curl there is nothing to compare with.
                let Ok(is_asked) = curl(entries, host) else {
                    return;
                };
                // curl knows no asterisk but that of all hosts, takes no bits for all bits, and 7.88 knows no networks
                // of IPv6.
                let is_ours =
                    entries.starts_with("*.") || ["0.0.0.0/0", "fd00::/8"].contains(entries);
                let expected = without(entries).serves(host, 443);
                assert!(
                    is_ours || is_asked == expected,
                    "{entries}: {host} {is_asked}"
                );
            }
        }
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

//! Endpoints of services: by rule from partition, region and switches, or as the user configured them.
//!
//! <https://docs.aws.amazon.com/general/latest/gr/rande.html>

use crate::aws::service::Service;
use crate::aws::sigv4::encoding;
use crate::environment::Environment;
use crate::error::{Error, Result};

/// The target of a call: endpoint, region, and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    /// The region that the signature names.
    pub(crate) region: String,
    /// Headers that are sent and signed with every call to the target.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// An endpoint: a server, and the base path of its URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `https`, or `http` where the user configured it.
    pub(crate) scheme: &'static str,
    /// Host, and the port where it is not the scheme's own.
    pub(crate) authority: String,
    /// Empty, or `/…` without a slash at the end.
    base: String,
}

/// How a bucket is named in a URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Addressing {
    /// In the host where possible: not for names with dots (certificates), nor on servers other than AWS's.
    #[default]
    Auto,
    Host,
    Path,
}

/// Whether a kind of endpoint is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    #[default]
    Off,
}

/// The settings that decide the endpoints of all services.
#[derive(Clone, Default)]
pub(crate) struct Endpoints {
    pub(crate) fips: Switch,
    pub(crate) dual_stack: Switch,
    pub(crate) addressing: Addressing,
    /// From the configuration: for every service.
    pub(crate) url: Option<String>,
    /// From the environment: per service, and for every service.
    pub(crate) environment: Environment,
}

impl Endpoint {
    /// The path of a URL, below the base path; a call on the bucket itself has no slash after it.
    pub(crate) fn path(&self, path: &str) -> String {
        if path == "/" && !self.base.is_empty() {
            return self.base.clone();
        }
        format!("{}{path}", self.base)
    }

    fn aws(authority: String) -> Self {
        Self {
            scheme: "https",
            authority,
            base: String::new(),
        }
    }

    /// Parses a URL; the error names the setting that holds it.
    fn parse(url: &str, place: &str) -> Result<Self> {
        let wrong = || {
            Error::config(format!(
                "{place}: expected http://host[:port] or https://host[:port], found another form of URL"
            ))
        };
        let (scheme, rest) = match url.split_once("://") {
            Some(("https", rest)) => ("https", rest),
            Some(("http", rest)) => ("http", rest),
            _ => return Err(wrong()),
        };
        let (authority, base) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let fine = |character: char| {
            character.is_ascii_graphic() && !matches!(character, '@' | '?' | '#' | '\\')
        };
        if authority.is_empty() || !rest.chars().all(fine) {
            return Err(wrong());
        }
        let standard_port = if scheme == "https" { ":443" } else { ":80" };
        Ok(Self {
            scheme,
            authority: authority
                .strip_suffix(standard_port)
                .unwrap_or(authority)
                .to_ascii_lowercase(),
            base: base.trim_end_matches('/').to_owned(),
        })
    }
}

impl Endpoints {
    /// The service's endpoint in a region.
    pub(crate) fn of(&self, service: Service, region: &str) -> Result<Endpoint> {
        if let Some(endpoint) = self.custom(service)? {
            return Ok(endpoint);
        }
        let partition = AwsPartition::of(region);
        let id = service.id();
        let fips = if self.fips == Switch::On { "-fips" } else { "" };
        let host = match (service, self.dual_stack) {
            // GovCloud's STS needs no other endpoint for that.
            (Service::Sts, Switch::Off) if partition.name == "aws-us-gov" => {
                format!("{id}.{region}.{}", partition.suffix)
            }
            (Service::S3, Switch::On) => {
                format!("s3{fips}.dualstack.{region}.{}", partition.suffix)
            }
            (_, Switch::On) => format!("{id}{fips}.{region}.{}", partition.dual_stack_suffix),
            (_, Switch::Off) => format!("{id}{fips}.{region}.{}", partition.suffix),
        };
        Ok(Endpoint::aws(host))
    }

    /// The bucket's endpoint in a region.
    pub(crate) fn of_bucket(&self, bucket: &str, region: &str) -> Result<Endpoint> {
        let mut endpoint = self.of(Service::S3, region)?;
        let in_host = match self.addressing {
            Addressing::Host => true,
            Addressing::Path => false,
            Addressing::Auto => self.custom(Service::S3)?.is_none() && is_label(bucket),
        };
        if in_host {
            endpoint.authority = format!("{bucket}.{}", endpoint.authority);
        } else {
            endpoint.base = format!("{}/{}", endpoint.base, encoding::component(bucket));
        }
        Ok(endpoint)
    }

    /// Whether the service is somebody else's than AWS's, as far as its address says.
    pub(crate) fn is_custom(&self, service: Service) -> bool {
        self.custom(service).is_ok_and(|custom| custom.is_some())
    }

    fn custom(&self, service: Service) -> Result<Option<Endpoint>> {
        if let Some(url) = &self.url {
            return Endpoint::parse(url, "endpoint_url").map(Some);
        }
        if self
            .environment
            .is("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
        {
            return Ok(None);
        }
        for variable in [service.endpoint_variable(), "AWS_ENDPOINT_URL"] {
            if let Some(url) = self.environment.get(variable) {
                return Endpoint::parse(url, &format!("environment variable {variable}")).map(Some);
            }
        }
        Ok(None)
    }
}

/// Whether a name can be one label of a host name, which a wildcard certificate covers.
fn is_label(bucket: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&bucket.len())
        && bucket.bytes().all(inner)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

/// A partition of AWS: a part with its own accounts and domain names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AwsPartition {
    /// The name in ARNs.
    pub(crate) name: &'static str,
    suffix: &'static str,
    dual_stack_suffix: &'static str,
}

impl AwsPartition {
    /// The partition by the region's prefix, so that new regions need no change here.
    pub(crate) fn of(region: &str) -> Self {
        let (name, suffix, dual_stack_suffix) = match region {
            _ if region.starts_with("cn-") => {
                ("aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn")
            }
            _ if region.starts_with("us-gov-") => ("aws-us-gov", "amazonaws.com", "api.aws"),
            _ if region.starts_with("eusc-") => {
                ("aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu")
            }
            _ if region.starts_with("us-iso-") => ("aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
            _ if region.starts_with("us-isob-") => ("aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
            _ if region.starts_with("eu-isoe-") => {
                ("aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk")
            }
            _ if region.starts_with("us-isof-") => {
                ("aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov")
            }
            _ => ("aws", "amazonaws.com", "api.aws"),
        };
        Self {
            name,
            suffix,
            dual_stack_suffix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(text: &str) -> Switch {
        match text {
            "on" => Switch::On,
            _ => Switch::Off,
        }
    }

    /// `tests/botocore/endpoints.py` asks botocore for every region that it knows.
    #[test]
    fn agrees_with_botocore_in_every_region() {
        let cases = include_str!("../../fixtures/aws/endpoints.tsv")
            .lines()
            .skip(1);
        let mut number = 0;
        let mut differences = Vec::new();
        for case in cases {
            let fields: Vec<&str> = case.split('\t').collect();
            let [service, region, fips, dual_stack, endpoint, bucket, url] = fields[..] else {
                panic!("{case}")
            };
            let endpoints = Endpoints {
                fips: switch(fips),
                dual_stack: switch(dual_stack),
                url: Some(endpoint.to_owned()).filter(|url| !url.is_empty()),
                ..Endpoints::default()
            };
            let (endpoint, path) = match service {
                "s3" => (endpoints.of_bucket(bucket, region), "/"),
                "glue" => (endpoints.of(Service::Glue, region), "/"),
                "sts" => (endpoints.of(Service::Sts, region), "/"),
                _ => (endpoints.of(Service::LakeFormation, region), "/ListLFTags"),
            };
            let endpoint = endpoint.unwrap();
            let ours = format!(
                "{}://{}{}",
                endpoint.scheme,
                endpoint.authority,
                endpoint.path(path)
            );
            if ours != url {
                differences.push(format!("{case} is not {ours}"));
            }
            number += 1;
        }
        assert!(
            differences.is_empty(),
            "{} of {number}:\n{}",
            differences.len(),
            differences.join("\n")
        );
        assert!(number > 700, "{number}");
    }

    fn of(pairs: &[(&str, &str)], url: Option<&str>, service: Service) -> Result<String> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let endpoints = Endpoints {
            url: url.map(str::to_owned),
            environment: Environment::from_pairs(pairs),
            ..Endpoints::default()
        };
        let endpoint = endpoints.of(service, "eu-central-1")?;
        Ok(format!(
            "{}://{}{}",
            endpoint.scheme, endpoint.authority, endpoint.base
        ))
    }

    #[test]
    fn the_configuration_wins_then_the_services_variable_then_the_general_one() {
        let all = ("AWS_ENDPOINT_URL", "http://all:1");
        let s3 = ("AWS_ENDPOINT_URL_S3", "http://s3:2/base/");
        let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        let of = |pairs: &[(&str, &str)], url, service| of(pairs, url, service).unwrap();
        assert_eq!(of(&[all, s3], None, Service::S3), "http://s3:2/base");
        assert_eq!(of(&[all, s3], None, Service::Glue), "http://all:1");
        assert_eq!(
            of(&[all, s3], Some("https://CONFIGURED:443"), Service::S3),
            "https://configured"
        );
        assert_eq!(
            of(&[all, s3, ignore], None, Service::Glue),
            "https://glue.eu-central-1.amazonaws.com"
        );
        assert_eq!(
            of(&[s3], None, Service::Sts),
            "https://sts.eu-central-1.amazonaws.com"
        );
    }

    #[test]
    fn a_malformed_url_is_reported_without_its_text() {
        for url in [
            "localhost:9000",
            "ftp://x",
            "http://",
            "http://user:hunter2@x",
            "http://x/?hunter2",
            "http://x y",
        ] {
            let error = of(&[("AWS_ENDPOINT_URL_S3", url)], None, Service::S3).unwrap_err();
            assert_eq!(
                error.to_string(),
                "environment variable AWS_ENDPOINT_URL_S3: expected http://host[:port] or https://host[:port], found another form of URL"
            );
        }
        let error = of(&[], Some("x"), Service::S3).unwrap_err().to_string();
        assert!(error.starts_with("endpoint_url: expected http"), "{error}");
    }

    #[test]
    fn a_bucket_is_in_the_host_or_in_the_path_as_configured() {
        let of = |addressing, url: Option<&str>, bucket| {
            let endpoints = Endpoints {
                addressing,
                url: url.map(str::to_owned),
                ..Endpoints::default()
            };
            let endpoint = endpoints.of_bucket(bucket, "eu-central-1").unwrap();
            format!("{}{}", endpoint.authority, endpoint.path("/k"))
        };
        let aws = "s3.eu-central-1.amazonaws.com";
        assert_eq!(of(Addressing::Auto, None, "lake"), format!("lake.{aws}/k"));
        assert_eq!(
            of(Addressing::Auto, None, "la.ke"),
            format!("{aws}/la.ke/k")
        );
        assert_eq!(of(Addressing::Path, None, "lake"), format!("{aws}/lake/k"));
        assert_eq!(
            of(Addressing::Host, Some("https://store:9000"), "lake"),
            "lake.store:9000/k"
        );
        let interface = "https://bucket.vpce-1a2b3c4d-5e6f.s3.eu-central-1.vpce.amazonaws.com";
        assert_eq!(
            of(Addressing::Host, Some(interface), "lake"),
            "lake.bucket.vpce-1a2b3c4d-5e6f.s3.eu-central-1.vpce.amazonaws.com/k"
        );
    }

    #[test]
    fn regions_that_do_not_exist_yet_have_a_partition() {
        let names = [
            "xx-north-9",
            "cn-west-9",
            "us-gov-north-1",
            "eusc-fr-west-1",
            "us-isob-x-1",
            "eu-isoe-x-1",
            "us-isof-x-1",
            "us-iso-x-1",
        ]
        .map(|region| AwsPartition::of(region).name);
        assert_eq!(
            names,
            [
                "aws",
                "aws-cn",
                "aws-us-gov",
                "aws-eusc",
                "aws-iso-b",
                "aws-iso-e",
                "aws-iso-f",
                "aws-iso"
            ]
        );
    }
}

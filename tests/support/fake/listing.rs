//! Listings of the bucket, by pages.

use super::clock::iso;
use super::s3::{Bucket, Fact, xml};
use super::wire::{Answer, Request, escaped};

impl Bucket {
    pub(super) fn list(&self, request: &Request) -> Answer {
        let (prefix, delimiter) = (request.parameter("prefix"), request.parameter("delimiter"));
        let after = request
            .parameter("continuation-token")
            .max(request.parameter("start-after"));
        let limit = request
            .parameter("max-keys")
            .parse()
            .unwrap_or(usize::MAX)
            .min(self.page);
        let encoded = request.parameter("encoding-type") == "url";
        let spelled = |key: &str| if encoded { encode(key) } else { escaped(key) };
        let mut entries: Vec<(String, Option<&Vec<u8>>)> = Vec::new();
        for (key, body) in &self.objects {
            let Some(rest) = key.strip_prefix(prefix) else {
                continue;
            };
            let folder = rest.find(delimiter).filter(|_| !delimiter.is_empty());
            let entry = match folder {
                Some(end) => (format!("{prefix}{}", &rest[..end + delimiter.len()]), None),
                None => (key.clone(), Some(body)),
            };
            if entry.0.as_str() > after && entries.last() != Some(&entry) {
                entries.push(entry);
            }
            if entries.len() > limit {
                break;
            }
        }
        let more = entries.len() > limit;
        entries.truncate(limit);
        let mut body = format!(
            "<IsTruncated>{more}</IsTruncated><KeyCount>{}</KeyCount>",
            entries.len()
        );
        if encoded {
            body += "<EncodingType>url</EncodingType>";
        }
        if let Some((last, _)) = entries.last().filter(|_| more) {
            body += &format!(
                "<NextContinuationToken>{}</NextContinuationToken>",
                escaped(last)
            );
        }
        for (key, object) in &entries {
            let name = spelled(key);
            let Some(object) = object else {
                body += &format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>");
                continue;
            };
            let Fact { etag, modified } = self.fact(key, object);
            let (etag, modified, size) = (escaped(&etag), iso(modified), object.len());
            body += &format!(
                "<Contents><Key>{name}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>"
            );
        }
        xml("ListBucketResult", &body)
    }
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

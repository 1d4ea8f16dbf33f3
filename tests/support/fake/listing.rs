//! Listings of the bucket, by pages.

use super::s3::{Bucket, xml};
use super::wire::{Answer, Request, escaped};

/// When everything was made.
const THEN: &str = "2026-11-22T09:00:00.000Z";

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
        let mut entries: Vec<(String, Option<usize>)> = Vec::new();
        for (key, body) in &self.objects {
            let Some(rest) = key.strip_prefix(prefix) else {
                continue;
            };
            let folder = rest.find(delimiter).filter(|_| !delimiter.is_empty());
            let entry = match folder {
                Some(end) => (format!("{prefix}{}", &rest[..end + delimiter.len()]), None),
                None => (key.clone(), Some(body.len())),
            };
            if entry.0.as_str() > after && entries.last() != Some(&entry) {
                entries.push(entry);
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
        for (key, size) in &entries {
            let key = spelled(key);
            body += &match size {
                Some(size) => format!(
                    "<Contents><Key>{key}</Key><LastModified>{THEN}</LastModified><Size>{size}</Size></Contents>"
                ),
                None => format!("<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"),
            };
        }
        xml("ListBucketResult", &body)
    }

    pub(super) fn list_uploads(&self, request: &Request) -> Answer {
        let prefix = request.parameter("prefix");
        let after = (
            request.parameter("key-marker"),
            request.parameter("upload-id-marker"),
        );
        let mut found: Vec<_> = self
            .uploads
            .iter()
            .map(|(id, upload)| (upload.key.as_str(), id.as_str()))
            .collect();
        found.sort_unstable();
        found.retain(|entry| entry.0.starts_with(prefix) && (after.0.is_empty() || *entry > after));
        let more = found.len() > self.page;
        found.truncate(self.page);
        let mut body = format!("<IsTruncated>{more}</IsTruncated>");
        if let Some((key, id)) = found.last().filter(|_| more) {
            let key = escaped(key);
            body += &format!(
                "<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>"
            );
        }
        for (key, id) in found {
            let key = escaped(key);
            body += &format!(
                "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{THEN}</Initiated></Upload>"
            );
        }
        xml("ListMultipartUploadsResult", &body)
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

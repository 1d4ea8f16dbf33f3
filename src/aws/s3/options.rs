//! How objects are written: encryption, storage class, tags, checksums. All optional, and the same for every way of writing.

use crate::aws::operation::BadResponse;
use crate::aws::s3::checksum;
use crate::aws::sigv4::encoding;
use crate::http::Response;

/// Who encrypts with what; the bucket's own default where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encryption {
    #[default]
    BucketDefault,
    /// Keys of S3 (`AES256`).
    S3,
    /// Keys of KMS: this one, or the account's `aws/s3` key.
    Kms {
        key_id: Option<String>,
        bucket_key: BucketKey,
    },
}

/// Whether S3 asks KMS once per bucket and time instead of once per object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BucketKey {
    /// As the bucket has it.
    #[default]
    BucketDefault,
    On,
    Off,
}

/// Whether uploads carry a CRC32 beside the signed hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RequestChecksum {
    /// Wherever S3 takes one: it is kept with the object.
    #[default]
    WhenSupported,
    /// Only where S3 insists; for S3-compatible stores that know none.
    WhenRequired,
}

/// The options together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PutOptions {
    pub(crate) encryption: Encryption,
    /// As S3 spells it (`STANDARD_IA`); the class `STANDARD` where there is none.
    pub(crate) storage_class: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) checksum: RequestChecksum,
}

pub(crate) type Headers = Vec<(&'static str, String)>;

impl PutOptions {
    /// Sent where an object is begun: PutObject, CopyObject, CreateMultipartUpload.
    pub(crate) fn headers(&self) -> Headers {
        let mut headers = Headers::new();
        match &self.encryption {
            Encryption::BucketDefault => {}
            Encryption::S3 => headers.push(("x-amz-server-side-encryption", "AES256".to_owned())),
            Encryption::Kms { key_id, bucket_key } => {
                headers.push(("x-amz-server-side-encryption", "aws:kms".to_owned()));
                if let Some(key_id) = key_id {
                    headers.push((
                        "x-amz-server-side-encryption-aws-kms-key-id",
                        key_id.clone(),
                    ));
                }
                let bucket_key = match bucket_key {
                    BucketKey::BucketDefault => None,
                    BucketKey::On => Some("true"),
                    BucketKey::Off => Some("false"),
                };
                headers.extend(bucket_key.map(|value| {
                    (
                        "x-amz-server-side-encryption-bucket-key-enabled",
                        value.to_owned(),
                    )
                }));
            }
        }
        if let Some(class) = &self.storage_class {
            headers.push(("x-amz-storage-class", class.clone()));
        }
        if !self.tags.is_empty() {
            headers.push(("x-amz-tagging", encoding::query(&self.tags)));
        }
        headers
    }

    /// Bytes to be written.
    pub(crate) fn body<'a>(&self, bytes: &'a [u8]) -> Body<'a> {
        Body {
            bytes,
            crc32: match self.checksum {
                RequestChecksum::WhenSupported => Some(checksum::crc32(bytes)),
                RequestChecksum::WhenRequired => None,
            },
        }
    }
}

/// Bytes on their way, with their checksum: it is taken once, however often they are sent.
pub(crate) struct Body<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) crc32: Option<String>,
}

impl Body<'_> {
    /// Sent with the bytes.
    ///
    /// A long body waits until S3 says that it will take it. Without that a refusal (credentials that have ended,
    /// another region) closes the connection under our writing and is never heard.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        const LONG: usize = 1 << 20;
        let checksum = self.crc32.clone().map(|crc32| (checksum::HEADER, crc32));
        let is_long = self.bytes.len() >= LONG;
        let expectation = is_long.then(|| ("expect", "100-continue".to_owned()));
        checksum.into_iter().chain(expectation)
    }

    /// The store tells the checksum of what it keeps; some tell none.
    pub(crate) fn refuse_damage(&self, response: &Response) -> Result<(), BadResponse> {
        match (&self.crc32, response.header(checksum::HEADER)) {
            (Some(sent), Some(kept)) if sent != kept => Err(BadResponse::Corrupted(
                "the store kept other bytes than were sent",
            )),
            _ => Ok(()),
        }
    }
}

/// What objects are made of, from their key: gzip and zstd are the object's own form, not a coding
/// of the transfer, so that no reader undoes them on the way.
pub(crate) fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "gz" => "application/gzip",
        "zst" => "application/zstd",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "json" => "application/json",
        "parquet" => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_a_header() {
        assert_eq!(PutOptions::default().headers(), []);
        let writing = PutOptions {
            encryption: Encryption::Kms {
                key_id: Some("alias/lake".into()),
                bucket_key: BucketKey::On,
            },
            storage_class: Some("STANDARD_IA".into()),
            tags: vec![
                ("team".into(), "a & b".into()),
                ("cost center".into(), "1/2".into()),
            ],
            checksum: RequestChecksum::WhenRequired,
        };
        assert_eq!(
            writing.headers(),
            [
                ("x-amz-server-side-encryption", "aws:kms"),
                ("x-amz-server-side-encryption-aws-kms-key-id", "alias/lake"),
                ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-tagging", "cost%20center=1%2F2&team=a%20%26%20b"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
        );
        assert_eq!(writing.body(b"x").headers().count(), 0);
    }
}

//! Options of written objects: encryption, storage class, tags, checksums. All are optional, and the same for every
//! operation that writes.

use crate::aws::operation::BadResponse;
use crate::aws::s3::checksum;
use crate::aws::sigv4::encoding;
use crate::http::{Bytes, Response};

/// The encryption of objects at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encryption {
    #[default]
    /// The bucket's own setting.
    BucketDefault,
    /// Keys of S3 (`AES256`).
    S3,
    /// A key of KMS: this one, or the account's `aws/s3` key.
    Kms {
        key_id: Option<String>,
        bucket_key: BucketKey,
    },
}

/// Whether S3 uses a bucket key: it asks KMS now and then for the bucket instead of for every object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BucketKey {
    /// The bucket's own setting.
    #[default]
    BucketDefault,
    On,
    Off,
}

/// Whether uploads carry a CRC32 beside the signed hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RequestChecksum {
    /// Wherever S3 accepts one; it is stored with the object.
    #[default]
    WhenSupported,
    /// Only where S3 requires one; for S3-compatible stores without support for it.
    WhenRequired,
}

/// The options of a written object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PutOptions {
    pub(crate) encryption: Encryption,
    /// In S3's spelling (`STANDARD_IA`); the default is `STANDARD`.
    pub(crate) storage_class: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) checksum: RequestChecksum,
}

impl Encryption {
    /// The IAM actions on the KMS key.
    pub(crate) fn permissions(&self) -> &'static [&'static str] {
        match self {
            Self::BucketDefault | Self::S3 => &[],
            Self::Kms { .. } => &["kms:Decrypt", "kms:GenerateDataKey"],
        }
    }
}

pub(crate) type Headers = Vec<(&'static str, String)>;

impl PutOptions {
    /// The headers of the call that begins an object: PutObject, CopyObject, CreateMultipartUpload.
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

    /// The IAM actions on the object that the options need beside those of the operation.
    pub(crate) fn permissions(&self) -> &'static [&'static str] {
        if self.tags.is_empty() {
            &[]
        } else {
            &["s3:PutObjectTagging"]
        }
    }

    /// A body with its checksum.
    pub(crate) fn body(&self, bytes: Bytes) -> Body {
        let crc32 = match self.checksum {
            RequestChecksum::WhenSupported => Some(checksum::crc32(&bytes)),
            RequestChecksum::WhenRequired => None,
        };
        Body { bytes, crc32 }
    }
}

/// The bytes of a body, with their checksum: it is computed once, however often they are sent.
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) crc32: Option<String>,
}

impl Body {
    /// The header that describes the body.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let checksum = self.crc32.clone().map(|crc32| (checksum::HEADER, crc32));
        checksum.into_iter()
    }

    /// Compares the checksum of the stored bytes, which some stores leave out of the response.
    pub(crate) fn verify(&self, response: &Response) -> Result<(), BadResponse> {
        match (&self.crc32, response.header(checksum::HEADER)) {
            (Some(sent), Some(kept)) if sent != kept => Err(BadResponse::Corrupted(
                "the stored bytes differ from those sent",
            )),
            _ => Ok(()),
        }
    }
}

/// The content type, by the key's extension: gzip and zstd are the object's own format, not a content encoding, so that
/// no client decompresses it on the way.
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
        let options = PutOptions {
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
            options.headers(),
            [
                ("x-amz-server-side-encryption", "aws:kms"),
                ("x-amz-server-side-encryption-aws-kms-key-id", "alias/lake"),
                ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-tagging", "cost%20center=1%2F2&team=a%20%26%20b"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
        );
        assert_eq!(options.body(b"x".into()).headers().count(), 0);
    }
}

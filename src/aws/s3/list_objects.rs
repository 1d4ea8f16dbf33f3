//! ListObjectsV2: one page of keys, in order. Keys are percent-encoded, because XML cannot hold every
//! character.

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::s3::document;
use crate::aws::service::Service;
use crate::aws::sigv4::encoding;
use crate::http::Response;
use crate::time::Millis;

/// The depth of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every key below the prefix.
    All,
    /// The keys directly below the prefix.
    One,
}

pub(crate) struct ListObjects<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) depth: Depth,
    /// From the page before.
    pub(crate) continuation: Option<&'a str>,
}

/// An object in a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ObjectEntry {
    pub(crate) key: String,
    /// When it was last written, by the service's clock.
    pub(crate) modified: Option<Millis>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ObjectsPage {
    pub(crate) objects: Vec<ObjectEntry>,
    /// The token of the next page, where there is one.
    pub(crate) continuation: Option<String>,
}

impl Operation for ListObjects<'_> {
    const SERVICE: Service = Service::S3;
    const NAME: &'static str = "ListObjectsV2";
    const PERMISSIONS: &'static [&'static str] = &["s3:ListBucket"];
    type Output = ObjectsPage;

    fn call(&self) -> Call {
        let mut query = vec![
            ("encoding-type", "url".to_owned()),
            ("list-type", "2".to_owned()),
            ("prefix", self.prefix.to_owned()),
        ];
        if self.depth == Depth::One {
            query.push(("delimiter", "/".to_owned()));
        }
        if let Some(token) = self.continuation {
            query.push(("continuation-token", token.to_owned()));
        }
        Call {
            query,
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<ObjectsPage, BadResponse> {
        let root = document(&response.body, "ListBucketResult")?;
        let is_encoded = root.text_of("EncodingType") == "url";
        let decoded = |key: &str| {
            let key = if is_encoded {
                encoding::decode(key)
            } else {
                Some(key.to_owned())
            };
            key.filter(|key| !key.is_empty())
        };
        let mut objects = Vec::new();
        for object in root.children("Contents") {
            objects.push(ObjectEntry {
                key: decoded(object.text_of("Key"))
                    .ok_or(BadResponse::Malformed("an entry of the listing has no key"))?,
                modified: Millis::from_iso(object.text_of("LastModified")),
            });
        }
        let token = root.text_of("NextContinuationToken");
        let continuation = match root.text_of("IsTruncated") {
            "true" if token.is_empty() => {
                return Err(BadResponse::Malformed(
                    "the listing is truncated but has no continuation token",
                ));
            }
            "true" => Some(token.to_owned()),
            _ => None,
        };
        Ok(ObjectsPage {
            objects,
            continuation,
        })
    }
}

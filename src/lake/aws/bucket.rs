//! Objects in S3.

use std::rc::Rc;

use log::warn;

use crate::aws::s3::options::Encryption;
use crate::aws::{Aws, s3};
use crate::error::{Error, Kind, Result};
use crate::lake::aws::grant;
use crate::lake::{Listed, Objects, Unfinished, Upload};

/// The largest object that `get` reads.
const SMALL: usize = 64 << 20;

/// Bytes in a part that is copied: 10,000 of them hold the largest object of S3.
const COPIED: u64 = 1 << 30;

/// The bucket of the settings.
pub(super) struct Bucket(pub(super) Rc<Aws>);

impl Bucket {
    fn name(&self) -> &str {
        &self.0.settings().bucket
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name())
    }

    /// Names all permissions that writing asks for with these options: S3 does not say which was missing.
    fn grant_writing(&self, error: Error) -> Error {
        let writing = &self.0.settings().writing;
        let mut permissions = "s3:PutObject".to_owned();
        if !writing.tags.is_empty() {
            permissions.push_str(", s3:PutObjectTagging");
        }
        if matches!(writing.encryption, Encryption::Kms { .. }) {
            permissions.push_str(", and kms:GenerateDataKey and kms:Decrypt on the key");
        }
        grant(error, &permissions)
    }

    /// Calls `visit` for every page of a listing.
    fn pages(
        &self,
        prefix: &str,
        depth: s3::Depth,
        visit: &mut dyn FnMut(s3::Page) -> Result<()>,
    ) -> Result<()> {
        let mut continuation: Option<String> = None;
        loop {
            let list = s3::ListObjects {
                prefix,
                depth,
                continuation: continuation.as_deref(),
            };
            let mut page = self.0.perform(&list).map_err(|error| {
                grant(error, "s3:ListBucket").while_doing(format!("listing {}", self.url(prefix)))
            })?;
            continuation = page.continuation.take();
            visit(page)?;
            if continuation.is_none() {
                return Ok(());
            }
        }
    }

    /// For objects that one CopyObject does not take; `refused` is what it said.
    fn copy_in_parts(&self, from: &str, to: &str, refused: Error) -> Result<()> {
        let size = self.0.perform(&s3::HeadObject { key: from })?.size;
        if size <= s3::WHOLE {
            return Err(refused);
        }
        let mut upload = self.begin(to)?;
        let starts = (0..size).step_by(usize::try_from(COPIED).expect("1 GiB fits"));
        for (start, number) in starts.zip(1..) {
            let part = s3::UploadPartCopy {
                bucket: self.name(),
                from,
                to,
                upload: &upload.id,
                number,
                bytes: start..=(start + COPIED).min(size) - 1,
            };
            match self.0.perform(&part) {
                Ok(part) => upload.parts.push(part.to_text()),
                Err(error) => {
                    self.abort(&upload)?;
                    return Err(error);
                }
            }
        }
        self.complete(&upload)
    }

    /// Whether the object is there as these parts make it.
    fn is_complete(&self, complete: &s3::CompleteUpload<'_>) -> Result<bool> {
        let head = match self.0.perform(&s3::HeadObject { key: complete.key }) {
            Ok(head) => head,
            Err(error) if matches!(error.code(), "NotFound" | "NoSuchKey") => return Ok(false),
            Err(error) => return Err(error),
        };
        if let (Some(sent), Some(kept)) = (complete.crc32(), &head.crc32)
            && kept.contains('-')
        {
            return Ok(sent == *kept);
        }
        let number = format!("-{}", complete.parts.len());
        Ok(head.etag.trim_matches('"').ends_with(&number))
    }
}

impl Objects for Bucket {
    fn root(&self) -> String {
        self.url("")
    }

    fn find(&self, folder: &str) -> Result<()> {
        // A listing, because HeadBucket needs the permission to list the whole bucket.
        let list = s3::ListObjects {
            prefix: folder,
            depth: s3::Depth::One,
            continuation: None,
        };
        self.0
            .perform(&list)
            .map(drop)
            .map_err(|error| {
                let hint = match error.code() {
                    "NotFound" | "NoSuchBucket" => "create the bucket, or correct bucket_name",
                    "Forbidden" | "AccessDenied" => "grant s3:ListBucket on the bucket, or correct bucket_name: it may belong to another account",
                    _ => return error,
                };
                error.with_kind(Kind::Config).hint(hint)
            })
            .map_err(|error| error.while_doing(format!("looking for bucket {}", self.name())))
    }

    fn put(&self, key: &str, body: &[u8]) -> Result<()> {
        let writing = &self.0.settings().writing;
        let put = s3::PutObject {
            key,
            body: writing.body(body),
            writing,
        };
        self.0.perform(&put).map_err(|error| {
            self.grant_writing(error)
                .while_doing(format!("writing {}", self.url(key)))
        })
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self.0.perform(&s3::GetObject { key, limit: SMALL }) {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.code() == "NoSuchKey" => Ok(None),
            Err(error) => {
                Err(grant(error, "s3:GetObject").while_doing(format!("reading {}", self.url(key))))
            }
        }
    }

    fn list(&self, prefix: &str, visit: &mut dyn FnMut(Listed) -> Result<()>) -> Result<()> {
        self.pages(prefix, s3::Depth::All, &mut |page| {
            let mut objects = page.objects.into_iter();
            objects.try_for_each(|(key, size)| visit(Listed { key, size }))
        })
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        let mut folders = Vec::new();
        self.pages(prefix, s3::Depth::One, &mut |page| {
            folders.extend(page.folders);
            Ok(())
        })?;
        Ok(folders)
    }

    fn delete(&self, keys: &[String]) -> Result<()> {
        for keys in keys.chunks(s3::BATCH) {
            self.0
                .perform(&s3::DeleteObjects { keys })
                .map_err(|error| {
                    grant(error, "s3:DeleteObject")
                        .while_doing(format!("deleting objects of {}", self.root()))
                })?;
        }
        Ok(())
    }

    fn copy(&self, from: &str, to: &str) -> Result<()> {
        let copy = s3::CopyObject {
            bucket: self.name(),
            from,
            to,
            writing: &self.0.settings().writing,
        };
        let outcome = match self.0.perform(&copy) {
            // The only way in which S3 says that the object is too large for one call.
            Err(error) if matches!(error.code(), "InvalidRequest" | "EntityTooLarge") => {
                self.copy_in_parts(from, to, error)
            }
            outcome => outcome,
        };
        outcome.map_err(|error| {
            grant(error, "s3:GetObject and s3:PutObject").while_doing(format!(
                "copying {} to {}",
                self.url(from),
                self.url(to)
            ))
        })
    }

    fn begin(&self, key: &str) -> Result<Upload> {
        let create = s3::CreateUpload {
            key,
            writing: &self.0.settings().writing,
        };
        let id = self.0.perform(&create).map_err(|error| {
            self.grant_writing(error)
                .while_doing(format!("beginning {}", self.url(key)))
        })?;
        Ok(Upload {
            key: key.to_owned(),
            id,
            parts: Vec::new(),
        })
    }

    fn part(&self, upload: &mut Upload, body: &[u8]) -> Result<()> {
        let number = upload.parts.len() + 1;
        let part = s3::UploadPart {
            key: &upload.key,
            upload: &upload.id,
            number,
            body: self.0.settings().writing.body(body),
        };
        let part = self.0.perform(&part).map_err(|error| {
            self.grant_writing(error).while_doing(format!(
                "writing part {number} of {}",
                self.url(&upload.key)
            ))
        })?;
        upload.parts.push(part.to_text());
        Ok(())
    }

    fn complete(&self, upload: &Upload) -> Result<()> {
        let parts: Vec<s3::Part> = upload
            .parts
            .iter()
            .map(|text| s3::Part::from_text(text))
            .collect();
        let complete = s3::CompleteUpload {
            key: &upload.key,
            upload: &upload.id,
            parts: &parts,
        };
        let outcome = self.0.perform(&complete).or_else(|error| {
            // An earlier attempt may have succeeded without our hearing of it. S3 forgets the upload then;
            // other stores refuse in their own ways.
            let is_repeated = error.refusal().is_some_and(|refusal| refusal.attempts > 1);
            let is_doubtful = is_repeated || error.code() == "NoSuchUpload";
            if is_doubtful && self.is_complete(&complete).unwrap_or(false) {
                return Ok(());
            }
            Err(error)
        });
        outcome.map_err(|error| {
            self.grant_writing(error)
                .while_doing(format!("completing {}", self.url(&upload.key)))
        })
    }

    fn abort(&self, upload: &Upload) -> Result<()> {
        let abort = s3::AbortUpload {
            key: &upload.key,
            upload: &upload.id,
        };
        match self.0.perform(&abort) {
            Err(error) if error.code() != "NoSuchUpload" => {
                Err(grant(error, "s3:AbortMultipartUpload")
                    .while_doing(format!("giving up {}", self.url(&upload.key))))
            }
            _ => Ok(()),
        }
    }

    fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let list = s3::ListMultipartUploads {
                prefix,
                after: after.as_ref(),
            };
            let page = match self.0.perform(&list) {
                Ok(page) => page,
                // A compatible store may not know how; nothing depends on it but tidiness.
                Err(error) if error.code() == "NotImplemented" => {
                    warn!(
                        "unfinished uploads can not be listed, so those of earlier runs stay: {error}"
                    );
                    return Ok(found);
                }
                Err(error) => {
                    return Err(grant(error, "s3:ListBucketMultipartUploads")
                        .while_doing(format!("listing the uploads below {}", self.url(prefix))));
                }
            };
            found.extend(page.uploads.into_iter().map(|(key, id, begun)| Unfinished {
                upload: Upload {
                    key,
                    id,
                    parts: Vec::new(),
                },
                begun,
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }
}

//! A lake on AWS: objects in S3, tables in the Glue Data Catalog.
//! It puts operations together; what they look like on the wire is known below.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use log::warn;
use serde_json::{Map, Value};

use crate::aws::{Aws, Settings, glue, lakeformation, s3};
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::http::retry::Patience;
use crate::lake::{Catalog, Created, Lake, Listed, Objects, Table, Unfinished, Updated, Upload};
use crate::time::Clock;

/// The largest object that `get` reads.
const SMALL: usize = 64 << 20;

/// Bytes in a part that is copied: 10,000 of them hold the largest object of S3.
const COPIED: u64 = 1 << 30;

/// The lake, without a word sent yet.
pub(crate) fn open(
    settings: Settings,
    environment: &Environment,
    clock: &Clock,
    patience: Patience,
) -> Result<Lake> {
    Ok(lake(&Rc::new(Aws::new(
        settings,
        environment,
        clock,
        patience,
    )?)))
}

/// The lake of an account that is known already, as `check` does after signing in.
pub(crate) fn lake(aws: &Rc<Aws>) -> Lake {
    Lake {
        objects: Box::new(Bucket(Rc::clone(aws))),
        catalog: Box::new(Glue(Rc::clone(aws))),
    }
}

struct Bucket(Rc<Aws>);

impl Bucket {
    fn name(&self) -> &str {
        &self.0.settings().bucket
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name())
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
        let put = s3::PutObject {
            key,
            body,
            writing: &self.0.settings().writing,
        };
        self.0.perform(&put).map_err(|error| {
            grant(error, "s3:PutObject").while_doing(format!("writing {}", self.url(key)))
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
            grant(error, "s3:PutObject").while_doing(format!("beginning {}", self.url(key)))
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
            body,
            writing: &self.0.settings().writing,
        };
        let part = self.0.perform(&part).map_err(|error| {
            grant(error, "s3:PutObject").while_doing(format!(
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
            grant(error, "s3:PutObject")
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

struct Glue(Rc<Aws>);

impl Glue {
    /// Whether a refusal only says that an earlier attempt succeeded without our hearing of it.
    fn is_ours(&self, error: &Error, database: &str, input: &Map<String, Value>) -> Result<bool> {
        if error.refusal().is_none_or(|refusal| refusal.attempts < 2) {
            return Ok(false);
        }
        let found = self.table(database, name(input))?;
        Ok(found.is_some_and(|table| {
            let mut fields = input.iter();
            fields.all(|(key, sent)| table.input.get(key).is_some_and(|kept| holds(kept, sent)))
        }))
    }
}

/// Whether the catalog kept what was sent; it adds fields of its own.
fn holds(kept: &Value, sent: &Value) -> bool {
    match (kept, sent) {
        (Value::Object(kept), Value::Object(sent)) => sent
            .iter()
            .all(|(key, sent)| kept.get(key).is_some_and(|kept| holds(kept, sent))),
        (Value::Array(kept), Value::Array(sent)) => {
            kept.len() == sent.len() && kept.iter().zip(sent).all(|(kept, sent)| holds(kept, sent))
        }
        _ => kept == sent,
    }
}

impl Catalog for Glue {
    fn has_database(&self, database: &str) -> Result<bool> {
        match self.0.perform(&glue::GetDatabase { name: database }) {
            Ok(()) => Ok(true),
            Err(error) if error.code() == "EntityNotFoundException" => Ok(false),
            Err(error) => Err(grant(error, "glue:GetDatabase")
                .while_doing(format!("looking for database {database}"))),
        }
    }

    fn create_database(&self, database: &str) -> Result<Created> {
        match self.0.perform(&glue::CreateDatabase { name: database }) {
            Ok(()) => Ok(Created::Now),
            Err(error) if error.code() == "AlreadyExistsException" => Ok(Created::Before),
            Err(error) => Err(grant(error, "glue:CreateDatabase")
                .while_doing(format!("creating database {database}"))),
        }
    }

    fn tag_database(&self, database: &str) -> Result<()> {
        let Some((key, values)) = &self.0.settings().tag else {
            return Ok(());
        };
        let add = lakeformation::AddTag {
            database,
            key,
            values,
        };
        self.0.perform(&add).map_err(|error| {
            grant(
                error,
                "lakeformation:AddLFTagsToResource, and ASSOCIATE on the tag",
            )
            .while_doing(format!("tagging database {database} with {key}"))
        })
    }

    fn table(&self, database: &str, table: &str) -> Result<Option<Table>> {
        match self.0.perform(&glue::GetTable {
            database,
            name: table,
        }) {
            Ok(described) => Ok(Some(Table {
                input: described.input,
                version: described.version,
            })),
            Err(error) if error.code() == "EntityNotFoundException" => Ok(None),
            Err(error) => Err(grant(error, "glue:GetTable")
                .while_doing(format!("looking for table {database}.{table}"))),
        }
    }

    fn create_table(&self, database: &str, input: &Map<String, Value>) -> Result<Created> {
        match self.0.perform(&glue::CreateTable { database, input }) {
            Ok(()) => Ok(Created::Now),
            Err(error) if error.code() == "AlreadyExistsException" => {
                Ok(if self.is_ours(&error, database, input)? {
                    Created::Now
                } else {
                    Created::Before
                })
            }
            Err(error) => Err(grant(error, "glue:CreateTable")
                .while_doing(format!("creating table {database}.{}", name(input)))),
        }
    }

    fn update_table(
        &self,
        database: &str,
        input: &Map<String, Value>,
        version: Option<&str>,
    ) -> Result<Updated> {
        let update = glue::UpdateTable {
            database,
            input,
            version,
        };
        match self.0.perform(&update) {
            Ok(()) => Ok(Updated::Done),
            Err(error) if error.code() == "ConcurrentModificationException" => {
                Ok(if self.is_ours(&error, database, input)? {
                    Updated::Done
                } else {
                    Updated::Conflict
                })
            }
            Err(error) => Err(grant(error, "glue:UpdateTable")
                .while_doing(format!("updating table {database}.{}", name(input)))),
        }
    }

    fn delete_table(&self, database: &str, table: &str) -> Result<()> {
        match self.0.perform(&glue::DeleteTable {
            database,
            name: table,
        }) {
            Err(error) if error.code() != "EntityNotFoundException" => {
                Err(grant(error, "glue:DeleteTable")
                    .while_doing(format!("deleting table {database}.{table}")))
            }
            _ => Ok(()),
        }
    }
}

fn name(input: &Map<String, Value>) -> &str {
    input.get("Name").and_then(Value::as_str).unwrap_or("")
}

/// Names the permission that a refusal asks for.
fn grant(error: Error, permission: &str) -> Error {
    match error.code() {
        "AccessDenied" | "AccessDeniedException" | "Forbidden" => {
            error.hint(format!("grant {permission}"))
        }
        _ => error,
    }
}

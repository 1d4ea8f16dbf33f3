//! The objects of a lake in S3.

use std::cell::Cell;
use std::rc::Rc;

use log::warn;

use crate::aws::operation::Operation;
use crate::aws::{Aws, Pages, PutOptions, s3};
use crate::error::{Error, Result};
use crate::lake::aws::parts::PartsInFlight;
use crate::lake::aws::permissions::{self, perform};
use crate::lake::{Bytes, ETag, Expected, Listed, Objects, Stored, Unfinished, Upload};
use crate::time::Millis;

/// The largest object that `get` reads, in bytes.
const SMALL: usize = 64 << 20;

/// The size of a copied part in bytes: 10,000 of them hold the largest object of S3.
const COPIED: u64 = 1 << 30;

/// The bucket of the settings, and the options of the objects written to it.
pub(super) struct Bucket {
    pub(super) aws: Rc<Aws>,
    pub(super) put_options: Rc<PutOptions>,
    pub(super) parts: PartsInFlight,
    pub(super) conditions: Cell<Conditions>,
    /// Whether it was warned of a store without conditional writes.
    pub(super) has_warned: Cell<bool>,
}

/// Whether the store writes only under the conditions that a write names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Conditions {
    #[default]
    Unknown,
    Kept,
    /// It refuses such writes, or does them whatever it holds.
    Ignored,
}

impl Bucket {
    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.aws.bucket())
    }

    fn perform_put<O: Operation>(&self, operation: &O) -> Result<O::Output> {
        permissions::perform_put(&self.aws, operation, &self.put_options)
    }

    /// Calls `visit` for every page of a listing.
    fn pages(
        &self,
        prefix: &str,
        visit: &mut dyn FnMut(s3::ObjectsPage) -> Result<()>,
    ) -> Result<()> {
        let mut pages = Pages::default();
        let mut continuation: Option<String> = None;
        loop {
            let list = s3::ListObjects {
                prefix,
                depth: s3::Depth::All,
                continuation: continuation.as_deref(),
            };
            let listing = |error: Error| error.while_doing(format!("listing {}", self.url(prefix)));
            let mut page = perform(&self.aws, &list).map_err(listing)?;
            continuation = page.continuation.take();
            if let Some(marker) = &continuation {
                pages
                    .turn(marker, page.objects.first().map(|object| &object.key))
                    .map_err(listing)?;
            }
            visit(page)?;
            if continuation.is_none() {
                return Ok(());
            }
        }
    }

    /// Copies an object that is too large for one CopyObject, which failed with `error`.
    fn copy_in_parts(&self, from: &str, to: &str, error: Error) -> Result<()> {
        let size = perform(&self.aws, &s3::HeadObject { key: from })?.size;
        if size <= s3::WHOLE {
            return Err(error);
        }
        let mut upload = self.begin(to)?;
        let starts = (0..size).step_by(usize::try_from(COPIED).expect("1 GiB fits"));
        for (start, number) in starts.zip(1..) {
            let part = s3::UploadPartCopy {
                bucket: self.aws.bucket(),
                from,
                to,
                upload: &upload.id,
                number,
                bytes: start..=(start + COPIED).min(size) - 1,
            };
            match self.perform_put(&part) {
                Ok(part) => upload.parts.push(part),
                Err(error) => {
                    self.abort(&upload)?;
                    return Err(error);
                }
            }
        }
        self.complete(&mut upload)
    }

    /// The ETag of the object, if it holds these bytes.
    fn etag_if_holds(&self, key: &str, body: &[u8]) -> Result<Option<ETag>> {
        let stored = self.read(key)?;
        Ok(stored
            .filter(|stored| stored.body == body)
            .map(|stored| stored.etag))
    }

    /// Writes under a condition; nothing where it does not hold.
    fn put_under(
        &self,
        key: &str,
        body: &[u8],
        condition: s3::Condition<'_>,
    ) -> Result<Option<ETag>> {
        let put = s3::PutObject {
            key,
            body: self.put_options.body(body.into()),
            options: &self.put_options,
        };
        match self.perform_put(&s3::PutObjectIf { put, condition }) {
            Ok(etag) if !etag.is_empty() => Ok(Some(ETag(etag))),
            Ok(_) => self.etag_if_holds(key, body),
            // An earlier attempt of ours may have been the one that changed the object.
            Err(error) if does_not_hold(&error) => self.etag_if_holds(key, body),
            Err(error) => Err(error),
        }
    }

    /// Finds out once whether another store than S3 keeps the conditions of writes: one that would replace an object that
    /// does not exist must fail. An object that nobody reads is all that comes of it, and is deleted.
    fn try_conditions(&self, key: &str) -> Result<Conditions> {
        let known = self.conditions.get();
        if known != Conditions::Unknown || !self.aws.has_other_store() {
            return Ok(known);
        }
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
        let probe = format!("{folder}.probe/{name}");
        let put = s3::PutObject {
            key: &probe,
            body: self.put_options.body(b"{}".into()),
            options: &self.put_options,
        };
        let condition = s3::Condition::Unchanged("\"00000000000000000000000000000000\"");
        match self.perform_put(&s3::PutObjectIf { put, condition }) {
            Ok(_) => {
                self.lack_conditions();
                self.delete(&[probe])?;
                Ok(Conditions::Ignored)
            }
            Err(error) if does_not_hold(&error) => {
                self.learn(Conditions::Kept);
                Ok(Conditions::Kept)
            }
            Err(error) if is_not_implemented(&error) => {
                self.lack_conditions();
                Ok(Conditions::Ignored)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps in mind what was found out, but not in a step: that makes the same calls when it is run again.
    fn learn(&self, conditions: Conditions) {
        if !self.aws.is_in_steps() {
            self.conditions.set(conditions);
        }
    }

    fn lack_conditions(&self) {
        self.learn(Conditions::Ignored);
        // Each of the steps that run side by side finds out.
        if !self.has_warned.replace(true) {
            warn!(
                "the store has no conditional writes (If-None-Match, If-Match): let one run at a time write to a table, for nothing decides between two that overlap"
            );
        }
    }

    /// Writes the object if it is as expected, without a guard against others that write between the look and the write.
    fn put_if_read(&self, key: &str, body: &[u8], expected: Expected<'_>) -> Result<Option<ETag>> {
        let stored = self.read(key)?;
        let holds = match (&stored, expected) {
            (None, Expected::Absent) => true,
            (Some(stored), Expected::Unchanged(etag)) => stored.etag == *etag,
            _ => false,
        };
        // A lost response to an earlier attempt of ours.
        let is_ours = stored.is_some_and(|stored| stored.body == body);
        if !holds && !is_ours {
            return Ok(None);
        }
        self.put_under(key, body, s3::Condition::Nothing)
    }

    /// Whether the object exists as these parts make it.
    fn is_complete(&self, complete: &s3::CompleteUpload<'_>) -> Result<bool> {
        let head = match self.aws.perform(&s3::HeadObject { key: complete.key }) {
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

/// Whether a write was refused because its condition does not hold.
fn does_not_hold(error: &Error) -> bool {
    matches!(error.code(), "PreconditionFailed" | "NoSuchKey")
}

/// Whether the store does not know what was asked of it. Some say so without S3's code.
fn is_not_implemented(error: &Error) -> bool {
    error.refusal().is_some_and(|refusal| refusal.status == 501)
}

impl Objects for Bucket {
    fn root(&self) -> String {
        self.url("")
    }

    fn now(&self) -> Result<Millis> {
        if let Some(time) = self.aws.store_time() {
            return Ok(time);
        }
        // Every answer has the time, also one that says that there is no such object, or that it may not be read.
        let asked = self.aws.perform(&s3::HeadObject { key: "_now" });
        self.aws.store_time().ok_or_else(|| {
            let silent = || Error::transient("expected answers with a Date header, found none");
            let unanswered = asked.err().filter(|error| error.code() != "NotFound");
            unanswered
                .unwrap_or_else(silent)
                .while_doing("asking S3 for its time")
        })
    }

    fn put(&self, key: &str, body: Bytes) -> Result<()> {
        let put = s3::PutObject {
            key,
            body: self.put_options.body(body),
            options: &self.put_options,
        };
        self.perform_put(&put)
            .map_err(|error| error.while_doing(format!("writing {}", self.url(key))))
    }

    fn put_if(&self, key: &str, body: &[u8], expected: Expected<'_>) -> Result<Option<ETag>> {
        let condition = match expected {
            Expected::Absent => s3::Condition::Absent,
            Expected::Unchanged(etag) => s3::Condition::Unchanged(&etag.0),
        };
        let written = self.try_conditions(key).and_then(|conditions| {
            if conditions == Conditions::Ignored {
                self.put_if_read(key, body, expected)
            } else {
                self.put_under(key, body, condition)
            }
        });
        let written = match written {
            Err(error) if is_not_implemented(&error) => {
                self.lack_conditions();
                self.put_if_read(key, body, expected)
            }
            written => written,
        };
        written.map_err(|error| error.while_doing(format!("writing {}", self.url(key))))
    }

    fn read(&self, key: &str) -> Result<Option<Stored>> {
        match perform(&self.aws, &s3::GetObject { key, limit: SMALL }) {
            Ok(s3::Read { body, etag }) => Ok(Some(Stored {
                body,
                etag: ETag(etag),
            })),
            Err(error) if error.code() == "NoSuchKey" => Ok(None),
            Err(error) => Err(error.while_doing(format!("reading {}", self.url(key)))),
        }
    }

    fn list(&self, prefix: &str, visit: &mut dyn FnMut(Listed) -> Result<()>) -> Result<()> {
        self.pages(prefix, &mut |page| {
            page.objects.into_iter().try_for_each(|object| {
                visit(Listed {
                    key: object.key,
                    modified: object.modified,
                })
            })
        })
    }

    fn delete(&self, keys: &[String]) -> Result<()> {
        for keys in keys.chunks(s3::BATCH) {
            perform(&self.aws, &s3::DeleteObjects { keys }).map_err(|error| {
                error.while_doing(format!("deleting objects of {}", self.root()))
            })?;
        }
        Ok(())
    }

    fn copy(&self, from: &str, to: &str) -> Result<()> {
        let copy = s3::CopyObject {
            bucket: self.aws.bucket(),
            from,
            to,
            options: &self.put_options,
        };
        let outcome = match self.perform_put(&copy) {
            // S3 has no other code for an object that is too large for one call.
            Err(error) if matches!(error.code(), "InvalidRequest" | "EntityTooLarge") => {
                self.copy_in_parts(from, to, error)
            }
            outcome => outcome,
        };
        outcome.map_err(|error| {
            error.while_doing(format!("copying {} to {}", self.url(from), self.url(to)))
        })
    }

    fn begin(&self, key: &str) -> Result<Upload> {
        let create = s3::CreateUpload {
            key,
            options: &self.put_options,
        };
        let id = self
            .perform_put(&create)
            .map_err(|error| error.while_doing(format!("beginning {}", self.url(key))))?;
        Ok(Upload {
            key: key.to_owned(),
            id,
            parts: Vec::new(),
        })
    }

    fn part(&self, upload: &mut Upload, body: Bytes) -> Result<()> {
        let client = self.aws.client();
        self.parts.collect(upload)?;
        self.parts.wait_for_room(body.len(), client);
        let number = self.parts.next_number(upload);
        let bytes = body.len();
        let (key, id) = (upload.key.clone(), upload.id.clone());
        let (aws, options) = (Rc::clone(&self.aws), Rc::clone(&self.put_options));
        let sending = client.spawn(async move {
            let part = s3::UploadPart {
                key: &key,
                upload: &id,
                number,
                body: options.body(body),
            };
            let sent = permissions::fly_put(&aws, &part, &options).await;
            sent.map_err(|error| {
                let bucket = aws.bucket();
                error.while_doing(format!("writing part {number} of s3://{bucket}/{key}"))
            })
        });
        self.parts.add(upload, bytes, sending);
        client.turn();
        Ok(())
    }

    fn settle(&self, upload: &mut Upload) -> Result<()> {
        self.parts.settle(upload, self.aws.client())
    }

    fn turn(&self) {
        self.aws.client().turn();
    }

    fn in_flight(&self) -> usize {
        self.parts.bytes()
    }

    fn wait_for_parts(&self) {
        self.parts.wait_for_all(self.aws.client());
    }

    fn complete(&self, upload: &mut Upload) -> Result<()> {
        self.settle(upload)?;
        let complete = s3::CompleteUpload {
            key: &upload.key,
            upload: &upload.id,
            parts: &upload.parts,
        };
        let outcome = self.perform_put(&complete).or_else(|error| {
            // An earlier attempt may have succeeded though its response was lost. S3 forgets the upload then;
            // other stores refuse in their own ways.
            let is_repeated = error.refusal().is_some_and(|refusal| refusal.attempts > 1);
            let is_doubtful = is_repeated || error.code() == "NoSuchUpload";
            if is_doubtful && self.is_complete(&complete).unwrap_or(false) {
                return Ok(());
            }
            Err(error)
        });
        outcome.map_err(|error| error.while_doing(format!("completing {}", self.url(&upload.key))))
    }

    fn abort(&self, upload: &Upload) -> Result<()> {
        self.parts.stop(upload);
        let abort = s3::AbortUpload {
            key: &upload.key,
            upload: &upload.id,
        };
        match perform(&self.aws, &abort) {
            Err(error) if error.code() != "NoSuchUpload" => {
                Err(error.while_doing(format!("aborting the upload of {}", self.url(&upload.key))))
            }
            _ => Ok(()),
        }
    }

    fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        let mut found = Vec::new();
        let mut pages = Pages::default();
        let mut after = None;
        let listing = |error: Error| {
            error.while_doing(format!("listing the uploads below {}", self.url(prefix)))
        };
        loop {
            let list = s3::ListMultipartUploads {
                prefix,
                after: after.as_ref(),
            };
            let page = match perform(&self.aws, &list) {
                Ok(page) => page,
                // A compatible store may not support it; only the removal of leftovers depends on it.
                Err(error) if is_not_implemented(&error) => {
                    warn!("cannot list unfinished uploads, so those of earlier runs stay: {error}");
                    return Ok(found);
                }
                Err(error) => return Err(listing(error)),
            };
            if let Some(marker) = &page.next {
                let first = page.uploads.first().map(|(key, id, _)| (key, id));
                pages.turn(marker, first.as_ref()).map_err(listing)?;
            }
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

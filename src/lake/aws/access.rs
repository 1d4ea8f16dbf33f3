//! The caller's access to the account and the bucket, as it is asked for before anything is written.

use std::rc::Rc;

use crate::aws::{Aws, s3};
use crate::error::{Kind, Result};
use crate::lake::Access;
use crate::lake::aws::permissions;

/// The access of the settings' credentials.
pub(super) struct AwsAccess(pub(super) Rc<Aws>);

impl Access for AwsAccess {
    fn verify_account(&self) -> Result<()> {
        self.0.verify_account()
    }

    fn sign_in(&self) -> Result<Option<String>> {
        self.0.sign_in().map(Some)
    }

    fn find(&self, folder: &str) -> Result<()> {
        // A listing, because HeadBucket needs the permission to list the whole bucket.
        let list = s3::ListObjects {
            prefix: folder,
            depth: s3::Depth::One,
            continuation: None,
        };
        let Err(error) = self.0.perform(&list) else {
            return Ok(());
        };
        let hint = match error.code() {
            "NotFound" | "NoSuchBucket" => "create the bucket, or correct bucket_name".to_owned(),
            "Forbidden" | "AccessDenied" => format!(
                "grant {} on the bucket, or correct bucket_name: it may belong to another account",
                permissions::list(permissions::LIST_OBJECTS)
            ),
            _ => return Err(error.while_doing(self.looking())),
        };
        Err(error
            .with_kind(Kind::Config)
            .also_hint(hint)
            .while_doing(self.looking()))
    }
}

impl AwsAccess {
    fn looking(&self) -> String {
        format!("looking for bucket {}", self.0.bucket())
    }
}

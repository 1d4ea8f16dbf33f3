//! The IAM actions that a lake on AWS needs, taken from its operations: by resource, for `policy`, and in the hint of a
//! call that was denied.

use crate::aws::operation::Operation;
use crate::aws::s3::options::PutOptions;
use crate::aws::{Aws, glue, is_denied, lakeformation, s3, sts};
use crate::error::{Error, Result};

/// IAM actions, as `s3:GetObject` is one.
pub(crate) type Actions = &'static [&'static str];

/// The actions on the bucket that list objects.
pub(crate) const LIST_OBJECTS: Actions = s3::ListObjects::PERMISSIONS;

/// The actions on the bucket that list unfinished uploads.
pub(crate) const LIST_UPLOADS: Actions = s3::ListMultipartUploads::PERMISSIONS;

/// The actions that tag what is in the catalog.
pub(crate) fn tags() -> Vec<&'static str> {
    union(&[
        lakeformation::AddTag::PERMISSIONS,
        lakeformation::GetTags::PERMISSIONS,
    ])
}

/// The actions that assume a role.
pub(crate) const ASSUME_ROLE: Actions = sts::AssumeRole::PERMISSIONS;

/// The actions on objects.
pub(crate) fn objects(options: &PutOptions) -> Vec<&'static str> {
    union(&[
        s3::AbortUpload::PERMISSIONS,
        s3::CompleteUpload::PERMISSIONS,
        s3::CopyObject::PERMISSIONS,
        s3::CreateUpload::PERMISSIONS,
        s3::DeleteObjects::PERMISSIONS,
        s3::GetObject::PERMISSIONS,
        s3::HeadObject::PERMISSIONS,
        s3::PutObject::PERMISSIONS,
        s3::UploadPart::PERMISSIONS,
        s3::UploadPartCopy::PERMISSIONS,
        options.permissions(),
    ])
}

/// The actions on databases and tables.
pub(crate) fn catalog() -> Vec<&'static str> {
    union(&[
        glue::CreateDatabase::PERMISSIONS,
        glue::CreateTable::PERMISSIONS,
        glue::DeleteTable::PERMISSIONS,
        glue::GetDatabase::PERMISSIONS,
        glue::GetTable::PERMISSIONS,
        glue::UpdateTable::PERMISSIONS,
    ])
}

/// The actions on the partitions of tables.
pub(crate) fn partitions() -> Vec<&'static str> {
    union(&[
        glue::BatchChangePartition::PERMISSIONS,
        glue::BatchGetPartition::PERMISSIONS,
        glue::GetPartitions::PERMISSIONS,
    ])
}

/// The actions by which `check` finds out whether a database can be created.
pub(crate) fn probe_database() -> Vec<&'static str> {
    union(&[
        glue::CreateDatabase::PERMISSIONS,
        glue::DeleteDatabase::PERMISSIONS,
    ])
}

/// The actions that find out where all tables of the catalog are located.
pub(crate) fn locations() -> Vec<&'static str> {
    union(&[
        glue::GetDatabases::PERMISSIONS,
        glue::GetTables::PERMISSIONS,
    ])
}

fn union(lists: &[Actions]) -> Vec<&'static str> {
    let mut actions = lists.concat();
    actions.sort_unstable();
    actions.dedup();
    actions
}

/// Performs the operation; where it is denied, the error's hint names the actions to grant.
pub(super) fn perform<O: Operation>(aws: &Aws, operation: &O) -> Result<O::Output> {
    aws.perform(operation)
        .map_err(|error| hint_if_denied(error, || format!("grant {}", list(O::PERMISSIONS))))
}

/// Performs an operation that writes. S3 does not say which action was denied, so the hint names those that the options
/// need as well.
pub(super) fn perform_put<O: Operation>(
    aws: &Aws,
    operation: &O,
    options: &PutOptions,
) -> Result<O::Output> {
    aws.perform(operation)
        .map_err(|error| hint_at_put(error, O::PERMISSIONS, options))
}

/// Performs an operation that writes as `perform_put` does; others are in flight meanwhile.
pub(super) async fn fly_put<O: Operation>(
    aws: &Aws,
    operation: &O,
    options: &PutOptions,
) -> Result<O::Output> {
    aws.fly(operation)
        .await
        .map_err(|error| hint_at_put(error, O::PERMISSIONS, options))
}

fn hint_at_put(error: Error, actions: Actions, options: &PutOptions) -> Error {
    hint_if_denied(error, || {
        let actions = [
            actions,
            options.permissions(),
            options.encryption.permissions(),
        ];
        format!("grant {}", list(&actions.concat()))
    })
}

/// Adds the hint to the error of a denied call. Lake Formation says itself which of its permissions is missing, and no
/// action of IAM would help.
pub(super) fn hint_if_denied(error: Error, hint: impl FnOnce() -> String) -> Error {
    let of_lake_formation = error
        .refusal()
        .and_then(|refusal| lake_formation_hint(&refusal.message));
    if let Some(hint) = of_lake_formation {
        error.also_hint(hint)
    } else if is_denied(&error) {
        error.also_hint(hint())
    } else {
        error
    }
}

/// What a refusal of Lake Formation begins with.
const LAKE_FORMATION: &str = "Insufficient Lake Formation permission(s)";

/// Whether the text is Lake Formation's refusal.
pub(super) fn is_of_lake_formation(message: &str) -> bool {
    message.contains(LAKE_FORMATION)
}

/// What to grant in Lake Formation, where the text is its refusal: `…: Required Alter on T`, or `… on s3://…`.
fn lake_formation_hint(message: &str) -> Option<String> {
    let (_, rest) = message.split_once(LAKE_FORMATION)?;
    let rest = rest.trim_start_matches([':', ' ']).trim_end_matches('.');
    let (permission, resource) = match rest.strip_prefix("Required ") {
        Some(required) => required.split_once(" on ")?,
        None => ("", rest.strip_prefix("on ")?),
    };
    let permission = match permission {
        "" if resource.starts_with("s3://") || resource.starts_with("arn:") => {
            "DATA_LOCATION_ACCESS".to_owned()
        }
        "" => "its permissions".to_owned(),
        permission => permission.to_uppercase().replace(' ', "_"),
    };
    Some(format!(
        "in Lake Formation, grant {permission} on {resource} to the signed-in identity"
    ))
}

/// The actions in a sentence.
pub(super) fn list(actions: &[&str]) -> String {
    match actions {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_lake_formation_names_its_permission_and_the_resource() {
        for (said, granted) in [
            ("Required Describe on sales", "DESCRIBE on sales"),
            (
                "Required Create Database on Catalog",
                "CREATE_DATABASE on Catalog",
            ),
            ("Required Create Table on sales", "CREATE_TABLE on sales"),
        ] {
            let hint = lake_formation_hint(&format!("{LAKE_FORMATION}: {said}"));
            assert!(
                hint.unwrap().contains(&format!("grant {granted} to")),
                "{said}"
            );
        }
        let hint = |said: &str| lake_formation_hint(said).unwrap_or_default();
        assert!(
            hint("Insufficient Lake Formation permission(s) on s3://b/x/.")
                .contains("DATA_LOCATION_ACCESS on s3://b/x/")
        );
        assert!(hint("Insufficient Lake Formation permission(s) on d.t").contains("on d.t"));
        assert_eq!(
            hint("User: x is not authorized to perform: glue:GetTable"),
            ""
        );
    }
}

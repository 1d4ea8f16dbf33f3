//! Where the tables of the catalog are located, so that no folder is deleted from under another table.

use std::rc::Rc;

use crate::error::Result;
use crate::lake::{Lake, Located};
use crate::table::TableTarget;
use crate::table::layout::folder_of_location;

/// The locations of all tables of the catalog, listed when they are first needed. A copy has what was listed before.
#[derive(Clone, Default)]
pub(crate) struct Locations {
    listed: Option<Rc<[Located]>>,
}

impl Locations {
    pub(crate) fn are_listed(&self) -> bool {
        self.listed.is_some()
    }

    /// A table that is located at the folder, inside it or above it, and is not the one that will have moved.
    pub(super) fn touching(
        &mut self,
        folder: &str,
        lake: &Lake,
        moving: Option<&TableTarget>,
    ) -> Result<Option<&Located>> {
        let listed = match &mut self.listed {
            Some(listed) => listed,
            none => {
                let mut found = Vec::new();
                lake.catalog.locations(&mut |located| found.push(located))?;
                none.insert(found.into())
            }
        };
        let root = lake.objects.root();
        let is_moving = |located: &&Located| {
            moving.is_some_and(|moving| {
                located.database == moving.database && located.table == moving.name
            })
        };
        Ok(listed
            .iter()
            .filter(|located| !is_moving(located))
            .find(|located| touches(&located.location, folder, &root)))
    }
}

/// Whether a table at the location reads objects of the folder, or the folder holds the location.
fn touches(location: &str, folder: &str, root: &str) -> bool {
    if let Some(located) = folder_of_location(location, root) {
        return folder.starts_with(&located) || located.starts_with(folder);
    }
    // It is in another bucket, or it is all of this one.
    let name = |location: &str| {
        let (_, name) = location.split_once("://")?;
        Some(name.trim_end_matches('/').to_owned())
    };
    name(location).is_some_and(|located| Some(located) == name(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_touched_from_above_from_inside_and_by_its_bucket() {
        let folder = "lake/raw/users/g5-run/";
        for (location, expected) in [
            ("s3://bucket/lake/raw/users/g5-run/", true),
            ("s3://bucket/lake/raw/users/g5-run", true),
            ("s3a://bucket/lake/raw/users/g5-run", true),
            ("s3://bucket/lake/raw/users/", true),
            ("s3://bucket/lake", true),
            ("s3://bucket/lake/raw/users/g5-run/more/", true),
            ("s3://bucket", true),
            ("s3://bucket/", true),
            ("s3n://bucket/", true),
            ("s3://bucket/lake/raw/users/g5-ru", false),
            ("s3://bucket/lake/raw/users/g5-run2/", false),
            ("s3://bucket/lake/raw/user/", false),
            ("s3://bucket2/lake/raw/users/g5-run/", false),
            ("", false),
        ] {
            assert_eq!(
                touches(location, folder, "s3://bucket/"),
                expected,
                "{location}"
            );
        }
    }
}

//! The run that wrote a control object.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::process;
use crate::table::control::fields::{
    FromFields, Unexpected, optional_integer, optional_object, optional_text, text,
};

/// A job of the platform, and which attempt at it this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) attempt: i64,
}

/// The run that wrote a control object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Owner {
    pub(crate) run: String,
    /// Where the platform says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<Job>,
    /// The process, where the system names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<String>,
    /// The catalog of its tables, where one store may serve several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) catalog: Option<String>,
}

impl FromFields for Job {
    fn from_fields(fields: &Map<String, Value>) -> Result<Self, Unexpected> {
        let number = |name| optional_integer(fields, name)?.ok_or(name);
        Ok(Self {
            id: number("id")?,
            attempt: number("attempt")?,
        })
    }
}

impl FromFields for Owner {
    fn from_fields(fields: &Map<String, Value>) -> Result<Self, Unexpected> {
        Ok(Self {
            run: text(fields, "run")?,
            job: optional_object(fields, "job")?
                .map(Job::from_fields)
                .transpose()?,
            process: optional_text(fields, "process")?,
            catalog: optional_text(fields, "catalog")?,
        })
    }
}

impl Owner {
    /// This process, which is the run of this name, with tables in this catalog.
    pub(crate) fn this(run: &str, job: Option<Job>, catalog: Option<String>) -> Self {
        Self {
            run: run.to_owned(),
            job,
            process: process::name(),
            catalog,
        }
    }

    /// Whether the run is known to be dead: its process ran on this machine and has ended, or it was an earlier attempt
    /// at the job of `this` run (the platform ends one before it begins the next).
    pub(crate) fn is_dead(&self, this: &Self) -> bool {
        let is_earlier_attempt = match (&self.job, &this.job) {
            (Some(other), Some(this)) => other.id == this.id && other.attempt < this.attempt,
            _ => false,
        };
        is_earlier_attempt || self.process.as_deref().is_some_and(process::has_ended)
    }
}

impl Owner {
    /// Whether the tables of both runs are in one catalog: in one region, and in one account where both name theirs. Runs of
    /// versions of this program that did not write the catalog are taken for ones of this catalog.
    pub(crate) fn shares_catalog(&self, other: &Self) -> bool {
        let (Some(one), Some(other)) = (&self.catalog, &other.catalog) else {
            return true;
        };
        match (one.split_once('/'), other.split_once('/')) {
            (Some(one), Some(other)) => one == other,
            (Some((region, _)), None) => region == other,
            (None, Some((region, _))) => region == one,
            (None, None) => one == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(job: Option<(i64, i64)>, process: Option<&str>) -> Owner {
        Owner {
            run: "run".to_owned(),
            job: job.map(|(id, attempt)| Job { id, attempt }),
            process: process.map(str::to_owned),
            catalog: None,
        }
    }

    #[test]
    fn a_catalog_is_told_by_its_region_and_by_its_account_where_both_are_known() {
        let of = |catalog: &str| Owner {
            catalog: Some(catalog.to_owned()).filter(|catalog| !catalog.is_empty()),
            ..owner(None, None)
        };
        for (one, other, expected) in [
            ("eu-west-1", "eu-west-1", true),
            ("eu-west-1", "eu-west-2", false),
            ("eu-west-1/1", "eu-west-1", true),
            ("eu-west-1/1", "eu-west-2", false),
            ("eu-west-1/1", "eu-west-1/2", false),
            ("eu-west-1/1", "eu-west-1/1", true),
            ("eu-west-1/1", "", true),
        ] {
            assert_eq!(
                of(one).shares_catalog(&of(other)),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                of(other).shares_catalog(&of(one)),
                expected,
                "{other} {one}"
            );
        }
    }

    #[test]
    fn only_an_earlier_attempt_at_the_same_job_is_dead() {
        let this = owner(Some((7, 1)), None);
        for (job, expected) in [
            (Some((7, 0)), true),
            (Some((7, 1)), false),
            (Some((7, 2)), false),
            (Some((6, 0)), false),
            (None, false),
        ] {
            assert_eq!(owner(job, None).is_dead(&this), expected, "{job:?}");
            assert!(!owner(job, None).is_dead(&owner(None, None)));
        }
    }

    #[test]
    fn a_process_that_runs_is_not_dead() {
        let this = Owner::this("run", None, None);
        assert!(!this.is_dead(&this));
        assert!(!owner(None, Some("elsewhere/1/2")).is_dead(&this));
    }
}

//! The configuration: reads text into a checked `Config`, or reports every mistake at once. No I/O.

mod aws;
mod layers;
mod reader;
mod settings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::error::Result;
use crate::file::Format;
use crate::lake;
use crate::schema::ColumnOptions;
use crate::table::partition::Partitioning;

pub(crate) use layers::Layers;
pub(crate) use settings::Backend;

/// The configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The settings of the lake on AWS; none with `--local`.
    pub(crate) aws: Option<lake::aws::AwsLakeSettings>,
    /// The folder of the bucket that holds every key: no slash at either end, may be empty.
    pub(crate) prefix: String,
    /// The same as it was typed, slashes and all.
    pub(crate) typed_prefix: String,
    /// The folder of the bucket for new generations, where it is another.
    pub(crate) generations_prefix: Option<String>,
    /// The database of streams without a namespace.
    pub(crate) database: String,
    pub(crate) format: Format,
    pub(crate) partitioning: Partitioning,
    pub(crate) columns: ColumnOptions,
    pub(crate) limits: RunLimits,
    /// Warnings for the user.
    pub(crate) warnings: Vec<String>,
}

/// The limits of a run in time and in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunLimits {
    /// The longest time that a state waits for its checkpoint.
    pub(crate) checkpoint_interval: Duration,
    /// The size of an object at which the next one begins, in bytes after compression.
    pub(crate) target_file_size: usize,
    /// The memory for buffers and encoders of all streams, in bytes.
    pub(crate) memory_budget: usize,
    /// The age at which an unfinished run counts as dead, and its uploads are aborted.
    pub(crate) leftover_age: Duration,
    /// The length of the longest line in bytes.
    pub(crate) max_record: usize,
}

/// Reads the configuration from its layers; the error lists every mistake with its JSON path.
pub(crate) fn read(layers: &Layers<'_>, backend: Backend) -> Result<Config> {
    let mut config = settings::read(&layers.join()?, backend, layers.file.is_some())?;
    config.warnings.extend(layers.unknown_region(&config));
    Ok(config)
}

/// The environment variable that sets a key.
fn variable(key: &str) -> String {
    format!("DATALAKE_{}", key.to_ascii_uppercase())
}

/// The names of the environment variables whose names begin with `DATALAKE_` and that are read.
pub(crate) fn variables() -> Vec<String> {
    let keys = settings::KEYS.iter().map(|(key, _)| *key);
    keys.chain(["retry_seconds", "silence_seconds"])
        .map(variable)
        .collect()
}

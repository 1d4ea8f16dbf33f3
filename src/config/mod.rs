//! The configuration to checked values. No I/O: it gets text and gives a `Config`, or every mistake at once.

mod aws;
mod layers;
mod reader;
mod settings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::aws::{Addressing, Credentials, PutOptions, Switch};
use crate::error::Result;
use crate::file::Format;
use crate::schema::Numbers;

pub(crate) use layers::Layers;
pub(crate) use settings::Place;

/// Everything the configuration says.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where the lake is; none with `--local`, where nothing of it is asked.
    pub(crate) aws: Option<Aws>,
    /// The folder of the bucket under which everything lies: no slash at either end, maybe empty.
    pub(crate) prefix: String,
    /// The database of streams without a namespace.
    pub(crate) database: String,
    pub(crate) format: Format,
    /// JSON numbers become decimal(38,18) instead of double.
    pub(crate) numbers: Numbers,
    /// The column for what does not fit; none switches it off.
    pub(crate) rescued_data_column: Option<String>,
    /// Whether Airbyte's own columns are added.
    pub(crate) metadata_columns: bool,
    /// How long a state waits at most.
    pub(crate) checkpoint_interval: Duration,
    /// Bytes after compression at which an object is full.
    pub(crate) target_file_size: usize,
    /// Bytes for buffers and encoders over all streams.
    pub(crate) memory_budget: usize,
    /// A run that began longer ago and has not finished is taken for dead.
    pub(crate) leftover_age: Duration,
    /// Bytes of the longest line.
    pub(crate) max_record: usize,
    /// What the user should know, though it is no mistake.
    pub(crate) warnings: Vec<String>,
}

/// The bucket, the region and how to sign in.
#[derive(Clone, Debug)]
pub(crate) struct Aws {
    pub(crate) region: String,
    pub(crate) bucket: String,
    pub(crate) account_id: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) credentials: Credentials,
    /// The Lake Formation tag of databases: key and values.
    pub(crate) tag: Option<(String, Vec<String>)>,
    /// Where the bucket is, when that is another region than the catalog's.
    pub(crate) bucket_region: Option<String>,
    pub(crate) addressing: Addressing,
    pub(crate) fips: Switch,
    pub(crate) dual_stack: Switch,
    /// How objects are written.
    pub(crate) writing: PutOptions,
}

/// Reads the configuration, from what is given of it; the error lists every mistake with its JSON path.
pub(crate) fn read(layers: &Layers<'_>, place: Place) -> Result<Config> {
    settings::read(&layers.join()?, place)
}

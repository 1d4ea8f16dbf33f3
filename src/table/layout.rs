//! Where things lie: folders of tables, names of generations and objects, and which of them are ours.
//!
//! `{prefix}/{database}/{table}/{generation}/{run}-{number}.jsonl.gz`, where a generation is the name of the run that
//! began it, after `g{generation_id}-` where the platform numbers generations. So no two generations share a folder,
//! and nothing is ever taken for ours because of a folder's name.

use crate::error::{Error, Result};
use crate::time::Millis;

/// One run of the program, in names: they sort by the time it began, and no two runs share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run(String);

impl Run {
    pub(crate) fn begin(now: Millis) -> Result<Self> {
        let mut random = [0; 6];
        getrandom::fill(&mut random)
            .map_err(|error| Error::system("the system gives no random bytes").because(error))?;
        Ok(Self(format!(
            "{}-{}",
            stamp(now),
            crate::text::hex(&random)
        )))
    }

    /// One that has not begun.
    pub(crate) fn to_come() -> Self {
        Self("<run>".to_owned())
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

/// `20261122T091551123Z`.
fn stamp(time: Millis) -> String {
    time.iso()
        .chars()
        .filter(|character| !matches!(character, '-' | ':' | '.'))
        .collect()
}

/// The stamp of a run's name, if the text is the name of a run.
fn run_stamp(text: &str) -> Option<&str> {
    let (stamp, token) = text.split_once('-')?;
    let digits =
        |range: std::ops::Range<usize>| stamp.as_bytes()[range].iter().all(u8::is_ascii_digit);
    let is_stamp = stamp.len() == 19
        && stamp.is_ascii()
        && digits(0..8)
        && stamp.as_bytes()[8] == b'T'
        && digits(9..18)
        && stamp.ends_with('Z');
    let is_token = token.len() == 12
        && token
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (is_stamp && is_token).then_some(stamp)
}

/// The name of the folder of a generation that the run begins; `number` is the platform's.
pub(crate) fn generation(run: &str, number: Option<i64>) -> String {
    match number {
        Some(number) => format!("g{number}-{run}"),
        None => run.to_owned(),
    }
}

/// The folder of the objects that `check` writes and deletes, beside those of the databases.
pub(crate) const CHECK: &str = "_check";

/// What the names of the databases and tables begin with that `check` creates and deletes.
pub(crate) const CHECK_NAME: &str = "airbyte_check_";

/// The folder of control objects, beside those of the databases.
pub(crate) const CONTROL: &str = "_datalake";

/// The folder of generations of tables that are located above their own folders, among the control objects: engines hide it
/// from readers of those locations, and not from readers of a table that is located inside it.
const APART: &str = "_datalake/tables";

/// The folder `name` below the configured prefix, as the prefix of keys: it ends with a slash.
pub(crate) fn folder(prefix: &str, name: &str) -> String {
    let slash = if prefix.is_empty() { "" } else { "/" };
    format!("{prefix}{slash}{name}/")
}

/// The folder of a database as the Python connector made it, as the prefix of keys: of the prefix and the namespace as they
/// are typed.
pub(crate) fn folder_of_the_python_connector(typed_prefix: &str, namespace: &str) -> String {
    let slash = if typed_prefix.is_empty() { "" } else { "/" };
    format!("{typed_prefix}{slash}{namespace}/")
}

/// The folder of a table's location, as the prefix of keys, or nothing where the location is not below `root`
/// (`s3://bucket/`) or is all of it.
pub(crate) fn folder_of_location(location: &str, root: &str) -> Option<String> {
    // Hadoop's names of the same scheme.
    let location = match location
        .strip_prefix("s3a://")
        .or_else(|| location.strip_prefix("s3n://"))
    {
        Some(rest) => format!("s3://{rest}"),
        None => location.to_owned(),
    };
    let folder = location.strip_prefix(root)?.trim_end_matches('/');
    (!folder.is_empty()).then(|| format!("{folder}/"))
}

/// The folders of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// `{prefix}/{database}/{table}/`, or the same below the prefix that is set for generations.
    own: String,
    /// `{prefix}/{database}/`: for a first generation beside a table that shows all of `own`, as the Python connector's do.
    /// That connector puts tables into folders of any name, so that only one that no stream has is in none of them: that of
    /// the generation, which ends with random digits, and then the table's.
    database: String,
    /// What the name of such a folder ends with: `-{table}/`.
    suffix: String,
    /// `{prefix}/{database}/{table}-generations/`: where earlier versions put such a generation.
    before: String,
    /// `{prefix}/_datalake/tables/{database}/{table}/`: for one beside a table that shows all of both.
    apart: String,
}

impl Folders {
    pub(crate) fn new(
        prefix: &str,
        generations: Option<&str>,
        database: &str,
        table: &str,
    ) -> Self {
        let own = format!("{database}/{table}");
        Self {
            own: folder(generations.unwrap_or(prefix), &own),
            database: folder(prefix, database),
            suffix: format!("-{table}/"),
            before: folder(prefix, &format!("{own}-generations")),
            apart: folder(prefix, &format!("{APART}/{own}")),
        }
    }

    /// Whether a generation of the table may be stored in the folder.
    pub(crate) fn hold(&self, folder: &str) -> bool {
        let is_in = |base: &String| folder.len() > base.len() && folder.starts_with(base.as_str());
        let is_beside = || {
            let name = folder.strip_prefix(self.database.as_str());
            let generation = name.and_then(|name| name.strip_suffix(self.suffix.as_str()));
            generation.is_some_and(|generation| !generation.is_empty() && !generation.contains('/'))
        };
        [&self.own, &self.before, &self.apart]
            .into_iter()
            .any(is_in)
            || is_beside()
    }

    /// The folder of a generation, which must not be seen in what the table shows now: engines read that recursively.
    pub(crate) fn place(&self, generation: &str, shown: Option<&str>) -> String {
        let is_hidden = |folder: &String| {
            shown.is_none_or(|shown| folder == shown || !folder.starts_with(shown))
        };
        let own = format!("{}{generation}/", self.own);
        let beside = format!("{}{generation}{}", self.database, self.suffix);
        let found = [own, beside].into_iter().find(is_hidden);
        found.unwrap_or_else(|| format!("{}{generation}/", self.apart))
    }
}

/// The folder of all generations of the table that are stored apart, where this is the folder of one.
pub(crate) fn apart(folder: &str) -> Option<&str> {
    let (tables, generation) = folder.trim_end_matches('/').rsplit_once('/')?;
    let is_apart =
        tables.starts_with(&format!("{APART}/")) || tables.contains(&format!("/{APART}/"));
    is_apart.then(|| &folder[..folder.trim_end_matches('/').len() - generation.len()])
}

/// Whether readers of the folder `shown` see the objects of another one: not so where it is below a name that engines hide.
pub(crate) fn is_seen(folder: &str, shown: &str) -> bool {
    let below = folder.strip_prefix(shown).unwrap_or("_");
    !below.split('/').any(|name| name.starts_with(['_', '.']))
}

/// The name of the run's object of this number.
pub(crate) fn object(run: &Run, number: u64, extension: &str) -> String {
    format!("{}-{number:06}{extension}", run.0)
}

/// Whether an object of this name (without folders) was written by this program.
pub(crate) fn is_object(name: &str) -> bool {
    run_of_object(name).is_some()
}

/// The run that wrote the object of this name.
pub(crate) fn run_of_object(name: &str) -> Option<&str> {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let (run, number) = stem.rsplit_once('-')?;
    (number.len() >= 6
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && run_stamp(run).is_some())
    .then_some(run)
}

/// Whether the Python connector wrote an object of this name: 32 hexadecimal digits and an extension.
pub(crate) fn is_object_of_the_python_connector(name: &str) -> bool {
    const EXTENSIONS: [&str; 8] = [
        "json",
        "json.gz",
        "json.zstd",
        "parquet",
        "snappy.parquet",
        "gz.parquet",
        "gzip.parquet",
        "zstd.parquet",
    ];
    let Some((stem, extension)) = name.split_once('.') else {
        return false;
    };
    stem.len() == 32
        && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
        && EXTENSIONS.contains(&extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs_sort_by_time_and_are_known_again() {
        let early = Run::begin(Millis(1_795_000_000_000)).unwrap();
        let late = Run::begin(Millis(1_795_000_000_001)).unwrap();
        assert!(early.name() < late.name());
        assert_ne!(early, Run::begin(Millis(1_795_000_000_000)).unwrap());
        let object = object(&early, 7, ".jsonl.gz");
        assert_eq!(run_of_object(&object), Some(early.name()));
    }

    #[test]
    fn names_of_others_are_not_ours() {
        for name in [
            "part-000001.json",
            "data.jsonl.gz",
            "20261122T091551123Z-0123456789ab.jsonl",
            "20261122T091551123Z-0123456789ab-1.jsonl",
        ] {
            assert!(!is_object(name), "{name}");
        }
        assert!(is_object_of_the_python_connector(
            "0123456789abcdef0123456789abcdef.json.gz"
        ));
        assert!(!is_object_of_the_python_connector(
            "0123456789abcdef0123456789abcdef.csv"
        ));
    }

    #[test]
    fn a_generation_is_never_inside_what_the_table_shows() {
        let folders = Folders::new("lake", None, "raw", "users");
        let five = generation("run", Some(5));
        assert_eq!(folders.place(&five, None), "lake/raw/users/g5-run/");
        assert_eq!(
            folders.place(&generation("run", None), None),
            "lake/raw/users/run/"
        );
        assert_eq!(
            folders.place(&five, Some("lake/raw/users/g4-run/")),
            "lake/raw/users/g5-run/"
        );
        assert_eq!(
            folders.place(&five, Some("lake/raw/users/g5-run/")),
            "lake/raw/users/g5-run/"
        );
        assert_eq!(
            folders.place(&five, Some("lake/raw/users/")),
            "lake/raw/g5-run-users/"
        );
        assert_eq!(
            folders.place(&five, Some("lake/raw/users-generations/g4-run/")),
            "lake/raw/users/g5-run/"
        );
        assert_eq!(super::apart("lake/raw/users/g5-run/"), None);
        for above in ["lake/raw/", "lake/"] {
            let apart = folders.place(&five, Some(above));
            assert_eq!(apart, "lake/_datalake/tables/raw/users/g5-run/");
            assert!(!is_seen(&apart, above));
            assert!(is_seen(&apart, "lake/_datalake/tables/raw/"));
            assert!(folders.hold(&apart));
            assert_eq!(
                super::apart(&apart),
                Some("lake/_datalake/tables/raw/users/")
            );
        }
        for (folder, expected) in [
            ("lake/raw/g5-run-users/", true),
            ("lake/raw/users-generations/g5-run/", true),
            ("lake/raw/g5-run-orders/", false),
            ("lake/raw/-users/", false),
            ("lake/raw/x/y-users/", false),
        ] {
            assert_eq!(folders.hold(folder), expected, "{folder}");
        }
        let elsewhere = Folders::new("lake", Some("new/place"), "raw", "users");
        for shown in [None, Some("lake/raw/users/"), Some("lake/")] {
            let folder = elsewhere.place(&five, shown);
            assert_eq!(folder, "new/place/raw/users/g5-run/");
            assert!(elsewhere.hold(&folder));
        }
    }
}

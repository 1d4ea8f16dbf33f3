//! What the tests share: the program as a child process, the servers that play AWS, the readers of the lake.

pub(crate) mod authority; // a private certificate authority
pub(crate) mod cloud; // moto, shared by all tests, and a place of its own in it for each test
pub(crate) mod desk; // a user's folder, in which commands run as they are written down
pub(crate) mod fake; // a scripted server that plays S3, Glue and STS, with faults
pub(crate) mod image; // the static program, the images' file systems, roots to change into
pub(crate) mod local; // `load` into a lake in a folder, read back
pub(crate) mod messages; // lines of the protocol and configured catalogs
pub(crate) mod program; // the real binary, run or started
pub(crate) mod proxy; // tunnels, TLS, short-lived roles and faults before any of these servers
pub(crate) mod readers; // engines that read the lake, and Spark where it is set up
pub(crate) mod skip; // tests that cannot run here
pub(crate) mod wire; // whether the whole suite runs over TLS, through a proxy, as a role

use std::path::{Path, PathBuf};

/// A file of the package, by its path from the root.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a fixture.
#[track_caller]
pub(crate) fn fixture(path: &str) -> String {
    let path = file("fixtures").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

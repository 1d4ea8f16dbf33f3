//! What is shipped: the static program, the images' file systems, manifests, and roots to change into.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::geteuid;
use serde_json::Value;

use super::file;

/// The static program, as `make static` builds it.
pub(crate) fn program() -> PathBuf {
    let path = file("target/static/destination-aws-datalake");
    assert!(
        path.exists(),
        "no {}: `make static` builds it, and `make test` does so first",
        path.display()
    );
    path
}

/// The file system of an image, `scratch` or `airbyte`.
#[track_caller]
pub(crate) fn rootfs(image: &str) -> PathBuf {
    static LAID_OUT: OnceLock<Result<(), String>> = OnceLock::new();
    let folder = file("target/rootfs");
    let laid_out = LAID_OUT.get_or_init(|| {
        let output = Command::new(file("packaging/rootfs"))
            .arg(program())
            .arg(&folder)
            .output()
            .unwrap();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    });
    if let Err(message) = laid_out {
        panic!("{message}");
    }
    folder.join(image)
}

/// A YAML or JSON file of the package, read by somebody else's parser.
#[track_caller]
pub(crate) fn manifest(path: &str) -> Value {
    let script =
        "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1])), default=str))";
    let output = Command::new(file("target/python/bin/python"))
        .args(["-c", script])
        .arg(file(path))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{path}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Why tests of a changed root are skipped.
pub(crate) const NEEDS_ROOT: &str = "needs root, to run the program in a root of its own";

/// Whether the test may change its root.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// `chroot` by its path: the tests give it no PATH.
pub(crate) fn chroot() -> Command {
    let path = ["/usr/sbin/chroot", "/usr/bin/chroot", "/sbin/chroot"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    Command::new(path.expect("chroot is a part of every Linux"))
}

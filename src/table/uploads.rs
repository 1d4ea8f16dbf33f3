//! Unfinished uploads of earlier runs. They are invisible and cost money.

use crate::lake::{Lake, Objects, Upload};
use crate::table::layout;
use crate::time::Millis;

/// Aborts the uploads of dead runs below the database's folder: those begun before `horizon` that carry our names.
/// Nothing depends on it, so a failure is only logged.
pub(crate) fn abort_dead(lake: &Lake, prefix: &str, database: &str, horizon: Millis) {
    let folder = layout::folder(prefix, database);
    let unfinished = match lake.objects.unfinished(&folder) {
        Ok(unfinished) => unfinished,
        Err(error) => {
            log::warn!(
                "cannot list the unfinished uploads of earlier runs folder={folder}: {error}"
            );
            return;
        }
    };
    let dead = unfinished.into_iter().filter(|unfinished| {
        let name = unfinished.upload.key.rsplit('/').next().unwrap_or_default();
        unfinished.begun <= horizon && layout::is_object(name)
    });
    let dead: Vec<_> = dead.map(|unfinished| unfinished.upload).collect();
    if !dead.is_empty() {
        log::info!(
            "aborting unfinished uploads of earlier runs folder={folder} uploads={}",
            dead.len()
        );
    }
    abort(dead.into_iter(), &*lake.objects);
}

/// Aborts uploads that nobody will complete. Those that stay are left for a later run, so the first failure is only
/// logged, and ends the attempt: a service that is down would be asked for each of them.
pub(crate) fn abort(mut uploads: impl Iterator<Item = Upload>, objects: &dyn Objects) {
    while let Some(upload) = uploads.next() {
        if let Err(error) = objects.abort(&upload) {
            let left = 1 + uploads.count();
            log::warn!(
                "unfinished uploads are left for a later run to abort uploads={left} key={}: {error}",
                upload.key
            );
            return;
        }
    }
}

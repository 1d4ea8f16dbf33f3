//! Unfinished uploads of earlier runs. They are invisible and cost money.

use std::time::Duration;

use crate::lake::{Lake, Objects, Upload};
use crate::table::layout;

/// Aborts the uploads of dead runs below the folder: those that carry our names and were begun `age` ago or before, by the
/// store's clock. Nothing depends on it, so a failure is only logged.
pub(crate) fn abort_dead(lake: &Lake, folder: &str, age: Duration) {
    let listed = lake.objects.unfinished(folder);
    let (unfinished, horizon) = match listed.and_then(|found| Ok((found, lake.objects.now()?))) {
        Ok((unfinished, now)) => (unfinished, now.minus(age)),
        Err(error) => {
            log::warn!(
                "cannot look for the unfinished uploads of earlier runs folder={folder}: {error}"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::stub::{Reply, Server};
    use crate::lake::aws::tests::lake;

    /// Which of two uploads, begun at 10:00 and at 11:30, are aborted where S3 says that it is `date`, and an upload of
    /// an hour ago is dead.
    fn aborted(date: &str) -> Vec<String> {
        let names = [
            "20261122T100000000Z-0123456789ab-000001.jsonl.gz",
            "20261122T113000000Z-0123456789ab-000001.jsonl.gz",
        ];
        let uploads = [("10:00", names[0]), ("11:30", names[1])].map(|(time, name)| {
            format!("<Upload><Key>raw/t/{name}</Key><UploadId>{name}</UploadId><Initiated>2026-11-22T{time}:00Z</Initiated></Upload>")
        });
        let list = format!(
            "<ListMultipartUploadsResult>{}</ListMultipartUploadsResult>",
            uploads.concat()
        );
        let server = Server::script(vec![
            Reply::say(200, list).with("date", date),
            Reply::say(204, "").with("date", date),
        ]);
        abort_dead(&lake(&server, &[]), "raw/", Duration::from_secs(3600));
        let received = server.received();
        let deleted = received.iter().filter(|request| request.method == "DELETE");
        deleted
            .map(|request| request.target["/lake-bucket/raw/t/".len()..][..13].to_owned())
            .collect()
    }

    /// This machine's clock says 12:00 throughout.
    #[test]
    fn ages_are_those_of_the_store_s_clock() {
        assert_eq!(aborted("Sun, 22 Nov 2026 12:00:00 GMT"), ["20261122T1000"]);
        assert_eq!(
            aborted("Sun, 22 Nov 2026 10:59:00 GMT"),
            Vec::<String>::new()
        );
        assert_eq!(
            aborted("Sun, 22 Nov 2026 13:00:00 GMT"),
            ["20261122T1000", "20261122T1130"]
        );
        assert_eq!(aborted("the time is not known"), Vec::<String>::new());
    }
}

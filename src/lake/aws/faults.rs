//! Seeded random operations against a store and a catalog that fail as networks and services do: after all retries
//! the lake must hold exactly what was written.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::aws::tests::decoded;
use crate::error::{Kind, Result};
use crate::http::stub::{Received, Reply, Server};
use crate::lake::aws::tests::lake;
use crate::lake::{Catalog, Created, Lake, Lookup, Objects, Updated};

/// S3 and Glue as far as the lake needs them.
#[derive(Default)]
struct Store {
    objects: BTreeMap<String, Vec<u8>>,
    /// By upload id: the key and the parts by number.
    uploads: BTreeMap<String, (String, BTreeMap<usize, Vec<u8>>)>,
    number: usize,
    /// With its version.
    table: Option<(Value, String)>,
}

fn refused(status: u16, code: &str) -> Reply {
    Reply::say(status, format!("<Error><Code>{code}</Code></Error>"))
}

fn refused_by_glue(code: &str) -> Reply {
    Reply::say(400, json!({ "__type": code, "message": "m" }).to_string())
}

impl Store {
    fn answer(&mut self, request: &Received) -> Reply {
        if let Some(target) = request.header("x-amz-target") {
            return self.catalog(target.trim_start_matches("AWSGlue."), &request.body);
        }
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let key = decoded(
            path.trim_start_matches("/lake-bucket")
                .trim_start_matches('/'),
        );
        let argument = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|pair| pair.0 == name)
                .map(|pair| decoded(pair.1))
        };
        match (request.method.as_str(), argument("uploadId")) {
            ("PUT", Some(upload)) => self.part(&upload, &argument("partNumber").unwrap(), request),
            ("POST", Some(upload)) => self.complete(&upload),
            ("DELETE", Some(upload)) => match self.uploads.remove(&upload) {
                Some(_) => Reply::say(204, ""),
                None => refused(404, "NoSuchUpload"),
            },
            ("POST", None) if argument("uploads").is_some() => self.begin(key),
            ("POST", None) => self.delete(&request.body),
            ("PUT", None) => self.put(key, request),
            ("GET", _) if key.is_empty() => {
                self.page(&argument("prefix").unwrap(), argument("continuation-token"))
            }
            (method, _) => match self.objects.get(&key) {
                None => refused(404, "NoSuchKey"),
                Some(body) if method == "HEAD" => {
                    let parts = body.split(|byte| *byte == b'|').count() - 1;
                    Reply::say(200, "")
                        .with("content-length", body.len().to_string())
                        .with("etag", format!("\"e-{parts}\""))
                }
                Some(body) => Reply::say(200, String::from_utf8(body.clone()).unwrap()),
            },
        }
    }

    fn begin(&mut self, key: String) -> Reply {
        self.number += 1;
        let id = format!("u{}", self.number);
        self.uploads.insert(id.clone(), (key, BTreeMap::new()));
        Reply::say(
            200,
            format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ),
        )
    }

    fn delete(&mut self, body: &[u8]) -> Reply {
        let body = String::from_utf8(body.to_vec()).unwrap();
        for key in body.split("<Key>").skip(1) {
            self.objects.remove(key.split_once('<').unwrap().0);
        }
        Reply::say(200, "<DeleteResult/>")
    }

    fn put(&mut self, key: String, request: &Received) -> Reply {
        let body = match request.header("x-amz-copy-source") {
            None => Some(request.body.clone()),
            Some(from) => {
                let from = decoded(from.trim_start_matches("lake-bucket/"));
                self.objects.get(&from).cloned()
            }
        };
        let Some(body) = body else {
            return refused(404, "NoSuchKey");
        };
        self.objects.insert(key, body);
        Reply::say(200, "<CopyObjectResult/>")
    }

    fn part(&mut self, upload: &str, number: &str, request: &Received) -> Reply {
        let Some((_, parts)) = self.uploads.get_mut(upload) else {
            return refused(404, "NoSuchUpload");
        };
        parts.insert(number.parse().unwrap(), request.body.clone());
        Reply::say(200, "").with("etag", format!("\"e{number}\""))
    }

    fn complete(&mut self, upload: &str) -> Reply {
        let Some((key, parts)) = self.uploads.remove(upload) else {
            return refused(404, "NoSuchUpload");
        };
        let body = parts.into_values().flatten().collect();
        self.objects.insert(key, body);
        Reply::say(200, "<CompleteMultipartUploadResult/>")
    }

    /// Three keys a page.
    fn page(&self, prefix: &str, after: Option<String>) -> Reply {
        let after = after.unwrap_or_default();
        let mut found = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && **key > after);
        let mut text = String::new();
        let mut last = String::new();
        for (key, body) in found.by_ref().take(3) {
            let size = body.len();
            let _ = write!(
                text,
                "<Contents><Key>{key}</Key><Size>{size}</Size></Contents>"
            );
            last.clone_from(key);
        }
        let more = if found.next().is_some() {
            format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
            )
        } else {
            String::new()
        };
        Reply::say(
            200,
            format!("<ListBucketResult>{more}{text}</ListBucketResult>"),
        )
    }

    fn catalog(&mut self, operation: &str, body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap();
        let input = body["TableInput"].clone();
        match (operation, &mut self.table) {
            ("GetTable", Some((table, version))) => {
                let mut table = table.clone();
                table["VersionId"] = version.clone().into();
                table["Retention"] = 0.into();
                Reply::say(200, json!({ "Table": table }).to_string())
            }
            ("CreateTable", Some(_)) => refused_by_glue("AlreadyExistsException"),
            ("CreateTable", none) => {
                *none = Some((input, "0".to_owned()));
                Reply::say(200, "{}")
            }
            ("UpdateTable", Some((table, version)))
                if body["VersionId"].as_str() == Some(version) =>
            {
                *table = input;
                *version = (version.parse::<usize>().unwrap() + 1).to_string();
                Reply::say(200, "{}")
            }
            ("UpdateTable", Some(_)) => refused_by_glue("ConcurrentModificationException"),
            ("DeleteTable", some @ Some(_)) => {
                *some = None;
                Reply::say(200, "{}")
            }
            _ => refused_by_glue("EntityNotFoundException"),
        }
    }

    /// The answer, or a fault in its place.
    fn answer_badly(&mut self, request: &Received, random: &mut fastrand::Rng) -> Reply {
        let is_glue = request.header("x-amz-target").is_some();
        match random.u8(..100) {
            0..=7 => Reply::Lose, // on the way there
            8..=15 => {
                self.answer(request);
                Reply::Lose // on the way back
            }
            16..=21 => {
                self.answer(request);
                Reply::CutShort(7, "<Li")
            }
            22..=25 if is_glue => refused_by_glue("ThrottlingException"),
            22..=25 => refused(503, "SlowDown"),
            26..=29 if is_glue => Reply::say(500, ""),
            26..=29 if request.method == "POST" => refused(200, "InternalError"),
            26..=29 => refused(500, "InternalError"),
            _ => self.answer(request),
        }
    }
}

/// The contents that the lake should have.
#[derive(Default)]
struct ExpectedLake {
    objects: BTreeMap<String, Vec<u8>>,
    table: Option<Map<String, Value>>,
}

/// One random step, checked against what is expected.
fn step(lake: &Lake, expected: &mut ExpectedLake, random: &mut fastrand::Rng) -> Result<()> {
    let objects = &*lake.objects;
    match random.u8(..10) {
        0 | 1 => {
            let (key, body) = (key(random), body(random));
            objects.put(&key, body.as_slice().into())?;
            expected.objects.insert(key, body);
        }
        2 | 3 => upload(objects, expected, random)?,
        4 => {
            let keys: Vec<String> = (0..3).map(|_| key(random)).collect();
            objects.delete(&keys)?;
            expected.objects.retain(|key, _| !keys.contains(key));
        }
        5 => {
            let (from, to) = (key(random), key(random));
            if let Some(body) = expected.objects.get(&from).cloned() {
                objects.copy(&from, &to)?;
                expected.objects.insert(to, body);
            }
        }
        6 => {
            let mut found = Vec::new();
            objects.list("p/", &mut |listed| {
                found.push(listed.key);
                Ok(())
            })?;
            assert!(found.iter().eq(expected.objects.keys()), "{found:?}");
        }
        7 => {
            let input = json!({ "Name": "t", "Parameters": { "n": random.u32(..).to_string() } });
            let input = input.as_object().unwrap().clone();
            let created = lake.catalog.create_table("d", &input)?;
            let as_expected = match expected.table {
                None => Created::Now,
                Some(_) => Created::Before,
            };
            assert_eq!(created, as_expected);
            expected.table.get_or_insert(input);
        }
        8 => update_table(&*lake.catalog, expected, random)?,
        _ => {
            lake.catalog.delete_table("d", "t")?;
            expected.table = None;
        }
    }
    Ok(())
}

fn key(random: &mut fastrand::Rng) -> String {
    format!("p/{}", random.u8(..8))
}

fn body(random: &mut fastrand::Rng) -> Vec<u8> {
    format!("{}|", random.u32(..)).into_bytes()
}

/// An upload in parts, completed or aborted.
fn upload(
    objects: &dyn Objects,
    expected: &mut ExpectedLake,
    random: &mut fastrand::Rng,
) -> Result<()> {
    let (key, parts) = (key(random), random.usize(1..4));
    let mut upload = objects.begin(&key)?;
    let mut whole = Vec::new();
    for _ in 0..parts {
        let body = body(random);
        objects.part(&mut upload, body.as_slice().into())?;
        whole.extend(body);
    }
    assert_eq!(
        objects.get(&key)?,
        expected.objects.get(&key).cloned(),
        "not visible yet"
    );
    if random.bool() {
        objects.complete(&mut upload)?;
        expected.objects.insert(key, whole);
    } else {
        objects.abort(&upload)?;
    }
    Ok(())
}

/// Reads the table and, where there is one, changes its parameters.
fn update_table(
    catalog: &dyn Catalog,
    expected: &mut ExpectedLake,
    random: &mut fastrand::Rng,
) -> Result<()> {
    let found = match catalog.table("d", "t")? {
        Lookup::Found(table) => Some(table),
        Lookup::Absent => None,
        Lookup::Hidden(error) => return Err(error),
    };
    let parameters = |input: &Map<String, Value>| input["Parameters"].clone();
    assert_eq!(
        found.as_ref().map(|found| parameters(&found.input)),
        expected.table.as_ref().map(parameters)
    );
    let Some(mut found) = found else {
        return Ok(());
    };
    let parameters = json!({ "n": random.u32(..).to_string() });
    found.input.insert("Parameters".into(), parameters);
    let version = found.version.as_deref();
    let updated = catalog.update_table("d", &found.input, version)?;
    assert_eq!(updated, Updated::Done);
    expected.table = Some(found.input);
    Ok(())
}

#[test]
#[allow(clippy::print_stdout)] // the seed, shown by `--nocapture`
fn a_bad_day_ends_exact_or_with_an_error_that_asks_to_try_again() {
    const DAYS: usize = 150;
    let first = fastrand::u64(..);
    println!("seeds {first} and the {DAYS} after it");
    let mut exact = 0;
    for day in 0..DAYS {
        let seed = first.wrapping_add(u64::try_from(day).unwrap());
        let mut faults = fastrand::Rng::with_seed(seed ^ 1);
        let mut store = Store::default();
        let server = Server::start(move |request| store.answer_badly(request, &mut faults));
        let pairs = [("AWS_MAX_ATTEMPTS", "12")];
        let lake = lake(&server, &pairs);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut expected = ExpectedLake::default();
        let outcome = (0..15).try_for_each(|_| step(&lake, &mut expected, &mut random));
        match outcome {
            Ok(()) => exact += 1,
            Err(error) => assert_eq!(error.kind(), Kind::Transient, "seed {seed}: {error}"),
        }
    }
    assert!(exact > DAYS * 9 / 10, "{exact} of {DAYS}, seed {first}");
}

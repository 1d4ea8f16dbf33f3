//! A lake in a local folder: uploads become visible by completion, and conflicts are noticed.

use super::*;

fn keys(lake: &Lake, prefix: &str) -> Vec<String> {
    let mut keys = Vec::new();
    lake.objects
        .list(prefix, &mut |listed| {
            keys.push(listed.key);
            Ok(())
        })
        .unwrap();
    keys
}

#[test]
fn an_upload_is_invisible_until_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).unwrap();
    let mut upload = lake.objects.begin("a/b/one").unwrap();
    lake.objects.part(&mut upload, b"first ".into()).unwrap();
    lake.objects.part(&mut upload, b"second".into()).unwrap();
    assert!(keys(&lake, "").is_empty());
    assert_eq!(
        lake.objects.unfinished("a/").unwrap()[0].upload.key,
        "a/b/one"
    );
    lake.objects.complete(&upload).unwrap();
    assert_eq!(
        lake.objects.get("a/b/one").unwrap().unwrap(),
        b"first second"
    );
    assert!(lake.objects.unfinished("").unwrap().is_empty());

    let gone = lake.objects.begin("a/two").unwrap();
    lake.objects.abort(&gone).unwrap();
    lake.objects.abort(&gone).unwrap();
    lake.objects.copy("a/b/one", "a/c/three").unwrap();
    assert_eq!(keys(&lake, "a/"), ["a/b/one", "a/c/three"]);
    lake.objects
        .delete(&["a/b/one".to_owned(), "a/none".to_owned()])
        .unwrap();
    assert_eq!(keys(&lake, ""), ["a/c/three"]);
}

#[test]
fn an_update_of_an_older_version_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).unwrap();
    lake.catalog.create_database("db").unwrap();
    let mut input = Map::new();
    input.insert("Name".to_owned(), "t".into());
    assert_eq!(
        lake.catalog.create_table("db", &input).unwrap(),
        Created::Now
    );
    assert_eq!(
        lake.catalog.create_table("db", &input).unwrap(),
        Created::Before
    );
    let Lookup::Found(CatalogTable { version, .. }) = lake.catalog.table("db", "t").unwrap() else {
        panic!("the table was created");
    };
    input.insert("Owner".to_owned(), "me".into());
    assert_eq!(
        lake.catalog
            .update_table("db", &input, version.as_deref())
            .unwrap(),
        Updated::Done
    );
    assert_eq!(
        lake.catalog
            .update_table("db", &input, version.as_deref())
            .unwrap(),
        Updated::Conflict
    );
    lake.catalog.delete_table("db", "t").unwrap();
    let found = lake.catalog.table("db", "t").unwrap();
    assert!(matches!(found, Lookup::Absent), "{found:?}");
}

#[test]
fn the_time_is_that_of_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).unwrap();
    lake.catalog.create_database("db").unwrap();
    let before = lake.objects.now().unwrap();
    lake.objects.begin("a/one").unwrap();
    let begun = lake.objects.unfinished("").unwrap()[0].begun;
    let after = lake.objects.now().unwrap();
    assert!(
        before <= begun && begun <= after && before > Millis(0),
        "{before:?} {begun:?} {after:?}"
    );
}

#[test]
fn a_folder_that_is_no_lake_yet_has_a_time_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("lake");
    let now = look(&absent).unwrap().objects.now().unwrap();
    assert!(now > Millis(1_700_000_000_000), "{now:?}");
    assert!(!absent.exists());
}

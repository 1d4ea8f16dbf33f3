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
    lake.objects.complete(&mut upload).unwrap();
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
    lake.catalog.create_database("db", "").unwrap();
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
    lake.catalog.create_database("db", "").unwrap();
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

/// Every path below the folder, and what a link points at.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path().display().to_string());
        }
    }
    found.sort();
    found
}

/// Tries every call that takes a key; whether one of them succeeded.
fn takes(lake: &Lake, key: &str) -> bool {
    let objects = &*lake.objects;
    let mut upload = Upload {
        key: key.to_owned(),
        id: "x".to_owned(),
        parts: Vec::new(),
    };
    [
        objects.put(key, (b"x\n").into()).is_ok(),
        objects.get(key).is_ok(),
        objects.begin(key).is_ok(),
        objects.part(&mut upload.clone(), (b"x\n").into()).is_ok(),
        objects.complete(&mut upload).is_ok(),
        objects.abort(&upload).is_ok(),
        objects.delete(&[key.to_owned()]).is_ok(),
        objects.copy("there", key).is_ok(),
        objects.copy(key, "copy").is_ok(),
    ]
    .contains(&true)
}

#[test]
fn no_key_leaves_the_lake() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lake");
    let lake = open(&path).unwrap();
    lake.objects.put("there", (b"x\n").into()).unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    let outside = folder.path().join("outside/x");
    fs::write(&outside, "kept").unwrap();
    let before = tree(folder.path());
    let absolute = outside.display().to_string();
    for key in [
        "../../outside/x",
        "a/../../../outside/x",
        "a/..",
        "..",
        ".",
        "./x",
        "a//x",
        "/x",
        "a/./x",
        "a\0x",
        &absolute,
    ] {
        assert!(!takes(&lake, key), "{key}");
        let error = lake.objects.put(key, (b"x\n").into()).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Config, "{key}");
        assert!(error.to_string().contains(&format!("{key:?}")), "{error}");
        let prefix = format!("{key}/");
        let listed = lake.objects.list(&prefix, &mut |_| Ok(()));
        assert!(listed.is_err(), "{key}");
        assert!(lake.objects.unfinished(&prefix).is_err(), "{key}");
        assert!(lake.access.find(&prefix).is_err(), "{key}");
        let mut input = Map::new();
        input.insert("Name".to_owned(), key.into());
        if key != "a\0x" {
            assert!(lake.catalog.create_database(key, "").is_err(), "{key}");
        }
        assert!(lake.catalog.create_table("db", &input).is_err(), "{key}");
        assert!(lake.catalog.create_table(key, &input).is_err(), "{key}");
        assert!(
            lake.catalog.update_table("db", &input, None).is_err(),
            "{key}"
        );
        assert!(lake.catalog.delete_table("..", key).is_err(), "{key}");
        assert!(lake.catalog.delete_database(key).is_err(), "{key}");
    }
    let lock = path.canonicalize().unwrap().join("catalog/.lock");
    let catalog = lock.parent().unwrap();
    let known = [catalog.display().to_string(), lock.display().to_string()];
    let after = tree(&folder.path().canonicalize().unwrap());
    let new: Vec<_> = after
        .iter()
        .filter(|path| !before.contains(path) && !known.contains(path))
        .collect();
    assert!(new.is_empty(), "{new:?}");
    assert_eq!(fs::read_to_string(outside).unwrap(), "kept");
}

#[test]
fn links_out_of_the_lake_are_not_followed() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x"), "kept").unwrap();
    for linked in ["objects/a", "objects", "uploads", "uploads/a", "catalog"] {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(folder.path()).unwrap();
        let link = folder.path().join(linked);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.path(), &link).unwrap();
        let failure = match linked {
            "catalog" => lake.catalog.create_database("db", "").unwrap_err(),
            _ => lake.objects.put("a/x", (b"x\n").into()).unwrap_err(),
        };
        let text = format!("{failure:?}");
        assert!(text.contains("links are not followed"), "{linked}: {text}");
        if linked == "objects/a" {
            lake.objects.delete(&["a/x".to_owned()]).unwrap_err();
        }
        let kept = fs::read_to_string(outside.path().join("x")).unwrap();
        assert_eq!(kept, "kept", "{linked}");
        assert_eq!(tree(outside.path()).len(), 1, "{linked}");
    }
    // An object, the part of one, and the lock.
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).unwrap();
    let target = outside.path().join("x");
    fs::create_dir_all(folder.path().join("objects/a")).unwrap();
    symlink(&target, folder.path().join("objects/a/x")).unwrap();
    lake.objects.put("a/x", (b"new\n").into()).unwrap();
    assert_eq!(lake.objects.get("a/x").unwrap().unwrap(), b"new\n");
    let mut upload = lake.objects.begin("a/y").unwrap();
    let part = folder.path().join("uploads/a/y").join(&upload.id);
    fs::remove_file(&part).unwrap();
    symlink(&target, &part).unwrap();
    lake.objects.part(&mut upload, (b"x\n").into()).unwrap_err();
    lake.objects.complete(&mut upload).unwrap_err();
    fs::create_dir_all(folder.path().join("catalog")).unwrap();
    symlink(&target, folder.path().join("catalog/.lock")).unwrap();
    lake.catalog.create_database("db", "").unwrap_err();
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
}

#[test]
#[allow(clippy::disallowed_methods)] // the other process of this lake
fn objects_are_put_while_others_remove_empty_folders() {
    let folder = tempfile::tempdir().unwrap();
    let put_and_delete = |name: &str| {
        let lake = open(folder.path()).unwrap();
        let key = format!("a/b/{name}");
        for _ in 0..200 {
            lake.objects.put(&key, (b"x\n").into()).unwrap();
            assert!(lake.objects.get(&key).unwrap().is_some());
            lake.objects.delete(std::slice::from_ref(&key)).unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| put_and_delete("one"));
        put_and_delete("two");
    });
}

#[test]
fn an_empty_lake_is_left_when_all_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).unwrap();
    lake.objects.put("a/b/one", (b"x\n").into()).unwrap();
    lake.objects
        .delete(&["a/b/one".to_owned(), "a/b/one".to_owned(), "c/d".to_owned()])
        .unwrap();
    let left = tree(&folder.path().join("objects"));
    assert_eq!(left, Vec::<String>::new());
    assert!(folder.path().join("objects").is_dir());
}

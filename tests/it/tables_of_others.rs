//! Tables that others have made: what a sync refuses, and what an overwrite removes with the rows that it described.

use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::messages::{people, person};
use crate::support::program::Output;

fn run(fake: &Fake, mode: &str, ids: std::ops::Range<u64>) -> Output {
    let rows: String = ids.map(|id| person("people", id)).collect();
    fake.write(&people("people", mode)).stdin(rows).run()
}

/// A server with a table of three rows, to which others have done this.
fn with_table(edit: impl FnOnce(&mut Value)) -> Fake {
    let fake = Fake::start();
    run(&fake, "append", 0..3).succeeded();
    fake.edit_table("people", edit);
    fake
}

#[test]
fn an_append_under_header_lines_is_refused_and_an_overwrite_removes_them() {
    let fake = with_table(|table| {
        table["Parameters"]["skip.header.line.count"] = "1".into();
        table["Parameters"]["owner_team"] = "finance".into();
    });
    let error = run(&fake, "append", 3..5).failed().to_string();
    assert!(error.contains("skip.header.line.count"), "{error}");
    assert!(error.contains("config_error"), "{error}");
    assert_eq!(fake.rows("people").len(), 3);

    let plan = crate::support::program::Program::new(&["plan", "--config", "config.json"])
        .arguments(&["--catalog", "catalog.json"])
        .file("config.json", &fake.config().to_string())
        .file("catalog.json", &people("people", "overwrite").to_string())
        .run();
    assert!(
        plan.stdout
            .contains("removes the settings\n    skip.header.line.count\n"),
        "{}",
        plan.report()
    );

    let output = run(&fake, "overwrite", 3..8);
    output.succeeded();
    assert!(
        output
            .stdout
            .contains("do not hold for the new rows are removed: skip.header.line.count"),
        "{}",
        output.report()
    );
    let store = fake.store();
    let parameters = &store.catalog.table("test", "people").unwrap()["Parameters"];
    assert_eq!(parameters.get("skip.header.line.count"), None);
    assert_eq!(parameters["owner_team"], "finance");
    drop(store);
    assert_eq!(fake.rows("people").len(), 5);
    run(&fake, "append", 8..9).succeeded();
}

#[test]
fn tables_that_other_programs_manage_are_never_overwritten() {
    type Edit = fn(&mut Value);
    let managed: [(&str, Edit); 5] = [
        ("spark.sql.sources.provider", |table| {
            table["Parameters"]["spark.sql.sources.provider"] = "delta".into();
        }),
        ("table_type", |table| {
            table["Parameters"]["table_type"] = "ICEBERG".into();
        }),
        ("InputFormat", |table| {
            table["StorageDescriptor"]["InputFormat"] =
                "org.apache.hudi.hadoop.HoodieParquetInputFormat".into();
        }),
        ("TableType", |table| table["TableType"] = "GOVERNED".into()),
        ("TargetTable", |table| {
            table["TargetTable"] = json!({"CatalogId": "1", "DatabaseName": "d", "Name": "t"});
        }),
    ];
    for (name, edit) in managed {
        let fake = with_table(edit);
        let before = fake.store().catalog.table("test", "people").cloned();
        let objects = fake.objects();
        for mode in ["append", "overwrite"] {
            let error = run(&fake, mode, 3..8).failed().to_string();
            assert!(error.contains(name), "{mode}: {error}");
            assert!(
                error.contains("write to another database"),
                "{mode}: {error}"
            );
        }
        assert_eq!(
            fake.store().catalog.table("test", "people").cloned(),
            before
        );
        assert_eq!(fake.objects(), objects, "{name}");
    }
}

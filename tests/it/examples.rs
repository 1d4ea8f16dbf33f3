//! The examples: each is read by the parser that it is for, and its commands run as they stand there.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::desk::Desk;
use crate::support::file;
use crate::support::image::manifest;
use crate::support::program::Program;
use crate::support::skip::skip;

fn example(name: &str) -> String {
    std::fs::read_to_string(file("examples").join(name)).unwrap()
}

/// A desk with the sample of events.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("events.jsonl", &example("events.jsonl"));
    desk
}

/// The sample's rows are in the table `events`, each once.
#[track_caller]
fn loaded(desk: &Desk) {
    let rows = desk.account.read("events");
    assert_eq!(rows.column("id"), [1, 2, 3]);
}

#[test]
fn the_configuration_and_the_catalog_are_complete_and_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let (config, catalog) = (file("examples/config.json"), file("examples/catalog.json"));
    let plan = Program::new(&["plan", "--json", "--config"])
        .argument(&config)
        .argument("--catalog")
        .argument(&catalog)
        .local(folder.path())
        .run();
    assert_eq!(plan.status.code(), Some(0), "{}", plan.report());
    assert!(!plan.stderr.contains("warn"), "{}", plan.report());
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["streams"].as_array().unwrap().len(), 2, "{plan}");
    let policy = Program::new(&["policy", "--config"])
        .argument(&config)
        .run();
    assert_eq!(policy.status.code(), Some(0), "{}", policy.report());
    assert!(
        policy.stdout.contains("arn:aws:s3:::my-lake"),
        "{}",
        policy.stdout
    );
    // What Airbyte's specification requires is there, and nothing that it does not know.
    let spec: Value =
        serde_json::from_str(&std::fs::read_to_string(file("src/command/spec.json")).unwrap())
            .unwrap();
    let spec = &spec["connectionSpecification"];
    let config: Value = serde_json::from_str(&example("config.json")).unwrap();
    for key in spec["required"].as_array().unwrap() {
        assert!(config.get(key.as_str().unwrap()).is_some(), "{key}");
    }
    for key in config.as_object().unwrap().keys() {
        assert!(spec["properties"].get(key).is_some(), "{key}");
    }
}

#[test]
fn the_job_of_cron_loads() {
    let desk = desk();
    let text = example("crontab");
    let job = text
        .lines()
        .find(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    let mut fields = job.unwrap().splitn(6, ' ');
    for _ in 0..5 {
        let field = fields.next().unwrap();
        assert!(field == "*" || field.parse::<u8>().is_ok(), "{field}");
    }
    let command = fields.next().unwrap();
    assert!(
        !command.contains('%'),
        "cron ends a command at a percent sign"
    );
    desk.run(command);
    loaded(&desk);
    let metrics = std::fs::read_to_string(desk.path("events.prom")).unwrap();
    assert!(metrics.contains("records"), "{metrics}");
}

#[test]
fn the_service_of_systemd_loads() {
    let desk = desk();
    let service = example("systemd/datalake-load.service");
    let command = service
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/"));
    desk.run(command.unwrap());
    loaded(&desk);
    // Where there is systemd, it understands both files.
    let here = service.replace(
        "/usr/bin/destination-aws-datalake",
        &desk
            .path("bin/destination-aws-datalake")
            .display()
            .to_string(),
    );
    desk.put("datalake-load.service", &here);
    desk.put(
        "datalake-load.timer",
        &example("systemd/datalake-load.timer"),
    );
    let verified = Command::new("systemd-analyze")
        .args(["verify", "./datalake-load.timer", "./datalake-load.service"])
        .current_dir(desk.path(""))
        .output();
    if let Ok(verified) = verified {
        let said = String::from_utf8_lossy(&verified.stderr);
        let about_us: Vec<_> = said
            .lines()
            .filter(|line| line.contains("datalake"))
            .collect();
        assert!(about_us.is_empty(), "{about_us:?}");
    }
}

/// The words of a command as a manifest lists them, with the volume replaced by the desk.
fn words(list: &Value) -> String {
    let words: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap().replace("/input/", ""))
        .collect();
    format!("destination-aws-datalake {}", words.join(" "))
}

#[test]
fn the_job_of_kubernetes_loads() {
    let desk = desk();
    let job = manifest("examples/kubernetes-cronjob.yaml");
    assert_eq!(
        (&job["apiVersion"], &job["kind"]),
        (&json!("batch/v1"), &json!("CronJob"))
    );
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    desk.run(&words(&container["args"]));
    loaded(&desk);
    let mounted = |list: &Value| -> BTreeSet<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|volume| volume["name"].to_string())
            .collect()
    };
    assert_eq!(
        mounted(&pod["volumes"]),
        mounted(&container["volumeMounts"])
    );
    let image = container["image"].as_str().unwrap();
    let version = concat!(":", env!("CARGO_PKG_VERSION"), "-scratch");
    assert!(image.ends_with(version), "{image}");
}

#[test]
fn the_service_of_compose_loads() {
    let desk = desk();
    let compose = manifest("examples/compose.yaml");
    let service = &compose["services"]["load"];
    desk.run(&words(&service["command"]));
    loaded(&desk);
    let image = service["image"].as_str().unwrap();
    let version = concat!(":", env!("CARGO_PKG_VERSION"), "-scratch");
    assert!(image.ends_with(version), "{image}");
}

#[test]
fn the_steps_of_github_actions_load() {
    let desk = desk();
    // The wheel has a test of its own.
    desk.tool("pip", "test \"$*\" = 'install destination-aws-datalake'");
    let workflow = manifest("examples/github-actions.yml");
    for step in workflow["jobs"]["load"]["steps"].as_array().unwrap() {
        if let Some(command) = step["run"].as_str() {
            desk.run(command);
        }
    }
    loaded(&desk);
}

#[test]
fn the_loader_of_meltano_loads_a_taps_output() {
    let desk = Desk::new();
    let project = manifest("examples/meltano/meltano.yml");
    let loader = &project["plugins"]["loaders"][0];
    // Meltano writes the settings to a file.
    let mut config = loader["config"].clone();
    let settings: BTreeSet<_> = loader["settings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|setting| setting["name"].as_str().unwrap())
        .collect();
    assert!(
        settings.iter().copied().eq(config
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect::<BTreeSet<_>>())
    );
    for key in ["bucket_name", "lakeformation_database_name"] {
        config[key] = desk.config()[key].clone();
    }
    desk.put("config.json", &config.to_string());
    let script = example("meltano/target-aws-datalake");
    desk.tool("target-aws-datalake", &script);
    let messages = [
        json!({"type": "SCHEMA", "stream": "events", "schema": {"properties": {"id": {"type": "integer"}}}, "key_properties": ["id"]}),
        json!({"type": "RECORD", "stream": "events", "record": {"id": 1}}),
        json!({"type": "STATE", "value": {"id": 1}}),
    ];
    desk.put(
        "messages",
        &messages.map(|message| message.to_string() + "\n").concat(),
    );
    let output = desk.run("target-aws-datalake --config config.json < messages");
    assert_eq!(output.stdout, b"{\"id\":1}\n");
    assert_eq!(desk.account.read("events").column("id"), [1]);
}

#[test]
fn the_script_for_pyairbyte_syncs() {
    if !file("target/pyairbyte/ready").exists() {
        skip!("no target/pyairbyte: `make test-clients` sets it up");
    }
    let desk = Desk::new();
    desk.put("config.json", &desk.config().to_string());
    let script = format!(
        "export HOME=$PWD AIRBYTE_OFFLINE_MODE=1 DO_NOT_TRACK=1 CONFIG=config.json PYTHONDONTWRITEBYTECODE=1
        {} {}",
        file("target/pyairbyte/bin/python").display(),
        file("examples/pyairbyte.py").display()
    );
    desk.run(&script);
    assert_eq!(desk.account.read("users").rows.len(), 100);
    assert_eq!(desk.account.read("products").rows.len(), 100);
}

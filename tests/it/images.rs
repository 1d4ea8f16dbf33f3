//! The images: what is in them, what they say of themselves, and the second under Airbyte's launcher, in a root that
//! cannot be written to.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::cloud::Account;
use crate::support::file;
use crate::support::image::{NEEDS_ROOT, is_root, manifest, rootfs};
use crate::support::messages::{people, person, state};
use crate::support::program::Program;
use crate::support::skip::skip;

/// Everything below a folder, by its path from there, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_first_image_holds_the_program_with_its_licences_and_the_second_a_shell_too() {
    let licenses = ["LGPL-2.1.txt", "LICENSE", "THIRD_PARTY_LICENSES"];
    let mut expected = vec!["destination-aws-datalake".to_owned()];
    expected.extend(licenses.map(|name| format!("licenses/{name}")));
    assert_eq!(files(&rootfs("scratch")), expected);
    let airbyte = rootfs("airbyte");
    let mut found = files(&airbyte);
    let others = found.split_off(found.partition_point(|name| name.starts_with("bin/")));
    expected.extend(["licenses/BUSYBOX", "licenses/GPL-2.0.txt"].map(str::to_owned));
    expected.sort();
    assert_eq!(others, expected);
    let offer = fs::read_to_string(airbyte.join("licenses/BUSYBOX")).unwrap();
    assert!(offer.starts_with("/bin/busybox is BusyBox v1."), "{offer}");
    let busybox = Command::new(airbyte.join("bin/busybox"))
        .arg("--list")
        .output()
        .unwrap();
    let applets = String::from_utf8(busybox.stdout).unwrap();
    for name in &found {
        let tool = name.strip_prefix("bin/").unwrap();
        let known = tool == "busybox" || applets.lines().any(|applet| applet == tool);
        assert!(known && airbyte.join(name).exists(), "{name}");
    }
    for tool in ["sh", "sleep", "mv", "kill", "echo"] {
        assert!(found.contains(&format!("bin/{tool}")), "{tool}");
    }
}

/// The instructions of a stage of the Dockerfile that is an image: name and arguments, lines joined.
fn stage(name: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(file("Dockerfile")).unwrap();
    let text = text.replace("\\\n", " ");
    let begin = format!("FROM scratch AS {name}");
    text.lines()
        .skip_while(|line| *line != begin)
        .skip(1)
        .take_while(|line| !line.starts_with("FROM "))
        .filter_map(|line| line.split_once(' '))
        .map(|(instruction, arguments)| (instruction.to_owned(), arguments.trim().to_owned()))
        .collect()
}

/// The variables or labels that a stage sets.
fn set(stage: &[(String, String)], instruction: &str) -> BTreeMap<String, String> {
    let lines = stage.iter().filter(|(name, _)| name == instruction);
    let pairs = lines.flat_map(|(_, arguments)| arguments.split(' '));
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap();
        (name.to_owned(), value.trim_matches('"').to_owned())
    };
    pairs.map(pair).collect()
}

#[test]
fn the_dockerfile_copies_these_files_and_names_this_version() {
    for image in ["scratch", "airbyte"] {
        let stage = stage(image);
        let one = |instruction: &str| {
            let mut found = stage.iter().filter(|(name, _)| name == instruction);
            let arguments = found
                .next()
                .unwrap_or_else(|| panic!("{image}: {instruction}"))
                .1
                .clone();
            assert!(found.next().is_none(), "{image}: two of {instruction}");
            arguments
        };
        assert_eq!(
            one("COPY"),
            format!("--from=build /source/target/rootfs/{image} /")
        );
        assert_eq!(one("USER"), "1000:1000");
        let entry: Vec<String> = serde_json::from_str(&one("ENTRYPOINT")).unwrap();
        assert_eq!(set(&stage, "ENV")["AIRBYTE_ENTRYPOINT"], entry.join(" "));
        let program = rootfs(image).join(entry[0].trim_start_matches('/'));
        assert_eq!(
            program.metadata().unwrap().permissions().mode() & 0o777,
            0o755
        );
        let labels = set(&stage, "LABEL");
        assert_eq!(labels["io.airbyte.version"], env!("CARGO_PKG_VERSION"));
        let metadata = manifest("packaging/airbyte/metadata.yaml");
        assert_eq!(
            labels["io.airbyte.name"],
            metadata["data"]["dockerRepository"]
        );
    }
}

/// What Airbyte's launcher runs in place of an image's entry point: the connector in the background, with pipes that
/// have names for its streams; a watch for the order to end; and the exit code in a file.
const WRAPPER: &str = r#"
if [ -z "$AIRBYTE_ENTRYPOINT" ]; then
  echo "no entry point"
  exit 127
fi
(eval "$AIRBYTE_ENTRYPOINT COMMAND") &
child=$!
(while true; do if [ -f TERMINATED ]; then kill $child; exit 0; fi; sleep 1; done) &
wait $child
code=$?
echo $code > exitCode.tmp
mv exitCode.tmp exitCode.txt
exit $code
"#;

/// A container of the image `airbyte` as Kubernetes would make it: a root that cannot be written to, a volume at /dest
/// that can, user 1000, processes of its own. Its network is ours, where moto is.
struct Container {
    /// The image, with the places where the volume and the one device that a shell needs are mounted.
    root: TempDir,
    dest: TempDir,
}

impl Container {
    fn new() -> Self {
        let (root, dest) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let status = Command::new("cp")
            .arg("-a")
            .arg(rootfs("airbyte").join("."))
            .arg(root.path())
            .status()
            .unwrap();
        assert!(status.success());
        for folder in ["dest", "dev"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("dev/null"), "").unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        chown(dest.path(), Some(1000), Some(1000)).unwrap();
        Self { root, dest }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dest.path().join(name)
    }

    /// Puts a file into the volume, as the launcher's first container does.
    fn file(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).unwrap();
        chown(self.path(name), Some(1000), Some(1000)).unwrap();
        self
    }

    /// Makes the pipes of a sync; what comes out of two of them is read to its end.
    fn pipes(&self) -> [JoinHandle<String>; 2] {
        for name in ["stdin", "stdout", "stderr"] {
            let status = Command::new("mkfifo")
                .arg(self.path(name))
                .status()
                .unwrap();
            assert!(status.success());
            chown(self.path(name), Some(1000), Some(1000)).unwrap();
        }
        ["stdout", "stderr"].map(|name| {
            let path = self.path(name);
            std::thread::spawn(move || {
                let mut text = String::new();
                let mut pipe = fs::File::open(path).unwrap();
                pipe.read_to_string(&mut text).unwrap();
                text
            })
        })
    }

    /// Starts the wrapper around this command of the connector.
    fn start(&self, command: &str) -> Child {
        const ENTER: &str = "set -e
            mount --bind \"$1\" \"$1\"
            mount --bind \"$2\" \"$1/dest\"
            mount --bind /dev/null \"$1/dev/null\"
            mount -o remount,bind,ro \"$1\"
            shift 2
            exec env -i \"$@\"";
        let mut enter = Command::new("unshare");
        enter
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                ENTER,
                "sh",
            ])
            .args([self.root.path(), self.dest.path()]);
        for (name, value) in set(&stage("airbyte"), "ENV") {
            enter.arg(format!("{name}={value}"));
        }
        let wrapper = WRAPPER.replace("COMMAND\")", command);
        enter
            // As the launcher sets them.
            .args([
                "WORKER_JOB_ID=7",
                "WORKER_JOB_ATTEMPT=0",
                "DEPLOYMENT_MODE=OSS",
                "LOG_LEVEL=INFO",
            ])
            .arg(crate::support::image::chroot().get_program())
            .args(["--userspec=1000:1000"])
            .arg(self.root.path())
            .args([
                "/bin/sh",
                "-c",
                "cd /dest; exec /bin/sh -c \"$1\"",
                "sh",
                &wrapper,
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts a sync with this configuration; its stdin, and the readers of its stdout and stderr.
    fn write(&self, config: &Value) -> (Child, fs::File, [JoinHandle<String>; 2]) {
        self.file("connectorConfig.json", &config.to_string())
            .file("catalog.json", &people("people", "append").to_string());
        let outputs = self.pipes();
        let child = self.start(WRITE);
        let stdin = self.path("stdin");
        let stdin = fs::OpenOptions::new().write(true).open(stdin).unwrap();
        (child, stdin, outputs)
    }

    /// Waits for the end; the exit code of the container and that in the file are this one.
    #[track_caller]
    fn ended(&self, child: Child, code: i32) {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        let file = fs::read_to_string(self.path("exitCode.txt")).unwrap();
        assert_eq!(file, format!("{code}\n"), "{said}");
    }
}

const WRITE: &str = "write --config /dest/connectorConfig.json --catalog /dest/catalog.json\" \
                     2> stderr > stdout < stdin)";

fn messages(text: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    text.lines().map(line).collect()
}

#[test]
fn a_sync_runs_under_the_launcher() {
    if !is_root() {
        skip!(NEEDS_ROOT);
    }
    let account = Account::new();
    let container = Container::new();
    let (child, mut stdin, [stdout, stderr]) = container.write(&account.config());
    let input = person("people", 1) + &person("people", 2) + &state("people", 7);
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let said = messages(&stdout.join().unwrap());
    assert_eq!(stderr.join().unwrap(), "");
    container.ended(child, 0);
    let states = said.iter().filter(|message| message["type"] == "STATE");
    assert_eq!(
        states
            .map(|message| message["state"]["id"].as_u64())
            .collect::<Vec<_>>(),
        [Some(7)]
    );
    assert_eq!(account.read("people").column("id"), [1, 2]);
}

#[test]
fn a_sync_that_fails_under_the_launcher_reports_why_and_leaves_its_exit_code() {
    if !is_root() {
        skip!(NEEDS_ROOT);
    }
    let container = Container::new();
    let (child, stdin, [stdout, stderr]) = container.write(&json!({}));
    drop(stdin);
    let said = messages(&stdout.join().unwrap());
    assert_eq!(stderr.join().unwrap(), "");
    container.ended(child, 1);
    let error = &said.last().unwrap()["trace"]["error"];
    assert_eq!(error["failure_type"], "config_error", "{said:?}");
}

#[test]
fn a_sync_that_the_launcher_ends_publishes_nothing_that_was_not_acknowledged() {
    if !is_root() {
        skip!(NEEDS_ROOT);
    }
    let account = Account::new();
    let container = Container::new();
    let (child, mut stdin, [stdout, stderr]) = container.write(&account.config());
    stdin.write_all(person("people", 1).as_bytes()).unwrap();
    container.file("TERMINATED", "");
    // The wrapper kills its own subshell; the program goes with the container.
    container.ended(child, 143);
    assert_eq!(stderr.join().unwrap(), "");
    let said = messages(&stdout.join().unwrap());
    assert!(
        said.iter().all(|message| message["type"] != "STATE"),
        "{said:?}"
    );
    let objects = account.keys_in_bucket();
    assert_eq!(objects, Vec::<String>::new());
}

#[test]
fn check_and_spec_run_under_the_launcher_with_relative_paths() {
    if !is_root() {
        skip!(NEEDS_ROOT);
    }
    let account = Account::new();
    for (command, kind) in [
        ("spec", "SPEC"),
        ("check --config connectorConfig.json", "CONNECTION_STATUS"),
    ] {
        let container = Container::new();
        container.file("connectorConfig.json", &account.config().to_string());
        let child = container.start(&format!("{command}\" > jobOutput.json)"));
        container.ended(child, 0);
        let said = messages(&fs::read_to_string(container.path("jobOutput.json")).unwrap());
        let answer = said.iter().find(|message| message["type"] == kind);
        let answer = answer.unwrap_or_else(|| panic!("{command}: {said:?}"));
        if kind == "CONNECTION_STATUS" {
            assert_eq!(
                answer["connectionStatus"]["status"], "SUCCEEDED",
                "{said:?}"
            );
        }
    }
}

/// What the program prints for `spec`.
fn spec() -> Value {
    let output = Program::new(&["spec"]).run();
    let specs: Vec<_> = output.of_type("SPEC").collect();
    specs[0]["spec"].clone()
}

#[test]
fn the_registry_s_entry_is_complete_and_of_this_version() {
    let data = manifest("packaging/airbyte/metadata.yaml")["data"].take();
    // Required by the registry's schema, ConnectorMetadataDefinitionV0.
    for key in [
        "name",
        "definitionId",
        "connectorType",
        "connectorSubtype",
        "dockerRepository",
        "dockerImageTag",
        "license",
        "documentationUrl",
        "githubIssueLabel",
        "releaseStage",
    ] {
        assert!(
            data[key].as_str().is_some_and(|text| !text.is_empty()),
            "{key}"
        );
    }
    let spec = spec();
    assert_eq!(data["dockerImageTag"], env!("CARGO_PKG_VERSION"));
    // The Python connector's last, which this one is to be an upgrade of.
    let number = |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect();
    let (now, before): (Vec<u32>, Vec<u32>) = (number(env!("CARGO_PKG_VERSION")), number("0.1.58"));
    assert!(now > before, "{now:?}");
    let changes = std::fs::read_to_string(file("CHANGELOG.md")).unwrap();
    let mut headings = changes.lines().filter_map(|line| line.strip_prefix("## "));
    let released = headings.find(|heading| *heading != "Unreleased");
    assert_eq!(released, Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(data["name"], spec["connectionSpecification"]["title"]);
    assert_eq!(data["documentationUrl"], spec["documentationUrl"]);
    assert_eq!(data["protocolVersion"], spec["protocol_version"]);
    assert_eq!(data["connectorType"], "destination");
    // Generation ids come only where this is said.
    assert_eq!(data["supportsRefreshes"], true);
    let icon = Path::new("packaging/airbyte").join(data["icon"].as_str().unwrap());
    let icon = fs::read_to_string(file(icon.to_str().unwrap())).unwrap();
    let mut reader = quick_xml::Reader::from_str(&icon);
    let mut first = None;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(element) if first.is_none() => {
                first = Some(element.name().as_ref().to_owned());
            }
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(first.as_deref(), Some("svg"));
}

#[test]
fn the_documentation_page_knows_every_setting_and_this_version() {
    let page = fs::read_to_string(file("packaging/airbyte/aws-datalake.md")).unwrap();
    for heading in [
        "# AWS Datalake",
        "## Prerequisites",
        "## Setup guide",
        "## Supported sync modes",
        "## Output schema",
        "## Data type map",
        "## Changelog",
    ] {
        assert!(page.lines().any(|line| line == heading), "{heading}");
    }
    let spec = spec();
    let settings = spec["connectionSpecification"]["properties"]
        .as_object()
        .unwrap();
    for (key, setting) in settings {
        // The form puts a star after some.
        let title = setting["title"].as_str().unwrap().trim_end_matches(" *");
        assert!(
            page.contains(&format!("**{title}**")),
            "{key}, whose title is {title}"
        );
    }
    assert!(page.contains(&format!("| {} |", env!("CARGO_PKG_VERSION"))));
}

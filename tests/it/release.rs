//! What is released: the wheel, the Debian package and the tarball; completions and man page, from one description of the
//! options, which is that of the help texts and of the parser.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::Program;
use crate::support::{file, image};

/// Runs a tool with these arguments and an environment without a network.
#[track_caller]
fn run(tool: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Output {
    let output = Command::new(&tool)
        .args(arguments)
        .env("PIP_NO_INDEX", "1")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_CONFIG_FILE", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What `release` makes of the static program, in a folder.
fn release(what: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = image::program();
    let arguments = [
        what,
        program.to_str().unwrap(),
        folder.path().to_str().unwrap(),
    ];
    let made = stdout(&run(file("packaging/release"), &arguments));
    let first = PathBuf::from(made.lines().next().unwrap());
    (folder, first)
}

/// The program at this path loads a row into a lake, and its version is that of the package.
#[track_caller]
fn works(program: &Path) {
    let version = stdout(&run(program, &["--version"]));
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let lake = tempfile::tempdir().unwrap();
    let input = lake.path().join("events.jsonl");
    std::fs::write(&input, "{\"id\":1}\n").unwrap();
    let lake = lake.path().join("lake");
    let (lake, input) = (lake.to_str().unwrap(), input.to_str().unwrap());
    run(
        program,
        &["load", "--local", lake, "--table", "events", input],
    );
    let (_, rows) = crate::support::local::table(Path::new(lake), "events");
    assert_eq!(rows.len(), 1);
}

#[test]
fn the_wheel_is_installed_by_pip_without_a_network() {
    let (_wheels, wheel) = release("wheel");
    let name = wheel.file_name().unwrap().to_str().unwrap();
    for tag in ["-py3-none-", "manylinux_2_17_", "musllinux_1_1_"] {
        assert!(name.contains(tag), "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("venv");
    run("python3", &["-m", "venv", environment.to_str().unwrap()]);
    let tool = |name: &str| environment.join("bin").join(name);
    run(
        tool("pip"),
        &["install", "--no-index", wheel.to_str().unwrap()],
    );
    works(&tool("destination-aws-datalake"));
    // What RECORD names is there, with the hashes that it names: `pip check` looks at neither.
    let shown = stdout(&run(
        tool("pip"),
        &["show", "--files", "destination-aws-datalake"],
    ));
    for line in ["../../../bin/destination-aws-datalake", "licenses/LICENSE"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    run(
        tool("pip"),
        &["uninstall", "--yes", "destination-aws-datalake"],
    );
    assert!(!tool("destination-aws-datalake").exists());
}

#[test]
fn the_same_program_makes_the_same_packages() {
    for what in ["wheel", "deb"] {
        let ((_one, first), (_two, second)) = (release(what), release(what));
        assert_eq!(first.file_name(), second.file_name());
        assert_eq!(
            std::fs::read(first).unwrap(),
            std::fs::read(second).unwrap()
        );
    }
}

#[test]
fn the_debian_package_and_the_tarball_hold_a_program_that_works() {
    let (folder, package) = release("deb");
    let script = "ar p \"$1\" data.tar.gz | tar -xzf - && ar p \"$1\" control.tar.gz | tar -xzf - && md5sum --quiet -c md5sums
        if command -v dpkg-deb >/dev/null; then dpkg-deb --info \"$1\" && dpkg-deb --contents \"$1\" >/dev/null; fi";
    let unpacked = Command::new("sh")
        .args(["-euc", script, "sh"])
        .arg(&package)
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    works(&folder.path().join("usr/bin/destination-aws-datalake"));
    let (folder, tarball) = release("tarball");
    let arguments = ["-xzf", tarball.to_str().unwrap(), "-C"];
    run(
        "tar",
        &[&arguments[..], &[folder.path().to_str().unwrap()]].concat(),
    );
    let name = tarball.file_name().unwrap().to_str().unwrap();
    let inner = folder.path().join(name.strip_suffix(".tar.gz").unwrap());
    works(&inner.join("destination-aws-datalake"));
    for name in [
        "LICENSE",
        "THIRD_PARTY_LICENSES",
        "README.md",
        "man",
        "completions",
    ] {
        assert!(inner.join(name).exists(), "{name}");
    }
}

#[test]
fn what_is_released_is_a_static_program_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("program");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    for (program, expected) in [
        (
            script.as_path(),
            "expected an ELF program for Linux, of 64 bits",
        ),
        (Path::new("/bin/sh"), "the program needs a loader"),
    ] {
        let refused = Command::new(file("packaging/release"))
            .arg("wheel")
            .args([program, folder.path()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains(expected),
            "{said}"
        );
    }
}

/// The description of the commands and options.
fn description() -> Value {
    let text = std::fs::read_to_string(file("packaging/options.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn texts(value: &Value) -> BTreeSet<String> {
    let values = value.as_array().into_iter().flatten();
    values
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// The long options that a text names.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_command_takes_the_options_of_its_description_and_no_others() {
    let about = description();
    for command in about["commands"].as_object().unwrap().keys() {
        for option in about["options"].as_array().unwrap() {
            let name = option["name"].as_str().unwrap();
            // What ends the program before it looks at the rest.
            if ["help", "version"].contains(&name) {
                continue;
            }
            let taken = texts(&option["commands"]).contains(command);
            let mut arguments = vec![command.clone(), format!("--{name}")];
            if option["value"].is_string() {
                let value = option["values"][0].as_str().unwrap_or("bad_key=1");
                arguments.push(value.to_owned());
            }
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            // With what some commands require, and nothing that is there.
            let required = [
                ("check", vec!["--config", "no.json"]),
                ("write", vec!["--config", "no.json", "--catalog", "no.json"]),
                (
                    "load",
                    vec!["--table", "t", "--local", "no/lake", "no.jsonl"],
                ),
                (
                    "plan",
                    vec!["--table", "t", "--schema", "no.json", "--local", "no"],
                ),
            ];
            let mut program = Program::new(&arguments);
            for (of, more) in required {
                let mut more = more.chunks(2).collect::<Vec<_>>();
                more.retain(|pair| *pair.first().unwrap() != arguments[1]);
                if of == command {
                    program = program.arguments(&more.concat());
                }
            }
            let output = program.run();
            let refused = output.stderr.contains("unexpected option")
                || output.stderr.contains("unknown option");
            assert_eq!(refused, !taken, "{arguments:?}\n{}", output.report());
        }
    }
}

#[test]
fn the_help_texts_name_what_is_described() {
    let about = description();
    let all: BTreeSet<String> = about["options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|option| option["name"].as_str().unwrap().to_owned())
        .collect();
    let mut named = BTreeSet::new();
    for (command, text) in about["commands"].as_object().unwrap() {
        let help = Program::new(&[command, "--help"]).run().stdout;
        let own = options(&help);
        let unknown: Vec<_> = own.difference(&all).collect();
        assert!(unknown.is_empty(), "{command} --help: {unknown:?}");
        named.extend(own);
        let help = Program::new(&["--help"]).run().stdout;
        named.extend(options(&help));
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = format!("{command} {}", text.as_str().unwrap());
        assert!(words.contains(&line), "--help: no {line:?}");
        for (code, text) in about["exit_codes"].as_object().unwrap() {
            let line = format!("{code} {}", text.as_str().unwrap());
            assert!(words.contains(&line), "--help: no {line:?}");
        }
    }
    let silent: Vec<_> = all.difference(&named).collect();
    assert!(silent.is_empty(), "no help text names {silent:?}");
}

/// What bash completes after these words, of which the last is being typed.
fn completed(script: &Path, folder: &Path, words: &[&str]) -> Vec<String> {
    let drive = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))
        _destination_aws_datalake; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["-c", drive, "bash"])
        .arg(script)
        .arg("destination-aws-datalake")
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    stdout(&output)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

#[test]
fn completions_and_the_man_page_know_every_command_and_option() {
    let (folder, _) = release("docs");
    let place = folder.path().join("completions");
    let script = place.join("destination-aws-datalake.bash");
    std::fs::write(folder.path().join("events.jsonl"), "").unwrap();
    let complete = |words: &[&str]| completed(&script, folder.path(), words);
    assert_eq!(complete(&["pl"]), ["plan"]);
    assert_eq!(complete(&["load", "--mode", ""]), ["append", "overwrite"]);
    assert_eq!(complete(&["load", "--check"]), ["--checkpoint-interval"]);
    assert_eq!(complete(&["load", "eve"]), ["events.jsonl"]);
    assert_eq!(complete(&["load", "--schema", "ev"]), ["events.jsonl"]);
    assert_eq!(complete(&["load", "--local", "ma"]), ["man"]);
    assert!(complete(&["policy", "--check"]).is_empty());
    let about = description();
    let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
    let page = read("man/destination-aws-datalake.1").replace("\\-", "-");
    let (zsh, fish) = (
        read("completions/_destination-aws-datalake"),
        read("completions/destination-aws-datalake.fish"),
    );
    for option in about["options"].as_array().unwrap() {
        let name = option["name"].as_str().unwrap();
        assert!(page.contains(&format!("--{name}")), "{name}");
        assert!(zsh.contains(&format!("'--{name}[")), "{name}");
        assert!(fish.contains(&format!(" -l {name} ")), "{name}");
    }
    // The other shells and groff read what is for them, where they are.
    for (tool, arguments) in [
        ("zsh", &["-n", "completions/_destination-aws-datalake"][..]),
        ("fish", &["-n", "completions/destination-aws-datalake.fish"]),
        (
            "groff",
            &["-man", "-ww", "-z", "man/destination-aws-datalake.1"],
        ),
    ] {
        if let Ok(output) = Command::new(tool)
            .args(arguments)
            .current_dir(&folder)
            .output()
        {
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{output:?}"
            );
        }
    }
}

#[test]
fn the_release_workflow_runs_nothing_but_targets_of_the_makefile() {
    let workflow = image::manifest(".github/workflows/release.yml");
    let makefile = std::fs::read_to_string(file("Makefile")).unwrap();
    let mut targets = BTreeSet::new();
    for (name, job) in workflow["jobs"].as_object().unwrap() {
        let needs = &job["needs"];
        for needed in texts(needs)
            .iter()
            .map(String::as_str)
            .chain(needs.as_str())
        {
            assert!(workflow["jobs"][needed].is_object(), "{name}: {needed}");
        }
        for step in job["steps"].as_array().unwrap() {
            let Some(command) = step["run"].as_str() else {
                assert!(step["uses"].as_str().unwrap().contains('@'), "{step}");
                continue;
            };
            let mut words = command.split_whitespace();
            assert_eq!(words.next(), Some("make"), "{name}: {command}");
            targets.extend(words.next().map(str::to_owned));
        }
    }
    for target in &targets {
        assert!(makefile.contains(&format!("\n{target}:")), "{target}");
    }
    for target in ["check", "dist", "push", "manifest", "publish"] {
        assert!(targets.contains(target), "{target}");
    }
    // The compiler is the one that `make dist` insists on, and no secret but the run's own token is read.
    let text = std::fs::read_to_string(file(".github/workflows/release.yml")).unwrap();
    let version = workflow["jobs"]["dist"]["env"]["RUSTUP_TOOLCHAIN"].as_str();
    assert!(makefile.contains(&format!("\nRUST := {}\n", version.unwrap())));
    let secrets: BTreeSet<_> = text
        .split("secrets.")
        .skip(1)
        .map(|rest| rest.split(' ').next())
        .collect();
    assert_eq!(secrets, BTreeSet::from([Some("GITHUB_TOKEN")]));
}

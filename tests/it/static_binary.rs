//! The static program: nothing in it asks for a loader, and it works where nothing else is.

use std::fs::File;
use std::net::UdpSocket;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::cloud::{Account, Helper};
use crate::support::file;
use crate::support::image::{NEEDS_ROOT, chroot, is_root, program};
use crate::support::messages::{people, person, state};
use crate::support::skip::skip;

/// Kinds of program headers, by the ELF specification and its GNU extensions.
const LOADED: u64 = 1;
const DYNAMIC: u64 = 2;
const INTERPRETER: u64 = 3;
const STACK: u64 = 0x6474_e551;
const RELRO: u64 = 0x6474_e552;

/// Tags of the dynamic section: a shared library, and flags of which 8 means that all addresses are found at the start.
const NEEDED: u64 = 1;
const FLAGS: u64 = 30;

/// Where the store of the tests is, as if it were in a cluster.
const DOMAIN: &str = "svc.cluster.local";
const HOST: &str = "lake.svc.cluster.local";

/// A program of 64 bits, little-endian.
struct Elf(Vec<u8>);

impl Elf {
    fn number(&self, at: u64, length: u64) -> u64 {
        let (at, length) = (
            usize::try_from(at).unwrap(),
            usize::try_from(length).unwrap(),
        );
        let bytes = self.0[at..at + length].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Where the program headers are, by their kinds.
    fn headers(&self) -> Vec<(u64, u64)> {
        let (table, size, count) = (self.number(32, 8), self.number(54, 2), self.number(56, 2));
        let places = (0..count).map(|index| table + index * size);
        places.map(|at| (self.number(at, 4), at)).collect()
    }

    fn header(&self, kind: u64) -> Option<u64> {
        let found = self.headers().into_iter().find(|header| header.0 == kind);
        found.map(|header| header.1)
    }

    /// The entries of the dynamic section: tags and values.
    fn dynamic(&self) -> Vec<(u64, u64)> {
        let header = self.header(DYNAMIC).unwrap();
        let (from, length) = (self.number(header + 8, 8), self.number(header + 32, 8));
        let places = (from..from + length).step_by(16);
        places
            .map(|at| (self.number(at, 8), self.number(at + 8, 8)))
            .collect()
    }
}

#[test]
fn nothing_in_it_asks_for_a_loader_and_it_has_no_fixed_place() {
    let elf = Elf(std::fs::read(program()).unwrap());
    assert_eq!(elf.0[..6], *b"\x7fELF\x02\x01", "an ELF file of 64 bits");
    assert!(elf.header(LOADED).is_some());
    assert_eq!(elf.header(INTERPRETER), None);
    let dynamic = elf.dynamic();
    assert!(dynamic.iter().all(|(tag, _)| *tag != NEEDED), "{dynamic:?}");
    assert_eq!(elf.number(16, 2), 3, "it is position-independent");
    let flags = dynamic.iter().find(|(tag, _)| *tag == FLAGS);
    assert!(
        flags.is_some_and(|(_, flags)| flags & 8 != 0),
        "{dynamic:?}"
    );
    assert!(elf.header(RELRO).is_some(), "addresses stay writable");
    let stack = elf.header(STACK).unwrap();
    assert_eq!(elf.number(stack + 4, 4) & 1, 0, "the stack is executable");
}

#[test]
fn no_path_of_the_builder_is_in_it() {
    let bytes = std::fs::read(program()).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let home = std::env::var("HOME").unwrap_or_default();
    for path in [env!("CARGO_MANIFEST_DIR"), &format!("{home}/")] {
        let at = text.find(path).filter(|_| path.len() > 1);
        let around = at.and_then(|at| text.get(at..at + 100));
        assert_eq!(around, None, "{path}");
    }
}

/// A root that holds the program alone; what a test adds is all there is besides.
struct Root(TempDir);

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // By a process of its own: a file that this one holds open for writing, as a child of another test inherits
        // it for a moment, cannot be executed.
        let copied = Command::new("cp")
            .arg(program())
            .arg(folder.path())
            .status();
        assert!(copied.unwrap().success());
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Runs the program in there with an environment of these variables alone.
    #[track_caller]
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Output {
        let input = self.0.path().join("stdin");
        std::fs::write(&input, stdin).unwrap();
        chroot()
            .arg(self.0.path())
            .arg("/destination-aws-datalake")
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(File::open(input).unwrap())
            .output()
            .unwrap()
    }
}

/// The messages on stdout of a run that exited with 0.
#[track_caller]
fn messages(output: &Output) -> Vec<Value> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{stdout}\n{stderr}",
        output.status
    );
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn spec_and_a_local_lake_need_the_program_alone() {
    if !is_root() {
        skip!(NEEDS_ROOT);
    }
    let root = Root::new();
    assert_eq!(messages(&root.run(&["spec"], &[], ""))[0]["type"], "SPEC");
    root.file("catalog.json", &people("people", "append").to_string());
    let write = ["write", "--local", "/lake", "--catalog", "/catalog.json"];
    let input = person("people", 1) + &state("people", 7);
    let output = root.run(&write, &[], &input);
    let states = messages(&output);
    let states = states.iter().filter(|message| message["type"] == "STATE");
    assert_eq!(states.count(), 1);
    let load = ["load", "--local", "/lake", "--table", "events"];
    let output = root.run(&load, &[], "{\"id\":1}\n{\"id\":2}\n");
    messages(&output);
    assert!(
        root.0
            .path()
            .join("lake/catalog/default/events.json")
            .exists(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A name server on loopback that knows one domain, whose every name is this machine.
struct Names {
    address: &'static str,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    /// None where port 53 is not ours to take.
    fn serve(domain: &'static str) -> Option<Self> {
        // Any of 127/8 is loopback; this one is in nobody's way.
        let address = "127.0.53.1";
        let socket = UdpSocket::bind((address, 53)).ok()?;
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let names = Self {
            address,
            asked: asked.clone(),
        };
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut question) {
                if let Some((name, answer)) = answer(&question[..length], domain) {
                    asked.lock().unwrap().push(name);
                    let _ = socket.send_to(&answer, client);
                }
            }
        });
        Some(names)
    }
}

/// The name in a question and the answer to it, in the words of RFC 1035: 127.0.0.1 for an address in the domain, nothing
/// for other records of it, no such name for the rest.
fn answer(question: &[u8], domain: &str) -> Option<(String, Vec<u8>)> {
    let mut labels = Vec::new();
    let mut at = 12;
    while let length @ 1.. = usize::from(*question.get(at)?) {
        labels.push(String::from_utf8_lossy(question.get(at + 1..at + 1 + length)?).into_owned());
        at += 1 + length;
    }
    let name = labels.join(".");
    let end = at + 5;
    let is_address = question.get(at + 1..at + 3)? == [0, 1];
    let is_known = name == domain || name.ends_with(&format!(".{domain}"));
    let count = u8::from(is_known && is_address);
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x81, if is_known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question.get(12..end)?);
    if count == 1 {
        // The name of the question, an address of the internet, for a minute, of four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some((name, answer))
}

#[test]
fn it_resolves_names_and_speaks_tls_from_an_empty_root() {
    if !is_root() {
        skip!(NEEDS_ROOT);
    }
    let account = Account::new();
    let (host, port) = Account::endpoint()
        .strip_prefix("http://")
        .and_then(|authority| authority.split_once(':'))
        .unwrap();
    let mut tls = Helper::start("tls.py", &[DOMAIN, host, port]);
    let tls_ready = tls.hear();

    let root = Root::new();
    let mut config = account.config();
    // Stores in a cluster have one name for all buckets.
    config["path_style"] = true.into();
    config["endpoint_url"] = format!("https://{HOST}:{}", tls_ready["port"]).into();
    root.file("config.json", &config.to_string())
        .file("catalog.json", &people("people", "append").to_string())
        .file("ca.pem", tls_ready["authority"].as_str().unwrap());
    let names = Names::serve(DOMAIN);
    if let Some(names) = &names {
        root.file(
            "etc/resolv.conf",
            &format!("nameserver {}\n", names.address),
        );
    } else {
        // Port 53 is taken: the name comes from a file instead of a name server.
        root.file("etc/hosts", &format!("127.0.0.1 {HOST}\n"));
    }

    let trusting = [("AWS_CA_BUNDLE", "/ca.pem")];
    let check = ["check", "--config", "/config.json"];
    let output = root.run(&check, &trusting, "");
    let answers = messages(&output);
    let status = &answers.last().unwrap()["connectionStatus"];
    assert_eq!(status["status"], "SUCCEEDED", "{answers:?}");

    let write = [
        "write",
        "--config",
        "/config.json",
        "--catalog",
        "/catalog.json",
    ];
    let input = person("people", 1) + &person("people", 2) + &state("people", 7);
    messages(&root.run(&write, &trusting, &input));
    assert_eq!(account.read("people").column("id"), [1, 2]);

    // `cat events.jsonl | … load`, configured by its environment alone.
    let (key, secret) = account.keys();
    let endpoint = config["endpoint_url"].as_str().unwrap();
    let variables = [
        ("AWS_CA_BUNDLE", "/ca.pem"),
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("DATALAKE_PATH_STYLE", "true"),
    ];
    let place = format!("s3://{}/lake", account.bucket);
    let load = [
        "load",
        &place,
        "--database",
        &account.database,
        "--table",
        "events",
    ];
    let output = root.run(&load, &variables, "{\"id\":3}\n");
    messages(&output);
    assert_eq!(account.read("events").column("id"), [3]);

    // Without the authority the server is a stranger: names and chains are checked in there too.
    let answers = messages(&root.run(&check, &[], ""));
    let status = &answers.last().unwrap()["connectionStatus"];
    assert_eq!(status["status"], "FAILED", "{answers:?}");
    assert!(
        status["message"].as_str().unwrap().contains("certificate"),
        "{answers:?}"
    );

    if let Some(names) = names {
        let asked = names.asked.lock().unwrap();
        assert!(asked.contains(&HOST.to_owned()), "{asked:?}");
    }
}

#[test]
fn short_forms_of_glibc_do_as_glibc_does() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("compare");
    let compiled = Command::new("cc")
        .args(["-O1", "-fno-builtin", "-o"])
        .arg(&program)
        .arg(file("tests/support/libc_parts.c"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{said}");
    let seed = fastrand::u16(..).to_string();
    let output = Command::new(&program).arg(&seed).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said == "2800000 comparisons agree\n",
        "seed {seed}: {said}"
    );
}

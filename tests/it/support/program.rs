//! The real binary as a child process: its input, its environment, its output, and a full report when a test fails.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::authority::Authority;
use super::fake::journal::Journal;
use super::proxy::Proxy;
use super::wire;

/// Longer than any sync of the tests on a busy machine: past it the program hangs, and the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run of the program to be.
pub(crate) struct Program {
    command: Command,
    folder: TempDir,
    stdin: Vec<u8>,
    journal: Journal,
    secrets: Vec<String>,
}

impl Program {
    /// With exactly these arguments, in an empty working directory and an empty environment.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_destination-aws-datalake"));
        command
            .args(arguments)
            .current_dir(folder.path())
            .env_clear();
        Self {
            command,
            folder,
            stdin: Vec::new(),
            journal: Journal::default(),
            secrets: Vec::new(),
        }
    }

    /// `check` with the configuration, by a path relative to the working directory, as some platforms do.
    pub(crate) fn check(config: &Value) -> Self {
        Self::new(&["check", "--config", "config.json"]).holding(config)
    }

    /// `write` with the configuration and the configured catalog.
    pub(crate) fn write(config: &Value, catalog: &Value) -> Self {
        let arguments = [
            "write",
            "--config",
            "config.json",
            "--catalog",
            "catalog.json",
        ];
        Self::new(&arguments)
            .holding(config)
            .file("catalog.json", &catalog.to_string())
    }

    fn holding(mut self, config: &Value) -> Self {
        let secret = config["credentials"]["aws_secret_access_key"].as_str();
        self.secrets
            .extend(secret.filter(|text| !text.is_empty()).map(str::to_owned));
        self.file("config.json", &config.to_string())
    }

    /// Puts a file into the working directory.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Through this proxy, believing the authority that vouches for the servers that it leads to.
    pub(crate) fn through(self, proxy: &Proxy) -> Self {
        let authority = &Authority::get().certificate;
        self.file("authority.pem", authority)
            .env("AWS_CA_BUNDLE", "authority.pem")
            .env("HTTPS_PROXY", &proxy.url())
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn arguments(self, arguments: &[&str]) -> Self {
        arguments.iter().fold(self, Self::argument)
    }

    /// A lake in this folder instead of S3 and Glue.
    pub(crate) fn local(self, folder: &Path) -> Self {
        self.argument("--local").argument(folder)
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Kills it before the n-th system call of this name.
    pub(crate) fn killed_by_strace(mut self, call: &str, nth: usize) -> Self {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-o", "/dev/null"])
            .args(["-e", &format!("trace=?{call}")])
            .args(["-e", &format!("inject=?{call}:signal=KILL:when={nth}")])
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .current_dir(self.folder.path())
            .env_clear()
            .envs(
                self.command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        self.command = command;
        self
    }

    /// Shares the log with a scripted server.
    pub(crate) fn journal(mut self, journal: &Journal) -> Self {
        self.journal = journal.clone();
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Output {
        self.run_beside(|_| ()).0
    }

    /// Runs it to its end; `beside` is called with its process id once it runs.
    #[track_caller]
    pub(crate) fn run_beside<T>(mut self, beside: impl FnOnce(u32) -> T) -> (Output, T) {
        let input = std::mem::take(&mut self.stdin);
        let mut running = self.start();
        let mut stdin = running.stdin.take().unwrap();
        running.fed.clone_from(&input);
        let feeder = std::thread::spawn(move || {
            // The program may stop reading early; what it says then is what is tested.
            let _ = stdin.write_all(&input);
        });
        let value = beside(running.pid());
        let output = running.finish();
        feeder.join().unwrap();
        (output, value)
    }

    /// Starts it; the test feeds it line by line.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        let proxy = wire::wrapped(&mut self.command, self.folder.path());
        wire::aim_at_other_s3(&mut self.command, self.folder.path());
        self.command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, stdout) = self.journal.launch(&mut self.command);
        let mut stderr = child.stderr.take().unwrap();
        Running {
            stdin: child.stdin.take(),
            stdout: Some(stdout),
            stderr: Some(std::thread::spawn(move || {
                let mut text = Vec::new();
                stderr.read_to_end(&mut text).unwrap();
                String::from_utf8_lossy(&text).into_owned()
            })),
            child,
            started: Instant::now(),
            fed: Vec::new(),
            _proxy: proxy,
            program: self,
        }
    }
}

/// The program at work. It is killed when the test drops it, so that no process is left.
pub(crate) struct Running {
    program: Program,
    child: Child,
    started: Instant,
    stdin: Option<ChildStdin>,
    stdout: Option<JoinHandle<()>>,
    stderr: Option<JoinHandle<String>>,
    /// What was fed, for the report.
    fed: Vec<u8>,
    /// What stands before the servers, where something does.
    _proxy: Option<Proxy>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its stdin.
    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) {
        self.fed.extend_from_slice(bytes.as_ref());
        let stdin = self.stdin.as_mut().expect("stdin is open until `finish`");
        // A program that ended early is found by `finish`.
        let _ = stdin.write_all(bytes.as_ref());
    }

    /// Ends its input.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Waits until it has printed this many states.
    #[track_caller]
    pub(crate) fn wait_for_states(&self, count: usize) {
        while self.program.journal.states() < count {
            assert!(
                self.started.elapsed() < PATIENCE,
                "only {} of {count} states came",
                self.program.journal.states()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A line of `/proc/PID/status`, as `Threads`.
    pub(crate) fn status(&self, name: &str) -> String {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Closes its stdin and waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Output {
        self.close();
        self.finish_after_signal()
    }

    /// Waits for its end with its stdin still open.
    #[track_caller]
    pub(crate) fn finish_after_signal(mut self) -> Output {
        let status = self.wait();
        let took = self.started.elapsed();
        self.stdout.take().unwrap().join().unwrap();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        let stdout = self.program.journal.stdout();
        Output {
            messages: stdout
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_slice(line).unwrap_or(Value::Null))
                .collect(),
            status,
            took,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr,
            command: format!("{:?}", self.program.command),
            fed: std::mem::take(&mut self.fed),
            journal: self.program.journal.lines(),
            secrets: self.program.secrets.clone(),
            config: self.program.folder.path().join("config.json"),
            config_text: std::fs::read_to_string(self.program.folder.path().join("config.json"))
                .unwrap_or_default(),
        }
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if self.started.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let stdout = String::from_utf8_lossy(&self.program.journal.stdout()).into_owned();
                panic!(
                    "the program did not end within {PATIENCE:?}; stdout:\n{}",
                    head(&stdout)
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the program said and how it ended.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    /// One value a line of stdout; null where the line is no JSON.
    pub(crate) messages: Vec<Value>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    command: String,
    fed: Vec<u8>,
    journal: Vec<String>,
    secrets: Vec<String>,
    config: PathBuf,
    config_text: String,
}

impl Output {
    /// It exited with this code, wrote only messages of the protocol to stdout and nothing to stderr.
    #[track_caller]
    pub(crate) fn exited(&self, code: i32) -> &Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "exit code\n{}",
            self.report()
        );
        assert!(
            !self.messages.contains(&Value::Null),
            "a line of stdout is no JSON\n{}",
            self.report()
        );
        assert_eq!(self.stderr, "", "stderr\n{}", self.report());
        self
    }

    /// It did its work: exit code 0 and no error message.
    #[track_caller]
    pub(crate) fn succeeded(&self) -> &Self {
        self.exited(0);
        assert!(
            self.errors().is_empty(),
            "an error beside exit code 0\n{}",
            self.report()
        );
        self
    }

    /// It exited with 1 after exactly one TRACE ERROR, which this returns.
    #[track_caller]
    pub(crate) fn failed(&self) -> &Value {
        self.exited(1);
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "TRACE ERROR messages\n{}", self.report());
        let error = errors[0];
        assert!(
            !self.stdout.contains("panicked"),
            "a panic\n{}",
            self.report()
        );
        assert!(
            error["emitted_at"].is_number(),
            "emitted_at\n{}",
            self.report()
        );
        &error["error"]
    }

    /// The messages of a type.
    pub(crate) fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.messages
            .iter()
            .filter(move |message| message["type"] == kind)
    }

    /// The states that it printed, in order.
    pub(crate) fn states(&self) -> Vec<&Value> {
        self.of_type("STATE")
            .map(|message| &message["state"])
            .collect()
    }

    fn errors(&self) -> Vec<&Value> {
        self.of_type("TRACE")
            .map(|message| &message["trace"])
            .filter(|trace| trace["type"] == "ERROR")
            .collect()
    }

    /// The one CONNECTION_STATUS of a check: whether it succeeded, and its message.
    #[track_caller]
    pub(crate) fn connection(&self) -> (bool, String) {
        self.exited(0);
        let answers: Vec<_> = self.of_type("CONNECTION_STATUS").collect();
        assert_eq!(
            answers.len(),
            1,
            "CONNECTION_STATUS messages\n{}",
            self.report()
        );
        let status = &answers[0]["connectionStatus"];
        let message = status["message"].as_str().unwrap_or_default().to_owned();
        (status["status"] == "SUCCEEDED", message)
    }

    /// Everything that helps to find out why a test failed, without the secrets of its configuration.
    pub(crate) fn report(&self) -> String {
        let mut text = String::new();
        let fed = String::from_utf8_lossy(&self.fed);
        let parts = [
            ("command", self.command.clone()),
            ("ended", format!("{} after {:?}", self.status, self.took)),
            (&self.config.display().to_string(), self.config_text.clone()),
            ("stdin", head(&fed)),
            ("stdout", head(&self.stdout)),
            ("stderr", head(&self.stderr)),
            ("journal", self.journal.join("\n")),
        ];
        for (name, part) in parts {
            writeln!(text, "--- {name}\n{part}").unwrap();
        }
        for secret in &self.secrets {
            text = text.replace(secret, "(secret)");
        }
        text
    }
}

/// The beginning of a text, enough to see what it is.
fn head(text: &str) -> String {
    let cut: String = text.chars().take(6000).collect();
    if cut.len() < text.len() {
        format!("{cut}… ({} bytes)", text.len())
    } else {
        cut
    }
}

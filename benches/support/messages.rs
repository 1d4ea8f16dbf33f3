//! Messages as the platform sends them, made from a seed: the benchmark stream, and shapes at the edges.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use fastrand::Rng;
use serde_json::{Value, json};

/// The seed of every input.
pub(crate) const SEED: u64 = 20_261_122;

/// Records between two states.
pub(crate) const STATE_EVERY: usize = 10_000;

/// What records look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The benchmark stream: 470 bytes, 11 columns, date, timestamp, struct in struct, array, nulls.
    Orders,
    /// 1,000 columns of short integers.
    Wide,
    /// One column of text.
    Single,
    /// Rows of 100 kB, most of it one text.
    Heavy,
    /// Rows of 60 bytes.
    Small,
    /// Every value is given in another form than its column's.
    Converted,
}

/// An input: so many records of a shape, over so many streams in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    pub(crate) shape: Shape,
    pub(crate) streams: usize,
    pub(crate) records: usize,
}

impl Input {
    /// The configured catalog: all streams append, under generation ids, as a platform of today sends it.
    pub(crate) fn catalog(self) -> Value {
        let stream = |index| {
            json!({
                "stream": {
                    "name": name(index),
                    "namespace": "shop",
                    "json_schema": self.shape.schema(),
                    "supported_sync_modes": ["incremental"],
                },
                "sync_mode": "incremental",
                "destination_sync_mode": "append",
                "generation_id": 1,
                "minimum_generation_id": 0,
                "sync_id": 1,
            })
        };
        json!({"streams": (0..self.streams).map(stream).collect::<Vec<_>>()})
    }

    /// Writes all messages: records, a state every 10,000, and at the end what the platform says of each stream.
    pub(crate) fn write(self, out: &mut impl Write) -> io::Result<()> {
        let mut random = Rng::with_seed(SEED);
        let mut line = String::new();
        for id in 0..self.records {
            line.clear();
            let written = self
                .shape
                .message(&mut random, id, id % self.streams, &mut line);
            written.expect("a String takes everything");
            line.push('\n');
            out.write_all(line.as_bytes())?;
            if (id + 1) % STATE_EVERY == 0 {
                writeln!(out, "{}", self.state(id))?;
            }
        }
        writeln!(out, "{}", self.state(self.records))?;
        for index in 0..self.streams {
            writeln!(out, "{}", complete(index))?;
        }
        Ok(())
    }

    /// A state that covers every record so far.
    pub(crate) fn state(self, id: usize) -> Value {
        let descriptor = |index| json!({"name": name(index), "namespace": "shop"});
        if self.streams == 1 {
            return json!({"type": "STATE", "state": {"type": "STREAM", "stream": {
                "stream_descriptor": descriptor(0), "stream_state": {"id": id},
            }}});
        }
        json!({"type": "STATE", "state": {"type": "GLOBAL", "global": {
            "shared_state": {"id": id},
            "stream_states": [{"stream_descriptor": descriptor(0), "stream_state": {}}],
        }}})
    }
}

/// What the platform says of a stream whose source has finished.
pub(crate) fn complete(index: usize) -> Value {
    json!({"type": "TRACE", "trace": {
        "type": "STREAM_STATUS",
        "emitted_at": 1_795_337_200_000_u64,
        "stream_status": {
            "stream_descriptor": {"name": name(index), "namespace": "shop"},
            "status": "COMPLETE",
        },
    }})
}

/// The benchmark stream is `orders`; further ones have a number.
fn name(index: usize) -> String {
    match index {
        0 => "orders".to_owned(),
        _ => format!("orders_{index:03}"),
    }
}

impl Shape {
    /// The stream's schema.
    pub(crate) fn schema(self) -> Value {
        let integer = json!({"type": ["null", "integer"]});
        let text = json!({"type": ["null", "string"]});
        let properties: Value = match self {
            Self::Orders | Self::Converted => return schema(),
            Self::Wide => (0..1000)
                .map(|column| (format!("column_{column}"), integer.clone()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Self::Single => json!({ "text": text }),
            Self::Heavy => json!({"id": integer, "text": text}),
            Self::Small => json!({"id": integer, "text": text, "on": {"type": "boolean"}}),
        };
        json!({"type": "object", "properties": properties})
    }

    /// Appends the `id`th message, of the stream of this index.
    pub(crate) fn message(
        self,
        random: &mut Rng,
        id: usize,
        stream: usize,
        out: &mut String,
    ) -> fmt::Result {
        out.push_str(r#"{"type":"RECORD","record":{"namespace":"shop","stream":"orders"#);
        if stream > 0 {
            write!(out, "_{stream:03}")?;
        }
        out.push_str(r#"","data":"#);
        match self {
            Self::Orders => order(random, id, out)?,
            Self::Wide => {
                let mut mark = '{';
                for column in 0..1000 {
                    write!(out, r#"{mark}"column_{column}":{}"#, random.u16(..))?;
                    mark = ',';
                }
                out.push('}');
            }
            Self::Single => write!(out, r#"{{"text":"{}"}}"#, words(random, 40))?,
            Self::Heavy => write!(out, r#"{{"id":{id},"text":"{}"}}"#, words(random, 13_000))?,
            Self::Small => write!(
                out,
                r#"{{"id":{id},"text":"{:024x}","on":{}}}"#,
                random.u64(..),
                random.bool()
            )?,
            Self::Converted => converted(random, id, out)?,
        }
        write!(out, r#","emitted_at":17953372{:05}}}}}"#, id % 100_000)
    }
}

/// The schema of the benchmark stream.
fn schema() -> Value {
    let (integer, number, string) = (
        json!({"type": ["null", "integer"]}),
        json!({"type": ["null", "number"]}),
        json!({"type": ["null", "string"]}),
    );
    json!({"type": "object", "properties": {
        "id": integer,
        "quantity": integer,
        "price": number,
        "discount": number,
        "customer": string,
        "comment": string,
        "paid": {"type": ["null", "boolean"]},
        "updated_at": {"type": ["null", "string"], "format": "date-time"},
        "deliver_on": {"type": ["null", "string"], "format": "date"},
        "address": {"type": ["null", "object"], "properties": {
            "street": string,
            "city": string,
            "position": {"type": ["null", "object"], "properties": {"lat": number, "lon": number}}
        }},
        "tags": {"type": ["null", "array"], "items": string}
    }})
}

fn words(random: &mut Rng, count: usize) -> String {
    const WORDS: [&str; 12] = [
        "alder",
        "birch",
        "cedar",
        "dogwood",
        "elm",
        "fir",
        "ginkgo",
        "hawthorn",
        "ironwood",
        "juniper",
        "Königsweg",
        "larch",
    ];
    let words: Vec<_> = (0..count).map(|_| WORDS[random.usize(..12)]).collect();
    words.join(" ")
}

/// A record of the benchmark stream.
fn order(rng: &mut Rng, id: usize, out: &mut String) -> fmt::Result {
    write!(
        out,
        r#"{{"id":{},"quantity":{},"price":{:.2},"#,
        id + 1_000_000,
        rng.u32(1..500),
        rng.f64() * 1000.0,
    )?;
    if rng.u8(..2) == 0 {
        write!(out, r#""discount":{},"#, rng.f64())?;
    } else {
        out.push_str(r#""discount":null,"#);
    }
    let quote = if rng.u8(..8) == 0 { "\\\"so\\\" " } else { "" };
    write!(
        out,
        r#""customer":"{}","comment":"{quote}{}","paid":{},"#,
        words(rng, 2),
        words(rng, 10),
        rng.bool(),
    )?;
    write!(
        out,
        r#""updated_at":"2026-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z","deliver_on":"2026-{:02}-{:02}","#,
        rng.u8(1..=12),
        rng.u8(1..=28),
        rng.u8(..24),
        rng.u8(..60),
        rng.u8(..60),
        rng.u16(..1000),
        rng.u8(1..=12),
        rng.u8(1..=28),
    )?;
    write!(
        out,
        r#""address":{{"street":"{} {}","city":"{}","position":{{"lat":{:.6},"lon":{:.6}}}}},"#,
        words(rng, 1),
        rng.u8(1..200),
        words(rng, 1),
        rng.f64() * 180.0 - 90.0,
        rng.f64() * 360.0 - 180.0,
    )?;
    write!(out, r#""tags":["{}","{}"]}}"#, words(rng, 1), words(rng, 1))
}

/// The same columns; every value in a form that its column does not take as it is.
fn converted(random: &mut Rng, id: usize, out: &mut String) -> fmt::Result {
    write!(
        out,
        r#"{{"id":"{}","quantity":{}.0,"price":"{:.2}","discount":"{:.3}","customer":{},"comment":["{}"],"paid":"true","#,
        id + 1_000_000,
        random.u32(1..500),
        random.f64() * 1000.0,
        random.f64(),
        random.u32(..),
        words(random, 10),
    )?;
    write!(
        out,
        r#""updated_at":"2026-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+02:00","deliver_on":"2026-{:02}-{:02}T00:00:00Z","#,
        random.u8(1..=12),
        random.u8(1..=28),
        random.u8(..24),
        random.u8(..60),
        random.u8(..60),
        random.u32(..1_000_000),
        random.u8(1..=12),
        random.u8(1..=28),
    )?;
    write!(
        out,
        r#""address":{{"street":{},"city":{},"position":{{"lat":"{:.6}","lon":"{:.6}"}}}},"tags":[{},{}]}}"#,
        random.u8(..),
        random.bool(),
        random.f64() * 180.0 - 90.0,
        random.f64() * 360.0 - 180.0,
        random.u8(..),
        random.bool(),
    )
}

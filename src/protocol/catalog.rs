//! The configured catalog: the streams of a sync, their schemas, and how each treats the rows of its table.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::schema::evolve::SchemaOrigin;

/// A stream of the configured catalog.
#[derive(Clone, Debug)]
pub(crate) struct ConfiguredStream {
    pub(crate) key: StreamKey,
    pub(crate) json_schema: JsonSchema,
    /// Whether the schema was declared or inferred.
    pub(crate) origin: SchemaOrigin,
    pub(crate) refresh: Refresh,
    pub(crate) generation_id: Option<i64>,
    pub(crate) sync_id: Option<i64>,
    /// The properties that the source's cursor is made of.
    pub(crate) cursor: Vec<String>,
}

/// A JSON schema as the source sent it; any JSON value. It is kept as text: the trees of a thousand schemas would take ten
/// times as much memory, all at once.
#[derive(Clone, Debug)]
pub(crate) struct JsonSchema(Box<RawValue>);

impl JsonSchema {
    pub(crate) fn tree(&self) -> Value {
        tree(&self.0).expect("the text was parsed before")
    }
}

impl From<&Value> for JsonSchema {
    fn from(tree: &Value) -> Self {
        Self(serde_json::value::to_raw_value(tree).expect("a tree of JSON is JSON"))
    }
}

fn tree(text: &RawValue) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_str(text.get());
    reader.disable_recursion_limit(); // its 128 levels are less than a schema 100 deep needs
    Value::deserialize(&mut reader)
}

/// What a sync does to a table's existing rows, and what completes a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Rows are added.
    Append { completion: Completion },
    /// A new generation replaces the old one once the stream's status is COMPLETE.
    Truncate {
        generation: i64,
        /// Whether the destination sync mode is "append": a platform with refreshes always says so. A client without jobs,
        /// PyAirbyte, gives every sync the generation 1, and says "overwrite" where it means to replace.
        is_append: bool,
    },
    /// For platforms without generation ids: a new generation replaces the old one at the end of input.
    Overwrite,
    /// For a source that numbers versions of a stream's rows, as Singer taps do: rows of the version that the table shows are
    /// added, those of another one replace the old rows at the end of input.
    Version(i64),
}

/// What shows that a source has finished a stream, and did not break off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// The platform's STREAM_STATUS COMPLETE.
    Status,
    /// The end of input; no status is sent.
    EndOfInput,
}

impl Refresh {
    /// Whether the platform sends the status COMPLETE once the source has finished the stream.
    pub(crate) fn needs_complete(self) -> bool {
        matches!(
            self,
            Self::Truncate { .. }
                | Self::Append {
                    completion: Completion::Status
                }
        )
    }
}

#[derive(Deserialize)]
struct ConfiguredCatalog {
    streams: Vec<Configured>,
}

#[derive(Deserialize)]
struct Configured {
    stream: CatalogStream,
    destination_sync_mode: String,
    generation_id: Option<i64>,
    minimum_generation_id: Option<i64>,
    sync_id: Option<i64>,
    cursor_field: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct CatalogStream {
    name: String,
    namespace: Option<String>,
    json_schema: Option<Box<RawValue>>,
}

/// The deepest nesting of a catalog; the stack has room for much more.
const DEEPEST: usize = 1000;

/// The nesting depth of brackets outside of strings.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                while let Some(byte) = bytes.next().filter(|byte| **byte != b'"') {
                    if *byte == b'\\' {
                        bytes.next();
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Parses a configured catalog, which may have no streams. A duplicate stream or an unsupported mode is a config error.
pub(crate) fn read(text: &[u8]) -> Result<Vec<ConfiguredStream>> {
    if depth(text) > DEEPEST {
        return Err(Error::config(format!(
            "the configured catalog nests deeper than {DEEPEST} levels"
        ))
        .hint("flatten the schema at the source"));
    }
    let malformed = |error: serde_json::Error| {
        Error::config(format!(
            "cannot parse the configured catalog: {error}; expected {{\"streams\": [{{\"stream\": {{\"name\": …, \"json_schema\": …}}, \"sync_mode\": …, \"destination_sync_mode\": …}}]}}"
        ))
    };
    let catalog: ConfiguredCatalog = serde_json::from_slice(text).map_err(malformed)?;
    let mut seen = std::collections::HashSet::new();
    let mut streams = Vec::with_capacity(catalog.streams.len());
    for configured in catalog.streams {
        let key = StreamKey::new(
            configured.stream.namespace.as_deref(),
            &configured.stream.name,
        );
        let refresh = refresh(&key, &configured)?;
        if !seen.insert(key.clone()) {
            return Err(Error::config(format!(
                "stream {key}: configured more than once in the catalog"
            )));
        }
        let json_schema = match configured.stream.json_schema {
            Some(text) => {
                tree(&text).map_err(|error| {
                    malformed(error).while_doing(format_args!("the schema of stream {key}"))
                })?;
                JsonSchema(text)
            }
            None => JsonSchema::from(&Value::Null),
        };
        streams.push(ConfiguredStream {
            key,
            json_schema,
            origin: SchemaOrigin::Declared,
            refresh,
            generation_id: configured.generation_id,
            sync_id: configured.sync_id,
            cursor: configured.cursor_field.unwrap_or_default(),
        });
    }
    Ok(streams)
}

fn refresh(key: &StreamKey, configured: &Configured) -> Result<Refresh> {
    let overwrite = match configured.destination_sync_mode.as_str() {
        "append" => false,
        "overwrite" => true,
        other => {
            return Err(Error::config(format!(
                "stream {key}: the destination sync mode {other:?} is not supported; choose \"append\" or \"overwrite\""
            )));
        }
    };
    match (configured.generation_id, configured.minimum_generation_id) {
        (None, None) if overwrite => Ok(Refresh::Overwrite),
        (None, None) => Ok(Refresh::Append {
            completion: Completion::EndOfInput,
        }),
        (Some(_), Some(0)) if overwrite => Err(Error::config(format!(
            "stream {key}: the destination sync mode is \"overwrite\" but minimum_generation_id is 0, which keeps the old rows; expected it to equal generation_id"
        ))),
        (Some(_), Some(0)) => Ok(Refresh::Append {
            completion: Completion::Status,
        }),
        (Some(generation), Some(minimum)) if generation == minimum && minimum > 0 => {
            Ok(Refresh::Truncate {
                generation,
                is_append: !overwrite,
            })
        }
        (Some(generation), Some(minimum)) => Err(Error::config(format!(
            "stream {key}: hybrid refreshes are not supported: expected minimum_generation_id to be 0 or to equal generation_id {generation}, found {minimum}"
        ))),
        (Some(_), None) => Err(missing_id(key, "generation_id", "minimum_generation_id")),
        (None, Some(_)) => Err(missing_id(key, "minimum_generation_id", "generation_id")),
    }
}

fn missing_id(key: &StreamKey, found: &str, missing: &str) -> Error {
    Error::config(format!(
        "stream {key}: the configured catalog has {found} without {missing}; expected both or neither"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refresh_of(fields: &str) -> Result<Refresh> {
        let text = format!(
            r#"{{"streams":[{{"stream":{{"name":"s","json_schema":{{}}}},"sync_mode":"full_refresh",{fields}}}]}}"#
        );
        Ok(read(text.as_bytes())?[0].refresh)
    }

    #[test]
    fn modes_follow_the_generation_ids() {
        let append = r#""destination_sync_mode":"append""#;
        let overwrite = r#""destination_sync_mode":"overwrite""#;
        let cases = [
            (
                append.to_string(),
                Refresh::Append {
                    completion: Completion::EndOfInput,
                },
            ),
            (
                format!("{append},\"generation_id\":null,\"minimum_generation_id\":null"),
                Refresh::Append {
                    completion: Completion::EndOfInput,
                },
            ),
            (
                format!("{append},\"generation_id\":0,\"minimum_generation_id\":0"),
                Refresh::Append {
                    completion: Completion::Status,
                },
            ),
            (
                format!("{append},\"generation_id\":7,\"minimum_generation_id\":7"),
                Refresh::Truncate {
                    generation: 7,
                    is_append: true,
                },
            ),
            (
                format!("{overwrite},\"generation_id\":7,\"minimum_generation_id\":7"),
                Refresh::Truncate {
                    generation: 7,
                    is_append: false,
                },
            ),
            (overwrite.to_string(), Refresh::Overwrite),
        ];
        for (fields, expected) in cases {
            assert_eq!(refresh_of(&fields).unwrap(), expected, "{fields}");
        }
    }

    #[test]
    fn hybrid_and_half_ids_and_other_modes_are_config_errors() {
        for (fields, part) in [
            (
                r#""destination_sync_mode":"append","generation_id":7,"minimum_generation_id":3"#,
                "hybrid",
            ),
            (
                r#""destination_sync_mode":"append","generation_id":7,"minimum_generation_id":9"#,
                "hybrid",
            ),
            (
                r#""destination_sync_mode":"append","generation_id":7"#,
                "without minimum_generation_id",
            ),
            (
                r#""destination_sync_mode":"append","minimum_generation_id":7"#,
                "without generation_id",
            ),
            (r#""destination_sync_mode":"append_dedup""#, "append_dedup"),
            (
                r#""destination_sync_mode":"overwrite","generation_id":7,"minimum_generation_id":0"#,
                "keeps the old rows",
            ),
        ] {
            let error = refresh_of(fields).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Config);
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn schemas_may_be_a_hundred_deep_and_bombs_are_refused() {
        let catalog = |levels: usize| {
            let schema = format!(
                "{}{{}}{}",
                r#"{"properties":{"p":"#.repeat(levels),
                "}}".repeat(levels)
            );
            format!(
                r#"{{"streams":[{{"stream":{{"name":"\"[[[","json_schema":{schema}}},"destination_sync_mode":"append"}}]}}"#
            )
        };
        assert_eq!(read(catalog(300).as_bytes()).unwrap().len(), 1);
        assert!(
            read(catalog(100_000).as_bytes())
                .unwrap_err()
                .to_string()
                .contains("1000 levels")
        );
    }

    #[test]
    fn a_duplicate_stream_is_refused_and_an_empty_namespace_means_none() {
        let stream = |namespace: &str| {
            format!(
                r#"{{"stream":{{"name":"s","namespace":{namespace},"json_schema":{{}}}},"destination_sync_mode":"append"}}"#
            )
        };
        let duplicate = format!(r#"{{"streams":[{},{}]}}"#, stream("\"\""), stream("null"));
        assert!(
            read(duplicate.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("more than once")
        );
        let apart = format!(r#"{{"streams":[{},{}]}}"#, stream("\"a\""), stream("null"));
        assert_eq!(read(apart.as_bytes()).unwrap().len(), 2);
    }
}

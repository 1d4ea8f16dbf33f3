//! The configured catalog: which streams come, with what schema, and what is to become of older rows.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::protocol::StreamKey;
use crate::schema::evolve::Claim;

/// A stream of the configured catalog.
#[derive(Clone, Debug)]
pub(crate) struct ConfiguredStream {
    pub(crate) key: StreamKey,
    /// The JSON schema as the source sent it; any JSON value.
    pub(crate) json_schema: Value,
    /// Who says so.
    pub(crate) claim: Claim,
    pub(crate) refresh: Refresh,
    pub(crate) generation_id: Option<i64>,
    pub(crate) sync_id: Option<i64>,
}

/// What the sync does to the rows that are there, and what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Rows are added. `ends` says what tells that the source has finished.
    Append { ends: Ends },
    /// A new generation replaces the old one once the source says COMPLETE.
    Truncate { generation: i64 },
    /// The mode without generation ids: a new generation replaces the old one at the end of input.
    Overwrite,
}

/// What tells a finished source from a broken one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The platform's STREAM_STATUS COMPLETE.
    WithComplete,
    /// Nothing: the end of input is all there is.
    WithInput,
}

impl Refresh {
    /// Whether the platform sends COMPLETE for the stream when its source has finished.
    pub(crate) fn needs_complete(self) -> bool {
        matches!(
            self,
            Self::Truncate { .. }
                | Self::Append {
                    ends: Ends::WithComplete
                }
        )
    }
}

#[derive(Deserialize)]
struct Catalog {
    streams: Vec<Configured>,
}

#[derive(Deserialize)]
struct Configured {
    stream: Stream,
    destination_sync_mode: String,
    generation_id: Option<i64>,
    minimum_generation_id: Option<i64>,
    sync_id: Option<i64>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    namespace: Option<String>,
    #[serde(default)]
    json_schema: Value,
}

/// How deep a catalog may nest: far below what the stack bears.
const DEEPEST: usize = 1000;

/// How deep brackets nest in the text, outside of strings.
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

/// Reads the file's text. No streams at all is fine; a stream twice, or a mode we do not have, is a config error.
pub(crate) fn read(text: &[u8]) -> Result<Vec<ConfiguredStream>> {
    if depth(text) > DEEPEST {
        return Err(Error::config(format!(
            "the configured catalog nests deeper than {DEEPEST} levels"
        ))
        .hint("flatten the schema at the source"));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit(); // its 128 levels are less than a schema 100 deep needs
    let catalog = Catalog::deserialize(&mut reader).and_then(|catalog| {
        reader.end()?;
        Ok(catalog)
    });
    let catalog = catalog.map_err(|error| {
        Error::config(format!(
            "the configured catalog can not be read: {error}; expected {{\"streams\": [{{\"stream\": {{\"name\": …, \"json_schema\": …}}, \"sync_mode\": …, \"destination_sync_mode\": …}}]}}"
        ))
    })?;
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
                "the configured catalog has the stream {key} twice"
            )));
        }
        streams.push(ConfiguredStream {
            key,
            json_schema: configured.stream.json_schema,
            claim: Claim::Declared,
            refresh,
            generation_id: configured.generation_id,
            sync_id: configured.sync_id,
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
            ends: Ends::WithInput,
        }),
        (Some(_), Some(0)) if overwrite => Err(Error::config(format!(
            "stream {key}: the destination sync mode is \"overwrite\" but minimum_generation_id is 0, which keeps the old rows; expected it to equal generation_id"
        ))),
        (Some(_), Some(0)) => Ok(Refresh::Append {
            ends: Ends::WithComplete,
        }),
        (Some(generation), Some(minimum)) if generation == minimum && minimum > 0 => {
            Ok(Refresh::Truncate { generation })
        }
        (Some(generation), Some(minimum)) => Err(Error::config(format!(
            "stream {key}: hybrid refreshes are not supported: expected minimum_generation_id to be 0 or to equal generation_id {generation}, found {minimum}"
        ))),
        (Some(_), None) => Err(one_kind_only(key, "generation_id", "minimum_generation_id")),
        (None, Some(_)) => Err(one_kind_only(key, "minimum_generation_id", "generation_id")),
    }
}

fn one_kind_only(key: &StreamKey, found: &str, missing: &str) -> Error {
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
                    ends: Ends::WithInput,
                },
            ),
            (
                format!("{append},\"generation_id\":null,\"minimum_generation_id\":null"),
                Refresh::Append {
                    ends: Ends::WithInput,
                },
            ),
            (
                format!("{append},\"generation_id\":0,\"minimum_generation_id\":0"),
                Refresh::Append {
                    ends: Ends::WithComplete,
                },
            ),
            (
                format!("{append},\"generation_id\":7,\"minimum_generation_id\":7"),
                Refresh::Truncate { generation: 7 },
            ),
            (
                format!("{overwrite},\"generation_id\":7,\"minimum_generation_id\":7"),
                Refresh::Truncate { generation: 7 },
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
    fn a_stream_twice_is_refused_and_an_empty_namespace_is_none() {
        let stream = |namespace: &str| {
            format!(
                r#"{{"stream":{{"name":"s","namespace":{namespace},"json_schema":{{}}}},"destination_sync_mode":"append"}}"#
            )
        };
        let twice = format!(r#"{{"streams":[{},{}]}}"#, stream("\"\""), stream("null"));
        assert!(
            read(twice.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("twice")
        );
        let apart = format!(r#"{{"streams":[{},{}]}}"#, stream("\"a\""), stream("null"));
        assert_eq!(read(apart.as_bytes()).unwrap().len(), 2);
    }
}

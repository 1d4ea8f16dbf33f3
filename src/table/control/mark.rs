//! The mark of a generation that no table shows.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::lake::Objects;
use crate::protocol::StreamKey;
use crate::table::control::fields::{
    FromFields, Unexpected, optional_integer, optional_text, text, texts,
};
use crate::table::control::{Owner, Place, read};
use crate::time::Millis;

/// How far a generation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub(crate) enum Stage {
    /// No table was ever asked to show it.
    Unpublished,
    /// The table was asked to show it in place of the folder `replaced`, where it had one.
    Publishing { replaced: Option<String> },
    /// Its acknowledged rows are copied to the folder `into`, which the table shows.
    Adopting { into: String },
    /// Its objects may be deleted.
    Discarded,
}

/// What is known of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Mark {
    /// The run that writes to it.
    #[serde(flatten)]
    pub(crate) owner: Owner,
    /// The runs that wrote to it before, as earlier attempts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) earlier: Vec<String>,
    pub(crate) stream: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// The number that the platform gave it, where it gives any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<i64>,
    /// The platform's number of the sync, which rises with the generations of one connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sync: Option<i64>,
    /// The folder of its objects, as the prefix of keys.
    pub(crate) folder: String,
    /// The types of its columns by name, where its objects are Parquet; else they are JSON lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parquet: Option<Vec<(String, String)>>,
    #[serde(flatten)]
    pub(crate) stage: Stage,
}

impl FromFields for Stage {
    fn from_fields(fields: &Map<String, Value>) -> Result<Self, Unexpected> {
        match &*text(fields, "stage")? {
            "unpublished" => Ok(Self::Unpublished),
            "publishing" => Ok(Self::Publishing {
                replaced: optional_text(fields, "replaced")?,
            }),
            "adopting" => Ok(Self::Adopting {
                into: text(fields, "into")?,
            }),
            "discarded" => Ok(Self::Discarded),
            _ => Err("stage"),
        }
    }
}

impl FromFields for Mark {
    fn from_fields(fields: &Map<String, Value>) -> Result<Self, Unexpected> {
        Ok(Self {
            owner: Owner::from_fields(fields)?,
            earlier: match fields.get("earlier") {
                Some(runs) => texts(runs, "earlier")?,
                None => Vec::new(),
            },
            stream: text(fields, "stream")?,
            namespace: optional_text(fields, "namespace")?,
            generation: optional_integer(fields, "generation")?,
            sync: optional_integer(fields, "sync")?,
            folder: text(fields, "folder")?,
            parquet: types(fields.get("parquet").unwrap_or(&Value::Null))?,
            stage: Stage::from_fields(fields)?,
        })
    }
}

/// Pairs of a column's name and its type; nothing for null.
fn types(value: &Value) -> Result<Option<Vec<(String, String)>>, Unexpected> {
    let pair = |pair| match <[String; 2]>::try_from(texts(pair, "parquet")?) {
        Ok([name, data_type]) => Ok((name, data_type)),
        Err(_) => Err("parquet"),
    };
    match value {
        Value::Null => Ok(None),
        Value::Array(pairs) => pairs.iter().map(pair).collect::<Result<_, _>>().map(Some),
        _ => Err("parquet"),
    }
}

impl Mark {
    /// Whether the run wrote to it, before it was published.
    pub(super) fn is_by(&self, run: &str) -> bool {
        self.owner.run == run || self.earlier.iter().any(|earlier| earlier == run)
    }

    /// Whether it is of this stream.
    pub(crate) fn is_of(&self, stream: &StreamKey) -> bool {
        self.stream == stream.name && self.namespace == stream.namespace
    }
}

/// A mark as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct MarkObject {
    place: Place,
    /// When it was last written before this run, by the store's clock.
    pub(super) written: Option<Millis>,
    pub(crate) mark: Mark,
}

impl MarkObject {
    pub(super) fn new(key: String, mark: Mark) -> Self {
        Self {
            place: Place { key, etag: None },
            written: None,
            mark,
        }
    }

    /// Reads it; nothing where it is gone.
    pub(super) fn read(
        objects: &dyn Objects,
        key: &str,
        written: Option<Millis>,
    ) -> Result<Option<Self>> {
        Ok(read(objects, key)?.map(|(place, mark)| Self {
            place,
            written,
            mark,
        }))
    }

    pub(crate) fn key(&self) -> &str {
        &self.place.key
    }

    /// Whether it was written.
    pub(crate) fn is_stored(&self) -> bool {
        self.place.etag.is_some()
    }

    /// Writes it with this owner and stage, if nobody else has changed it meanwhile; false where somebody has.
    pub(crate) fn advance(
        &mut self,
        objects: &dyn Objects,
        owner: &Owner,
        stage: Stage,
    ) -> Result<bool> {
        let before = self.mark.clone();
        let earlier = std::mem::replace(&mut self.mark.owner, owner.clone());
        if earlier.run != owner.run {
            self.mark.earlier.push(earlier.run);
        }
        self.mark.stage = stage;
        if self.mark == before && self.is_stored() {
            return Ok(true);
        }
        let written = self.place.write(objects, &self.mark)?;
        if !written {
            self.mark = before;
        }
        Ok(written)
    }

    /// Writes it with this owner and stage; an error where somebody else has changed it meanwhile.
    pub(crate) fn claim(
        &mut self,
        objects: &dyn Objects,
        owner: &Owner,
        stage: Stage,
    ) -> Result<()> {
        if self.advance(objects, owner, stage)? {
            return Ok(());
        }
        Err(Error::transient(format!(
            "another run changed the mark of the unpublished generation folder={}",
            self.mark.folder
        ))
        .hint("let one run at a time write a stream"))
    }

    /// An error unless the generation is still this run's to write.
    pub(crate) fn confirm(&self, objects: &dyn Objects) -> Result<()> {
        match Self::read(objects, &self.place.key, None)? {
            Some(stored) if stored.mark == self.mark => Ok(()),
            Some(stored) => Err(Error::transient(format!(
                "another run took over the unpublished generation of this one run={}",
                stored.mark.owner.run
            ))
            .hint("let one run at a time write a stream")),
            None => Err(Error::transient(format!(
                "the mark of the unpublished generation was deleted: {}{}",
                objects.root(),
                self.place.key
            ))
            .hint("run it again; delete nothing below _datalake by hand")),
        }
    }

    /// Removes it.
    pub(crate) fn remove(&self, objects: &dyn Objects) -> Result<()> {
        objects.delete(std::slice::from_ref(&self.place.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::control::Job;

    /// A mark with everything that a mark may have, at each stage.
    fn marks() -> Vec<Mark> {
        let stages = [
            Stage::Unpublished,
            Stage::Publishing {
                replaced: Some("raw/orders/".to_owned()),
            },
            Stage::Publishing { replaced: None },
            Stage::Adopting {
                into: "raw/orders/".to_owned(),
            },
            Stage::Discarded,
        ];
        let mark = |stage| Mark {
            owner: Owner {
                run: "run".to_owned(),
                job: Some(Job { id: 7, attempt: -1 }),
                process: Some("host/1/2".to_owned()),
                catalog: Some("eu-west-1".to_owned()),
            },
            earlier: vec!["before".to_owned()],
            stream: "orders".to_owned(),
            namespace: Some("shop".to_owned()),
            generation: Some(3),
            sync: Some(-4),
            folder: "raw/orders-generations/a/".to_owned(),
            parquet: Some(vec![("id".to_owned(), "bigint".to_owned())]),
            stage,
        };
        stages.into_iter().map(mark).collect()
    }

    fn fields(mark: &Mark) -> Map<String, Value> {
        match serde_json::to_value(mark) {
            Ok(Value::Object(fields)) => fields,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_may_be_absent_may_be() {
        for mark in marks() {
            let mut written = fields(&mark);
            written.insert("later".to_owned(), Value::Bool(true));
            assert_eq!(Mark::from_fields(&written), Ok(mark.clone()));
            let mut less = mark;
            less.owner.job = None;
            less.owner.process = None;
            less.owner.catalog = None;
            less.earlier = Vec::new();
            less.namespace = None;
            less.generation = None;
            less.sync = None;
            less.parquet = None;
            assert_eq!(Mark::from_fields(&fields(&less)), Ok(less));
        }
    }

    #[test]
    fn a_field_of_another_kind_is_named() {
        for mark in marks() {
            let written = fields(&mark);
            for name in written.keys() {
                let mut broken = written.clone();
                broken.insert(name.clone(), serde_json::json!([[1]]));
                let field = Mark::from_fields(&broken).unwrap_err();
                assert_eq!(field, name);
            }
        }
    }
}

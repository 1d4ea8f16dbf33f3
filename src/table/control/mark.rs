//! The mark of a generation that no table shows.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lake::Objects;
use crate::protocol::StreamKey;
use crate::table::control::{Owner, Place, read};
use crate::time::Millis;

/// How far a generation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The run that writes to it.
    #[serde(flatten)]
    pub(crate) owner: Owner,
    pub(crate) stream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// The number that the platform gave it, where it gives any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<i64>,
    /// The platform's number of the sync, which rises with the generations of one connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sync: Option<i64>,
    /// The folder of its objects, as the prefix of keys.
    pub(crate) folder: String,
    /// The types of its columns by name, where its objects are Parquet; else they are JSON lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parquet: Option<Vec<(String, String)>>,
    #[serde(flatten)]
    pub(crate) stage: Stage,
}

impl Mark {
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
        self.mark.owner = owner.clone();
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

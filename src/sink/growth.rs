//! Columns that a stream without a declared schema gets while its rows are written: those of its first records are not
//! all, and a table has the union.
//!
//! Rows are JSON text, so that those of before are right under the columns of after, in the same object. A row that lacks
//! nothing of its record is never looked at.

use crate::error::Result;
use crate::protocol::message::RecordView;
use crate::row::{ExtraColumns, RecordMetadata, RowEncoder};
use crate::schema::infer::Inference;
use crate::schema::{Note, column};
use crate::sink::Sink;
use crate::sink::streams::StreamIndex;
use crate::table::{notes, plan};

/// How many new columns are logged one by one.
const MOST_LOGGED: usize = 20;

/// What was seen of a stream's values that its columns do not hold.
pub(super) struct Growth {
    /// The columns beyond those of its records.
    rows: ExtraColumns,
    seen: Inference,
    /// Whether the table has all the columns that it may have.
    is_full: bool,
    /// Whether it was reported that a struct has all the fields that it may have.
    has_full_struct: bool,
    /// How many changes were logged.
    logged: usize,
}

impl Growth {
    pub(super) fn new(rows: ExtraColumns) -> Self {
        Self {
            rows,
            seen: Inference::default(),
            is_full: false,
            has_full_struct: false,
            logged: 0,
        }
    }

    /// What the misfits of the last row show, if that is more than those of earlier rows did.
    fn news(&mut self, record: &[u8], encoder: &RowEncoder) -> Option<Inference> {
        let mut has_news = false;
        let misfits = || {
            let all = encoder.last_misfits(record);
            all.filter(|misfit| misfit.has_column || !self.is_full)
        };
        for misfit in misfits() {
            has_news |= self.seen.member(misfit.key, misfit.value);
        }
        // By itself: what earlier values showed has brought in all that it could.
        let mut now = Inference::default();
        if has_news {
            for misfit in misfits() {
                now.member(misfit.key, misfit.value);
            }
        }
        has_news.then_some(now)
    }

    /// The notes that are to be logged: each limit once, and not all of the columns of a map.
    fn news_of(&mut self, notes: Vec<Note>) -> Vec<Note> {
        let is_news = |note: &Note| match note {
            Note::Limited { path, .. } => {
                let is_known = if path == "$" {
                    &mut self.is_full
                } else {
                    &mut self.has_full_struct
                };
                !std::mem::replace(is_known, true)
            }
            Note::Added { .. } | Note::Widened { .. } | Note::Text { .. } | Note::Frozen { .. } => {
                self.logged += 1;
                self.logged <= MOST_LOGGED
            }
            _ => false,
        };
        notes.into_iter().filter(is_news).collect()
    }
}

impl Sink<'_> {
    /// Brings in what the row just encoded lacks of its record, and encodes it once more where that made a difference.
    #[cold]
    pub(super) fn grow(
        &mut self,
        index: StreamIndex,
        record: &RecordView<'_>,
        envelope: &RecordMetadata<'_>,
    ) -> Result<()> {
        let stream = &mut self.streams[index];
        let Some(growth) = &mut stream.growth else {
            return Ok(());
        };
        let Some(news) = growth.news(record.data, &stream.encoder) else {
            return Ok(());
        };
        let (seen, mut all) = plan::seen(&news.schema(), &growth.rows, &self.options.table);
        let grown = stream.table.grow(&seen);
        let grown =
            grown.map_err(|error| error.while_doing(format_args!("stream {}", stream.key)))?;
        all.extend(grown.notes);
        let shown = growth.news_of(all);
        notes::log(&shown, &|note| format!("stream {}: {note}", stream.key));
        let Some(columns) = grown.columns else {
            return Ok(());
        };
        let encoder = plan::compile(&columns, &growth.rows, stream.table.target())?;
        stream.encoder.discount(record.data);
        stream.set_encoder(encoder);
        let fields = column::fields(&columns);
        self.budget
            .add_fields(seen.iter().map(|column| column.field.count()).sum());
        let reshaped = stream.writer.reshape(fields.into(), &*self.lake.objects);
        stream.note_failure(reshaped)?;
        self.row.clear();
        stream
            .encoder
            .encode(record.data, envelope, &mut self.row)
            .map(drop)
    }
}

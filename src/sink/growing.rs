//! A stream's rows under more columns than before, from one row on.

use crate::error::Result;
use crate::protocol::message::RecordView;
use crate::row::RecordMetadata;
use crate::schema::column;
use crate::sink::Sink;
use crate::sink::streams::StreamIndex;
use crate::table::{notes, plan};

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

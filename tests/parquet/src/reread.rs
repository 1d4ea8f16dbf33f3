//! A file as the `parquet` crate reads it, beside the rows that it must have, and beside the file that the crate writes of
//! the same columns.

use bytes::Bytes;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::record::{Field, Row};
use parquet::schema::types::ColumnDescriptor;

use crate::rows::{Column, Tree, Type};

/// Bounds of texts are kept up to this length.
const LONGEST: usize = 64;

/// Fails with what differs.
pub(crate) fn check(columns: &[Column], file: &[u8], expected: &[Tree]) -> Result<(), String> {
    let file = Bytes::copy_from_slice(file);
    let text = |error: parquet::errors::ParquetError| error.to_string();
    let reader = SerializedFileReader::new(file).map_err(text)?;
    let mut rows = reader.get_row_iter(None).map_err(text)?;
    for (index, expected) in expected.iter().enumerate() {
        let row = rows.next().ok_or(format!("row {index} is missing"))?;
        let found = structure(columns, &row.map_err(text)?)?;
        if found != *expected {
            return Err(format!("row {index} is {found:?}, expected {expected:?}"));
        }
    }
    if rows.next().is_some() {
        return Err(format!("more than {} rows", expected.len()));
    }
    statistics(&reader).map_err(text)?
}

fn structure(columns: &[Column], row: &Row) -> Result<Tree, String> {
    let mut fields = Vec::new();
    let mut columns = columns.iter();
    for (name, field) in row.get_column_iter() {
        let column = columns.next().ok_or(format!("a field {name} too many"))?;
        if column.name != *name {
            return Err(format!("a field {name}, expected {}", column.name));
        }
        fields.push(value(&column.data_type, field)?);
    }
    match columns.next() {
        Some(column) => Err(format!("the field {} is missing", column.name)),
        None => Ok(Tree::Struct(fields)),
    }
}

fn value(of: &Type, field: &Field) -> Result<Tree, String> {
    Ok(match (of, field) {
        (_, Field::Null) => Tree::Null,
        (Type::Boolean, Field::Bool(value)) => Tree::Boolean(*value),
        (Type::Integer(8), Field::Byte(value)) => Tree::Integer((*value).into()),
        (Type::Integer(16), Field::Short(value)) => Tree::Integer((*value).into()),
        (Type::Integer(32), Field::Int(value)) | (Type::Date, Field::Date(value)) => {
            Tree::Integer((*value).into())
        }
        (Type::Integer(64), Field::Long(value))
        | (Type::Timestamp, Field::TimestampMicros(value)) => Tree::Integer(*value),
        (Type::Float, Field::Float(value)) => Tree::Double(f64::from(*value).to_bits()),
        (Type::Double, Field::Double(value)) => Tree::Double(value.to_bits()),
        (Type::Decimal(precision, scale), Field::Decimal(value)) => {
            let found = (value.precision(), value.scale());
            let declared = |number: &u32| i32::try_from(*number).unwrap_or_default();
            if found != (declared(precision), declared(scale)) {
                return Err(format!("a decimal{found:?}, expected {of}"));
            }
            Tree::Decimal(integer(value.data()))
        }
        (Type::Text, Field::Str(value)) => Tree::Text(value.clone()),
        (Type::List(element), Field::ListInternal(list)) => {
            let elements = list.elements().iter().map(|field| value(element, field));
            Tree::List(elements.collect::<Result<_, _>>()?)
        }
        (Type::Struct(fields), Field::Group(row)) => structure(fields, row)?,
        _ => return Err(format!("{field:?}, expected {of}")),
    })
}

/// A number of big-endian bytes.
fn integer(bytes: &[u8]) -> i128 {
    let first = bytes.first().is_some_and(|byte| byte & 0x80 > 0);
    bytes.iter().fold(-i128::from(first), |value, byte| {
        value << 8 | i128::from(*byte)
    })
}

/// Writes each row group's columns anew, and compares the statistics.
fn statistics(reader: &SerializedFileReader<Bytes>) -> parquet::errors::Result<Result<(), String>> {
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema_descr().root_schema_ptr();
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(LONGEST))
        .build();
    let mut out = SerializedFileWriter::new(Vec::new(), schema, properties.into())?;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let columns = reader.get_row_group(index)?;
        let mut written = out.next_row_group()?;
        let mut greatest = Vec::new();
        for (column, chunk) in group.columns().iter().enumerate() {
            let from = columns.get_column_reader(column)?;
            let Some(to) = written.next_column()? else {
                return Ok(Err(format!("no column {column}")));
            };
            greatest.push(copy(from, to, chunk.column_descr())?);
        }
        let closed = written.close()?;
        let chunks = group.columns().iter().zip(closed.columns());
        for ((ours, theirs), greatest) in chunks.zip(&greatest) {
            let place = format!("row group {index}, {}", ours.column_path());
            let (Some(ours), Some(theirs)) = (ours.statistics(), theirs.statistics()) else {
                return Ok(Err(format!("{place}: no statistics")));
            };
            if let Err(fault) = compare(ours, theirs, greatest.as_deref()) {
                return Ok(Err(format!(
                    "{place}: {fault}: {ours:?}, expected {theirs:?}"
                )));
            }
        }
    }
    out.close()?;
    Ok(Ok(()))
}

/// Copies a column chunk. Returns the greatest of its texts.
fn copy(
    from: ColumnReader,
    to: SerializedColumnWriter<'_>,
    description: &ColumnDescriptor,
) -> parquet::errors::Result<Option<Vec<u8>>> {
    use parquet::data_type as types;
    let mut greatest = None;
    match from {
        ColumnReader::BoolColumnReader(from) => {
            typed::<types::BoolType>(from, to, description, &mut |_| {})
        }
        ColumnReader::Int32ColumnReader(from) => {
            typed::<types::Int32Type>(from, to, description, &mut |_| {})
        }
        ColumnReader::Int64ColumnReader(from) => {
            typed::<types::Int64Type>(from, to, description, &mut |_| {})
        }
        ColumnReader::Int96ColumnReader(from) => {
            typed::<types::Int96Type>(from, to, description, &mut |_| {})
        }
        ColumnReader::FloatColumnReader(from) => {
            typed::<types::FloatType>(from, to, description, &mut |_| {})
        }
        ColumnReader::DoubleColumnReader(from) => {
            typed::<types::DoubleType>(from, to, description, &mut |_| {})
        }
        ColumnReader::ByteArrayColumnReader(from) => {
            typed::<types::ByteArrayType>(from, to, description, &mut |values| {
                greatest = values.iter().map(|value| value.data().to_vec()).max();
            })
        }
        ColumnReader::FixedLenByteArrayColumnReader(from) => {
            typed::<types::FixedLenByteArrayType>(from, to, description, &mut |_| {})
        }
    }?;
    Ok(greatest)
}

fn typed<T: DataType>(
    mut from: ColumnReaderImpl<T>,
    mut to: SerializedColumnWriter<'_>,
    description: &ColumnDescriptor,
    see: &mut dyn FnMut(&[T::T]),
) -> parquet::errors::Result<()> {
    let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let has_lists = description.max_rep_level() > 0;
    loop {
        let repetitions = has_lists.then_some(&mut repetitions);
        let (records, ..) =
            from.read_records(1 << 20, Some(&mut definitions), repetitions, &mut values)?;
        if records == 0 {
            break;
        }
    }
    see(&values);
    let repetitions = has_lists.then_some(&*repetitions);
    to.typed::<T>()
        .write_batch(&values, Some(&definitions), repetitions)?;
    to.close()
}

fn compare(
    ours: &Statistics,
    theirs: &Statistics,
    greatest: Option<&[u8]>,
) -> Result<(), &'static str> {
    if ours.null_count_opt() != theirs.null_count_opt() {
        return Err("other nulls");
    }
    if let (Some(ours), Some(theirs)) = (floating(ours), floating(theirs)) {
        // The specification has a zero written as -0.0 where it is the least, and as 0.0 where it is the greatest value; the
        // crate keeps the sign that came.
        let expected = [zero(theirs[0], -0.0), zero(theirs[1], 0.0)];
        let bits = |bounds: [Option<f64>; 2]| bounds.map(|bound| bound.map(f64::to_bits));
        return match bits(ours) == bits(expected) {
            true => Ok(()),
            false => Err("other bounds"),
        };
    }
    if ours.min_bytes_opt() != theirs.min_bytes_opt()
        || ours.min_is_exact() != theirs.min_is_exact()
    {
        return Err("another least value");
    }
    let is_cut = greatest.is_some_and(|greatest| greatest.len() > LONGEST);
    if !is_cut {
        let is_same = ours.max_bytes_opt() == theirs.max_bytes_opt();
        return (is_same && ours.max_is_exact() == theirs.max_is_exact())
            .then_some(())
            .ok_or("another greatest value");
    }
    // The next text may be chosen in several ways: where theirs is kept short, ours may be longer.
    match (ours.max_bytes_opt(), greatest) {
        (Some(bound), Some(greatest)) if bound < greatest => {
            Err("a bound below the greatest value")
        }
        (Some(bound), _) if std::str::from_utf8(bound).is_err() => Err("a bound that is no text"),
        (Some(_), _) if ours.max_is_exact() => Err("a bound that says it is a value"),
        (None, _)
            if theirs
                .max_bytes_opt()
                .is_some_and(|bound| bound.len() <= LONGEST) =>
        {
            Err("no bound")
        }
        _ => Ok(()),
    }
}

/// The bounds of doubles or floats.
fn floating(statistics: &Statistics) -> Option<[Option<f64>; 2]> {
    match statistics {
        Statistics::Double(of) => Some([of.min_opt().copied(), of.max_opt().copied()]),
        Statistics::Float(of) => {
            Some([of.min_opt(), of.max_opt()].map(|bound| bound.map(|bound| (*bound).into())))
        }
        _ => None,
    }
}

fn zero(bound: Option<f64>, zero: f64) -> Option<f64> {
    bound.map(|bound| if bound == 0.0 { zero } else { bound })
}

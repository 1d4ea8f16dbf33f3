//! Forecasts as text.

use std::fmt::{self, Display, Write};

use crate::table::Change;
use crate::table::control::TakenBack;
use crate::table::forecast::{
    Column, Deletion, Forecast, Origin, Replacement, StreamForecast, TableAction,
};

/// The longest name and type that widen the columns of the listing.
const WIDEST: usize = 32;

pub(super) fn all(forecast: &Forecast) -> String {
    if forecast.streams.is_empty() {
        return "the catalog has no streams: nothing would be created".to_owned();
    }
    let mut texts: Vec<String> = forecast.streams.iter().map(one).collect();
    texts.extend(forecast.taken_back.iter().map(of_run));
    texts.join("\n")
}

fn of_run(taken: &TakenBack) -> String {
    let TakenBack {
        run,
        table,
        objects,
    } = taken;
    format!(
        "run {run} died: takes back what it did not acknowledge of table {table} ({})\n",
        count(*objects as u64)
    )
}

fn count(objects: u64) -> String {
    let s = if objects == 1 { "" } else { "s" };
    format!("{objects} object{s}")
}

fn one(forecast: &StreamForecast) -> String {
    let mut text = String::new();
    write(&mut text, forecast).expect("a String takes everything");
    text
}

fn write(out: &mut String, forecast: &StreamForecast) -> fmt::Result {
    let StreamForecast {
        stream,
        database,
        table,
        ..
    } = forecast;
    writeln!(out, "stream {stream}: table {database}.{table}")?;
    if !forecast.has_database {
        writeln!(out, "  creates the database {database}")?;
    }
    match &forecast.action {
        TableAction::Created => writeln!(out, "  creates the table at {}", forecast.location)?,
        TableAction::Extended => writeln!(out, "  adds rows at {}", forecast.location)?,
        TableAction::Replaced(Replacement {
            location,
            adopts,
            dropped_settings,
        }) => {
            writeln!(out, "  replaces the rows at {location}")?;
            writeln!(out, "  with those at {}", forecast.location)?;
            if *adopts {
                writeln!(
                    out,
                    "  after which the Python connector, which made the table, cannot go on with it"
                )?;
            }
            section(out, "removes the settings", dropped_settings.iter())?;
        }
        TableAction::Refused(why) => return writeln!(out, "  fails: {why}"),
    }
    let (left, deleted): (Vec<_>, Vec<_>) = forecast
        .deletions
        .iter()
        .partition(|deletion| deletion.left.is_some());
    section(
        out,
        "deletes at the end",
        deleted.into_iter().map(DeletionLine),
    )?;
    section(out, "leaves", left.into_iter().map(DeletionLine))?;
    let keys = forecast.keys.iter();
    section(
        out,
        "partition keys",
        keys.map(|(name, data_type)| format!("{name} {data_type}")),
    )?;
    section(out, "changes", forecast.changes.iter().map(ChangeLine))?;
    section(out, "notes", forecast.notes.iter())?;
    columns(out, &forecast.columns)
}

fn columns(out: &mut String, columns: &[Column]) -> fmt::Result {
    writeln!(out, "  columns")?;
    let width = |length: fn(&Column) -> usize| {
        let widths = columns.iter().map(length);
        widths.max().unwrap_or(0).min(WIDEST)
    };
    let (names, types) = (
        width(|column| column.name.len()),
        width(|column| column.data_type.to_string().len()),
    );
    for column in columns {
        let origin = match &column.origin {
            Origin::Record(path) => path,
            Origin::Program => "(added by the program)",
            Origin::Nothing => "(not in the schema)",
        };
        let (name, data_type) = (&column.name, column.data_type.to_string());
        writeln!(out, "    {name:names$}  {data_type:types$}  {origin}")?;
    }
    Ok(())
}

fn section(out: &mut String, name: &str, lines: impl Iterator<Item = impl Display>) -> fmt::Result {
    for (index, line) in lines.enumerate() {
        if index == 0 {
            writeln!(out, "  {name}")?;
        }
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

struct ChangeLine<'a>(&'a Change);

impl Display for ChangeLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Change::Added { column, to } => write!(f, "+ {column} {to}"),
            Change::Retyped { column, from, to } => write!(f, "~ {column} {from} -> {to}"),
        }
    }
}

struct DeletionLine<'a>(&'a Deletion);

impl Display for DeletionLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deletion {
            location,
            objects,
            left,
        } = self.0;
        write!(f, "{} of {location}", count(*objects))?;
        match left {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

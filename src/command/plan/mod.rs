//! `plan`: prints what a sync or a load would create or change, and changes nothing.

mod text;

use serde_json::{Value, json};

use crate::cli::{self, PlanFormat, PlanTarget};
use crate::command::exit::Exit;
use crate::command::{configuration, open_verified, options, read_file, read_schema, refresh};
use crate::environment::Environment;
use crate::error::Result;
use crate::http::retry::RetryPolicy;
use crate::lake;
use crate::out;
use crate::protocol::StreamKey;
use crate::protocol::catalog::{self, ConfiguredStream, JsonSchema};
use crate::schema::evolve::SchemaOrigin;
use crate::table::control::{Control, Owner, TakenBack};
use crate::table::forecast::{self, Column, Deletion, Origin, StreamForecast, TableAction};
use crate::table::layout::Run;
use crate::table::listing::Known;
use crate::table::{Change, Creation, Opening};
use crate::time::Clock;

pub(super) fn run(asked: &cli::PlanArguments, environment: &Environment) -> Result<Exit> {
    let config = configuration(&asked.lake, environment)?;
    let streams = streams(&asked.target)?;
    let mut options = options(&config, environment);
    if matches!(asked.target, PlanTarget::Table { .. }) {
        options.table.creation = Creation::AtTheFirstCheckpoint;
    }
    if let Some(advice) = options
        .table
        .format
        .advice(streams.len(), options.memory_budget)
    {
        log::warn!("{advice}");
    }
    let lake = if let Some(folder) = &asked.lake.local {
        lake::dir::look(folder)?
    } else {
        let run = Run::begin(Clock::System.now())?;
        open_verified(&asked.lake, config, &run, environment, RetryPolicy::short())?
    };
    let run = Run::to_come();
    let owner = Owner::this(run.name(), options.job, lake.catalog.name());
    let mut control = Control::new(&options.table.prefix, owner, options.leftover_age);
    let taken_back = control.foresee(&*lake.objects)?;
    let opening = Opening {
        lake: &lake,
        run: &run,
        options: &options.table,
        control: &control,
        known: &Known::default(),
    };
    let forecast = forecast::forecast(streams, &opening, taken_back)?;
    out::text(&match asked.format {
        PlanFormat::Text => text::all(&forecast),
        PlanFormat::Json => {
            let streams: Vec<Value> = forecast.streams.iter().map(to_json).collect();
            let taken_back: Vec<Value> = forecast.taken_back.iter().map(of_run).collect();
            let all = json!({"streams": streams, "takes_back": taken_back});
            format!("{all:#}")
        }
    })?;
    let is_refused = |stream: &StreamForecast| matches!(stream.action, TableAction::Refused(_));
    Ok(if forecast.streams.iter().any(is_refused) {
        Exit::Reported(1)
    } else {
        Exit::Success
    })
}

fn streams(target: &PlanTarget) -> Result<Vec<ConfiguredStream>> {
    match target {
        PlanTarget::Catalog(path) => catalog::read(&read_file(path, "configured catalog")?),
        PlanTarget::Table {
            table,
            schema,
            mode,
        } => Ok(vec![ConfiguredStream {
            key: StreamKey::new(None, table),
            json_schema: JsonSchema::from(&read_schema(schema)?),
            origin: SchemaOrigin::Declared,
            refresh: refresh(*mode),
            generation_id: None,
            sync_id: None,
            cursor: Vec::new(),
        }]),
    }
}

fn to_json(forecast: &StreamForecast) -> Value {
    let mut value = json!({
        "stream": forecast.stream.name,
        "namespace": forecast.stream.namespace,
        "database": forecast.database,
        "creates_database": !forecast.has_database,
        "table": forecast.table,
        "action": match &forecast.action {
            TableAction::Created => "create",
            TableAction::Extended if forecast.changes.is_empty() => "append",
            TableAction::Extended => "change",
            TableAction::Replaced(_) => "replace",
            TableAction::Refused(_) => "refuse",
        },
        "location": forecast.location,
        "partition_keys": forecast.keys.iter().map(|(name, data_type)| json!({"name": name, "type": data_type.to_string()})).collect::<Vec<_>>(),
        "columns": forecast.columns.iter().map(column).collect::<Vec<_>>(),
        "changes": forecast.changes.iter().map(change).collect::<Vec<_>>(),
        "notes": forecast.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    match &forecast.action {
        TableAction::Replaced(replacement) => {
            value["replaces"] = replacement.location.as_str().into();
            value["adopts"] = replacement.adopts.into();
            value["dropped_settings"] = json!(replacement.dropped_settings);
        }
        TableAction::Refused(why) => value["error"] = why.as_str().into(),
        TableAction::Created | TableAction::Extended => {}
    }
    let of = |is_left| {
        let chosen = forecast
            .deletions
            .iter()
            .filter(move |deletion| deletion.left.is_some() == is_left);
        chosen.map(deletion).collect::<Value>()
    };
    value["deletes"] = of(false);
    value["leaves"] = of(true);
    value
}

fn deletion(deletion: &Deletion) -> Value {
    let mut value = json!({"location": deletion.location, "objects": deletion.objects});
    if let Some(why) = &deletion.left {
        value["because"] = why.as_str().into();
    }
    value
}

fn of_run(taken: &TakenBack) -> Value {
    json!({"run": taken.run, "table": taken.table, "objects": taken.objects})
}

fn column(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.data_type.to_string(),
        "path": match &column.origin {
            Origin::Record(path) => Some(path),
            Origin::Program | Origin::Nothing => None,
        },
    })
}

fn change(change: &Change) -> Value {
    match change {
        Change::Added { column, to } => json!({"column": column, "to": to.to_string()}),
        Change::Retyped { column, from, to } => {
            json!({"column": column, "from": from.to_string(), "to": to.to_string()})
        }
    }
}

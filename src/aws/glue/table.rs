//! GetTable, GetTables, CreateTable, UpdateTable and DeleteTable.

use serde_json::{Map, Value, json};

use crate::aws::glue::{CatalogPage, call, document, nothing, page};
use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::service::Service;
use crate::http::Response;

/// The fields of GetTable's response that CreateTable and UpdateTable accept.
/// A list of those to keep, because AWS adds fields to the response that the inputs refuse.
const INPUT_FIELDS: [&str; 13] = [
    "Name",
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
];

pub(crate) struct GetTable<'a> {
    pub(crate) database: &'a str,
    pub(crate) name: &'a str,
}

/// A table: its definition as UpdateTable's input, and its version.
#[derive(Debug, PartialEq)]
pub(crate) struct Described {
    pub(crate) input: Map<String, Value>,
    pub(crate) version: Option<String>,
}

impl Operation for GetTable<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "GetTable";
    const PERMISSIONS: &'static [&'static str] = &["glue:GetTable"];
    type Output = Described;

    fn call(&self) -> Call {
        call(
            Self::NAME,
            &json!({ "DatabaseName": self.database, "Name": self.name }),
        )
    }

    fn read(&self, response: Response) -> Result<Described, BadResponse> {
        let mut document = document(&response)?;
        document
            .get_mut("Table")
            .and_then(|table| described(table.take()))
            .ok_or(BadResponse::Malformed("the response holds no table"))
    }
}

fn described(table: Value) -> Option<Described> {
    let Value::Object(mut table) = table else {
        return None;
    };
    let version = match table.get("VersionId") {
        Some(Value::String(version)) => Some(version.clone()),
        Some(Value::Number(version)) => Some(version.to_string()),
        _ => None,
    };
    table.retain(|name, value| INPUT_FIELDS.contains(&name.as_str()) && !value.is_null());
    Some(Described {
        input: table,
        version,
    })
}

/// One page of a database's tables.
pub(crate) struct GetTables<'a> {
    pub(crate) database: &'a str,
    /// The most tables of the page; 100 at most.
    pub(crate) most: usize,
    /// From the page before.
    pub(crate) next: Option<&'a str>,
}

impl Operation for GetTables<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "GetTables";
    const PERMISSIONS: &'static [&'static str] = &["glue:GetTables"];
    type Output = CatalogPage<Described>;

    fn call(&self) -> Call {
        let mut body = json!({ "DatabaseName": self.database, "MaxResults": self.most });
        if let Some(token) = self.next {
            body["NextToken"] = token.into();
        }
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<CatalogPage<Described>, BadResponse> {
        page(&response, "TableList", |table| {
            described(table).filter(|table| !table.name().is_empty())
        })
    }
}

impl Described {
    pub(crate) fn name(&self) -> &str {
        let name = self.input.get("Name").and_then(Value::as_str);
        name.unwrap_or_default()
    }

    /// The table's location, which is empty for a view.
    pub(crate) fn location(&self) -> &str {
        let storage = self.input.get("StorageDescriptor");
        let location = storage.and_then(|storage| storage["Location"].as_str());
        location.unwrap_or_default()
    }
}

pub(crate) struct CreateTable<'a> {
    pub(crate) database: &'a str,
    pub(crate) input: &'a Map<String, Value>,
}

impl Operation for CreateTable<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "CreateTable";
    const PERMISSIONS: &'static [&'static str] = &["glue:CreateTable"];
    type Output = ();

    fn call(&self) -> Call {
        call(
            Self::NAME,
            &json!({ "DatabaseName": self.database, "TableInput": self.input }),
        )
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        nothing(&response)
    }
}

/// Replaces the whole definition. Old versions are not archived, because they count against a quota.
pub(crate) struct UpdateTable<'a> {
    pub(crate) database: &'a str,
    pub(crate) input: &'a Map<String, Value>,
    /// The expected version: with another one, the call fails with ConcurrentModificationException.
    pub(crate) version: Option<&'a str>,
}

impl Operation for UpdateTable<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "UpdateTable";
    const PERMISSIONS: &'static [&'static str] = &["glue:UpdateTable"];
    /// The table has changed since it was read.
    const EXPECTED_ERRORS: &'static [&'static str] = &["ConcurrentModificationException"];
    type Output = ();

    fn call(&self) -> Call {
        let mut body = json!({
            "DatabaseName": self.database,
            "TableInput": self.input,
            "SkipArchive": true,
        });
        if let Some(version) = self.version {
            body["VersionId"] = version.into();
        }
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        nothing(&response)
    }
}

pub(crate) struct DeleteTable<'a> {
    pub(crate) database: &'a str,
    pub(crate) name: &'a str,
}

impl Operation for DeleteTable<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "DeleteTable";
    const PERMISSIONS: &'static [&'static str] = &["glue:DeleteTable"];
    type Output = ();

    fn call(&self) -> Call {
        call(
            Self::NAME,
            &json!({ "DatabaseName": self.database, "Name": self.name }),
        )
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        nothing(&response)
    }
}

//! GetDatabase, GetDatabases, CreateDatabase and DeleteDatabase.

use serde_json::json;

use crate::aws::glue::{CatalogPage, call, document, nothing, page};
use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::service::Service;
use crate::http::Response;

pub(crate) struct GetDatabase<'a> {
    pub(crate) name: &'a str,
}

impl Operation for GetDatabase<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "GetDatabase";
    const PERMISSIONS: &'static [&'static str] = &["glue:GetDatabase"];
    type Output = ();

    fn call(&self) -> Call {
        call(Self::NAME, &json!({ "Name": self.name }))
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        match document(&response)?.get("Database") {
            Some(_) => Ok(()),
            None => Err(BadResponse::Malformed("the response holds no database")),
        }
    }
}

/// One page of the databases' names.
pub(crate) struct GetDatabases<'a> {
    /// From the page before.
    pub(crate) next: Option<&'a str>,
}

impl Operation for GetDatabases<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "GetDatabases";
    const PERMISSIONS: &'static [&'static str] = &["glue:GetDatabases"];
    type Output = CatalogPage<String>;

    fn call(&self) -> Call {
        let body = match self.next {
            Some(token) => json!({ "NextToken": token }),
            None => json!({}),
        };
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<CatalogPage<String>, BadResponse> {
        page(&response, "DatabaseList", |database| {
            database["Name"].as_str().map(str::to_owned)
        })
    }
}

pub(crate) struct CreateDatabase<'a> {
    pub(crate) name: &'a str,
    /// Where the tables of the database are, unless it is longer than Glue takes.
    pub(crate) location: &'a str,
}

/// The longest LocationUri.
const LONGEST_LOCATION: usize = 1024;

impl Operation for CreateDatabase<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "CreateDatabase";
    const PERMISSIONS: &'static [&'static str] = &["glue:CreateDatabase"];
    type Output = ();

    fn call(&self) -> Call {
        let mut input = json!({ "Name": self.name });
        if self.location.len() <= LONGEST_LOCATION {
            input["LocationUri"] = self.location.into();
        }
        call(Self::NAME, &json!({ "DatabaseInput": input }))
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        nothing(&response)
    }
}

/// Deletes the database and all tables in it.
pub(crate) struct DeleteDatabase<'a> {
    pub(crate) name: &'a str,
}

impl Operation for DeleteDatabase<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "DeleteDatabase";
    const PERMISSIONS: &'static [&'static str] = &["glue:DeleteDatabase"];
    type Output = ();

    fn call(&self) -> Call {
        call(Self::NAME, &json!({ "Name": self.name }))
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        nothing(&response)
    }
}

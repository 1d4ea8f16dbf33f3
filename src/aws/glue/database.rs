//! GetDatabase and CreateDatabase.

use serde_json::json;

use crate::aws::glue::{call, document, nothing};
use crate::aws::operation::{Call, Operation, Unfit};
use crate::aws::service::Service;
use crate::http::Answer;

pub(crate) struct GetDatabase<'a> {
    pub(crate) name: &'a str,
}

impl Operation for GetDatabase<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "GetDatabase";
    type Output = ();

    fn call(&self) -> Call<'_> {
        call(Self::NAME, &json!({ "Name": self.name }))
    }

    fn read(&self, answer: Answer) -> Result<(), Unfit> {
        match document(&answer)?.get("Database") {
            Some(_) => Ok(()),
            None => Err(Unfit::Unreadable("the answer holds no database")),
        }
    }
}

pub(crate) struct CreateDatabase<'a> {
    pub(crate) name: &'a str,
}

impl Operation for CreateDatabase<'_> {
    const SERVICE: Service = Service::Glue;
    const NAME: &'static str = "CreateDatabase";
    type Output = ();

    fn call(&self) -> Call<'_> {
        call(
            Self::NAME,
            &json!({ "DatabaseInput": { "Name": self.name } }),
        )
    }

    fn read(&self, answer: Answer) -> Result<(), Unfit> {
        nothing(&answer)
    }
}

//! Lake Formation: AddLFTagsToResource for databases. A response of 200 may hold a failure for each tag.
//!
//! <https://docs.aws.amazon.com/lake-formation/latest/APIReference/API_AddLFTagsToResource.html>

use serde_json::{Value, json};

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::service::Service;
use crate::aws::values;
use crate::http::{Method, Response};

pub(crate) struct AddTag<'a> {
    pub(crate) database: &'a str,
    pub(crate) key: &'a str,
    pub(crate) values: &'a [String],
}

impl Operation for AddTag<'_> {
    const SERVICE: Service = Service::LakeFormation;
    const NAME: &'static str = "AddLFTagsToResource";
    const PERMISSIONS: &'static [&'static str] = &["lakeformation:AddLFTagsToResource"];
    type Output = ();

    fn call(&self) -> Call {
        let body = json!({
            "Resource": { "Database": { "Name": self.database } },
            "LFTags": [{ "TagKey": self.key, "TagValues": self.values }],
        });
        Call {
            method: Method::Post,
            path: format!("/{}", Self::NAME),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes().into(),
            ..Call::default()
        }
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        let document = values::parse(&response.body)
            .ok_or(BadResponse::Malformed("the response is not complete JSON"))?;
        let failure = document
            .get("Failures")
            .and_then(Value::as_array)
            .and_then(|failures| failures.first());
        let Some(failure) = failure else {
            return Ok(());
        };
        let text = |name: &str| {
            let text = failure.pointer(&format!("/Error/{name}"));
            text.and_then(Value::as_str).unwrap_or("").to_owned()
        };
        Err(BadResponse::Error {
            code: text("ErrorCode"),
            message: text("ErrorMessage"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_inside_a_2xx_response_is_reported() {
        let values = ["v".to_owned()];
        let add = AddTag {
            database: "d",
            key: "k",
            values: &values,
        };
        let answer = |body: &str| Response {
            status: 200,
            body: body.as_bytes().to_vec(),
            ..Response::default()
        };
        assert_eq!(add.read(answer("{}")), Ok(()));
        assert_eq!(add.read(answer(r#"{"Failures":[]}"#)), Ok(()));
        let refused = add.read(answer(
            r#"{"Failures":[{"LFTag":{"TagKey":"k"},"Error":{"ErrorCode":"EntityNotFoundException","ErrorMessage":"Tag k does not exist."}}]}"#,
        ));
        assert_eq!(
            refused,
            Err(BadResponse::Error {
                code: "EntityNotFoundException".into(),
                message: "Tag k does not exist.".into()
            })
        );
    }
}

//! Lake Formation: AddLFTagsToResource, whose response of 200 may hold a failure, and GetResourceLFTags.
//!
//! <https://docs.aws.amazon.com/lake-formation/latest/APIReference/API_AddLFTagsToResource.html>

use serde_json::{Value, json};

use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::service::Service;
use crate::aws::values;
use crate::http::{Method, Response};

/// What a tag is on, in the words of the API.
pub(crate) fn database(name: &str) -> Value {
    json!({ "Database": { "Name": name } })
}

/// Puts a tag with one value on a resource. The resource keeps its other tags; a value of the same key is replaced.
pub(crate) struct AddTag<'a> {
    pub(crate) resource: &'a Value,
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

impl Operation for AddTag<'_> {
    const SERVICE: Service = Service::LakeFormation;
    const NAME: &'static str = "AddLFTagsToResource";
    const PERMISSIONS: &'static [&'static str] = &["lakeformation:AddLFTagsToResource"];
    type Output = ();

    fn call(&self) -> Call {
        let body = json!({
            "Resource": self.resource,
            "LFTags": [{ "TagKey": self.key, "TagValues": [self.value] }],
        });
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<(), BadResponse> {
        let document = document(&response)?;
        let failures = document.get("Failures").and_then(Value::as_array);
        // One tag was sent, so there is one failure at most.
        let Some(failure) = failures.and_then(|failures| failures.first()) else {
            return Ok(());
        };
        let text = |name: &str| {
            let text = failure.pointer(&format!("/Error/{name}"));
            text.and_then(Value::as_str).unwrap_or("").to_owned()
        };
        Err(BadResponse::Error {
            code: text("ErrorCode"),
            message: format!("tag {}={}: {}", self.key, self.value, text("ErrorMessage")),
        })
    }
}

/// Finds the keys of the tags that are on a resource, or that it inherits.
pub(crate) struct GetTags<'a> {
    pub(crate) resource: &'a Value,
}

impl Operation for GetTags<'_> {
    const SERVICE: Service = Service::LakeFormation;
    const NAME: &'static str = "GetResourceLFTags";
    const PERMISSIONS: &'static [&'static str] = &["lakeformation:GetResourceLFTags"];
    type Output = Vec<String>;

    fn call(&self) -> Call {
        let body = json!({ "Resource": self.resource, "ShowAssignedLFTags": true });
        call(Self::NAME, &body)
    }

    fn read(&self, response: Response) -> Result<Vec<String>, BadResponse> {
        let document = document(&response)?;
        let mut keys = Vec::new();
        let mut add = |tags: &Value| {
            let tags = tags.as_array().into_iter().flatten();
            let key = |tag: &Value| tag["TagKey"].as_str().map(str::to_owned);
            keys.extend(tags.filter_map(key));
        };
        add(&document["LFTagOnDatabase"]);
        add(&document["LFTagsOnTable"]);
        let columns = document["LFTagsOnColumns"].as_array();
        for column in columns.into_iter().flatten() {
            add(&column["LFTags"]);
        }
        Ok(keys)
    }
}

fn call(operation: &str, body: &Value) -> Call {
    Call {
        method: Method::Post,
        path: format!("/{operation}"),
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.to_string().into_bytes().into(),
        ..Call::default()
    }
}

fn document(response: &Response) -> Result<Value, BadResponse> {
    values::parse(&response.body).ok_or(BadResponse::Malformed("the response is not complete JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_inside_a_2xx_response_is_reported() {
        let add = AddTag {
            resource: &database("d"),
            key: "k",
            value: "v",
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
                message: "tag k=v: Tag k does not exist.".into()
            })
        );
    }
}

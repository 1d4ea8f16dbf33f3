//! The four services that the program calls, and the differences of their protocols.

use serde_json::Value;

use crate::aws::sigv4::Dialect;
use crate::aws::values;
use crate::aws::xml::Element;
use crate::http::Response;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Glue,
    LakeFormation,
    S3,
    Sts,
}

impl Service {
    /// The name in messages.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Glue => "Glue",
            Self::LakeFormation => "Lake Formation",
            Self::S3 => "S3",
            Self::Sts => "STS",
        }
    }

    /// The name in signatures and host names.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Glue => "glue",
            Self::LakeFormation => "lakeformation",
            Self::S3 => "s3",
            Self::Sts => "sts",
        }
    }

    /// The environment variable that overrides its endpoint.
    pub(crate) fn endpoint_variable(self) -> &'static str {
        match self {
            Self::Glue => "AWS_ENDPOINT_URL_GLUE",
            Self::LakeFormation => "AWS_ENDPOINT_URL_LAKEFORMATION",
            Self::S3 => "AWS_ENDPOINT_URL_S3",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
        }
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::S3 => Dialect::S3,
            Self::Glue | Self::LakeFormation | Self::Sts => Dialect::Standard,
        }
    }

    /// The code and the message of an error response; without a body (HEAD) the code is made from the status.
    pub(crate) fn error(self, response: &Response) -> (String, String) {
        let (code, message) = match self {
            Self::S3 | Self::Sts => xml_error(&response.body),
            Self::Glue | Self::LakeFormation => json_error(response),
        }
        .unwrap_or_default();
        if !code.is_empty() {
            return (code, message);
        }
        let code = match response.status {
            301 => "PermanentRedirect",
            307 => "TemporaryRedirect",
            400 => "BadRequest",
            403 => "Forbidden",
            404 => "NotFound",
            412 => "PreconditionFailed",
            _ => "",
        };
        (code.to_owned(), message)
    }
}

fn xml_error(body: &[u8]) -> Option<(String, String)> {
    let root = Element::parse(body)?;
    let error = match root.name() {
        "Error" => &root,
        // Some compatible servers wrap it once more, as EC2 does.
        _ => root
            .child("Error")
            .or_else(|| root.child("Errors")?.child("Error"))?,
    };
    Some((
        error.text_of("Code").to_owned(),
        error.text_of("Message").to_owned(),
    ))
}

/// The code is in `__type` or a header, after a namespace or before a link.
fn json_error(response: &Response) -> Option<(String, String)> {
    let body = values::parse(&response.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = text("__type")
        .or_else(|| response.header("x-amzn-errortype"))
        .or_else(|| text("code"))?;
    let code = code.rsplit('#').next()?.split(':').next()?;
    let message = text("message").or_else(|| text("Message")).unwrap_or("");
    Some((code.to_owned(), message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response {
            status,
            body: body.as_bytes().to_vec(),
            ..Response::default()
        }
    }

    #[test]
    fn finds_code_and_message_in_every_form() {
        let of = |service: Service, status, body| {
            let (code, message) = service.error(&answer(status, body));
            format!("{code}|{message}")
        };
        let s3 =
            "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>Gone.</Message></Error>";
        assert_eq!(of(Service::S3, 404, s3), "NoSuchKey|Gone.");
        let sts = "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>No.</Message></Error></ErrorResponse>";
        assert_eq!(of(Service::Sts, 403, sts), "AccessDenied|No.");
        let glue =
            r#"{"__type":"com.amazonaws.glue#EntityNotFoundException","Message":"No table."}"#;
        assert_eq!(
            of(Service::Glue, 400, glue),
            "EntityNotFoundException|No table."
        );
        assert_eq!(of(Service::S3, 404, ""), "NotFound|");
        assert_eq!(of(Service::S3, 502, "<html>Bad gateway"), "|");
        assert_eq!(of(Service::Glue, 500, "oops"), "|");
    }

    #[test]
    fn a_header_may_hold_the_code() {
        let mut answer = answer(400, r#"{"message":"slow down"}"#);
        answer.headers.insert(
            "x-amzn-errortype",
            "ThrottlingException:http://internal.amazon.com/"
                .parse()
                .unwrap(),
        );
        assert_eq!(
            Service::Glue.error(&answer),
            ("ThrottlingException".to_owned(), "slow down".to_owned())
        );
    }
}

//! STS: AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity. Query in, XML out.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html>

use crate::aws::identity::Identity;
use crate::aws::operation::{BadResponse, Call, Operation};
use crate::aws::service::Service;
use crate::aws::sigv4::encoding;
use crate::aws::xml::Element;
use crate::http::{Method, Response};
use crate::secret::Secret;
use crate::time::Millis;

pub(crate) struct AssumeRole<'a> {
    pub(crate) role_arn: &'a str,
    pub(crate) session_name: &'a str,
    pub(crate) external_id: Option<&'a str>,
    pub(crate) seconds: Option<u32>,
}

impl Operation for AssumeRole<'_> {
    const SERVICE: Service = Service::Sts;
    const NAME: &'static str = "AssumeRole";
    const PERMISSIONS: &'static [&'static str] = &["sts:AssumeRole"];
    type Output = Identity;

    fn call(&self) -> Call {
        let seconds = self.seconds.map(|seconds| seconds.to_string());
        let mut form = vec![
            ("RoleArn", self.role_arn),
            ("RoleSessionName", self.session_name),
        ];
        form.extend(self.external_id.map(|id| ("ExternalId", id)));
        form.extend(
            seconds
                .as_deref()
                .map(|seconds| ("DurationSeconds", seconds)),
        );
        call(Self::NAME, form)
    }

    fn read(&self, response: Response) -> Result<Identity, BadResponse> {
        credentials(&response, "AssumeRoleResult")
    }
}

/// Exchanges a web identity's token for credentials. The call is not signed: the token proves the identity.
pub(crate) struct AssumeRoleWithWebIdentity<'a> {
    pub(crate) role_arn: &'a str,
    pub(crate) session_name: &'a str,
    pub(crate) token: &'a Secret,
}

impl Operation for AssumeRoleWithWebIdentity<'_> {
    const SERVICE: Service = Service::Sts;
    const NAME: &'static str = "AssumeRoleWithWebIdentity";
    /// The token is what permits it.
    const PERMISSIONS: &'static [&'static str] = &[];
    type Output = Identity;

    fn call(&self) -> Call {
        let form = vec![
            ("RoleArn", self.role_arn),
            ("RoleSessionName", self.session_name),
            ("WebIdentityToken", self.token.reveal()),
        ];
        call(Self::NAME, form)
    }

    fn secret(&self) -> Option<&Secret> {
        Some(self.token)
    }

    fn read(&self, response: Response) -> Result<Identity, BadResponse> {
        credentials(&response, "AssumeRoleWithWebIdentityResult")
    }
}

pub(crate) struct GetCallerIdentity;

/// The caller's account, and its ARN.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) arn: String,
}

impl Operation for GetCallerIdentity {
    const SERVICE: Service = Service::Sts;
    const NAME: &'static str = "GetCallerIdentity";
    /// Every identity may ask who it is.
    const PERMISSIONS: &'static [&'static str] = &[];
    type Output = Account;

    fn call(&self) -> Call {
        call(Self::NAME, Vec::new())
    }

    fn read(&self, response: Response) -> Result<Account, BadResponse> {
        let result = result(&response, "GetCallerIdentityResult")?;
        Ok(Account {
            id: result.text_of("Account").to_owned(),
            arn: result.text_of("Arn").to_owned(),
        })
    }
}

fn call(action: &'static str, mut form: Vec<(&'static str, &str)>) -> Call {
    form.push(("Action", action));
    form.push(("Version", "2011-06-15"));
    Call {
        method: Method::Post,
        headers: vec![(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
        )],
        body: encoding::query(&form).into_bytes().into(),
        limit: 1 << 20,
        ..Call::default()
    }
}

fn result(response: &Response, name: &str) -> Result<Element, BadResponse> {
    let unreadable = BadResponse::Malformed("the response is not complete XML of this operation");
    let mut root = Element::parse(&response.body)
        .ok_or(BadResponse::Malformed("the response is not complete XML"))?;
    root.take(name).ok_or(unreadable)
}

fn credentials(response: &Response, name: &str) -> Result<Identity, BadResponse> {
    let result = result(response, name)?;
    let unreadable = BadResponse::Malformed("the response holds no complete credentials");
    let Some(credentials) = result.child("Credentials") else {
        return Err(unreadable);
    };
    let text = |name| Some(credentials.text_of(name)).filter(|text| !text.is_empty());
    let parts = (
        text("AccessKeyId"),
        text("SecretAccessKey"),
        text("SessionToken"),
        text("Expiration").and_then(Millis::from_iso),
    );
    let (Some(id), Some(secret), Some(token), Some(expires)) = parts else {
        return Err(unreadable);
    };
    Ok(Identity {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: Some(Secret::new(token)),
        expires: Some(expires),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_encoded_and_complete() {
        let assume = AssumeRole {
            role_arn: "arn:aws:iam::123456789012:role/a b",
            session_name: "run@1",
            external_id: Some("x/y"),
            seconds: Some(900),
        };
        let call = assume.call();
        assert_eq!(
            String::from_utf8_lossy(&call.body),
            "Action=AssumeRole&DurationSeconds=900&ExternalId=x%2Fy&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa%20b&RoleSessionName=run%401&Version=2011-06-15"
        );
    }

    #[test]
    fn credentials_are_read_whole_or_not_at_all() {
        let document = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2019-11-09T13:34:41Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let answer = |body: &str| Response {
            status: 200,
            body: body.as_bytes().to_vec(),
            ..Response::default()
        };
        let identity = credentials(&answer(document), "AssumeRoleResult").unwrap();
        assert_eq!(identity.access_key_id, "ASIA1");
        assert_eq!(identity.expires, Millis::from_iso("2019-11-09T13:34:41Z"));
        let without = document.replace("<SessionToken>t</SessionToken>", "");
        assert!(credentials(&answer(&without), "AssumeRoleResult").is_err());
    }
}

//! The part of STS, and of the endpoints of a container and an instance, in the scripted server.

use serde_json::json;

use super::wire::Answer;

pub(super) fn assumed(operation: &str) -> Answer {
    Answer::new(
        200,
        format!(
            "<{operation}Response><{operation}Result><Credentials><AccessKeyId>ASIAFAKE</AccessKeyId>\
             <SecretAccessKey>MARKER-assumed-secret</SecretAccessKey>\
             <SessionToken>MARKER-assumed-token</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{operation}Result></{operation}Response>"
        ),
    )
}

fn contained() -> Answer {
    let credentials = json!({
        "AccessKeyId": "ASIAFAKE", "SecretAccessKey": "MARKER-contained-secret",
        "Token": "MARKER-contained-token", "Expiration": "2099-01-01T00:00:00Z",
    });
    Answer::new(200, credentials.to_string())
}

/// The call of an endpoint of credentials that the request is, by its path.
pub(super) fn local_call(path: &str) -> Option<&'static str> {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    match path {
        "/container" => Some("ContainerCredentials"),
        "/latest/api/token" => Some("InstanceToken"),
        ROLES => Some("InstanceRole"),
        _ => path.starts_with(ROLES).then_some("InstanceCredentials"),
    }
}

/// As the endpoint answers.
pub(super) fn local_answer(call: &str) -> Answer {
    match call {
        "InstanceToken" => Answer::new(200, "MARKER-instance-session"),
        "InstanceRole" => Answer::new(200, "role"),
        _ => contained(),
    }
}

pub(super) fn caller() -> Answer {
    Answer::new(
        200,
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>\
         <Arn>arn:aws:iam::123456789012:user/test</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>",
    )
}

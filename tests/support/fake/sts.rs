//! The part of STS, and of the endpoint of a container, in the scripted server.

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

/// As the endpoint of a container answers.
pub(super) fn contained() -> Answer {
    let credentials = json!({
        "AccessKeyId": "ASIAFAKE", "SecretAccessKey": "MARKER-contained-secret",
        "Token": "MARKER-contained-token", "Expiration": "2099-01-01T00:00:00Z",
    });
    Answer::new(200, credentials.to_string())
}

pub(super) fn caller() -> Answer {
    Answer::new(
        200,
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>\
         <Arn>arn:aws:iam::123456789012:user/test</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>",
    )
}

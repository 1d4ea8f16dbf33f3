//! The settings of a lake on AWS: bucket and region, credentials, endpoints, and the options of written objects.

use super::reader::ObjectReader;
use crate::aws::{
    self, Addressing, BucketKey, Credentials, Encryption, PutOptions, RequestChecksum, Switch,
};
use crate::lake::aws::{AwsLakeSettings, Tag};
use crate::secret::Secret;

const REGION: &str = "an AWS region, as \"eu-west-1\"";
const BUCKET: &str = "the name of an S3 bucket, without s3://";
const OWNER: &str = "an account number of 12 digits, or \"any\"";
const ANY_OWNER: &str = "any";
const STORAGE_CLASS: &str = "a storage class, as \"STANDARD_IA\"";

/// S3's limit of tags on an object: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>.
const MOST_TAGS: usize = 10;

/// Lake Formation's limits of a tag:
/// <https://docs.aws.amazon.com/lake-formation/latest/dg/lf-tag-considerations.html>.
const LONGEST_TAG_KEY: usize = 128;
const LONGEST_TAG_VALUE: usize = 256;

/// Reads the settings; nothing only where a mistake was noted.
/// `part_memory` is the bytes that parts on their way may take.
pub(super) fn read(root: &ObjectReader<'_>, part_memory: usize) -> Option<AwsLakeSettings> {
    // Every setting is read before a missing one returns, so that all mistakes are reported together.
    let aws = client(root);
    let database_tag = database_tag(root);
    let put_options = put_options(root);
    Some(AwsLakeSettings {
        aws: aws?,
        put_options,
        database_tag,
        part_memory,
    })
}

fn client(root: &ObjectReader<'_>) -> Option<aws::AwsSettings> {
    let region = root
        .required_text("region", REGION)
        .filter(|region| is_region(root, "region", region));
    let bucket_region = root
        .text("bucket_region", REGION)
        .filter(|region| is_region(root, "bucket_region", region));
    let bucket = root
        .required_text("bucket_name", BUCKET)
        .filter(|bucket| is_bucket(root, bucket));
    let endpoint_url = root
        .text("endpoint_url", "a URL")
        .filter(|url| is_endpoint(root, url));
    let account_id = root.text("aws_account_id", "an account number of 12 digits");
    let bucket_owner = root
        .text("expected_bucket_owner", OWNER)
        .filter(|owner| is_owner(root, owner));
    let credentials = credentials(root);
    let switch = |key| match root.boolean(key) {
        Some(true) => Switch::On,
        _ => Switch::Off,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 1 to 64
    let connections = root.number("connections", 1.0, 64.0).unwrap_or(8.0) as usize;
    let addressing = match root.boolean("path_style") {
        None => Addressing::Auto,
        Some(true) => Addressing::Path,
        Some(false) => Addressing::Host,
    };
    Some(aws::AwsSettings {
        region: region?.to_owned(),
        bucket: bucket?.to_owned(),
        bucket_region: bucket_region.map(str::to_owned),
        account_id: account_id.map(str::to_owned),
        bucket_owner: match bucket_owner {
            Some(ANY_OWNER) => None,
            owner => owner.or(account_id).map(str::to_owned),
        },
        credentials: credentials?,
        endpoints: aws::EndpointSettings {
            url: endpoint_url.map(|url| url.trim_end_matches('/').to_owned()),
            addressing,
            fips: switch("use_fips_endpoint"),
            dual_stack: switch("use_dualstack_endpoint"),
        },
        connections,
    })
}

fn is_region(root: &ObjectReader<'_>, key: &str, region: &str) -> bool {
    let is_good = region
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_good {
        root.unexpected(key, REGION, region);
    }
    is_good
}

fn is_owner(root: &ObjectReader<'_>, owner: &str) -> bool {
    let is_account = owner.len() == 12 && owner.bytes().all(|byte| byte.is_ascii_digit());
    if !is_account && owner != ANY_OWNER {
        root.unexpected("expected_bucket_owner", OWNER, owner);
        return false;
    }
    true
}

fn is_bucket(root: &ObjectReader<'_>, bucket: &str) -> bool {
    // Names from before 2018 may hold upper case and underscores; with a slash or a colon it is a location.
    let is_good = bucket
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !is_good {
        root.unexpected("bucket_name", BUCKET, bucket);
    }
    is_good
}

fn is_endpoint(root: &ObjectReader<'_>, url: &str) -> bool {
    let is_good = url.starts_with("http://") || url.starts_with("https://");
    if !is_good {
        // The URL may hold a password, so it is not shown.
        root.expected("endpoint_url", "a URL that begins with http:// or https://");
    }
    is_good
}

fn database_tag(root: &ObjectReader<'_>) -> Option<Tag> {
    const VALUES: &str = "lakeformation_database_default_tag_values";
    let key = root.text(
        "lakeformation_database_default_tag_key",
        "the key of a Lake Formation tag",
    );
    let list = root.text(VALUES, "the value of the tag");
    let key = key?.to_owned();
    let Some(list) = list else {
        root.expected(VALUES, "the value that goes with the tag's key");
        return None;
    };
    let mut values = list
        .split(',')
        .map(str::trim)
        .filter(|value| !value.is_empty());
    let (value, more) = (values.next(), values.count());
    if value.is_none_or(|value| value.chars().count() > LONGEST_TAG_VALUE)
        || more > 0
        || key.chars().count() > LONGEST_TAG_KEY
    {
        root.expected(
            VALUES,
            "one value, because Lake Formation allows a resource one value of each key (a key of at most 128 characters, a value of at most 256)",
        );
        return None;
    }
    let value = value?.to_owned();
    Some(Tag { key, value })
}

fn credentials(root: &ObjectReader<'_>) -> Option<Credentials> {
    #[derive(Clone, Copy)]
    enum Title {
        User,
        Role,
        Chain,
    }
    let expected =
        "an object with credentials_title \"IAM User\", \"IAM Role\" or \"Default chain\"";
    let Some(_) = root.present("credentials") else {
        return Some(Credentials::Default);
    };
    let credentials = root.object("credentials", expected)?;
    let titles = [
        ("IAM User", Title::User),
        ("IAM Role", Title::Role),
        ("Default chain", Title::Chain),
    ];
    credentials.required_text(
        "credentials_title",
        "\"IAM User\", \"IAM Role\" or \"Default chain\"",
    )?;
    match credentials.choice("credentials_title", &titles)? {
        Title::Chain => Some(Credentials::Default),
        Title::User => user(&credentials),
        Title::Role => role(&credentials),
    }
}

fn user(credentials: &ObjectReader<'_>) -> Option<Credentials> {
    let access_key_id =
        credentials.required_text("aws_access_key_id", "an access key id, as AKIA…");
    let secret = credentials.required_text("aws_secret_access_key", "the secret access key");
    let token = credentials.text(
        "aws_session_token",
        "the session token of temporary credentials",
    );
    Some(Credentials::User {
        access_key_id: access_key_id?.to_owned(),
        secret_access_key: Secret::new(secret?),
        session_token: token.map(Secret::new),
    })
}

fn role(credentials: &ObjectReader<'_>) -> Option<Credentials> {
    let role_arn = credentials.required_text(
        "role_arn",
        "the ARN of a role, as arn:aws:iam::111111111111:role/name",
    );
    let external_id = credentials.text("external_id", "the external id of the role's trust policy");
    let role_arn = role_arn?;
    if !role_arn.starts_with("arn:") {
        credentials.expected("role_arn", "a text that begins with arn:");
        return None;
    }
    Some(Credentials::Role {
        role_arn: role_arn.to_owned(),
        external_id: external_id.map(str::to_owned),
    })
}

/// Reads the options of written objects; a setting with a noted mistake has its default.
fn put_options(root: &ObjectReader<'_>) -> PutOptions {
    let checksums = [
        ("when_supported", RequestChecksum::WhenSupported),
        ("when_required", RequestChecksum::WhenRequired),
    ];
    let class = root
        .text("storage_class", STORAGE_CLASS)
        .filter(|class| is_storage_class(root, class));
    PutOptions {
        encryption: encryption(root).unwrap_or_default(),
        storage_class: class.map(str::to_owned),
        tags: tags(root),
        checksum: root
            .choice("request_checksum_calculation", &checksums)
            .unwrap_or_default(),
    }
}

fn is_storage_class(root: &ObjectReader<'_>, class: &str) -> bool {
    let is_good = class
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if !is_good {
        root.unexpected("storage_class", STORAGE_CLASS, class);
    }
    is_good
}

fn encryption(root: &ObjectReader<'_>) -> Option<Encryption> {
    #[derive(Clone, Copy)]
    enum EncryptionMode {
        S3,
        Kms,
    }
    let expected = "an object with mode \"SSE-S3\" or \"SSE-KMS\"";
    let encryption = root.object("encryption", expected)?;
    encryption.required_text("mode", "\"SSE-S3\" or \"SSE-KMS\"")?;
    let key_id = encryption.text("kms_key_id", "the id or the ARN of a KMS key");
    let bucket_key = match encryption.boolean("bucket_key") {
        None => BucketKey::BucketDefault,
        Some(true) => BucketKey::On,
        Some(false) => BucketKey::Off,
    };
    let modes = [
        ("SSE-S3", EncryptionMode::S3),
        ("SSE-KMS", EncryptionMode::Kms),
    ];
    match encryption.choice("mode", &modes)? {
        EncryptionMode::S3 if key_id.is_some() => {
            encryption.expected("kms_key_id", "no key with mode \"SSE-S3\"");
            None
        }
        EncryptionMode::S3 => Some(Encryption::S3),
        EncryptionMode::Kms => Some(Encryption::Kms {
            key_id: key_id.map(str::to_owned),
            bucket_key,
        }),
    }
}

fn tags(root: &ObjectReader<'_>) -> Vec<(String, String)> {
    let expected = "an object of at most 10 texts, as {\"team\": \"data\"}";
    let Some(tags) = root.object("object_tags", expected) else {
        return Vec::new();
    };
    let texts: Option<Vec<_>> = tags
        .members
        .iter()
        .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let texts = texts.filter(|texts| texts.len() <= MOST_TAGS);
    if texts.is_none() {
        root.expected("object_tags", expected);
    }
    texts.unwrap_or_default()
}

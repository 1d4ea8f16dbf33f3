//! `policy`: the smallest IAM policy under which `check`, `write` and `load` work with a configuration.

mod statement;
mod terraform;
#[cfg(test)]
mod tests;

use crate::aws::{Credentials, Encryption, Partition};
use crate::cli::{self, Holder, PolicyForm};
use crate::command::ending::Ending;
use crate::command::{configuration, read_file};
use crate::config::{Aws, Config};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::out;
use crate::protocol::catalog;
use crate::schema::name;

use statement::{Condition, Statement};

/// What is done to objects; parts of uploads are put, and what is copied is read.
const OBJECTS: [&str; 4] = [
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:PutObject",
];

/// What is done to databases and tables.
const CATALOG: [&str; 6] = [
    "glue:CreateDatabase",
    "glue:CreateTable",
    "glue:DeleteTable",
    "glue:GetDatabase",
    "glue:GetTable",
    "glue:UpdateTable",
];

pub(super) fn run(asked: &cli::Policy, environment: &Environment) -> Result<Ending> {
    let config = configuration(&asked.lake, environment)?;
    let Some(aws) = &config.aws else {
        return Err(Error::config("a lake in a folder needs no policy").hint("leave out --local"));
    };
    let statements = match asked.holder {
        Holder::Writer => {
            let mut databases = vec![name::database(&config.database)];
            if let Some(path) = &asked.catalog {
                let streams = catalog::read(&read_file(path, "configured catalog")?)?;
                let namespaces = streams
                    .iter()
                    .filter_map(|stream| stream.key.namespace.as_deref());
                databases.extend(namespaces.map(name::database));
                databases.sort();
                databases.dedup();
            }
            writer(&config, aws, &databases)
        }
        Holder::Caller => caller(aws)?,
    };
    let text = match asked.form {
        PolicyForm::Json => format!("{:#}", statement::document(&statements)),
        PolicyForm::Terraform => terraform::document(&statements),
    };
    out::text(&text)?;
    Ok(Ending::Done)
}

/// For the identity that writes.
fn writer(config: &Config, aws: &Aws, databases: &[String]) -> Vec<Statement> {
    let partition = Partition::of(&aws.region).name;
    let bucket = format!("arn:{partition}:s3:::{}", literal(&aws.bucket));
    let slash = if config.prefix.is_empty() { "" } else { "/" };
    // Every key lies in the folder of a database, or in that of the probes of `check`.
    let folders: Vec<String> = databases
        .iter()
        .map(String::as_str)
        .chain(["_check"])
        .map(|folder| literal(&format!("{}{slash}{folder}/", config.prefix)) + "*")
        .collect();
    let mut statements = vec![
        Statement::new("ListObjects", &["s3:ListBucket"], vec![bucket.clone()]).when(Condition {
            operator: "StringLike",
            key: "s3:prefix",
            values: folders.clone(),
        }),
        // IAM knows no condition by which this could be bound to a folder.
        Statement::new(
            "ListUnfinishedUploads",
            &["s3:ListBucketMultipartUploads"],
            vec![bucket.clone()],
        ),
    ];
    let mut objects = OBJECTS.to_vec();
    if !aws.writing.tags.is_empty() {
        objects.push("s3:PutObjectTagging");
    }
    let keys = folders.iter().map(|folder| format!("{bucket}/{folder}"));
    statements.push(Statement::new("WriteObjects", &objects, keys.collect()));
    let account = account(aws);
    let glue =
        |resource: String| format!("arn:{partition}:glue:{}:{account}:{resource}", aws.region);
    let mut resources = vec![glue("catalog".to_owned())];
    for database in databases {
        resources.push(glue(format!("database/{database}")));
        resources.push(glue(format!("table/{database}/*")));
    }
    statements.push(Statement::new("KeepCatalog", &CATALOG, resources));
    statements.extend(encryption(aws, partition, account));
    if aws.tag.is_some() {
        let actions = ["lakeformation:AddLFTagsToResource"];
        statements.push(Statement::new(
            "TagDatabases",
            &actions,
            vec!["*".to_owned()],
        ));
    }
    statements
}

/// For the user's own key: S3 makes data keys with it, and opens them to join parts and to read. Keys that AWS manages
/// need no permission.
fn encryption(aws: &Aws, partition: &str, account: &str) -> Option<Statement> {
    let Encryption::Kms {
        key_id: Some(key), ..
    } = &aws.writing.encryption
    else {
        return None;
    };
    let region = aws.bucket_region.as_deref().unwrap_or(&aws.region);
    let arn = |resource: &str| format!("arn:{partition}:kms:{region}:{account}:{resource}");
    let alias = key
        .rsplit_once(":alias/")
        .map(|(_, name)| name)
        .or_else(|| key.strip_prefix("alias/"));
    let resource = match alias {
        // A policy can not name an alias as its resource.
        Some(_) => arn("key/*"),
        None if key.starts_with("arn:") => key.clone(),
        None => arn(&format!("key/{key}")),
    };
    let actions = ["kms:Decrypt", "kms:GenerateDataKey"];
    let statement = Statement::new("UseKey", &actions, vec![resource]);
    Some(match alias {
        Some(name) => statement.when(Condition {
            operator: "ForAnyValue:StringEquals",
            key: "kms:ResourceAliases",
            values: vec![format!("alias/{name}")],
        }),
        None => statement,
    })
}

/// For the identity that assumes the role.
fn caller(aws: &Aws) -> Result<Vec<Statement>> {
    match &aws.credentials {
        Credentials::Role { role_arn, .. } => Ok(vec![Statement::new(
            "AssumeRole",
            &["sts:AssumeRole"],
            vec![role_arn.clone()],
        )]),
        _ => Err(
            Error::config("--caller: the configuration names no role to be assumed")
                .hint("leave out --caller, or give --role-arn"),
        ),
    }
}

/// The account of the catalog: as configured, or that of the role; any where neither tells.
fn account(aws: &Aws) -> &str {
    let of_role = match &aws.credentials {
        Credentials::Role { role_arn, .. } => role_arn.split(':').nth(4),
        _ => None,
    };
    aws.account_id
        .as_deref()
        .or(of_role.filter(|account| !account.is_empty()))
        .unwrap_or("*")
}

/// Text as a pattern that nothing else fits (IAM's policy variables for its special characters).
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '*' | '?' | '$' => {
                pattern.push_str("${");
                pattern.push(character);
                pattern.push('}');
            }
            _ => pattern.push(character),
        }
    }
    pattern
}

//! `policy`: prints the least-privilege IAM policy for `check`, `write` and `load` with a configuration.

mod statement;
mod terraform;
#[cfg(test)]
mod tests;

use crate::aws::{self, AwsPartition, Credentials, Encryption};
use crate::cli::{self, PolicyFormat, PolicyHolder};
use crate::command::exit::Exit;
use crate::command::{configuration, read_file};
use crate::config::Config;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::lake::aws::{AwsLakeSettings, permissions};
use crate::out;
use crate::protocol::catalog;
use crate::schema::name;
use crate::table::layout;
use crate::table::partition::Partitioning;

use statement::{Condition, Statement};

pub(super) fn run(asked: &cli::PolicyArguments, environment: &Environment) -> Result<Exit> {
    let config = configuration(&asked.lake, environment)?;
    let Some(settings) = &config.aws else {
        return Err(Error::config("a lake in a folder needs no policy").hint("leave out --local"));
    };
    let statements = match asked.holder {
        PolicyHolder::Writer => {
            let mut namespaces = vec![config.database.clone()];
            if let Some(path) = &asked.catalog {
                let streams = catalog::read(&read_file(path, "configured catalog")?)?;
                namespaces.extend(
                    streams
                        .into_iter()
                        .filter_map(|stream| stream.key.namespace),
                );
            }
            namespaces.sort();
            namespaces.dedup();
            writer(&Scope::of(&config, &namespaces), settings)
        }
        PolicyHolder::Caller => caller(&settings.aws)?,
    };
    let text = match asked.format {
        PolicyFormat::Json => format!("{:#}", statement::document(&statements)),
        PolicyFormat::Terraform => terraform::document(&statements),
    };
    out::text(&text)?;
    Ok(Exit::Success)
}

/// What a writer may touch.
struct Scope {
    databases: Vec<String>,
    /// The folders of the databases, of control objects, and of `check`, as prefixes of keys.
    folders: Vec<String>,
    has_partitions: bool,
}

impl Scope {
    /// That of the streams of these namespaces, those included whose tables the Python connector made.
    fn of(config: &Config, namespaces: &[String]) -> Self {
        let mut databases: Vec<String> = namespaces
            .iter()
            .flat_map(|namespace| {
                let theirs = name::database_of_the_python_connector(namespace);
                [Some(name::database(namespace)), theirs]
            })
            .flatten()
            .collect();
        databases.sort();
        databases.dedup();
        let own = databases.iter().map(String::as_str);
        let own = own.chain([layout::CONTROL, layout::CHECK]);
        let mut folders: Vec<String> = own
            .map(|name| layout::folder(&config.prefix, name))
            .collect();
        if let Some(prefix) = &config.generations_prefix {
            folders.extend(databases.iter().map(|name| layout::folder(prefix, name)));
        }
        for namespace in namespaces {
            let theirs = layout::folder_of_the_python_connector(&config.typed_prefix, namespace);
            if !folders.contains(&theirs) {
                folders.push(theirs);
            }
        }
        Self {
            databases,
            folders,
            has_partitions: config.partitioning != Partitioning::None,
        }
    }
}

/// The statements for the identity that writes.
fn writer(scope: &Scope, settings: &AwsLakeSettings) -> Vec<Statement> {
    let aws = &settings.aws;
    let partition = AwsPartition::of(&aws.region).name;
    let bucket = format!("arn:{partition}:s3:::{}", literal(&aws.bucket));
    let folders: Vec<String> = scope
        .folders
        .iter()
        .map(|folder| literal(folder) + "*")
        .collect();
    let mut statements = vec![
        Statement::new(
            "ListObjects",
            permissions::LIST_OBJECTS,
            vec![bucket.clone()],
        )
        .when(Condition {
            operator: "StringLike",
            key: "s3:prefix",
            values: folders.clone(),
        }),
        // IAM has no condition that binds this to a folder.
        Statement::new(
            "ListUnfinishedUploads",
            permissions::LIST_UPLOADS,
            vec![bucket.clone()],
        ),
    ];
    let objects = permissions::objects(&settings.put_options);
    let keys = folders.iter().map(|folder| format!("{bucket}/{folder}"));
    statements.push(Statement::new("WriteObjects", &objects, keys.collect()));
    let account = account(aws);
    let glue =
        |resource: String| format!("arn:{partition}:glue:{}:{account}:{resource}", aws.region);
    let mut resources = vec![glue("catalog".to_owned())];
    for database in &scope.databases {
        let database = literal(database);
        resources.push(glue(format!("database/{database}")));
        resources.push(glue(format!("table/{database}/*")));
    }
    if scope.has_partitions {
        statements.push(Statement::new(
            "KeepPartitions",
            &permissions::partitions(),
            resources.clone(),
        ));
    }
    statements.push(Statement::new(
        "KeepCatalog",
        &permissions::catalog(),
        resources,
    ));
    // Glue deletes a database with its tables and functions, and asks for the permission on those too.
    let probes = ["database/{}*", "table/{}*/*", "userDefinedFunction/{}*/*"]
        .map(|pattern| glue(pattern.replace("{}", layout::CHECK_NAME)));
    let catalog = [glue("catalog".to_owned())];
    statements.push(Statement::new(
        "ProbeDatabases",
        &permissions::probe_database(),
        catalog.into_iter().chain(probes).collect(),
    ));
    // No folder is deleted from under another table, of whatever database.
    statements.push(Statement::new(
        "FindOtherTables",
        &permissions::locations(),
        ["catalog", "database/*", "table/*"]
            .map(|all| glue(all.to_owned()))
            .into(),
    ));
    statements.extend(encryption(settings, partition, account));
    if settings.database_tag.is_some() {
        statements.push(Statement::new(
            "TagDatabases",
            &permissions::tags(),
            vec!["*".to_owned()],
        ));
    }
    statements
}

/// The statement for the user's own KMS key: S3 makes data keys with it, and decrypts them to join parts and to read.
/// Keys that AWS manages need no permission.
fn encryption(settings: &AwsLakeSettings, partition: &str, account: &str) -> Option<Statement> {
    let encryption = &settings.put_options.encryption;
    let Encryption::Kms {
        key_id: Some(key), ..
    } = encryption
    else {
        return None;
    };
    let aws = &settings.aws;
    let region = aws.bucket_region.as_deref().unwrap_or(&aws.region);
    let arn = |resource: &str| format!("arn:{partition}:kms:{region}:{account}:{resource}");
    let alias = key
        .rsplit_once(":alias/")
        .map(|(_, name)| name)
        .or_else(|| key.strip_prefix("alias/"));
    let resource = match alias {
        // A policy cannot name an alias as its resource.
        Some(_) => arn("key/*"),
        None if key.starts_with("arn:") => key.clone(),
        None => arn(&format!("key/{key}")),
    };
    let statement = Statement::new("UseKey", encryption.permissions(), vec![resource]);
    Some(match alias {
        Some(name) => statement.when(Condition {
            operator: "ForAnyValue:StringEquals",
            key: "kms:ResourceAliases",
            values: vec![format!("alias/{name}")],
        }),
        None => statement,
    })
}

/// The statements for the identity that assumes the role.
fn caller(aws: &aws::AwsSettings) -> Result<Vec<Statement>> {
    match &aws.credentials {
        Credentials::Role { role_arn, .. } => Ok(vec![Statement::new(
            "AssumeRole",
            permissions::ASSUME_ROLE,
            vec![role_arn.clone()],
        )]),
        _ => Err(
            Error::config("--caller: the configuration names no role to be assumed")
                .hint("leave out --caller, or give --role-arn"),
        ),
    }
}

/// The account of the catalog: the configured one, else that of the role, else any.
fn account(aws: &aws::AwsSettings) -> &str {
    let of_role = match &aws.credentials {
        Credentials::Role { role_arn, .. } => role_arn.split(':').nth(4),
        _ => None,
    };
    aws.account_id
        .as_deref()
        .or(of_role.filter(|account| !account.is_empty()))
        .unwrap_or("*")
}

/// The text as a pattern that matches it alone: special characters become IAM's policy variables.
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

//! AWS: endpoints, signing, credentials, and the operations of S3, Glue, STS and Lake Formation.

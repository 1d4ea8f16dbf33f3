//! destination-aws-datalake: JSON records in, tables of an AWS data lake out.
//!
//! The modules below are listed in the order of their imports: a module uses only what stands under it.

#![allow(dead_code)] // while the parts are being joined

mod aws;
mod config;
mod file;
mod http;
mod input;
mod lake;
mod protocol;
mod row;
mod schema;
mod sink;
mod table;

mod environment;
mod error;
mod json;
mod out;
mod secret;
mod text;
mod time;

/// What benches, fuzz targets and the integration tests may reach: the one door to the inside.
#[doc(hidden)]
pub mod testing {}

//! From the arguments to the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(destination_aws_datalake::run(std::env::args_os().skip(1)))
}

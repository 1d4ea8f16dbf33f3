//! The program: runs the library with the process's arguments and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(destination_aws_datalake::run(std::env::args_os().skip(1)))
}

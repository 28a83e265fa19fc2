//! The `ziggurat` program: reads the command line and hands over to one of its subcommands.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::answer_completion_request();
    // Output that is piped into `head` must end quietly, not in a panic: writes report a broken pipe as an error.
    match cli::read().and_then(cli::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

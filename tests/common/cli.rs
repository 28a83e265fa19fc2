//! The program under test, and its output.

use assert_cmd::Command;
use serde_json::Value;
use std::path::Path;

/// The program with arguments and the data folder `home`.
pub fn ziggurat(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat"));
    command.env("ZIGGURAT_HOME", home).args(arguments);
    command
}

/// Standard output of a command that succeeds.
pub fn stdout(mut command: Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// Standard error of a command that succeeds.
pub fn stderr(mut command: Command) -> String {
    let output = command.assert().success().get_output().stderr.clone();
    String::from_utf8(output).unwrap()
}

/// The lines of JSON on standard output of a command that succeeds.
pub fn objects(command: Command) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap();
    stdout(command).lines().map(parse).collect()
}

/// The error message of a command that fails with `status`: the last line of standard error.
pub fn error(mut command: Command, status: i32) -> String {
    let failed = command.assert().code(status);
    let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    text.lines().last().unwrap_or_default().to_string()
}

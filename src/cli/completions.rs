//! `ziggurat completions SHELL`: the script that makes a shell complete the command line.
//!
//! The scripts call the program itself for every completion, with [`VARIABLE`] set to the shell. Commands and options
//! come from the definition of the command line; `values` completes values: models, targets, settings, runs.
//!
//! - `shells`: the supported shells
//! - `values`: the values of arguments

mod shells;
mod values;

use super::{Arguments, Failure, output};
use anyhow::Context;
use clap::{CommandFactory, ValueHint};
use clap_complete::CompleteEnv;
use clap_complete::engine::ArgValueCompleter;
use shells::SHELLS;
use std::ffi::OsStr;
use std::path::Path;
use ziggurat::text;

/// The environment variable by which a shell's script requests completions.
const VARIABLE: &str = "ZIGGURAT_COMPLETE";

#[derive(clap::Args)]
pub struct CompletionsArguments {
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(SHELLS.names()), hide_possible_values = true, help = format!("The shell: {}", shells::listed()))]
    shell: String,
}

/// Prints the script.
pub fn run(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let shell = SHELLS
        .completer(&arguments.shell)
        .context("the shell was checked when the command line was read")?;
    let name = env!("CARGO_PKG_NAME");
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, name, name, name, &mut script)?;
    Ok(output::generated(&String::from_utf8(script)?)?)
}

/// Answers the request of a shell's script and ends the program, if [`VARIABLE`] is set. Called before anything is
/// printed.
pub fn answer_request() {
    // The parser removes it.
    let shell = std::env::var_os(VARIABLE).unwrap_or_default();
    let complete = CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .shells(SHELLS);
    let folder = std::env::current_dir().ok();
    match complete.try_complete(std::env::args_os(), folder.as_deref()) {
        Ok(false) => {}
        // A thread may still be opening a model.
        Ok(true) => output::end(0),
        Err(_) => {
            // Otherwise nothing may be printed into the line that is being completed. The shell shows no completions.
            if let Some(why) = unknown_shell(&shell) {
                output::notice(&format!("ziggurat: {why}"));
            }
            output::end(1)
        }
    }
}

/// Why no completions are made, if this is neither the name nor the path of a shell.
fn unknown_shell(shell: &OsStr) -> Option<String> {
    let name = Path::new(shell).file_stem().unwrap_or(shell);
    let name = name.to_string_lossy();
    SHELLS.completer(&name).is_none().then(|| {
        let (shown, shells) = (text::quoted(&name), shells::listed());
        format!("{VARIABLE}: {shown} is no shell with completions: set it to {shells}, or unset it")
    })
}

/// The command line with completers for its values.
fn command() -> clap::Command {
    with_completers(Arguments::command())
}

fn with_completers(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| match completer(&argument) {
            Some(completer) => argument.add(completer),
            None => argument,
        })
        .mut_subcommands(with_completers)
}

/// The completer of an argument, by its id or the name of its value, or else of a path. The parser's own completer of
/// paths would pass on names that no shell reads back.
fn completer(argument: &clap::Arg) -> Option<ArgValueCompleter> {
    let id = argument.get_id().as_str();
    let name = match argument.get_value_names() {
        Some([name, ..]) => name.to_string(),
        _ => id.to_uppercase(),
    };
    let of_path = argument.get_value_hint() == ValueHint::AnyPath;
    let named = values::completer(id).or_else(|| values::completer(&name));
    let named = named.map(ArgValueCompleter::new);
    named.or_else(|| of_path.then(|| ArgValueCompleter::new(values::any_path())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of all values of a command and its subcommands.
    fn names(command: &clap::Command, names: &mut Vec<String>) {
        for argument in command.get_arguments() {
            if let Some([name, ..]) = argument.get_value_names() {
                names.push(name.to_string());
            }
            let id = argument.get_id().as_str();
            names.extend([id.to_string(), id.to_uppercase()]);
        }
        for subcommand in command.get_subcommands() {
            self::names(subcommand, names);
        }
    }

    #[test]
    fn every_completer_is_used() {
        let mut used = Vec::new();
        names(&Arguments::command(), &mut used);
        for name in values::NAMES {
            assert!(
                used.iter().any(|used| used == name),
                "no argument has a value called {name}"
            );
        }
    }

    #[test]
    fn every_shell_has_a_script_that_calls_the_program() {
        for shell in SHELLS.iter() {
            let mut script = Vec::new();
            shell
                .write_registration(VARIABLE, "ziggurat", "ziggurat", "ziggurat", &mut script)
                .unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains(VARIABLE), "{}", shell.name());
        }
    }
}

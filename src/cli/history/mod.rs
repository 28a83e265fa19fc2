//! `ziggurat history`: lists, shows, exports, removes and verifies saved runs, and lists missing
//! ones. Without a subcommand it lists them.

mod export;
mod list;
mod missing;
mod remove;
mod selection;
mod show;
mod verify;

use super::{Failure, output, startup};
use ziggurat::home::Home;
use ziggurat::runs::{self, history};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(flatten)]
    list: list::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List runs, newest first (the default)
    List(list::Arguments),
    /// Show the details of a run
    Show(show::Arguments),
    /// Export runs: PNG or contact sheet, animated GIF or APNG, HTML page
    Export(export::Arguments),
    /// Remove runs, or restore them
    Remove(remove::Arguments),
    /// Check the files of every run
    Verify(verify::Arguments),
    /// List the runs that the history does not hold
    ///
    /// Takes the targets, models and settings of `run` and prints, one per line, the targets of the runs that `run`
    /// would still have to make; `run --targets -` reads them. A run counts on whichever provider it was made, unless
    /// --provider or config.toml names one. A run that was stopped is missing. Exit status 0, whether or not runs are
    /// missing; the count is printed to standard error.
    Missing(missing::Arguments),
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = startup::home()?;
    match arguments.command {
        None => list::run(&home, arguments.list),
        Some(Command::List(arguments)) => list::run(&home, arguments),
        Some(Command::Show(arguments)) => show::run(&home, arguments),
        Some(Command::Export(arguments)) => export::run(&home, arguments),
        Some(Command::Remove(arguments)) => remove::run(&home, arguments),
        Some(Command::Verify(arguments)) => verify::run(&home, arguments),
        Some(Command::Missing(arguments)) => missing::run(&home, &arguments),
    }
}

/// The run with this id or prefix; a prefix of no or several runs is a usage error.
fn resolve(home: &Home, prefix: &str) -> Result<String, Failure> {
    history::resolve(home, prefix).map_err(|problem| match problem {
        mistake @ (runs::Error::NotAnId(_)
        | runs::Error::NoRun(_)
        | runs::Error::Ambiguous { .. }) => Failure::usage(mistake),
        other => other.into(),
    })
}

/// `1 run`, `2 runs`.
fn runs(count: usize) -> String {
    ziggurat::text::counted(count, "run")
}

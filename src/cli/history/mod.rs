//! `ziggurat history`: finds, shows, exports and removes the runs that were kept, and checks that they are whole.

mod export;
mod list;
mod remove;
mod selection;
mod show;
mod verify;

use super::{Failure, opening, output};
use ziggurat::home::Home;
use ziggurat::runs::{self, history};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List runs, the newest first
    List(list::Arguments),
    /// Show all that is known of a run
    Show(show::Arguments),
    /// Write runs to a file: PNG or contact sheet, animated GIF or APNG, HTML page
    Export(export::Arguments),
    /// Remove runs, or undo that
    Remove(remove::Arguments),
    /// Check that every run is whole
    Verify(verify::Arguments),
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = opening::home()?;
    match arguments.command {
        Command::List(arguments) => list::run(&home, arguments),
        Command::Show(arguments) => show::run(&home, arguments),
        Command::Export(arguments) => export::run(&home, arguments),
        Command::Remove(arguments) => remove::run(&home, arguments),
        Command::Verify(arguments) => verify::run(&home, arguments),
    }
}

/// The run that `prefix` means; a prefix that means none or several is a mistake on the command line.
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

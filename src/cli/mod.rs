//! The command line: one file a subcommand, no logic of its own.

mod cam;
mod classes;
mod classify;
mod doctor;
mod explore;
mod gradient;
mod graphics;
mod guide;
mod history;
mod layers;
mod log;
mod opening;
mod output;
mod photo;
mod ports;
mod run;
mod setup;
mod writing;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// See what an ONNX image classifier has learned.
#[derive(Parser)]
#[command(name = "ziggurat", version, about, long_about = None, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(flatten)]
    explore: explore::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Draw the picture that activates a class, a channel, a neuron or a layer most
    Run(run::Arguments),
    /// Write the gradient of a target with respect to the input
    Gradient(gradient::Arguments),
    /// Classify pictures
    Classify(classify::Arguments),
    /// Show which regions of a picture support a target (class activation map)
    ///
    /// The heat map is drawn over the picture at its full size. A picture much longer than the network's input is divided
    /// into overlapping views along its longer side. Each view is prepared as `classify` prepares a picture, and the maps
    /// are merged. The narrow border that preprocessing crops away takes the nearest values.
    Cam(cam::Arguments),
    /// List the layers of a model, or the channels that a photo activates most
    ///
    /// With --photo: the channels that a photo activates most. The photo is prepared as `classify` prepares it. Channels are
    /// ranked within their layer by the mean of their activations over all positions, which is what `run` maximizes, or by
    /// the maximum (--rank). Activations are not normalized: a channel of larger scale ranks higher. Each line begins with
    /// a target for `run` and ends with the row and column of the maximum: TARGET:Y,X is that neuron. Layers without
    /// spatial dimensions have no row and column.
    Layers(layers::Arguments),
    /// List the classes of a model
    Classes(classes::Arguments),
    /// Manage saved runs: list, show, export, remove, verify
    History(history::Arguments),
    /// Download ONNX Runtime and models
    Setup(setup::Arguments),
    /// Check this machine: ONNX Runtime, providers, terminal, folders
    Doctor(doctor::Arguments),
}

/// Reads the command line. Help and version, where asked for, are printed, and the program ends.
pub fn read() -> Result<Arguments, Failure> {
    Arguments::try_parse().map_err(|problem| match problem.use_stderr() {
        true => Failure::usage(anyhow::anyhow!(complaint(&problem.to_string()))),
        false => problem.exit(),
    })
}

/// What is wrong with a command line, in one line: the parser's paragraphs before the usage, which `--help` shows.
fn complaint(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(str::trim);
    let said =
        paragraphs.take_while(|text| !text.starts_with("Usage:") && !text.starts_with("For more"));
    let said: Vec<String> = said
        .map(|text| {
            text.trim_start_matches("error: ")
                .trim_start_matches("tip: ")
        })
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    format!("{}; see --help", said.join("; "))
}

/// Does what the command line asks for.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        None => explore::run(arguments.explore),
        Some(Command::Run(arguments)) => run::run(arguments),
        Some(Command::Gradient(arguments)) => gradient::run(arguments),
        Some(Command::Classify(arguments)) => classify::run(arguments),
        Some(Command::Cam(arguments)) => cam::run(arguments),
        Some(Command::Layers(arguments)) => layers::run(arguments),
        Some(Command::Classes(arguments)) => classes::run(arguments),
        Some(Command::History(arguments)) => history::run(arguments),
        Some(Command::Setup(arguments)) => setup::run(arguments),
        Some(Command::Doctor(arguments)) => doctor::run(arguments),
    }
}

/// Why the program ends without having done what it was asked for.
pub enum Failure {
    /// The command line asks for something that does not exist: exit status 2.
    Usage(anyhow::Error),
    /// Anything else: exit status 1.
    Failed(anyhow::Error),
    /// The reader of the output went away, which is no failure to speak of.
    Quiet,
}

impl Failure {
    /// A mistake on the command line.
    pub fn usage(problem: impl Into<anyhow::Error>) -> Self {
        Self::Usage(problem.into())
    }

    /// The same, with what it is about in front.
    pub fn about(self, what: &str) -> Self {
        let named = |problem| anyhow::anyhow!("{what}: {problem}");
        match self {
            Self::Usage(problem) => Self::Usage(named(problem)),
            Self::Failed(problem) => Self::Failed(named(problem)),
            Self::Quiet => Self::Quiet,
        }
    }

    /// Prints one line and tells the exit status.
    pub fn report(self) -> ExitCode {
        let (problem, status) = match self {
            Self::Usage(problem) => (problem, 2),
            Self::Failed(problem) => (problem, 1),
            Self::Quiet => return ExitCode::SUCCESS,
        };
        eprintln!("ziggurat: {}", output::one_line(&problem.to_string()));
        ExitCode::from(status)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(problem: E) -> Self {
        let problem = problem.into();
        match problem
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind)
        {
            Some(std::io::ErrorKind::BrokenPipe) => Self::Quiet,
            _ => Self::Failed(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_is_told_in_one_line() {
        for (line, expected) in [
            (
                "run --setps 3",
                "unexpected argument '--setps' found; a similar argument exists: '--steps'",
            ),
            (
                "classify",
                "the following required arguments were not provided: <MODEL> <IMAGE>...",
            ),
            (
                "run --steps many",
                "invalid value 'many' for '--steps <N>': invalid digit found in string",
            ),
        ] {
            let words = ["ziggurat"].into_iter().chain(line.split(' '));
            let Err(problem) = Arguments::try_parse_from(words) else {
                panic!("{line} was taken");
            };
            let told = complaint(&problem.to_string());
            assert!(told.starts_with(expected), "{told}");
            assert!(told.ends_with("; see --help") && !told.contains('\n'));
        }
    }
}

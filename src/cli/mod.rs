//! The command line: one file per subcommand. It reads options, prints results and errors; the work is done by the
//! library.

mod cam;
mod classes;
mod classify;
mod completions;
mod doctor;
mod explore;
mod gradient;
mod graphics;
mod history;
mod inputs;
mod layers;
mod log;
mod man;
mod model_options;
mod model_output;
mod output;
mod output_file;
mod photo;
mod plan;
mod preferences;
mod run;
mod run_options;
mod schema;
mod setup;
mod signals;
mod startup;
mod welcome;

pub use completions::answer_request as answer_completion_request;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;
use ziggurat::home::Home;
use ziggurat::model::{self, ModelSource, card};
use ziggurat::suggest::{did_you_mean, suggestions};
use ziggurat::text::joined_lines;
use ziggurat::variables::{VARIABLES, Variable};

/// See what an ONNX image classifier has learned.
#[derive(Parser)]
#[command(name = "ziggurat", version, about, long_about = None, args_conflicts_with_subcommands = true, after_help = environment())]
pub struct Arguments {
    #[command(flatten)]
    explore: explore::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The environment variables, for the help.
fn environment() -> String {
    let names = VARIABLES.iter().map(|variable| variable.name.len());
    let width = names.max().unwrap_or(0);
    let line = |variable: &Variable| format!("  {:<width$}  {}", variable.name, variable.help);
    let lines: Vec<String> = VARIABLES.iter().map(line).collect();
    format!("Environment variables:\n{}", lines.join("\n"))
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
    /// The heat map is drawn over the picture at its full size. A picture much longer than the network's input is
    /// divided into overlapping views along its longer side. Each view is prepared as `classify` prepares a picture,
    /// and the maps are merged. The narrow border that preprocessing crops away takes the nearest values.
    ///
    /// With --export: the classifier as an ONNX model whose further input is a class, and whose further output is the
    /// heat map of the network's input.
    Cam(cam::Arguments),
    /// List the layers of a model, or the channels that a photo activates most
    ///
    /// With --photo: the channels that a photo activates most. The photo is prepared as `classify` prepares it.
    /// Channels are ranked within their layer by the mean of their activations over all positions, which is what `run`
    /// maximizes, or by the maximum (--rank). Activations are not normalized: a channel of larger scale ranks higher.
    /// Each line begins with a target for `run` and ends with the row and column of the maximum: TARGET:Y,X is that
    /// neuron. Layers without spatial dimensions have no row and column.
    Layers(layers::Arguments),
    /// List the classes of a model
    Classes(classes::Arguments),
    /// Manage saved runs: list, show, export, remove, verify, missing
    History(history::Arguments),
    /// Download ONNX Runtime and models
    Setup(setup::Arguments),
    /// Check this machine: ONNX Runtime, providers, terminal, folders
    Doctor(doctor::Arguments),
    /// Print a script that completes commands, models, targets and settings in a shell
    ///
    /// Load the script when the shell starts:
    /// in ~/.bashrc, `source <(ziggurat completions bash)`;
    /// in ~/.zshrc, after compinit, `source <(ziggurat completions zsh)`;
    /// in ~/.config/fish/config.fish, `ziggurat completions fish | source`;
    /// in the PowerShell profile, `ziggurat completions powershell | Out-String | Invoke-Expression`;
    /// for Nushell, write it to a file and `source` that in config.nu.
    #[command(verbatim_doc_comment)]
    Completions(completions::CompletionsArguments),
    /// Print the JSON schema of config.toml or of model cards, for editors
    Schema(schema::SchemaArguments),
    /// Print the manual as a man page
    Man(man::ManArguments),
}

/// Reads the command line. Help and version, where asked for, are printed, and the program ends.
pub fn read() -> Result<Arguments, Failure> {
    Arguments::try_parse().map_err(|problem| {
        if problem.use_stderr() {
            let message = mistyped().unwrap_or_else(|| complaint(&problem));
            return Failure::usage(anyhow::anyhow!(message));
        }
        match output::to_stdout(|_| problem.print()).and_then(|()| output::flush()) {
            Ok(()) => std::process::exit(0),
            Err(problem) => problem.into(),
        }
    })
}

/// The error of the first word of the command line, if it is neither an option, a command nor a model.
fn mistyped() -> Option<String> {
    let word = std::env::args_os().nth(1)?;
    let word = word.to_str().filter(|word| !word.starts_with('-'))?;
    let is_command = word == "help" || commands().iter().any(|command| command == word);
    let home = Home::locate().ok()?;
    (!is_command).then(|| unknown_word(&home, word)).flatten()
}

/// The error of a word that is neither a command nor a model, with suggestions.
fn unknown_word(home: &Home, word: &str) -> Option<String> {
    let Err(model::Error::UnknownModel { name, .. }) = ModelSource::resolve(home, Some(word))
    else {
        return None;
    };
    let known = [commands(), card::names(home)].concat();
    let near = suggestions(word, known.iter().map(String::as_str));
    let advice = if near.is_empty() {
        "; see --help; for a file give a path or a name ending in .onnx".into()
    } else {
        did_you_mean(&near)
    };
    Some(format!("unknown command or model `{name}`{advice}"))
}

/// The names of the subcommands.
fn commands() -> Vec<String> {
    let command = Arguments::command();
    let names = command.get_subcommands().map(clap::Command::get_name);
    names.map(str::to_string).collect()
}

/// The standard library's message for a number that is too large for its type.
const TOO_LARGE: &str = "number too large to fit in target type";

/// The error of a command line in one line: the parser's paragraphs before the usage, which `--help` shows.
fn complaint(problem: &clap::Error) -> String {
    let text = problem.to_string();
    let paragraphs = text.split("\n\n").map(str::trim);
    let lines =
        paragraphs.take_while(|text| !text.starts_with("Usage:") && !text.starts_with("For more"));
    let lines: Vec<String> = lines
        .map(|text| {
            text.trim_start_matches("error: ")
                .trim_start_matches("tip: ")
        })
        .map(joined_lines)
        .collect();
    let advice = match problem.kind() {
        ErrorKind::ArgumentConflict => "; leave out one of them",
        _ => "",
    };
    // A message of the standard library.
    let line = lines
        .join("; ")
        .replace(TOO_LARGE, "the number is too large");
    format!("{line}{advice}; see --help")
}

/// Does what the command line asks for.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    act(arguments)?;
    Ok(output::flush()?)
}

fn act(arguments: Arguments) -> Result<(), Failure> {
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
        Some(Command::Completions(arguments)) => completions::run(&arguments),
        Some(Command::Schema(arguments)) => schema::run(&arguments),
        Some(Command::Man(arguments)) => man::run(&arguments),
    }
}

/// Why a command fails.
pub enum Failure {
    /// The command line asks for something that does not exist: exit status 2.
    Usage(anyhow::Error),
    /// Anything else: exit status 1.
    Failed(anyhow::Error),
    /// The error is printed already: exit status 1.
    Reported,
    /// Standard output is closed (broken pipe): exit status 0.
    Quiet,
}

impl Failure {
    /// A mistake on the command line.
    pub fn usage(problem: impl Into<anyhow::Error>) -> Self {
        Self::Usage(problem.into())
    }

    /// The same error with a prefix.
    pub fn about(self, what: &str) -> Self {
        let named = |problem: anyhow::Error| {
            anyhow::anyhow!(ziggurat::text::with_subject(what, &problem.to_string()))
        };
        match self {
            Self::Usage(problem) => Self::Usage(named(problem)),
            Self::Failed(problem) => Self::Failed(named(problem)),
            Self::Reported => Self::Reported,
            Self::Quiet => Self::Quiet,
        }
    }

    /// Prints one line and returns the exit status.
    pub fn report(self) -> ExitCode {
        let (problem, status) = match self {
            Self::Usage(problem) => (problem, 2),
            Self::Failed(problem) => (problem, 1),
            Self::Reported => return ExitCode::FAILURE,
            Self::Quiet => return ExitCode::SUCCESS,
        };
        output::notice(&format!("ziggurat: {problem}"));
        ExitCode::from(status)
    }
}

/// Does `work` for each of `things`. A failure is printed at once, and the rest is done nevertheless.
fn each<T>(
    things: impl IntoIterator<Item = T>,
    mut work: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut failed = false;
    for thing in things {
        match work(thing) {
            Ok(()) => {}
            Err(Failure::Quiet) => return Err(Failure::Quiet),
            Err(failure) => {
                failure.report();
                failed = true;
            }
        }
    }
    if failed {
        Err(Failure::Reported)
    } else {
        Ok(())
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
    fn a_wrong_command_line_is_an_error_of_one_line() {
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
                "run 1 --seed 99999999999999999999",
                "invalid value '99999999999999999999' for '--seed <SEED>': the number is too large",
            ),
            (
                "cam m.onnx p.png --target 1 --out o.png --batch 3",
                "the argument '--target <TARGET>' cannot be used with '--batch <N>'; leave out",
            ),
            (
                "cam m.onnx --require-class",
                "the following required arguments were not provided: --export <M.onnx>",
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
            let message = complaint(&problem);
            assert!(message.starts_with(expected), "{message}");
            assert!(message.ends_with("; see --help") && !message.contains('\n'));
        }
    }

    /// The ids of the arguments that an argument requires. The parser has no other way to ask for them.
    fn required_by(argument: &clap::Arg) -> Vec<String> {
        let text = format!("{argument:?}");
        let (_, list) = text.split_once(" requires: [").unwrap();
        let (list, _) = list.split_once("], r_ifs").unwrap();
        let ids = list.split('"').skip(1).step_by(2);
        ids.map(str::to_string).collect()
    }

    /// The parser does not insist on a required argument if another one on the line conflicts with it. So whatever
    /// conflicts with the required argument must conflict with the one that requires it: otherwise that one is ignored
    /// in silence.
    fn check_requirements(command: &clap::Command, pairs: &mut Vec<String>) {
        let conflict = |one: &clap::Arg, other: &clap::Arg| {
            let among = |one, other: &clap::Arg| {
                let conflicts = command.get_arg_conflicts_with(one);
                conflicts
                    .iter()
                    .any(|found| found.get_id() == other.get_id())
            };
            among(one, other) || among(other, one)
        };
        for argument in command.get_arguments() {
            for id in required_by(argument) {
                let required = command.get_arguments().find(|one| *one.get_id() == *id);
                let required = required.unwrap();
                let place = format!("{} --{}", command.get_name(), argument.get_id());
                for other in command.get_arguments() {
                    assert!(
                        !conflict(required, other) || conflict(argument, other),
                        "{place} requires --{id}, which is not required beside {}",
                        other.get_id()
                    );
                }
                pairs.push(place);
            }
        }
        for subcommand in command.get_subcommands() {
            check_requirements(subcommand, pairs);
        }
    }

    #[test]
    fn no_option_is_ignored_because_another_one_waives_its_requirement() {
        let mut command = Arguments::command();
        command.build();
        let mut pairs = Vec::new();
        check_requirements(&command, &mut pairs);
        for known in [
            "cam --batch",
            "gradient --dim",
            "export --seed",
            "layers --top",
        ] {
            assert!(pairs.iter().any(|pair| pair == known), "{known}: {pairs:?}");
        }
    }
}

//! `ziggurat doctor`: checks this machine. Downloads nothing.

mod measure;
mod model;
mod nvidia;

use super::model_options::ModelOptions;
use super::{Failure, output, startup};
use anyhow::anyhow;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::PathBuf;
use ziggurat::ascent::measurement::Measurement;
use ziggurat::home::Home;
use ziggurat::model::{Error, ModelOverrides, ModelSource, card, summary::ModelSummary};
use ziggurat::runtime::device::PROVIDERS;
use ziggurat::runtime::package::quiet;
use ziggurat::runtime::{Library, library, providers};
use ziggurat::terminal::{self, BLOCKS_VARIABLE};

#[derive(clap::Args)]
pub struct Arguments {
    /// Also check this model, if it is on this machine
    model: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Measure a provider with MODEL (or the default model, downloaded if needed): steps per
    /// second, share of time spent on the host, numerical difference from the CPU
    #[arg(long)]
    measure: bool,
    #[arg(long, default_value = "auto", requires = "measure", help = format!("The provider to measure: {PROVIDERS}"))]
    provider: String,
    #[command(flatten)]
    model_options: ModelOptions,
}

/// The whole report; one line of JSON.
#[derive(Serialize)]
struct Findings {
    version: &'static str,
    library: LibraryFinding,
    providers: Vec<ProviderFinding>,
    /// Where CUDA can be expected.
    driver: Option<nvidia::DriverFinding>,
    /// Those that the loaded ONNX Runtime needs.
    files: Vec<nvidia::FileFinding>,
    terminal: TerminalFinding,
    folders: Vec<FolderFinding>,
    models: Vec<ModelFinding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Measurement>,
}

#[derive(Serialize)]
struct LibraryFinding {
    path: Option<PathBuf>,
    version: Option<String>,
    origin: Option<String>,
    /// Why there is none.
    why: Option<String>,
    skipped: Vec<Skipped>,
    /// Variables that should name an environment, but do not; one line each.
    ignored: Vec<String>,
}

#[derive(Serialize)]
struct Skipped {
    path: PathBuf,
    why: String,
}

#[derive(Serialize)]
struct ProviderFinding {
    name: String,
    /// Whether a small model ran on it with the CPU's results.
    starts: bool,
    why: Option<String>,
}

#[derive(Serialize)]
struct TerminalFinding {
    columns: Option<u16>,
    rows: Option<u16>,
    is_terminal: bool,
    term: Option<String>,
    colorterm: Option<String>,
    /// The name that it reports.
    name: Option<String>,
    /// Whether it answered the query.
    answered: bool,
    /// How pictures are shown: `kitty`, `sixel`, `iterm2` or `blocks`.
    graphics: String,
    why: &'static str,
    /// The characters of pictures drawn as `blocks`: `half`, `quadrant`, `sextant` or `octant`.
    blocks: String,
    tmux: bool,
    remote: bool,
    /// Width and height of a cell in pixels.
    cell: (u16, u16),
    /// `truecolor`, `256`, `16` or `none`.
    colours: String,
    /// Whether the background is light, if it is known.
    light: Option<bool>,
}

#[derive(Serialize)]
struct FolderFinding {
    what: &'static str,
    path: PathBuf,
    exists: bool,
}

#[derive(Serialize)]
struct ModelFinding {
    name: String,
    fetched: bool,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    if let (None, false, Some(option)) = (
        &arguments.model,
        arguments.measure,
        arguments.model_options.first_given(),
    ) {
        return Err(Failure::usage(anyhow!(
            "{option} is about a model: name one (ziggurat doctor MODEL), or leave {option} out"
        )));
    }
    let home = startup::home()?;
    let library = library(&home);
    let findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        driver: nvidia::driver(),
        providers: providers(library.why.is_none())?,
        files: nvidia::files(),
        library,
        terminal: terminal(),
        folders: folders(&home),
        models: models(&home),
        model: match &arguments.model {
            Some(model) => Some(report(&home, model, &arguments.model_options.read()?)?),
            None => None,
        },
        measured: if arguments.measure {
            Some(measure::run(
                &home,
                arguments.model.as_deref(),
                &arguments.provider,
                &arguments.model_options,
            )?)
        } else {
            None
        },
    };
    if arguments.json {
        Ok(output::json(&findings)?)
    } else {
        Ok(print(&findings)?)
    }
}

/// Finds and loads the library, but downloads none.
fn library(home: &Home) -> LibraryFinding {
    let nothing = |why: String| LibraryFinding {
        path: None,
        version: None,
        origin: None,
        why: Some(why),
        skipped: Vec::new(),
        ignored: Vec::new(),
    };
    let search = match library::find(home) {
        Ok(search) => search,
        Err(problem) => return nothing(problem.to_string()),
    };
    let skipped = search.skipped.into_iter();
    let mut finding = match search.found {
        None => nothing("not found; run `ziggurat setup`".into()),
        Some(found) => match Library::load(home, &quiet) {
            Err(problem) => nothing(problem.to_string()),
            Ok(_) => LibraryFinding {
                path: Some(found.path),
                version: Some(found.version),
                origin: Some(found.origin.to_string()),
                why: None,
                skipped: Vec::new(),
                ignored: Vec::new(),
            },
        },
    };
    let skipped = skipped.map(|(path, why)| Skipped {
        path,
        why: output::without_numbers(&why),
    });
    finding.skipped = skipped.collect();
    let ignored = search.ignored.iter();
    finding.ignored = ignored.map(|line| output::without_numbers(line)).collect();
    finding
}

fn providers(loaded: bool) -> Result<Vec<ProviderFinding>, Failure> {
    if !loaded {
        return Ok(Vec::new());
    }
    let finding = |status: providers::Status| ProviderFinding {
        name: status.device.to_string(),
        starts: status.why_not.is_none(),
        why: status.why_not,
    };
    Ok(providers::probe()?.into_iter().map(finding).collect())
}

fn terminal() -> TerminalFinding {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_terminal = std::io::stdout().is_terminal();
    let size = crossterm::terminal::size().ok().filter(|_| is_terminal);
    let mut found = terminal::probe(None);
    let blocks = terminal::blocks_of_environment();
    if let Err(problem) = blocks.and_then(|blocks| found.use_blocks(blocks)) {
        output::notice(&problem);
    }
    TerminalFinding {
        columns: size.map(|(columns, _)| columns),
        rows: size.map(|(_, rows)| rows),
        is_terminal,
        term: variable("TERM"),
        colorterm: variable("COLORTERM"),
        graphics: found.protocol.to_string(),
        why: found.why,
        blocks: found.blocks.to_string(),
        tmux: found.tmux(),
        remote: found.remote,
        cell: found.cell,
        colours: found.colours.to_string(),
        light: found.light,
        answered: found.answered,
        name: found.name,
    }
}

fn folders(home: &Home) -> Vec<FolderFinding> {
    let folders = [
        ("libraries", home.runtime()),
        ("models", home.models()),
        ("history", home.history()),
        ("settings", home.settings()),
        ("cards", home.cards()),
        ("log", home.log()),
    ];
    let finding = |(what, path): (&'static str, PathBuf)| FolderFinding {
        what,
        exists: path.exists(),
        path,
    };
    folders.map(finding).into()
}

fn models(home: &Home) -> Vec<ModelFinding> {
    let finding = |published| ModelFinding {
        name: published_name(published).into(),
        fetched: ModelSource::Published(published).is_here(home),
    };
    card::published().iter().map(finding).collect()
}

fn published_name(published: &card::Published) -> &str {
    &published.card.name
}

fn report(home: &Home, model: &str, overrides: &ModelOverrides) -> Result<ModelSummary, Failure> {
    let source = ModelSource::resolve(home, Some(model)).map_err(|problem| match problem {
        unknown @ Error::UnknownModel { .. } => Failure::usage(unknown),
        other => other.into(),
    })?;
    if !source.is_here(home) {
        return Err(
            anyhow::anyhow!("{model} is not downloaded yet: run `ziggurat setup {model}`").into(),
        );
    }
    let mut file = source.open(home, &quiet)?;
    overrides.apply_to(&mut file.card);
    Ok(ModelSummary::new(&file)?)
}

fn print(findings: &Findings) -> std::io::Result<()> {
    output::line(&format!("ziggurat      {}", findings.version))?;
    let library = &findings.library;
    match (
        &library.path,
        &library.version,
        &library.origin,
        &library.why,
    ) {
        (Some(path), Some(version), Some(origin), None) => {
            let path = path.display();
            output::line(&format!("ONNX Runtime  {version}, {origin}: {path}"))?;
        }
        (.., why) => {
            let why = why.as_deref().unwrap_or("not found");
            output::line(&format!("ONNX Runtime  {why}"))?;
        }
    }
    for Skipped { path, why } in &library.skipped {
        output::line(&format!("  skipped {}: {why}", path.display()))?;
    }
    for ignored in &library.ignored {
        output::line(&format!("  ignored {ignored}"))?;
    }
    for provider in &findings.providers {
        let state = provider.why.as_deref().unwrap_or("works");
        output::line(&format!("  {:<11} {state}", provider.name))?;
    }
    findings
        .driver
        .as_ref()
        .map_or(Ok(()), nvidia::print_driver)?;
    nvidia::print_files(&findings.files)?;
    print_terminal(&findings.terminal)?;
    output::line("folders")?;
    for folder in &findings.folders {
        let state = if folder.exists {
            ""
        } else {
            " (not created yet)"
        };
        output::line(&format!(
            "  {:<11} {}{state}",
            folder.what,
            folder.path.display()
        ))?;
    }
    output::line("models")?;
    for ModelFinding { name, fetched } in &findings.models {
        let state = if *fetched {
            "downloaded".to_string()
        } else {
            format!("not downloaded; run `ziggurat setup {name}`")
        };
        output::line(&format!("  {name:<20} {state}"))?;
    }
    findings.model.as_ref().map_or(Ok(()), model::print)?;
    findings.measured.as_ref().map_or(Ok(()), measure::print)
}

fn print_terminal(terminal: &TerminalFinding) -> std::io::Result<()> {
    let size = match (terminal.columns, terminal.rows) {
        (Some(columns), Some(rows)) => format!("{columns} × {rows} cells"),
        _ if terminal.is_terminal => "size unknown".into(),
        _ => "stdout is not a terminal".into(),
    };
    let or_unset = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".into());
    output::line(&format!(
        "terminal      {size}, TERM {}, COLORTERM {}",
        or_unset(&terminal.term),
        or_unset(&terminal.colorterm)
    ))?;
    let name = terminal.name.as_deref().unwrap_or(if terminal.answered {
        "no name given"
    } else {
        "no reply"
    });
    let inside = if terminal.tmux { ", inside tmux" } else { "" };
    let far = if terminal.remote { ", over SSH" } else { "" };
    output::line(&format!("  answers     {name}{inside}{far}"))?;
    let (width, height) = terminal.cell;
    let background = match terminal.light {
        Some(true) => ", light background",
        Some(false) => ", dark background",
        None => "",
    };
    output::line(&format!(
        "  draws       {} colours, cells of {width} × {height} px{background}",
        terminal.colours
    ))?;
    output::line(&format!(
        "  graphics    {} ({})",
        terminal.graphics, terminal.why
    ))?;
    output::line(&format!(
        "  as text     {} blocks; {BLOCKS_VARIABLE} chooses others",
        terminal.blocks
    ))
}

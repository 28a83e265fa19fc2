//! `ziggurat setup`: fetches what is needed, nothing twice.

use super::opening::{self, Fetching};
use super::{Failure, output};
use ziggurat::model::open::DEFAULT;
use ziggurat::model::{Error, Source};
use ziggurat::runtime::{library, providers};

#[derive(clap::Args)]
pub struct Arguments {
    /// Also download ONNX Runtime for NVIDIA GPUs
    #[arg(long)]
    gpu: bool,
    /// Names of models to download [default: the default model]
    #[arg(value_name = "CARD")]
    cards: Vec<String>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = opening::home()?;
    let mut cards = arguments.cards;
    if cards.is_empty() {
        cards.push(DEFAULT.into());
    }
    // A misspelt name is told before anything is fetched.
    let mut sources = Vec::with_capacity(cards.len());
    for card in &cards {
        let source = Source::resolve(&home, Some(card)).map_err(|problem| match problem {
            unknown @ Error::UnknownModel { .. } => Failure::usage(unknown),
            other => other.into(),
        })?;
        sources.push(source);
    }
    if arguments.gpu {
        let fetching = Fetching::new();
        library::fetch_gpu(&home, &|stage| fetching.show(stage))?;
    }
    let found = opening::library(&home)?.found();
    output::line(&format!(
        "ONNX Runtime {} ({}): {}",
        found.version,
        found.origin,
        found.path.display()
    ))?;
    if arguments.gpu {
        output::line(&providers::gpu_report())?;
    }
    for source in sources {
        let file = {
            let fetching = Fetching::new();
            source.open(&home, &|stage| fetching.show(stage))?
        };
        output::line(&format!("{}: {}", file.name, file.path.display()))?;
    }
    Ok(())
}

//! `ziggurat gradient --export`: writes a model with its gradient as further outputs.

use crate::cli::model_options::{MODEL_OPTIONS, dimension};
use crate::cli::model_output::ModelOutput;
use crate::cli::{Failure, output, startup};
use anyhow::anyhow;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use ziggurat::autodiff::{GradientError, GradientRequest, gradient_model};
use ziggurat::home::Home;
use ziggurat::model::ModelFile;
use ziggurat::onnx::file;
use ziggurat::runtime::OnnxRuntime;

/// The options of a gradient as numbers, which have no effect on an export. Each option of the export conflicts with
/// them, and with those of an opened classifier.
const OF_NUMBERS: [&str; 4] = ["target", "input", "output", "provider"];

#[derive(clap::Args)]
#[command(next_help_heading = "The gradient as a model")]
pub struct Export {
    /// Write the model with outputs grad/WRT: the gradient of the sum of the elements of OF
    #[arg(long, value_name = "G.onnx", conflicts_with_all = OF_NUMBERS, conflicts_with_all = MODEL_OPTIONS)]
    pub export: Option<PathBuf>,
    /// Output or intermediate value to differentiate (repeatable) [default: all outputs]
    #[arg(long, value_name = "NAME", requires = "export", conflicts_with_all = OF_NUMBERS, conflicts_with_all = MODEL_OPTIONS)]
    of: Vec<String>,
    /// Input, weight or intermediate value to differentiate with respect to (repeatable) [default: all inputs]
    #[arg(long, value_name = "NAME", requires = "export", conflicts_with_all = OF_NUMBERS, conflicts_with_all = MODEL_OPTIONS)]
    wrt: Vec<String>,
    /// Add an input seed/OF that weights the elements of OF (vector-Jacobian product)
    #[arg(long, requires = "export", conflicts_with_all = OF_NUMBERS, conflicts_with_all = MODEL_OPTIONS)]
    seed_input: bool,
    /// Fix the batch size [default: any, if the gradient allows]
    #[arg(long, value_name = "N", requires = "export", conflicts_with_all = OF_NUMBERS, conflicts_with_all = MODEL_OPTIONS, value_parser = dimension)]
    batch: Option<NonZeroUsize>,
    /// Size of an open dimension, by its name or as INPUT:AXIS (repeatable)
    #[arg(long, value_name = "NAME=SIZE", requires = "export", conflicts_with_all = OF_NUMBERS, conflicts_with_all = MODEL_OPTIONS)]
    dim: Vec<String>,
}

impl Export {
    fn request(&self) -> Result<GradientRequest, Failure> {
        let size = |text: &String| {
            let (name, size) = text.rsplit_once('=')?;
            let size = dimension(size.trim()).map(NonZeroUsize::get);
            Some((name.to_string(), size))
        };
        let size = |text| {
            let wrong = |why: &str| Failure::usage(anyhow!("--dim {text:?}: {why}"));
            let (name, size) = size(text).ok_or_else(|| wrong("expected NAME=SIZE"))?;
            Ok::<_, Failure>((name, size.map_err(|why| wrong(&why))?))
        };
        Ok(GradientRequest {
            of: self.of.clone(),
            wrt: self.wrt.clone(),
            seeds: self.seed_input,
            sizes: self.dim.iter().map(size).collect::<Result<_, _>>()?,
            batch: self.batch,
            ..GradientRequest::default()
        })
    }
}

pub fn run(home: &Home, model: &str, path: &Path, options: &Export) -> Result<(), Failure> {
    let request = options.request()?;
    let source = startup::source(home, Some(model))?;
    let written = ModelOutput::new(home, path, &source)?;
    startup::library(home)?;
    let ModelFile {
        path: model, card, ..
    } = startup::model_file(home, source)?;
    let mut result =
        gradient_model(file::read(&model)?, &request, &OnnxRuntime).map_err(failure)?;
    card.record(&mut result.model)?;
    for note in &result.notes {
        output::notice(&format!("{}: {note}", path.display()));
    }
    written.finish(result.model)
}

/// A name or size that the model does not have is a mistake on the command line.
fn failure(problem: GradientError<ziggurat::runtime::Error>) -> Failure {
    let wrong = match &problem {
        GradientError::OpenDimension { key, .. } => {
            format!("{problem}: add --dim {key}=SIZE")
        }
        GradientError::NoSuchDimension(name) => format!("--dim {name}: {problem}"),
        GradientError::FixedBatch => format!("--batch: {problem}"),
        GradientError::BatchGivenTwice(name) => {
            format!("--batch: {problem}; leave out --batch, or --dim {name}")
        }
        GradientError::UnknownValue {
            kind: "outputs", ..
        } => format!("--of: {problem}"),
        GradientError::UnknownValue { .. } => format!("--wrt: {problem}"),
        GradientError::NotFloat { .. } => problem.to_string(),
        _ => return problem.into(),
    };
    Failure::usage(anyhow!(wrong))
}

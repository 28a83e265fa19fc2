//! `ziggurat gradient`: the gradient of a target with respect to given inputs, as numbers; or the
//! gradient of a model, as a model.

mod export;

use super::inputs::Inputs;
use super::model_options::ModelOptions;
use super::output_file::{self, OutputFile, has_ending, wrong_ending};
use super::preferences::Preferences;
use super::{Failure, startup};
use anyhow::anyhow;
use ndarray::{Array4, ArrayD, ArrayViewD, Ix4};
use ndarray_npy::{ViewNpyError, ViewNpyExt, WriteNpyExt};
use std::io::Read;
use std::path::{Path, PathBuf};
use ziggurat::ascent::{self, evaluate};
use ziggurat::model::Network;
use ziggurat::runtime::device::PROVIDERS;

/// Most bytes of an input file.
const MAX_BYTES: u64 = 2 << 30;

#[derive(clap::Args)]
pub struct Arguments {
    /// Path or name of a model
    model: String,
    /// A class, LAYER:CHANNEL, LAYER:CHANNEL:Y,X or LAYER
    #[arg(long, required_unless_present = "Export")]
    target: Option<String>,
    /// Input batch: float32 (N, C, H, W), in the units of the model's input
    #[arg(long, value_name = "X.npy", required_unless_present = "Export")]
    input: Option<PathBuf>,
    /// Write the gradient to this file: float32, shape of the input
    #[arg(long, value_name = "G.npy", required_unless_present = "Export")]
    output: Option<PathBuf>,
    #[arg(long, help = format!("Execution provider: {PROVIDERS} [default: that of config.toml, or auto]"))]
    provider: Option<String>,
    #[command(flatten)]
    export: export::Export,
    #[command(flatten)]
    model_options: ModelOptions,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = startup::home()?;
    if let Some(path) = &arguments.export.export {
        return export::run(&home, &arguments.model, path, &arguments.export);
    }
    // The parser requires them without --export.
    let (Some(target), Some(input), Some(output)) =
        (&arguments.target, &arguments.input, &arguments.output)
    else {
        return Err(Failure::usage(anyhow!(
            "--target, --input and --output are required, or --export"
        )));
    };
    output_file::check(output, &Inputs::default())?;
    if !has_ending(output, "npy") {
        let format = "gradients are NPY files";
        return Err(wrong_ending("--output", output, format, "npy"));
    }
    let preferences = Preferences::load(&home, &["provider"]);
    let provider = preferences.provider(arguments.provider.as_deref())?;
    let pictures = read(input)?;
    let inputs = Inputs::default()
        .with("the input", input)
        .with_model(&home, &startup::source(&home, Some(&arguments.model))?);
    let output = OutputFile::new(output, &inputs)?;
    let options = arguments.model_options.for_pictures(pictures.shape());
    let network = startup::network(&home, Some(&arguments.model), &options)?;
    let target = startup::target(&network, target)?;
    let pictures = fitting(&network, pictures, input)?;
    let device = startup::provider_for_one_shot(provider)?.device;
    let gradient =
        evaluate::input_gradient(&network, &target.objective, target.unit, pictures, device)
            .map_err(no_such_unit)?;
    Ok(output.finish(|writer| Ok(gradient.write_npy(writer)?))?)
}

/// A unit that does not exist is a mistake on the command line.
pub fn no_such_unit(problem: ascent::Error) -> Failure {
    match problem {
        wrong @ (ascent::Error::NoSuchUnit(_) | ascent::Error::NoMap(_)) => Failure::usage(wrong),
        other => other.into(),
    }
}

fn read(path: &Path) -> anyhow::Result<ArrayD<f32>> {
    let name = path.display();
    let mut bytes = Vec::new();
    let read = ziggurat::files::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|problem| anyhow!("{name}: cannot be read: {problem}"))?;
    if read as u64 > MAX_BYTES {
        return Err(anyhow!(
            "{name}: more than {} GiB; give fewer pictures at once",
            MAX_BYTES >> 30
        ));
    }
    // The view is bounded by the file's size, whatever its header claims.
    match ArrayViewD::<f32>::view_npy(&bytes) {
        Ok(view) => Ok(view.to_owned()),
        Err(ViewNpyError::WrongDescriptor(found)) => Err(anyhow!(
            "{name}: its elements are {found}, but must be float32 ('<f4')"
        )),
        Err(ViewNpyError::NonNativeEndian) => Err(anyhow!(
            "{name}: its bytes are in the other order; save it as '<f4'"
        )),
        Err(ViewNpyError::MissingBytes(_) | ViewNpyError::ExtraBytes(_)) => Err(anyhow!(
            "{name}: its length does not fit its header; the file is cut off or damaged"
        )),
        Err(problem) => Err(anyhow!("{name}: this is no .npy file: {problem}")),
    }
}

/// The array, if its shape fits the network's input.
fn fitting(network: &Network, pictures: ArrayD<f32>, path: &Path) -> anyhow::Result<Array4<f32>> {
    let one = network.input_dims(1);
    let found = pictures.shape().to_vec();
    let runs = found.first().copied().unwrap_or(0);
    let fits = found.len() == 4 && found[1..] == one[1..] && runs > 0;
    if !fits || (runs > 1 && !network.batchable) {
        let many = if network.batchable { "N" } else { "1" };
        return Err(anyhow!(
            "{}: its shape is {found:?}, but {} takes [{many}, {}, {}, {}]",
            path.display(),
            network.name,
            one[1],
            one[2],
            one[3]
        ));
    }
    let pictures = pictures.into_dimensionality::<Ix4>()?;
    Ok(pictures.as_standard_layout().into_owned())
}

//! `ziggurat classify`: the classes that a model predicts for pictures.

use super::model_options::ModelOptions;
use super::preferences::Preferences;
use super::{Failure, output, photo, startup};
use anyhow::anyhow;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use ziggurat::ascent::evaluate::{Classifier, largest};
use ziggurat::model::{Activation, Network, picture};
use ziggurat::runs::format;
use ziggurat::runtime::device::PROVIDERS;

/// The default of `--top`.
const TOP: NonZeroUsize = NonZeroUsize::new(5).unwrap();

#[derive(clap::Args)]
pub struct Arguments {
    /// Path or name of a model, then the pictures. The model may be omitted if the first picture's name ends in .png,
    /// .jpg, .jpeg or .webp
    #[arg(value_name = "MODEL> <IMAGE", required = true)]
    model_and_images: Vec<PathBuf>,
    /// Print one JSON object per picture
    #[arg(long)]
    json: bool,
    /// Number of classes per picture
    #[arg(long, default_value_t = TOP, value_name = "N", value_parser = count)]
    top: NonZeroUsize,
    #[arg(long, help = format!("Execution provider: {PROVIDERS} [default: that of config.toml, or auto]"))]
    provider: Option<String>,
    #[command(flatten)]
    model_options: ModelOptions,
}

#[derive(Serialize)]
struct Line<'a> {
    image: &'a str,
    top: Vec<RankedClass<'a>>,
}

#[derive(Serialize)]
struct RankedClass<'a> {
    index: usize,
    name: &'a str,
    /// `None` where the model's scores are not probabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = startup::home()?;
    let preferences = Preferences::load(&home, &["model", "provider"]);
    let provider = preferences.provider(arguments.provider.as_deref())?;
    let (model, images) = model_and_images(&arguments.model_and_images)?;
    let model = preferences.model(&home, model)?;
    let network = startup::network(&home, model, &arguments.model_options)?;
    let device = startup::provider_for_one_shot(provider)?.device;
    let mut classifier = Classifier::open(&network, device)?;
    super::each(images, |image| {
        let picture = picture::read(image)?;
        let image = &*image.to_string_lossy();
        photo::mention_cropping(&picture, &network, image);
        let input = network.preprocessing.tensor(&picture, network.size);
        let probabilities = classifier.probabilities(input)?;
        let top = top(&network, &probabilities, arguments.top.get());
        if arguments.json {
            output::json(&Line { image, top })?;
        } else {
            table(image, &top)?;
        }
        Ok(())
    })
}

/// Reads a number of classes.
fn count(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse();
    count.map_err(|_| "expected a whole number from 1".into())
}

/// Splits `[MODEL] IMAGE...`: a path with a picture's extension is not a model.
pub fn model_and_images(given: &[PathBuf]) -> Result<(Option<&str>, &[PathBuf]), Failure> {
    let (model, images) = match given {
        [first, rest @ ..] if !picture::is_named(first) => (Some(text(first)?), rest),
        all => (None, all),
    };
    if images.is_empty() {
        return Err(Failure::usage(
            match model.filter(|model| Path::new(model).is_file()) {
                Some(file) if !is_onnx(file) => anyhow!("{file} is not a PNG, JPEG or WebP file"),
                _ => anyhow!(
                    "expected MODEL IMAGE, or IMAGE alone if its name ends in .png, .jpg, .jpeg or .webp"
                ),
            },
        ));
    }
    Ok((model, images))
}

fn is_onnx(file: &str) -> bool {
    let ending = Path::new(file).extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
}

/// A model as given: a card's name, or a path in UTF-8.
pub fn text(model: &Path) -> Result<&str, Failure> {
    model.to_str().ok_or_else(|| {
        let model = model.display();
        Failure::usage(anyhow!(
            "{model}: a model's path must be UTF-8: rename the file"
        ))
    })
}

fn top<'a>(network: &'a Network, probabilities: &[f32], count: usize) -> Vec<RankedClass<'a>> {
    let is_probability = network.activation() != Activation::None;
    let entry = |(index, value)| RankedClass {
        index,
        name: network.classes.name(index).unwrap_or_default(),
        probability: Some(value).filter(|_| is_probability),
        score: Some(value).filter(|_| !is_probability),
    };
    let ranked = largest(probabilities.iter().copied(), count);
    ranked.into_iter().map(entry).collect()
}

fn table(image: &str, top: &[RankedClass]) -> std::io::Result<()> {
    output::line(image)?;
    top.iter().try_for_each(|entry| {
        let value = match (entry.probability, entry.score) {
            (Some(probability), _) => format!("{:6.2} %", 100.0 * probability),
            (None, score) => format!("{:>8}", format::score(score.unwrap_or_default())),
        };
        output::line(&format!("  {value}  {:>5}  {}", entry.index, entry.name))
    })
}

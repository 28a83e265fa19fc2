//! `ziggurat layers`: the layers of a model and what can be visualised.

mod of_photo;

use super::model_options::ModelOptions;
use super::preferences::Preferences;
use super::{Failure, output, startup};
use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use ziggurat::autodiff::differentiability::Differentiability;
use ziggurat::model::Layer;
use ziggurat::runtime::device::PROVIDERS;

#[derive(clap::Args)]
pub struct Arguments {
    /// Path or name of a model
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    model: Option<String>,
    /// Include internal tensors: steps within a layer, reshapes and transposes
    #[arg(long)]
    all: bool,
    /// List the channels that this photo activates most (repeatable)
    #[arg(long, value_name = "FILE")]
    photo: Vec<PathBuf>,
    /// Only channels of this layer
    #[arg(long, value_name = "LAYER", requires = "photo", conflicts_with = "all", value_parser = NonEmptyStringValueParser::new())]
    layer: Option<String>,
    /// Number of channels per layer [default: 10 with --layer, else 3]
    #[arg(long, value_name = "N", requires = "photo")]
    top: Option<NonZeroUsize>,
    /// Rank channels by the mean or the maximum over their positions: mean or maximum
    #[arg(long, value_name = "BY", requires = "photo", default_value = "mean")]
    rank: String,
    #[arg(long, requires = "photo", help = format!("Execution provider for photos: {PROVIDERS} [default: that of config.toml, or auto]"))]
    provider: Option<String>,
    /// Print one JSON object per layer, or per channel with --photo
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model_options: ModelOptions,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    op: &'a str,
    shape: &'a [usize],
    channels: usize,
    /// Rows and columns of a channel.
    grid: Option<(usize, usize)>,
    /// Whether a channel has several values without known positions in the picture.
    unplaced: bool,
    differentiable: bool,
    why: Option<String>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    if !arguments.photo.is_empty() {
        return of_photo::run(&arguments);
    }
    let home = startup::home()?;
    let preferences = Preferences::load(&home, &["model"]);
    let model = preferences.model(&home, arguments.model.as_deref())?;
    let network = startup::network(&home, model, &arguments.model_options)?;
    let layers = network.layers();
    let shown = layers
        .iter()
        .filter(|layer| arguments.all || layer.is_activation);
    let lines: Vec<Line> = shown.map(line).collect();
    if arguments.json {
        return lines.iter().try_for_each(|line| Ok(output::json(line)?));
    }
    table(&lines)
}

fn line(layer: &Layer) -> Line<'_> {
    let differentiable = layer.differentiability == Differentiability::Differentiable;
    Line {
        name: &layer.name,
        op: &layer.op,
        shape: &layer.dims,
        channels: layer.channels(),
        grid: layer.plane(),
        unplaced: layer.layout.is_non_spatial(),
        differentiable,
        why: (!differentiable).then(|| layer.differentiability.to_string()),
    }
}

fn table(lines: &[Line]) -> Result<(), Failure> {
    let widest = |text: fn(&Line) -> usize| lines.iter().map(text).max().unwrap_or(0);
    let name = widest(|line| line.name.chars().count());
    let op = widest(|line| line.op.chars().count());
    for line in lines {
        let shape: Vec<String> = line.shape.iter().map(usize::to_string).collect();
        let why = line.why.as_deref().unwrap_or_default();
        let shape = shape.join(" × ");
        let shape = match line.grid {
            None if line.unplaced => {
                format!("{shape} ({} channels, without positions)", line.channels)
            }
            Some((rows, columns)) if line.shape.get(2..) != Some(&[rows, columns]) => {
                format!("{shape} ({} channels of {rows} × {columns})", line.channels)
            }
            _ => shape,
        };
        output::line(&format!(
            "{:name$}  {:op$}  {shape:<20}  {why}",
            line.name, line.op
        ))?;
    }
    Ok(())
}

//! `ziggurat layers`: what a model is made of, and what of that can be visualised.

mod of_photo;

use super::ports::Ports;
use super::{Failure, opening, output};
use serde::Serialize;
use std::num::NonZeroUsize;
use ziggurat::autodiff::reach::Reach;
use ziggurat::model::Layer;

#[derive(clap::Args)]
pub struct Arguments {
    /// An ONNX file, or the name of a card
    model: Option<String>,
    /// Every value of the model, steps within a layer and rearrangements too
    #[arg(long)]
    all: bool,
    /// List the channels that this photo activates most instead, of every layer; may be given several times
    #[arg(long, value_name = "FILE")]
    photo: Vec<String>,
    /// Channels of this layer alone
    #[arg(long, value_name = "LAYER", requires = "photo", conflicts_with = "all")]
    layer: Option<String>,
    /// How many channels per layer: 10 of one layer, 3 of each of several
    #[arg(long, value_name = "N", requires = "photo")]
    top: Option<NonZeroUsize>,
    /// What channels are ranked by: the mean or the maximum over their positions
    #[arg(long, value_name = "BY", requires = "photo", default_value = "mean")]
    rank: String,
    /// For photos: auto, cpu, cuda[:N], webgpu; experimental: tensorrt[:N], plugin:PATH[,KEY=VALUE...]
    #[arg(long, requires = "photo", default_value = "auto")]
    provider: String,
    /// One JSON object a layer, or a channel of a photo
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ports: Ports,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    op: &'a str,
    shape: &'a [usize],
    channels: usize,
    /// Rows and columns of a channel.
    grid: Option<(usize, usize)>,
    /// Whether it has several numbers a channel, and nothing tells which places of the picture these are.
    unplaced: bool,
    differentiable: bool,
    why: Option<String>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    if !arguments.photo.is_empty() {
        return of_photo::run(&arguments);
    }
    let home = opening::home()?;
    let network = opening::network(&home, arguments.model.as_deref(), &arguments.ports)?;
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
    let differentiable = layer.reach == Reach::Differentiable;
    Line {
        name: &layer.name,
        op: &layer.op,
        shape: &layer.dims,
        channels: layer.channels(),
        grid: layer.plane(),
        unplaced: layer.layout.is_unplaced(),
        differentiable,
        why: (!differentiable).then(|| layer.reach.to_string()),
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

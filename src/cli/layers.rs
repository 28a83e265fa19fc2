//! `ziggurat layers`: what a model is made of, and what of that can be visualised.

use super::ports::Ports;
use super::{Failure, opening, output};
use serde::Serialize;
use ziggurat::autodiff::reach::Reach;
use ziggurat::model::Layer;

#[derive(clap::Args)]
pub struct Arguments {
    /// An ONNX file, or the name of a card
    model: Option<String>,
    /// Every value of the model, steps within a layer and rearrangements too
    #[arg(long)]
    all: bool,
    /// One JSON object a layer
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

//! Reading a TARGET: a class by name or index, a layer's channel or neuron, or a whole layer.

use super::Failure;
use anyhow::anyhow;
use ziggurat::ascent::{Kind, Objective, Unit};
use ziggurat::model::{Network, layers};

/// What a TARGET means for a network.
#[derive(Debug, Clone)]
pub struct Target {
    pub objective: Objective,
    pub unit: Unit,
    /// How to call it: `flamingo`, `LAYER:3`, `LAYER:3:5,7`, `LAYER`.
    pub title: String,
}

/// Reads `text`.
///
/// A class wins over a layer of the same name; `class:` in front says that a class is meant.
pub fn read(network: &Network, text: &str) -> Result<Target, Failure> {
    if let Some(class) = text.strip_prefix("class:") {
        let index = network.classes.find(class).map_err(Failure::usage)?;
        return Ok(of_class(network, index));
    }
    let all = network.layers();
    if let Some(layer) = all.iter().find(|layer| layer.name == text) {
        return of_layer(layer, Kind::Layer, Unit::default(), text);
    }
    // Names of layers may hold colons themselves: the longest that exists wins.
    for (at, _) in text.rmatch_indices(':') {
        let (name, rest) = (&text[..at], &text[at + 1..]);
        if let Some(layer) = all.iter().find(|layer| layer.name == name) {
            let (kind, unit) = unit(rest)?;
            return of_layer(layer, kind, unit, text);
        }
    }
    match network.classes.find(text) {
        Ok(index) => Ok(of_class(network, index)),
        // What looks like a layer's unit is more likely a misspelt layer than a class.
        Err(_) if text.contains(':') || text.contains('/') => {
            let name = text.split(':').next().unwrap_or(text);
            Err(Failure::usage(layers::find(&all, name).err().map_or_else(
                || anyhow!("{text} is no target"),
                anyhow::Error::from,
            )))
        }
        Err(problem) => Err(Failure::usage(problem)),
    }
}

fn of_class(network: &Network, index: usize) -> Target {
    Target {
        objective: Objective {
            kind: Kind::Class,
            value: network.logits.clone(),
        },
        unit: Unit {
            index,
            position: (0, 0),
        },
        title: network
            .classes
            .name(index)
            .map_or_else(|| index.to_string(), str::to_string),
    }
}

fn of_layer(layer: &layers::Layer, kind: Kind, unit: Unit, title: &str) -> Result<Target, Failure> {
    if layer.reach != ziggurat::autodiff::reach::Reach::Differentiable {
        return Err(anyhow!("{title} cannot be visualised: {}", layer.reach).into());
    }
    let objective = Objective {
        kind,
        value: layer.name.clone(),
    };
    Ok(Target {
        objective,
        unit,
        title: title.into(),
    })
}

/// `CHANNEL` or `CHANNEL:Y,X`.
fn unit(text: &str) -> Result<(Kind, Unit), Failure> {
    let wrong = || {
        Failure::usage(anyhow!(
            "{text:?} is no channel: say CHANNEL, or CHANNEL:Y,X for one neuron"
        ))
    };
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
    match text.split_once(':') {
        None => Ok((
            Kind::Channel,
            Unit {
                index: number(text)?,
                position: (0, 0),
            },
        )),
        Some((channel, position)) => {
            let (row, column) = position.split_once(',').ok_or_else(wrong)?;
            let position = (number(row)?, number(column)?);
            Ok((
                Kind::Neuron,
                Unit {
                    index: number(channel)?,
                    position,
                },
            ))
        }
    }
}

//! `ziggurat layers --photo`: the channels that a photo activates most.

use super::Arguments;
use crate::cli::preferences::Preferences;
use crate::cli::{Failure, each, output, photo, startup};
use anyhow::anyhow;
use serde::Serialize;
use std::num::NonZeroUsize;
use ziggurat::ascent::layer_probe::{ChannelActivation, LayerProbe, Rank};
use ziggurat::model::{Network, picture};
use ziggurat::runs::format;
use ziggurat::text::safe;

/// Number of channels listed for one layer; for several, of each.
const OF_ONE: usize = 10;
const OF_EACH: usize = 3;

#[derive(Serialize)]
struct Line<'a> {
    photo: &'a str,
    layer: &'a str,
    channel: usize,
    mean: f32,
    maximum: f32,
    /// Row and column of the maximum, where the layer has positions.
    at: Option<(usize, usize)>,
}

/// Lists the strongest channels of the chosen layers for each photo.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let home = startup::home()?;
    let preferences = Preferences::load(&home, &["model", "provider"]);
    let provider = preferences.provider(arguments.provider.as_deref())?;
    let rank: Rank = arguments
        .rank
        .parse()
        .map_err(|problem: String| Failure::usage(anyhow!(problem)))?;
    let model = preferences.model(&home, arguments.model.as_deref())?;
    let network = startup::network(&home, model, &arguments.model_options)?;
    let layers = chosen(&network, arguments)?;
    let names: Vec<&str> = layers.iter().map(String::as_str).collect();
    let usual = match arguments.layer {
        Some(_) => OF_ONE,
        None => OF_EACH,
    };
    let count = arguments.top.map_or(usual, NonZeroUsize::get);
    let device = startup::provider_for_one_shot(provider)?.device;
    let mut probe = LayerProbe::open(&network, &names, device)?;
    each(&arguments.photo, |path| {
        let picture = picture::read(path)?;
        let path = &*path.to_string_lossy();
        photo::mention_cropping(&picture, &network, path);
        let input = network.preprocessing.tensor(&picture, network.size);
        let found = probe.strongest(input, rank, count)?;
        if arguments.json {
            json(path, &names, &found)?;
        } else {
            table(path, &names, &found)?;
        }
        Ok(())
    })
}

/// The names of the layers that are listed.
fn chosen(network: &Network, arguments: &Arguments) -> Result<Vec<String>, Failure> {
    if let Some(name) = &arguments.layer {
        return Ok(vec![startup::layer(network, name)?]);
    }
    let layers = network.layers().into_iter();
    let listed = layers.filter(|layer| arguments.all || layer.is_activation);
    Ok(listed.map(|layer| layer.name).collect())
}

fn json(photo: &str, names: &[&str], found: &[Vec<ChannelActivation>]) -> anyhow::Result<()> {
    for (layer, channels) in names.iter().zip(found) {
        for found in channels {
            output::json(&Line {
                photo,
                layer,
                channel: found.channel,
                mean: found.mean,
                maximum: found.maximum,
                at: found.at,
            })?;
        }
    }
    Ok(())
}

/// One line per channel: its target, and the most active neuron.
fn table(photo: &str, names: &[&str], found: &[Vec<ChannelActivation>]) -> std::io::Result<()> {
    let target = |layer: &str, channel: usize| format!("{}:{channel}", safe(layer));
    let rows = names.iter().zip(found).flat_map(|(layer, channels)| {
        let row = move |found: &ChannelActivation| (target(layer, found.channel), *found);
        channels.iter().map(row)
    });
    let rows: Vec<(String, ChannelActivation)> = rows.collect();
    let widths = rows.iter().map(|(target, _)| target.chars().count());
    let width = widths.max().unwrap_or(0);
    output::line(photo)?;
    rows.iter().try_for_each(|(target, found)| {
        let at = found.at.map(|(row, column)| format!(" at {row},{column}"));
        output::line(&format!(
            "  {target:width$}  mean {:>8}  maximum {:>8}{}",
            format::score(found.mean),
            format::score(found.maximum),
            at.unwrap_or_default()
        ))
    })
}

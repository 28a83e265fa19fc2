//! `ziggurat history export`: exports runs to a file.

use super::selection::Selection;
use super::{Failure, output};
use crate::cli::inputs::Inputs;
use crate::cli::output_file::{self, OutputFile};
use anyhow::anyhow;
use std::io::Write;
use std::path::{Path, PathBuf};
use ziggurat::home::Home;
use ziggurat::model::{ModelSource, Network, layers};
use ziggurat::runs::export::atlas::{self, AtlasRuns};
use ziggurat::runs::export::{ExportFormat, animation};
use ziggurat::runs::history::{self, HistoryEntry};
use ziggurat::runtime::{Library, package};

#[derive(clap::Args)]
pub struct Arguments {
    /// Run ids or their prefixes; instead, filters select runs (at least one of the options --model, --text, --kind,
    /// --favourites, --judge-min and --judge-max)
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Export all channels of a layer as one HTML page to pan and zoom; filters choose among several runs of a channel
    #[arg(long, value_name = "LAYER", conflicts_with_all = ["ids", "delay"])]
    atlas: Option<String>,
    /// Seed of the runs of an atlas [default: the one that most channels have]
    #[arg(long, requires = "atlas", conflicts_with_all = ["ids", "delay"])]
    seed: Option<u64>,
    /// Output file; the format follows the extension: .png (a contact sheet for several runs), .gif, .apng or .html
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    #[arg(long, value_name = "MS", help = format!("Duration of an animation frame in milliseconds, 20 to 5000 [default: {}]", animation::DELAY), value_parser = clap::value_parser!(u16).range(20..=5000))]
    delay: Option<u16>,
    #[command(flatten)]
    selection: Selection,
}

pub fn run(home: &Home, arguments: Arguments) -> Result<(), Failure> {
    output_file::check(&arguments.out, &Inputs::default())?;
    let form = ExportFormat::from_path(&arguments.out)
        .map_err(|problem| Failure::usage(anyhow!("--out {problem}")))?;
    if let Some(layer) = &arguments.atlas {
        if form != ExportFormat::Page {
            let out = arguments.out.display();
            let problem = anyhow!("--out {out}: an atlas is a page; let the name end in .html");
            return Err(Failure::usage(problem));
        }
        if arguments.selection.is_ordered() {
            return Err(Failure::usage(anyhow!(
                "an atlas shows the channels by their numbers: leave out --sort and --reverse"
            )));
        }
        return export_atlas(home, &arguments, layer);
    }
    if arguments.delay.is_some() && !form.is_animation() {
        let out = arguments.out.display();
        return Err(Failure::usage(anyhow!(
            "--delay is for animations, and {out} is none: let --out end in .gif or .apng, or leave out --delay"
        )));
    }
    let ids = ids(home, &arguments)?;
    if form.is_animation() && ids.len() > 1 {
        return Err(Failure::usage(anyhow!(
            "an animation shows one run, not {}: give one id",
            ids.len()
        )));
    }
    // A path that cannot be written is reported before the long work.
    let out = output(home, &arguments, &ids)?;
    let bytes = form.encode(home, &ids, arguments.delay.unwrap_or(animation::DELAY))?;
    write(&arguments.out, out, &bytes, &super::runs(ids.len()))
}

/// The output file, which must not be one of these runs in the history.
fn output(home: &Home, arguments: &Arguments, ids: &[String]) -> Result<OutputFile, Failure> {
    let mut inputs = Inputs::default().with_history(home);
    for id in ids {
        inputs = inputs
            .with("a run", history::image_path(home, id)?)
            .with("a run", history::frames_path(home, id)?)
            .with("a run", history::record_path(home, id)?);
    }
    OutputFile::new(&arguments.out, &inputs)
}

/// Writes the bytes and prints what they are.
fn write(path: &Path, out: OutputFile, bytes: &[u8], what: &str) -> Result<(), Failure> {
    let size = bytes.len().div_ceil(1024);
    out.finish(|writer| Ok(writer.write_all(bytes)?))?;
    Ok(output::line(&format!(
        "{}: {what}, {size} KiB",
        path.display()
    ))?)
}

fn export_atlas(home: &Home, arguments: &Arguments, layer: &str) -> Result<(), Failure> {
    let entries = arguments.selection.apply(home)?.entries;
    let layer = match layer.strip_prefix("layer:") {
        Some(name) if entries.iter().all(|entry| entry.objective.value != layer) => name,
        _ => layer,
    };
    let runs = AtlasRuns::choose(&entries, layer, arguments.seed)?;
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.clone()).collect();
    let out = output(home, arguments, &ids)?;
    let channels = match runs.typical().map(|entry| channels(home, entry, layer)) {
        Some(Ok(channels)) => channels,
        Some(Err(problem)) => {
            output::notice(&format!(
                "the number of channels is unknown: {problem}; those after {} are not shown",
                runs.least_channels().saturating_sub(1)
            ));
            0
        }
        None => 0,
    };
    let atlas = atlas::document(home, &runs, channels)?;
    if atlas.unreadable > 0 {
        output::notice(&format!(
            "{} cannot be read and shown as missing; see `ziggurat history verify`",
            super::runs(atlas.unreadable)
        ));
    }
    if runs.left_out > 0 {
        output::notice(&format!(
            "{} with other seeds or settings left out; --seed and filters choose",
            super::runs(runs.left_out)
        ));
    }
    let what = format!("{} of {} channels", atlas.shown, atlas.channels);
    write(&arguments.out, out, atlas.html.as_bytes(), &what)
}

/// The number of channels of a layer, from the model of a run.
fn channels(home: &Home, entry: &HistoryEntry, layer: &str) -> anyhow::Result<usize> {
    let spec = history::read(home, &entry.id)?.spec;
    let source = ModelSource::resolve(home, Some(&spec.model))?;
    if !source.is_here(home) {
        return Err(anyhow!("the model {} is not downloaded", spec.model));
    }
    Library::load(home, &package::quiet)?;
    let file = source.open(home, &package::quiet)?;
    let network = Network::open(&file)?;
    if network.hash != spec.model_hash {
        return Err(anyhow!("{} is another file now", spec.model));
    }
    let layers = network.layers();
    Ok(layers::find(&layers, layer)?.channels())
}

/// The selected runs, without duplicates, in the given or sorted order.
fn ids(home: &Home, arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let selection = &arguments.selection;
    match (arguments.ids.is_empty(), selection.filters()) {
        (true, false) => Err(Failure::usage(anyhow!(
            "no runs selected: give IDs, or a filter such as --favourites"
        ))),
        (false, true) => Err(Failure::usage(anyhow!(
            "give either IDs or filters, not both"
        ))),
        (false, false) if selection.is_ordered() => Err(Failure::usage(anyhow!(
            "IDs are exported in the given order: leave out --sort and --reverse, or give filters instead of IDs"
        ))),
        (true, true) => {
            let entries = selection.apply(home)?.entries;
            if entries.is_empty() {
                return Err(anyhow!(
                    "no run matches the filters; `ziggurat history list` takes the same ones"
                )
                .into());
            }
            Ok(entries.into_iter().map(|entry| entry.id).collect())
        }
        (false, false) => {
            let mut ids: Vec<String> = Vec::new();
            for prefix in &arguments.ids {
                let id = super::resolve(home, prefix)?;
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            Ok(ids)
        }
    }
}

//! `ziggurat history export`: exports runs to a file.

use super::selection::Selection;
use super::{Failure, output};
use crate::cli::output_file::OutputFile;
use anyhow::anyhow;
use std::io::Write;
use std::path::PathBuf;
use ziggurat::home::Home;
use ziggurat::runs::export::{ExportFormat, animation};

#[derive(clap::Args)]
pub struct Arguments {
    /// Run ids or their prefixes; instead, filters select runs (at least one of the options --model, --text, --kind,
    /// --favourites, --judge-min and --judge-max)
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Output file; the format follows the extension: .png (a contact sheet for several runs), .gif, .apng or .html
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Duration of an animation frame in milliseconds, 20 to 5000
    #[arg(long, value_name = "MS", default_value_t = animation::DELAY, value_parser = clap::value_parser!(u16).range(20..=5000))]
    delay: u16,
    #[command(flatten)]
    selection: Selection,
}

pub fn run(home: &Home, arguments: Arguments) -> Result<(), Failure> {
    let form = ExportFormat::from_path(&arguments.out)
        .map_err(|problem| Failure::usage(anyhow!("--out {problem}")))?;
    let ids = ids(home, &arguments)?;
    if form.is_of_one() && ids.len() > 1 {
        return Err(Failure::usage(anyhow!(
            "an animation shows one run, not {}: give one id",
            ids.len()
        )));
    }
    // A path that cannot be written is reported before the long work.
    let out = OutputFile::new(&arguments.out)?;
    let bytes = form.encode(home, &ids, arguments.delay)?;
    let size = bytes.len().div_ceil(1024);
    out.finish(|writer| Ok(writer.write_all(&bytes)?))?;
    Ok(output::line(&format!(
        "{}: {}, {size} KiB",
        arguments.out.display(),
        super::runs(ids.len())
    ))?)
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

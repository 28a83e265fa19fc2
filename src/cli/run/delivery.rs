//! Delivers a finished picture: writes, shows and reports it.

use crate::cli::graphics::Screen;
use crate::cli::inputs::Inputs;
use crate::cli::output_file::{self, is_folder, is_png, neither_png_nor_folder, why_not};
use crate::cli::{Failure, output};
use anyhow::anyhow;
use image::RgbImage;
use serde::Serialize;
use std::path::{Path, PathBuf};
use ziggurat::files::{self, NewFile, NewFolder};
use ziggurat::runs::judging::Verdict;
use ziggurat::runs::{Error, Record, description, favourites, format, history};

/// Where finished pictures go.
pub struct Delivery<'a> {
    /// A file, or a folder; `None` leaves them in the history.
    pub out: Option<&'a Path>,
    /// The files that the command reads.
    pub inputs: Inputs,
    /// Where they are printed, if anywhere.
    pub screen: Option<Screen>,
    pub json: bool,
    /// Whether there are several.
    pub several: bool,
    /// Whether they are of several models.
    pub several_models: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    model: &'a str,
    target: &'a str,
    score: f32,
    probability: Option<f32>,
    /// Whether the class was reached; `None` for other targets.
    reached: Option<bool>,
    /// The verdicts of other models.
    verdicts: &'a [Verdict],
    steps: usize,
    seconds: f64,
    provider: &'a str,
    image: &'a Path,
    from_history: bool,
}

impl Delivery<'_> {
    /// Writes, shows and reports one finished picture.
    ///
    /// # Errors
    /// If it cannot be written, or standard output is closed.
    pub fn deliver(
        &self,
        record: &Record,
        picture: &RgbImage,
        kept: PathBuf,
        from_history: bool,
    ) -> Result<(), Failure> {
        let image = match self.out {
            None => kept,
            Some(out) => {
                let path = if self.several || out.is_dir() {
                    out.join(self.file_name(record))
                } else {
                    out.to_path_buf()
                };
                let json = path.with_extension("json");
                check_inputs(&[&path, &json], &self.inputs)?;
                history::write_pair(&path, &json, record, picture)
                    .map_err(Error::of_chosen_folder)?;
                path
            }
        };
        if let Some(advice) = record.advice() {
            output::notice(&advice);
        }
        if self.json {
            json(record, &image, from_history)
        } else {
            self.print(record, picture, &image, from_history)
        }
    }

    fn file_name(&self, record: &Record) -> String {
        if self.several_models {
            format!("{}.png", favourites::stem(record))
        } else {
            let target = favourites::file_name(&record.spec.target);
            format!("{target}-{}.png", &record.id[..6])
        }
    }

    fn print(
        &self,
        record: &Record,
        picture: &RgbImage,
        image: &Path,
        from_history: bool,
    ) -> Result<(), Failure> {
        if let Some(screen) = &self.screen {
            screen.print(picture)?;
        }
        let spec = &record.spec;
        let model = if self.several_models {
            format!(" in {}", spec.model)
        } else {
            String::new()
        };
        let probability = record
            .probability
            .map(|p| format!(", probability {}", format::percent(p)))
            .unwrap_or_default();
        let how = if from_history {
            "from history".to_string()
        } else {
            format!(
                "{} steps in {:.1} s on {}",
                record.scores.len(),
                record.seconds,
                record.provider
            )
        };
        let (target, score) = (&spec.target, format::score(record.score));
        let image = image.display();
        output::line(&format!(
            "{target}{model}: score {score}{probability}, {how}: {image}"
        ))?;
        for verdict in &record.verdicts {
            let verdict = description::judged(spec, verdict);
            output::line(&format!("  judged by {verdict}"))?;
        }
        Ok(())
    }
}

fn json(record: &Record, image: &Path, from_history: bool) -> Result<(), Failure> {
    Ok(output::json(&Line {
        id: &record.id,
        model: &record.spec.model,
        target: &record.spec.target,
        score: record.score,
        probability: record.probability,
        reached: record.reached,
        verdicts: &record.verdicts,
        steps: record.scores.len(),
        seconds: record.seconds,
        provider: &record.provider,
        image,
        from_history,
    })?)
}

/// Whether none of these output files is an input.
fn check_inputs(files: &[&Path], inputs: &Inputs) -> Result<(), Failure> {
    files
        .iter()
        .try_for_each(|file| output_file::check(file, inputs))
}

/// Checks, before minutes of work, whether the result can be written, and replaces no input. Returns the folder, if one
/// is needed.
pub fn check_writable(
    out: Option<&Path>,
    several: bool,
    inputs: &Inputs,
) -> Result<Option<NewFolder>, Failure> {
    let Some(out) = out else { return Ok(None) };
    check_inputs(&[out, &out.with_extension("json")], inputs)?;
    let mut created = None;
    let folder = match (several, is_png(out)) {
        (true, true) => {
            let problem = anyhow!(
                "--out {}: several targets or models need a folder",
                out.display()
            );
            return Err(Failure::usage(problem));
        }
        (false, false) if !is_folder(out) => {
            return Err(neither_png_nor_folder(out));
        }
        (_, true) => out
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new(".")),
        (_, false) => {
            created = Some(output_file::new_folder(out)?);
            out
        }
    };
    files::remove_stale(folder);
    let cannot = |problem| anyhow!("--out {}: {}", out.display(), why_not(folder, &problem));
    if is_png(out) {
        let files = [out, &out.with_extension("json")];
        for file in files {
            NewFile::create(file).map_err(cannot)?;
        }
    } else {
        tempfile::tempfile_in(folder).map_err(cannot)?;
    }
    Ok(created)
}

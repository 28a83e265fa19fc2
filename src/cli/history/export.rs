//! `ziggurat history export`: runs as a file for people.

use super::selection::Selection;
use super::{Failure, output};
use crate::cli::writing::Pending;
use anyhow::anyhow;
use image::{ImageFormat, RgbImage};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use ziggurat::home::Home;
use ziggurat::runs::export::{self, Exhibit, animation, page, sheet};
use ziggurat::runs::{self, history};

#[derive(clap::Args)]
pub struct Arguments {
    /// Runs by id, or by its first digits; without any, those that pass the filters
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// The file: .png (several runs make a contact sheet), .gif, .apng or .html
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// How long an animation shows a frame
    #[arg(long, value_name = "MS", default_value_t = animation::DELAY, value_parser = clap::value_parser!(u16).range(20..=5000))]
    delay: u16,
    #[command(flatten)]
    selection: Selection,
}

/// What can be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Picture,
    Gif,
    Apng,
    Page,
}

const FORMS: &[(&str, Form)] = &[
    ("png", Form::Picture),
    ("gif", Form::Gif),
    ("apng", Form::Apng),
    ("html", Form::Page),
];

pub fn run(home: &Home, arguments: Arguments) -> Result<(), Failure> {
    let form = form(&arguments.out)?;
    let ids = ids(home, &arguments)?;
    // What cannot be written is told before minutes are spent on it.
    let out = Pending::new(&arguments.out)?;
    let bytes = match (form, ids.as_slice()) {
        (Form::Picture, [id]) => read(&history::image_path(home, id)?)?,
        (Form::Picture, ids) => png(&sheet::draw(&exhibits(home, ids, sheet::MOST)?)?)?,
        (Form::Page, ids) => page::html(&exhibits(home, ids, page::MOST)?)?.into_bytes(),
        (Form::Gif, [id]) => animation::encode_gif(&frames(home, id)?, arguments.delay)?,
        (Form::Apng, [id]) => animation::encode_apng(&frames(home, id)?, arguments.delay)?,
        (Form::Gif | Form::Apng, ids) => {
            let count = ids.len();
            return Err(Failure::usage(anyhow!(
                "an animation shows one run, not {count}; say which"
            )));
        }
    };
    let size = bytes.len().div_ceil(1024);
    out.finish(|writer| Ok(writer.write_all(&bytes)?))?;
    Ok(output::line(&format!(
        "{}: {}, {size} KiB",
        arguments.out.display(),
        super::runs(ids.len())
    ))?)
}

/// What the file's ending asks for.
fn form(out: &Path) -> Result<Form, Failure> {
    let ending = out.extension().map(|ending| ending.to_ascii_lowercase());
    let known = |(name, _): &&(&str, Form)| ending.as_deref() == Some(name.as_ref());
    let found = FORMS.iter().find(known).map(|(_, form)| *form);
    found.ok_or_else(|| {
        Failure::usage(anyhow!(
            "--out {}: let the name end in .png, .gif, .apng or .html",
            out.display()
        ))
    })
}

/// The runs that are meant, each once and in the order in which they were named or sorted.
fn ids(home: &Home, arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let selection = &arguments.selection;
    match (arguments.ids.is_empty(), selection.filters()) {
        (true, false) => Err(Failure::usage(anyhow!(
            "no run is named: say ID..., or a filter such as --favourites"
        ))),
        (false, true) => Err(Failure::usage(anyhow!(
            "either name runs or filter them, not both"
        ))),
        (true, true) => {
            let entries = selection.apply(home)?.entries;
            if entries.is_empty() {
                return Err(anyhow!(
                    "no run passes the filters; `ziggurat history list` takes the same ones"
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

/// The runs with their pictures; refused before anything is read if there are too many.
fn exhibits(home: &Home, ids: &[String], most: usize) -> Result<Vec<Exhibit>, Failure> {
    if ids.len() > most {
        let count = ids.len();
        return Err(anyhow!(
            "{count} runs are too many for one file of this kind, which holds {most}; name fewer"
        )
        .into());
    }
    let exhibit = |id: &String| {
        Ok(Exhibit {
            record: history::read(home, id)?,
            picture: export::read_picture(&history::image_path(home, id)?)?,
        })
    };
    ids.iter().map(exhibit).collect()
}

fn frames(home: &Home, id: &str) -> Result<Vec<RgbImage>, Failure> {
    let path = history::frames_path(home, id)?;
    match path.exists() {
        true => Ok(animation::read(&path)?),
        false => Err(runs::Error::NoFrames(id.into()).into()),
    }
}

fn png(picture: &RgbImage) -> Result<Vec<u8>, Failure> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|problem| anyhow!("{}: {problem}", path.display()).into())
}

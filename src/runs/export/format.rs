//! Formats of exports, chosen by the extension of the file, for the command line and the explorer.

use super::{ExportedRun, animation, contact_sheet, html};
use crate::home::Home;
use crate::runs::{Error, frames, history, picture_file};
use image::RgbImage;
use std::path::Path;

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// One run's picture file as it is, or a contact sheet of several.
    Picture,
    /// The animation of one run.
    Gif,
    /// The same without loss of colour.
    Apng,
    /// A self-contained page of runs.
    Page,
}

const FORMS: &[(&str, ExportFormat)] = &[
    ("png", ExportFormat::Picture),
    ("gif", ExportFormat::Gif),
    ("apng", ExportFormat::Apng),
    ("html", ExportFormat::Page),
];

impl ExportFormat {
    /// The known extensions.
    pub fn extensions() -> Vec<&'static str> {
        FORMS.iter().map(|(ending, _)| *ending).collect()
    }

    /// The format of a file name.
    ///
    /// # Errors
    /// [`Error::Export`] for an unknown extension.
    pub fn from_path(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
        let known = |(name, _): &&(&str, Self)| ending.as_deref() == Some(name.as_ref());
        let found = FORMS.iter().find(known).map(|(_, form)| *form);
        found.ok_or_else(|| {
            Error::Export(format!(
                "{}: use an extension of .png, .gif, .apng or .html",
                path.display()
            ))
        })
    }

    /// Whether it is an animation, which shows one run only.
    pub fn is_animation(self) -> bool {
        matches!(self, Self::Gif | Self::Apng)
    }

    /// The bytes of a file of this form that shows the runs `ids`; `delay` is how long an animation shows a frame, in
    /// milliseconds.
    ///
    /// # Errors
    /// [`Error::Export`] if it cannot show so many, [`Error::NoFrames`], or whatever is wrong with the runs.
    pub fn encode(self, home: &Home, ids: &[String], delay: u16) -> Result<Vec<u8>, Error> {
        match (self, ids) {
            (Self::Picture, [id]) => {
                let path = history::image_path(home, id)?;
                crate::files::read(&path).map_err(Error::file(&path))
            }
            (Self::Picture, ids) => {
                contact_sheet::encode(&exhibits(home, ids, contact_sheet::MAX_RUNS)?)
            }
            (Self::Page, ids) => {
                Ok(html::document(&exhibits(home, ids, html::MAX_RUNS)?)?.into_bytes())
            }
            (Self::Gif, [id]) => animation::encode_gif(&kept_frames(home, id)?, delay),
            (Self::Apng, [id]) => animation::encode_apng(&kept_frames(home, id)?, delay),
            (Self::Gif | Self::Apng, ids) => Err(Error::Export(format!(
                "an animation shows one run, not {}: give one id",
                ids.len()
            ))),
        }
    }
}

/// The runs with their pictures; refused before anything is read if there are too many.
fn exhibits(home: &Home, ids: &[String], most: usize) -> Result<Vec<ExportedRun>, Error> {
    if ids.len() > most {
        return Err(Error::Export(format!(
            "{} runs are too many for one file of this kind, which holds {most}; name fewer",
            ids.len()
        )));
    }
    let exhibit = |id: &String| {
        Ok(ExportedRun {
            record: history::read(home, id)?,
            picture: picture_file::read_picture(&history::image_path(home, id)?)?,
        })
    };
    ids.iter().map(exhibit).collect()
}

fn kept_frames(home: &Home, id: &str) -> Result<Vec<RgbImage>, Error> {
    let path = history::frames_path(home, id)?;
    if path.exists() {
        frames::read(&path)
    } else {
        Err(Error::NoFrames(id.into()))
    }
}

//! The contents of the picture panel, and pictures from the worker.

use crate::ascent::Overlay;
use crate::runs::queue::JobId;
use crate::runs::worker::photo::Question;
use image::RgbImage;
use std::sync::Arc;

/// The contents of the picture panel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Showing {
    #[default]
    Nothing,
    /// An active run.
    Running(JobId),
    /// A finished run, by its id.
    Finished(String),
    /// The runs of a batch side by side, at least two at its start.
    Batch(Vec<Tile>),
}

/// One picture of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tile {
    /// An active run.
    Running(JobId),
    /// A finished run, by its id.
    Finished(String),
}

impl Showing {
    /// Whether it shows an active run.
    pub fn is_live(&self) -> bool {
        match self {
            Self::Running(_) => true,
            Self::Batch(tiles) => tiles.iter().any(|tile| matches!(tile, Tile::Running(_))),
            Self::Nothing | Self::Finished(_) => false,
        }
    }

    /// Removes a picture.
    pub fn remove(&mut self, gone: &Tile) {
        let is_gone = match (&mut *self, gone) {
            (Self::Running(job), Tile::Running(gone)) => job == gone,
            (Self::Finished(id), Tile::Finished(gone)) => id == gone,
            (Self::Batch(tiles), _) => {
                tiles.retain(|tile| tile != gone);
                tiles.is_empty()
            }
            _ => false,
        };
        if is_gone {
            *self = Self::Nothing;
        }
    }
}

/// A class activation map over a finished picture.
#[derive(Debug, Clone)]
pub struct Heat {
    /// The question to the worker.
    pub question: Question,
    /// `None` until it is computed.
    pub picture: Option<Arc<RgbImage>>,
}

/// A picture of an active run.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub job: JobId,
    pub step: usize,
    pub overlay: Overlay,
    pub picture: Arc<RgbImage>,
}

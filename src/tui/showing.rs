//! Which picture the picture panel shows, and what comes to it from the worker.

use crate::ascent::Overlay;
use crate::runs::queue::JobId;
use crate::runs::worker::photo::Question;
use image::RgbImage;
use std::sync::Arc;

/// Which picture the picture panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Showing {
    #[default]
    Nothing,
    /// A run under way.
    Running(JobId),
    /// A finished run, by its id.
    Finished(String),
    /// The runs of a batch side by side, at least two when it began.
    Batch(Vec<Tile>),
}

/// One picture of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tile {
    /// A run under way.
    Running(JobId),
    /// A finished run, by its id.
    Finished(String),
}

impl Showing {
    /// Whether it is a run under way, or has one among several.
    pub fn is_live(&self) -> bool {
        match self {
            Self::Running(_) => true,
            Self::Batch(tiles) => tiles.iter().any(|tile| matches!(tile, Tile::Running(_))),
            Self::Nothing | Self::Finished(_) => false,
        }
    }

    /// Shows a picture no longer, because it is gone.
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
    /// What the worker was asked for it.
    pub question: Question,
    /// Comes later.
    pub picture: Option<Arc<RgbImage>>,
}

/// A picture of a run under way.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub job: JobId,
    pub step: usize,
    pub overlay: Overlay,
    pub picture: Arc<RgbImage>,
}

//! Questions about photos, and their answers: how a model classifies a photo, which channels of a layer the photo
//! activates most, and which region supports a class.

use crate::ascent::cam::Method;
use crate::ascent::layer_probe::{ChannelActivation, Rank};
use crate::ascent::{CamOptions, Settings};
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;

/// A question about a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub photo: PathBuf,
    /// The open model that answers it, as [`super::ModelInfo::model`] has it.
    pub model: String,
    pub about: About,
}

/// The subject of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The photo itself, and its classes.
    Photo,
    /// The same for the current photo of a list.
    Listed,
    /// The channels of a layer that the photo activates most, at most so many.
    Channels {
        layer: String,
        rank: Rank,
        count: usize,
    },
    /// The class activation map of a class.
    Class { class: usize, at: MapAt },
}

impl Question {
    /// Whether this question replaces another one: both are of one kind about one photo.
    pub fn replaces(&self, other: &Self) -> bool {
        let is_of_photo = self.photo == other.photo && self.model == other.model;
        is_of_photo && self.about.is_like(&other.about) && self.about != other.about
    }
}

impl About {
    /// Whether it is of the same kind.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Where and how a class activation map is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapAt {
    pub method: Method,
    /// The layer's name; `None` is the default one.
    pub layer: Option<String>,
}

impl MapAt {
    /// Those of runs with these settings.
    pub fn from_settings(settings: &Settings) -> Self {
        let CamOptions { method, layer } = settings.map();
        Self {
            method,
            layer: layer.map(str::to_string),
        }
    }
}

/// The answer to a question.
#[derive(Debug, Clone)]
pub struct Answer {
    pub question: Question,
    /// The error is one line.
    pub found: Result<AnswerContent, String>,
}

/// The content of an answer.
#[derive(Debug, Clone)]
pub enum AnswerContent {
    Photo(Arc<Photo>),
    Channels(Vec<Channel>),
    /// The class activation map over the entire photo, of the size of [`Photo::picture`].
    Class(Arc<RgbImage>),
}

/// A photo and its classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// Reduced to the size at which it is shown.
    pub picture: Arc<RgbImage>,
    /// Width and height as it is stored, in pixels.
    pub size: (u32, u32),
    /// Width and height of the central part that the network sees, if it is noticeably smaller.
    pub seen: Option<(u32, u32)>,
    /// The top classes and their probabilities, or their scores if the model has no probabilities; empty without class
    /// scores.
    pub top: Vec<(usize, f32)>,
    pub has_probabilities: bool,
}

/// A channel, and where the photo activates it.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    pub activation: ChannelActivation,
    /// What the network sees of the photo, with the channel's positive activations as heat, scaled to the largest;
    /// `None` if the layer has not several positions.
    pub map: Option<Arc<RgbImage>>,
}

/// A question about a photo with the model `m`.
#[cfg(test)]
pub(super) fn question(photo: &str, about: About) -> Question {
    Question {
        photo: photo.into(),
        model: "m".into(),
        about,
    }
}

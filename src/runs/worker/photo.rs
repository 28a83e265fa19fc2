//! Questions about photos, and their answers: how a model classifies a photo, which channels of a layer the photo activates
//! most, and which region supports a class.

use crate::ascent::cam::Method;
use crate::ascent::layer_probe::{ChannelActivation, Rank};
use crate::ascent::{MapChoice, Settings};
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;

/// What is asked of a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub photo: PathBuf,
    /// The open model that is to look at it, as [`super::ModelInfo::model`] has it.
    pub model: String,
    pub about: About,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The photo itself, and what the model takes it for.
    Photo,
    /// The same of one of a list of photos, of which nobody looks at all the others just now.
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
    /// Whether, once this is asked, nobody waits for the answer to another one: of one kind about one photo.
    pub fn replaces(&self, other: &Self) -> bool {
        let is_of_photo = self.photo == other.photo && self.model == other.model;
        is_of_photo && self.about.is_like(&other.about) && self.about != other.about
    }
}

impl About {
    /// Whether it is about the same kind of thing.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Where and how a class activation map is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapAt {
    pub method: Method,
    /// The layer's name; `None`: one that is found.
    pub layer: Option<String>,
}

impl MapAt {
    /// As runs with these settings take theirs.
    pub fn of(settings: &Settings) -> Self {
        let MapChoice { method, layer } = settings.map();
        Self {
            method,
            layer: layer.map(str::to_string),
        }
    }
}

/// What came of a question.
#[derive(Debug, Clone)]
pub struct Answer {
    pub question: Question,
    /// The other case is one line that says why.
    pub found: Result<Found, String>,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Found {
    Photo(Arc<Photo>),
    Channels(Vec<Channel>),
    /// The class activation map over the entire photo, of the size of [`Photo::picture`].
    Class(Arc<RgbImage>),
}

/// A photo, and what the model takes it for.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// No larger than it can be shown.
    pub picture: Arc<RgbImage>,
    /// Width and height as it is stored, in pixels.
    pub size: (u32, u32),
    /// Width and height of the middle that the network sees, if that is noticeably less.
    pub seen: Option<(u32, u32)>,
    /// The classes that rank first and their probabilities, or their scores if the model has none; nothing without class
    /// scores.
    pub top: Vec<(usize, f32)>,
    pub has_probabilities: bool,
}

/// A channel, and where the photo activates it.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    pub activation: ChannelActivation,
    /// What the network sees of the photo, with the channel's positive activations as heat, scaled to the largest; `None` if the
    /// layer has not several positions.
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

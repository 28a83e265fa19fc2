//! The photo view: the network's prediction, and the most active channels of one layer.

use super::list_state::ListState;
use crate::ascent::layer_probe::Rank;
use crate::runs::target::{LayerPart, Target, TargetError};
use crate::runs::worker::{ModelInfo, photo};
use crate::text::safe;
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;

/// Maximum number of shown channels per layer.
pub const MAX_CHANNELS: usize = 24;

/// The state of the photo view.
#[derive(Debug, Clone)]
pub struct Photo {
    pub path: PathBuf,
    /// The model, as in [`ModelInfo::model`].
    pub model: String,
    /// The examined photo, once available.
    pub photo: Option<Arc<photo::Photo>>,
    /// The layer whose channels are shown.
    pub layer: String,
    pub channels: Channels,
    /// The ranking of the channels.
    pub rank: Rank,
    /// The channels, by index in [`Self::channels`].
    pub cells: ListState,
    /// The class whose activation map is shown over the photo.
    pub mapped: Option<usize>,
    /// Layer and method of class activation maps, from the current settings.
    pub map_at: photo::MapAt,
    /// The available class activation maps.
    pub maps: Vec<(usize, Arc<RgbImage>)>,
    /// The previous photo; it is restored if this one cannot be opened.
    pub before: Option<Box<Photo>>,
}

/// The most active channels of the layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Channels {
    /// Requested, or requested as soon as the photo is available.
    Awaited,
    There(Vec<photo::Channel>),
    /// The error; one line.
    Failed(String),
}

impl Photo {
    /// A photo that is being opened.
    pub fn new(
        path: PathBuf,
        opened: &ModelInfo,
        (layer, map_at): (String, photo::MapAt),
        before: Option<Box<Self>>,
    ) -> Self {
        Self {
            path,
            model: opened.model.clone(),
            photo: None,
            layer,
            channels: Channels::Awaited,
            rank: before.as_ref().map_or(Rank::Mean, |before| before.rank),
            cells: ListState::default(),
            mapped: None,
            map_at,
            maps: Vec::new(),
            before,
        }
    }

    /// A question about the photo for the worker.
    pub fn question(&self, about: photo::About) -> photo::Question {
        photo::Question {
            photo: self.path.clone(),
            model: self.model.clone(),
            about,
        }
    }

    /// The request for the channels of the layer.
    pub fn about_channels(&self) -> photo::About {
        photo::About::Channels {
            layer: self.layer.clone(),
            rank: self.rank,
            count: MAX_CHANNELS,
        }
    }

    /// The available channels.
    pub fn shown(&self) -> &[photo::Channel] {
        match &self.channels {
            Channels::There(channels) => channels,
            Channels::Awaited | Channels::Failed(_) => &[],
        }
    }

    /// The channel under the cursor.
    pub fn selected(&self) -> Option<&photo::Channel> {
        self.shown().get(self.cells.selected()?)
    }

    /// The target of a part of the layer; `None` if the layer is no longer listed.
    pub fn target(
        &self,
        opened: &ModelInfo,
        place: LayerPart,
    ) -> Option<Result<Target, TargetError>> {
        let values = opened.values.iter();
        let layer = values.clone().find(|layer| layer.name == self.layer)?;
        Some(Target::of_layer(layer, place))
    }

    /// The targets of a shown channel: the channel, and its most active neuron.
    pub fn targets(&self, opened: &ModelInfo, channel: &photo::Channel) -> Vec<Target> {
        let found = &channel.activation;
        let neuron = found.at.map(|at| LayerPart::Neuron(found.channel, at));
        let places = std::iter::once(LayerPart::Channel(found.channel)).chain(neuron);
        let targets = places.filter_map(|place| self.target(opened, place)?.ok());
        targets.collect()
    }

    /// The title of a channel of the layer. Safe to show.
    pub fn title(&self, opened: &ModelInfo, channel: usize) -> String {
        let target = self.target(opened, LayerPart::Channel(channel));
        match target.and_then(Result::ok) {
            Some(target) => target.title,
            // It cannot be run.
            None => format!("{}:{channel}", safe(&self.layer)),
        }
    }

    /// The picture of the photo: with the class activation map, if available.
    pub fn picture(&self) -> Option<&Arc<RgbImage>> {
        let mapped = self.mapped.and_then(|class| self.map(class));
        mapped.or_else(|| self.photo.as_ref().map(|photo| &photo.picture))
    }

    /// The class activation map of a class, if available.
    pub fn map(&self, class: usize) -> Option<&Arc<RgbImage>> {
        let mut maps = self.maps.iter();
        maps.find(|(other, _)| *other == class).map(|(_, map)| map)
    }

    /// The class of the next map: those of [`photo::Photo::top`] in turn, then none.
    pub fn next_mapped(&self) -> Option<usize> {
        let top = self.photo.as_ref().map_or(&[][..], |photo| &photo.top);
        let at = |class| top.iter().position(|(other, _)| *other == class);
        let next = self
            .mapped
            .map_or(0, |class| at(class).map_or(0, |at| at + 1));
        top.get(next).map(|(class, _)| *class)
    }
}

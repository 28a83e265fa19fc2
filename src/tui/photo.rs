//! A photo that is looked at: what the network takes it for, and the channels of one layer that it activates most.

use super::list_state::ListState;
use crate::ascent::layer_probe::Rank;
use crate::runs::target::{LayerPart, Target, TargetError};
use crate::runs::worker::{ModelInfo, photo};
use crate::text::shown;
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;

/// Most channels of a layer that are shown.
pub const MAX_CHANNELS: usize = 24;

/// The state of the popup.
#[derive(Debug, Clone)]
pub struct Photo {
    pub path: PathBuf,
    /// The model that looks at it, as [`ModelInfo::model`] has it.
    pub model: String,
    /// What it is; comes later.
    pub photo: Option<Arc<photo::Photo>>,
    /// The name of the layer whose channels are shown.
    pub layer: String,
    pub channels: Channels,
    /// By what the channels are ranked.
    pub rank: Rank,
    /// The channels, by their place in [`Self::channels`].
    pub cells: ListState,
    /// The class whose activation map lies over the photo, if any.
    pub mapped: Option<usize>,
    /// Where and how class activation maps are taken: as runs with the present settings take theirs.
    pub map_at: photo::MapAt,
    /// The class activation maps that have come.
    pub maps: Vec<(usize, Arc<RgbImage>)>,
    /// What was looked at before; it comes back if this one cannot be opened.
    pub before: Option<Box<Photo>>,
}

/// The strongest channels of the layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Channels {
    /// They were asked for, or will be once the photo is there.
    Awaited,
    There(Vec<photo::Channel>),
    /// Why there are none; one line.
    Failed(String),
}

impl Photo {
    /// A photo that is to be opened.
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

    /// What the worker is asked about the photo.
    pub fn question(&self, about: photo::About) -> photo::Question {
        photo::Question {
            photo: self.path.clone(),
            model: self.model.clone(),
            about,
        }
    }

    /// What is asked to see the channels of the layer.
    pub fn about_channels(&self) -> photo::About {
        photo::About::Channels {
            layer: self.layer.clone(),
            rank: self.rank,
            count: MAX_CHANNELS,
        }
    }

    /// The channels of the answer.
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

    /// What a run of a part of the layer climbs; `None` if the layer is not listed any more.
    pub fn target(
        &self,
        opened: &ModelInfo,
        place: LayerPart,
    ) -> Option<Result<Target, TargetError>> {
        let values = opened.values.iter();
        let layer = values.clone().find(|layer| layer.name == self.layer)?;
        Some(Target::of_layer(layer, place))
    }

    /// What can be run of a channel that is shown: the channel, and its most active neuron.
    pub fn targets(&self, opened: &ModelInfo, channel: &photo::Channel) -> Vec<Target> {
        let found = &channel.activation;
        let neuron = found.at.map(|at| LayerPart::Neuron(found.channel, at));
        let places = std::iter::once(LayerPart::Channel(found.channel)).chain(neuron);
        let targets = places.filter_map(|place| self.target(opened, place)?.ok());
        targets.collect()
    }

    /// What a channel of the layer is called, as everywhere else. Safe to show.
    pub fn title(&self, opened: &ModelInfo, channel: usize) -> String {
        let target = self.target(opened, LayerPart::Channel(channel));
        match target.and_then(Result::ok) {
            Some(target) => target.title,
            // It cannot be run.
            None => format!("{}:{channel}", shown(&self.layer)),
        }
    }

    /// The picture that is shown of the photo: with a class activation map, if that is there.
    pub fn picture(&self) -> Option<&Arc<RgbImage>> {
        let mapped = self.mapped.and_then(|class| self.map(class));
        mapped.or_else(|| self.photo.as_ref().map(|photo| &photo.picture))
    }

    /// The class activation map of a class, if it is there.
    pub fn map(&self, class: usize) -> Option<&Arc<RgbImage>> {
        let mut maps = self.maps.iter();
        maps.find(|(other, _)| *other == class).map(|(_, map)| map)
    }

    /// The class whose map comes after the one that is shown: those of [`photo::Photo::top`] in turn, then none.
    pub fn next_mapped(&self) -> Option<usize> {
        let top = self.photo.as_ref().map_or(&[][..], |photo| &photo.top);
        let at = |class| top.iter().position(|(other, _)| *other == class);
        let next = self
            .mapped
            .map_or(0, |class| at(class).map_or(0, |at| at + 1));
        top.get(next).map(|(class, _)| *class)
    }
}

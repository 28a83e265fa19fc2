//! The size of a model's input, and the meaning of its channels.

use crate::model::Error;
use serde::{Deserialize, Serialize};

/// The order of the channels in a colour model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    #[default]
    Rgb,
    Bgr,
}

/// The size of a model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSize {
    channels: Channels,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

/// Maximum number of channels of an input.
const MAX_CHANNELS: usize = 64;

/// The meaning of the channels of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    Grey,
    Colour,
    /// Another number, 2 or 4 to 64: red, green and blue repeatedly (stacked pictures, or spectral bands that start
    /// with these), except for the fourth of four channels, which is opacity.
    Many(usize),
}

impl Channels {
    /// # Errors
    /// [`Error::Channels`] if `count` is 0 or more than 64.
    pub fn from_count(count: usize) -> Result<Self, Error> {
        match count {
            1 => Ok(Self::Grey),
            3 => Ok(Self::Colour),
            2..=MAX_CHANNELS => Ok(Self::Many(count)),
            _ => Err(Error::Channels(count)),
        }
    }

    /// Number of channels.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Colour => 3,
            Self::Many(count) => count,
        }
    }

    /// The channels that are displayed as red, green and blue. `rgb_of_channel` is the colour of each of three
    /// channels.
    pub fn shown(self, rgb_of_channel: [usize; 3]) -> [usize; 3] {
        // The permutation of three channels is its own inverse.
        match self {
            Self::Grey => [0; 3],
            Self::Colour => rgb_of_channel,
            Self::Many(count) => rgb_of_channel.map(|channel| channel.min(count - 1)),
        }
    }
}

impl InputSize {
    /// # Errors
    /// [`Error::Channels`] if `channels` is 0 or more than 64.
    pub fn new(channels: usize, height: u32, width: u32) -> Result<Self, Error> {
        Ok(Self {
            channels: Channels::from_count(channels)?,
            height,
            width,
        })
    }

    /// The channels.
    pub fn channels(self) -> Channels {
        self.channels
    }
}

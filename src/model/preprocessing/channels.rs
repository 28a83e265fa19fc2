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

/// Most channels that an input may have.
const MAX_CHANNELS: usize = 64;

/// What the channels of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    Grey,
    Colour,
    /// Another number, 2 or 4 to 64: red, green and blue in turn (pictures one upon the other, bands of which these come
    /// first), but for the fourth of four, which is how opaque a pixel is.
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

    /// How many channels that is.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Colour => 3,
            Self::Many(count) => count,
        }
    }

    /// Which channel shows red, green and blue, where `rgb_of_channel` says what each of three channels is.
    pub fn shown(self, rgb_of_channel: [usize; 3]) -> [usize; 3] {
        // The order of three channels undoes itself: swapping red and blue twice changes nothing.
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

    /// What its channels are.
    pub fn channels(self) -> Channels {
        self.channels
    }
}

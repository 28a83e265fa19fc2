//! An opened classifier: which file it is, and what that file does not say about itself.
//!
//! - [`open`]: from what someone types to a model file, fetched and converted where it has to be
//! - [`network`]: the file once it is read: input, class scores, classes, preprocessing
//! - [`layers`]: what it is made of, and what of that can be visualised
//! - [`layout`]: which of a value's axes are channels, which are places of the picture
//! - [`card`]: model cards, the user's own and those that come with Ziggurat
//! - [`class_scores`]: which value holds the class scores, and what makes probabilities of them
//! - [`classes`]: class names, by index and back
//! - [`passes`]: what a file goes through before it is differentiated, and what of that can be left out
//! - [`preprocessing`]: from pictures to a model's input and back
//! - [`picture`]: pictures from disk
//! - [`receptive`]: how much of the picture each value can depend on
//! - [`report`]: a model summed up for a bug report
//! - [`zoo`]: builders for the models that can be fetched
//!
//! For the rooms above. Loading a model into ONNX Runtime and differentiating it are other rooms' business.

mod activation;
mod activations;
pub mod card;
pub mod class_scores;
pub mod classes;
mod entry;
mod error;
mod feed;
mod hints;
mod input;
pub mod layers;
pub mod layout;
pub mod network;
pub mod open;
pub mod passes;
pub mod picture;
mod places;
mod ports;
mod prefixes;
pub mod preprocessing;
pub mod receptive;
pub mod report;
mod sides;
mod text;
mod whole;
pub mod zoo;

use crate::near;

pub use activation::Activation;
pub use card::Card;
pub use class_scores::ClassScores;
pub use classes::Classes;
pub use error::Error;
pub use layers::Layer;
pub use layout::Layout;
pub use network::Network;
pub use open::{ModelFile, Source};
pub use ports::Ports;
pub use preprocessing::{
    Affine, ChannelOrder, Channels, Fit, InputSize, Origin, Preprocessing, Window,
};
pub use receptive::ReceptiveField;
pub use sides::Sides;

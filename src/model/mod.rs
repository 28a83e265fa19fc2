//! An opened classifier: which file it is, and what that file does not say about itself.
//!
//! - [`open`]: from what someone types to a model file, fetched and converted where it has to be
//! - [`card`]: model cards, the user's own and those that come with Ziggurat
//! - [`classes`]: class names, by index and back
//! - [`preprocessing`]: from pictures to a model's input and back
//! - [`picture`]: pictures from disk
//! - [`zoo`]: builders for the models that can be fetched
//!
//! For the rooms above. Loading a model into ONNX Runtime and differentiating it are other rooms' business.

pub mod card;
pub mod classes;
mod error;
mod near;
pub mod open;
pub mod picture;
pub mod preprocessing;
pub mod zoo;

pub use card::Card;
pub use classes::Classes;
pub use error::Error;
pub use open::{ModelFile, Source};
pub use preprocessing::{Affine, ChannelOrder, Channels, InputSize, Preprocessing};

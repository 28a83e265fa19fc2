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
//! - [`receptive_field`]: how much of the picture each value can depend on
//! - [`summary`]: a model summed up for a bug report
//! - [`zoo`]: builders for the models that can be fetched
//!
//! For the rooms above. Loading a model into ONNX Runtime and differentiating it are other rooms' business.

mod activation;
mod axis_order;
pub mod card;
pub mod class_scores;
pub mod classes;
mod error;
mod extra_inputs;
mod fused_ops;
mod image_input;
mod image_size;
mod input_scaling;
mod layer_filter;
pub mod layers;
pub mod layout;
mod metadata;
pub mod network;
pub mod open;
mod overrides;
pub mod passes;
pub mod picture;
mod prefixes;
pub mod preprocessing;
mod propagation;
pub mod receptive_field;
pub mod summary;
mod text_file;
pub mod zoo;

pub use activation::Activation;
pub use card::Card;
pub use class_scores::ClassScores;
pub use classes::Classes;
pub use error::Error;
pub use image_size::ImageSize;
pub use layers::Layer;
pub use layout::Layout;
pub use network::Network;
pub use open::{ModelFile, ModelSource};
pub use overrides::ModelOverrides;
pub use preprocessing::{
    Affine, ChannelOrder, Channels, Fit, InputSize, Origin, Preprocessing, Window,
};
pub use receptive_field::ReceptiveField;

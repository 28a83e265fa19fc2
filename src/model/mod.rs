//! Classifiers: model files, model cards, and opened networks.
//!
//! - [`open`]: resolves a name or path to a model file, and fetches published models
//! - [`network`]: an opened classifier: input, class scores, classes, preprocessing
//! - [`layers`]: its layers, and whether they are differentiable
//! - [`layout`]: which axes of a value are channels, and which are positions in the image
//! - [`card`]: model cards, built-in and of the user
//! - [`class_scores`]: the value of the class scores, and their activation
//! - [`classes`]: class names and their lookup
//! - [`passes`]: the pass pipeline before differentiation
//! - [`preprocessing`]: conversion between pictures and model input
//! - [`picture`]: decoding of picture files
//! - [`receptive_field`]: the receptive fields of values
//! - [`summary`]: a model summary for bug reports
//! - [`zoo`]: converters of published weights
//!
//! Sessions of ONNX Runtime are in [`crate::runtime`], differentiation is in [`crate::autodiff`].

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
mod interface;
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
pub use interface::{Extension, Interface};
pub use layers::Layer;
pub use layout::Layout;
pub use network::Network;
pub use open::{ModelFile, ModelSource};
pub use overrides::ModelOverrides;
pub use preprocessing::{
    Affine, ChannelOrder, Channels, Fit, InputSize, Origin, Preprocessing, Window,
};
pub use receptive_field::ReceptiveField;

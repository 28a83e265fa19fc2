//! The method: activation maximization by gradient ascent on the input image, its gradient decomposed by a Laplacian
//! pyramid and masked by the class activation map (Tao, Fu, Zhu and Wang 2017).
//!
//! - [`settings`]: every knob, with range, unit and default; presets
//! - [`objective`]: what is climbed
//! - [`octaves`]: canvas sizes from coarse to fine
//! - [`views`]: what the network sees of the canvas in a step
//! - [`resampling`]: resizing and pyramids as matrices
//! - [`colour`]: the decorrelated colour basis of the canvas
//! - [`spectrum`]: how strong each band and colour is in photographs
//! - [`cam`]: class activation maps
//! - [`step_graph`]: one step as one ONNX graph
//! - [`Ascent`]: drives it; [`Saved`] is one at rest
//! - [`probe`]: what a network says of given pictures: probabilities, a gradient, a class activation map
//! - [`layer_probe`]: which channels of a layer a given picture activates most, and where
//! - [`photo_map`]: the class activation map of an entire photo
//! - [`measurement`]: how fast a device steps, and how far it is from the CPU
//! - [`heat`]: a class activation map laid over a picture
//!
//! Used by `runs` and the command line; knows nothing of files, histories or terminals.

mod alike;
#[allow(clippy::module_inception)]
mod ascent;
pub mod cam;
mod canvas;
pub mod colour;
mod constants;
mod draw;
mod error;
pub mod heat;
pub mod layer_probe;
mod machine;
mod map_layer;
pub mod measurement;
mod not_finite;
pub mod objective;
pub mod octaves;
mod overlay;
pub mod photo_map;
mod preparation;
pub mod probe;
pub mod random;
pub mod resampling;
mod run;
mod saved;
pub mod settings;
pub mod spectrum;
pub mod step_graph;
mod stochastic_depth;
mod target;
mod unrectified;
pub mod views;

pub use ascent::{Ascent, Outcome, Report, Seen, TOP};
pub use error::Error;
pub use map_layer::MapChoice;
pub use objective::{ClassScore, Kind, Objective, Unit};
pub use overlay::Overlay;
pub use run::{Run, SHARED, Stage, difference, fixed, fixed_difference};
pub use saved::{At, RunAt, Saved};
pub use settings::Settings;

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
//! - [`Ascent`]: drives it; [`AscentState`] is one at rest
//! - [`probe`]: what a network says of given pictures: probabilities, a gradient, a class activation map
//! - [`layer_probe`]: which channels of a layer a given picture activates most, and where
//! - [`photo_map`]: the class activation map of an entire photo
//! - [`measurement`]: how fast a device steps, and how far it is from the CPU
//! - [`heat`]: a class activation map laid over a picture
//!
//! Used by `runs` and the command line; knows nothing of files, histories or terminals.

mod batch_invariance;
pub mod cam;
mod cam_layer;
mod canvas;
pub mod decorrelation;
mod driver;
mod error;
pub mod evaluate;
pub mod heatmap;
pub mod layer_probe;
pub mod measurement;
mod not_finite;
pub mod objective;
mod octave_inputs;
pub mod octaves;
mod overlay;
pub mod photo_map;
mod preparation;
pub mod random;
pub mod resampling;
mod run;
pub mod settings;
pub mod spectrum;
mod state;
pub mod step_graph;
mod step_randomness;
mod step_session;
mod stochastic_depth;
mod unit;
mod unrectified;
pub mod views;

pub use cam_layer::CamOptions;
pub use driver::{Ascent, Outcome, Prediction, StepReport, TOP_CLASSES};
pub use error::Error;
pub use objective::{ClassScore, Kind, Objective, Unit};
pub use overlay::Overlay;
pub use run::{BATCH_SETTINGS, Run, Stage, difference, fixed_difference, why_fixed};
pub use settings::Settings;
pub use state::{AscentProgress, AscentState, RunProgress};

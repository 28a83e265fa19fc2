//! The method: activation maximization by gradient ascent on the input image, its gradient decomposed by a Laplacian
//! pyramid and masked by the class activation map (Tao, Fu, Zhu and Wang 2017).
//!
//! - [`settings`]: every knob, with range, unit and default; presets
//! - [`objective`]: what is climbed
//! - [`resampling`]: rolling, resizing and pyramids as matrices
//! - [`step_graph`]: one step as one ONNX graph
//!
//! Used by `runs` and the command line; knows nothing of files, histories or terminals.

pub mod objective;
pub mod resampling;
pub mod settings;
pub mod step_graph;

pub use settings::Settings;

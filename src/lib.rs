//! Ziggurat shows what an ONNX image classifier has learned, by activation maximization: it differentiates the model's
//! graph into another ONNX graph, and ONNX Runtime runs the gradient ascent on the input of a class, channel or neuron.
//!
//! Modules are arranged in floors. A module uses only modules on lower floors; `tests/architecture.rs` checks that.
//!
//! | floor | module | contents |
//! |---|---|---|
//! | 5 | [`tui`] | the explorer |
//! | 4 | [`runs`] | what a run is, and the store of finished ones |
//! | 3 | [`ascent`] | the method: objectives, pyramid, class activation map, the step graph and its driver |
//! | 2 | [`model`] | an opened classifier: card, classes, preprocessing, layers |
//! | 1 | [`autodiff`] | reverse-mode differentiation from ONNX to ONNX |
//! | 1 | [`runtime`] | ONNX Runtime: the library, its providers, sessions and tensors |
//! | 1 | [`terminal`] | pictures in a terminal: what it can show, and how to show it |
//! | 0 | [`onnx`] | an ONNX file as plain data |
//! | 0 | [`config`] | the user's settings |
//! | – | [`home`], [`setting_value`], [`text`], [`files`], [`suggest`], `catch_panic` | for all modules: folders, setting values, text from outside, bounded reads and atomic writes, suggestions for mistyped names, panics as errors |

pub mod ascent;
pub mod autodiff;
mod catch_panic;
pub mod config;
pub mod files;
pub mod home;
pub mod model;
pub mod onnx;
pub mod runs;
pub mod runtime;
pub mod setting_value;
pub mod suggest;
pub mod terminal;
pub mod text;
pub mod tui;

//! Ziggurat shows what an ONNX image classifier has learned: it differentiates the model's graph into another ONNX
//! graph, and lets ONNX Runtime climb the gradient of a class, a channel or a neuron until a picture appears.
//!
//! The library is a house of floors; a room uses only the rooms below its own.
//!
//! | floor | room | what lives there |
//! |---|---|---|
//! | 5 | [`tui`] | the explorer |
//! | 4 | [`runs`] | what a run is, and the store of finished ones |
//! | 3 | [`ascent`] | the method: objectives, pyramid, class activation map, the step graph and its driver |
//! | 2 | [`model`] | an opened classifier: card, classes, preprocessing, layers |
//! | 2 | [`autodiff`] | reverse-mode differentiation from ONNX to ONNX |
//! | 1 | [`runtime`] | ONNX Runtime: the library, its providers, sessions and tensors |
//! | 1 | [`terminal`] | pictures in a terminal: what it can show, and how to show it |
//! | 0 | [`onnx`] | an ONNX file as plain data |
//! | 0 | [`config`] | the user's settings |
//! | – | [`home`], [`value`], [`text`], [`files`], `near`, `panics` | for all: where Ziggurat keeps its files, what a setting may be, how text from outside is shown, how a file is read and written, what a mistyped name may have meant, what becomes of a panic |

pub mod ascent;
pub mod autodiff;
pub mod config;
pub mod files;
pub mod home;
pub mod model;
mod near;
pub mod onnx;
mod panics;
pub mod runs;
pub mod runtime;
pub mod terminal;
pub mod text;
pub mod tui;
pub mod value;

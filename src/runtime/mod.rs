//! ONNX Runtime: the one room that talks to it.
//!
//! - [`package`]: fetches a pinned Python package with the user's own `pip` and keeps chosen files of it
//! - [`library`]: finds the shared library, or fetches it, and loads it once a process
//! - [`providers`]: where a session runs, and why not elsewhere; `trial` finds out with a small model
//! - [`nvidia`]: CUDA on this machine: the driver, NVIDIA's libraries, the build that suits them
//! - [`plugin`]: providers that come as libraries of their own, WebGPU first
//! - [`session`]: an opened model on host tensors, and how to stop a run
//! - [`binding`]: state that stays on the device from run to run
//! - [`tensors`]: host tensors and their element types
//! - [`inference`]: the dimensions of every value of a graph
//! - [`folding`]: what does not depend on the picture, computed beforehand
//!
//! Any room above may use it; it uses [`crate::home`] and [`crate::onnx`].

mod assignment;
pub mod binding;
mod device_copy;
mod error;
pub mod folding;
pub mod inference;
pub mod library;
#[cfg(test)]
mod models;
pub mod nvidia;
pub mod package;
pub mod plugin;
pub mod providers;
pub mod session;
pub mod tensors;
#[doc(hidden)]
pub mod testing;
mod trial;
mod weights;

pub use assignment::Assigned;
pub use binding::Loop;
pub use error::Error;
pub use library::{Found, Library, Origin};
pub use package::{Package, Progress, Stage};
pub use plugin::Plugin;
pub use providers::{Active, Device, Provider};
pub use session::{Optimisation, Options, Port, Session, Stop};
pub use tensors::{Element, Tensor};

//! ONNX Runtime: only this module calls it.
//!
//! - [`package`]: downloads a pinned Python package with the user's `pip` and keeps selected files of it
//! - [`library`]: finds or downloads the shared library, and loads it once per process
//! - [`device`]: what sessions run on
//! - [`registration`]: registers the provider of a device with a session
//! - [`providers`]: resolves `--provider` to a device, with the reason if it does not work; `trial`
//!   runs a small model there
//! - [`nvidia`]: CUDA on this machine: the driver, NVIDIA's libraries, the build that suits them
//! - `shared_library`: checks a library before the system's loader maps it
//! - [`plugin`]: providers that are libraries of their own, such as WebGPU
//! - [`session`]: an opened model on host tensors, and cancellation; `open` opens it by provider
//! - `external_weights`: constants that sessions read from shared memory; `matrices`: those that can be inputs
//! - [`io_loop`]: state that stays on the device from run to run; [`capture`] records such runs and replays them
//! - [`tensors`]: host tensors and their element types
//! - [`operators`]: operators of Ziggurat's own, for the CPU
//! - [`shape_inference`]: the types of every value of a graph
//! - `evaluator`: both for the passes of [`crate::onnx`], which evaluate constants in advance
//!
//! Modules on higher floors may use it; it uses [`crate::home`] and [`crate::onnx`].

pub mod capture;
pub mod device;
mod device_copy;
mod environments;
mod error;
mod evaluator;
mod external_weights;
mod failure;
pub mod io_loop;
pub mod library;
mod matrices;
mod messages;
pub mod nvidia;
mod open;
pub mod operators;
pub mod package;
mod placement;
pub mod plugin;
pub mod provider_list;
pub mod providers;
pub mod registration;
pub mod session;
pub mod shape_inference;
mod shared_library;
pub mod tensors;
#[cfg(test)]
mod test_models;
#[doc(hidden)]
pub mod testing;
mod trial;

pub use device::Device;
pub use error::Error;
pub use evaluator::OnnxRuntime;
pub use io_loop::DeviceLoop;
pub use library::{Library, LibraryOrigin, LocatedLibrary};
pub use package::{Package, ProgressCallback, Stage};
pub use placement::NodePlacement;
pub use plugin::Plugin;
pub use provider_list::{ProviderList, ResolvedProviders};
pub use providers::{Provider, ResolvedProvider};
pub use session::{CancelHandle, Optimisation, Port, Session, SessionOptions};
pub use tensors::{PortType, Tensor};

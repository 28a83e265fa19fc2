//! The method: activation maximization by gradient ascent on the input image, its gradient decomposed by a Laplacian
//! pyramid and masked by the class activation map (Tao, Fu, Zhu and Wang 2017).
//!
//! - [`settings`]: every setting with range, unit and default; presets
//! - [`objective`]: the score that is maximized
//! - [`octaves`]: canvas sizes from coarse to fine
//! - [`views`]: random views of the canvas
//! - [`resampling`]: resizing and pyramids as matrices
//! - [`decorrelation`]: the decorrelated colour basis of the canvas
//! - [`spectrum`]: the strength of bands and colours in photographs
//! - [`cam`]: class activation maps
//! - [`step_graph`]: one step as one ONNX graph
//! - [`Ascent`]: the driver; [`AscentState`] is its saved state
//! - [`evaluate`]: probabilities, gradients and class activation maps of existing pictures
//! - [`layer_probe`]: the channels of a layer that a picture activates most
//! - [`photo_map`]: the class activation map of an entire photo
//! - [`cam_model()`]: a classifier with its class activation map as a further output
//! - [`measurement`]: the speed and accuracy of a device
//! - [`heatmap`]: class activation maps in colour
//!
//! Used by `runs` and the command line. Independent of files, the history and terminals.
//!
//! A picture of what a network takes for a flamingo:
//!
//! ```no_run
//! use ziggurat::ascent::{Ascent, Objective, Run, Settings, Unit};
//! use ziggurat::model::{ModelSource, Network};
//! use ziggurat::runtime::{CancelHandle, Device, Library, package::quiet};
//!
//! let home = ziggurat::home::Home::locate()?;
//! Library::load(&home, &quiet)?;
//! let file = ModelSource::resolve(&home, Some("resnet50.onnx"))?.open(&home, &quiet)?;
//! let network = Network::open(&file)?;
//! let class = Unit::new(network.classes.find("flamingo")?);
//! let run = Run::new(class, 0, Settings::default());
//! let (objective, stop) = (Objective::class(&network)?, CancelHandle::default());
//! let mut ascent = Ascent::new(&network, &objective, &[run], Device::Cpu, &stop)?;
//! while let Some(report) = ascent.step()? {
//!     println!("step {}: score {:.2}", report.step, report.scores[0]);
//! }
//! ascent.pictures()?[0].save("flamingo.png")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch_invariance;
pub mod cam;
mod cam_layer;
mod cam_model;
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
mod scored;
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
pub use cam_model::{CamModel, CamRequest, cam_model};
pub use driver::{Ascent, Outcome, Prediction, StepReport, TOP_CLASSES};
pub use error::Error;
pub use objective::{ClassScore, Kind, Objective, Unit};
pub use overlay::Overlay;
pub use run::{BATCH_SETTINGS, Run, Stage, difference, fixed_difference, why_fixed};
pub use settings::Settings;
pub use state::{AscentProgress, AscentState, RunProgress};

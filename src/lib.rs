//! Ziggurat shows what an ONNX image classifier has learned, by activation maximization: it differentiates the model's
//! graph into another ONNX graph, and ONNX Runtime runs the gradient ascent on the input of a class, channel or neuron.
//!
//! Modules are arranged in floors. A module uses only modules on lower floors; `tests/architecture.rs` checks that.
//! Those without a floor serve all others.
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
//! | – | [`home`], [`files`] | Ziggurat's folders; bounded reads and atomic writes |
//! | – | [`text`], [`suggest`] | text from outside; suggestions for mistyped names |
//! | – | [`setting_value`], [`variables`] | values of settings; environment variables |
//! | – | `catch_panic` | panics as errors |
//!
//! # As a library
//! - [`autodiff::gradient_model()`]: any model with its gradient as further outputs
//! - [`ascent::cam_model()`]: a classifier with its class activation map as a further output
//! - [`ascent::Ascent`]: the method; [`ascent::evaluate`]: gradients and maps of pictures
//!
//! Activation maximization in its simplest form, by the gradient alone:
//!
//! ```
//! use ndarray::{Array2, ArrayD};
//! use ziggurat::autodiff::{GradientRequest, gradient_model};
//! use ziggurat::onnx::file;
//! use ziggurat::runtime::{OnnxRuntime, SessionOptions, Provider, Session, Tensor};
//! # use ziggurat::onnx::types::untyped_value;
//! # use ziggurat::onnx::{Builder, ElementType, proto::Dim};
//! # ziggurat::runtime::testing::library();
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("classifier.onnx");
//! # let mut builder = Builder::empty(18, "");
//! # builder.input("image", ElementType::F32, &[1, 3, 8, 8].map(Dim::DimValue))?;
//! # let wave: Vec<f32> = (0..120).map(|place| (place as f32 * 1.7).sin()).collect();
//! # let filters = builder.floats(&[10, 3, 2, 2], &wave);
//! # let features = builder.emit("Conv", &["image", &filters], &[]);
//! # let features = builder.emit("Tanh", &[&features], &[]);
//! # let pooled = builder.emit("GlobalAveragePool", &[&features], &[]);
//! # builder.emit_named("logits", "Flatten", &[&pooled], &[])?;
//! # file::write(builder.graph().to_model(&[untyped_value("logits")])?, &path, None)?;
//!
//! let request = GradientRequest { seeds: true, ..GradientRequest::default() };
//! let result = gradient_model(file::read(&path)?, &request, &OnnxRuntime)?;
//! let mut session = Session::open_model(&result.model, Provider::Cpu, &SessionOptions::default())?;
//! let mut class = Array2::<f32>::zeros((1, 10));
//! class[[0, 7]] = 1.0;
//! let class = Tensor::from(class);
//! let mut image = ArrayD::<f32>::zeros(vec![1, 3, 8, 8]);
//! let mut scores = Vec::new();
//! for _ in 0..20 {
//!     let inputs = [("image", &Tensor::from(image.clone())), ("seed/logits", &class)];
//!     let outputs = session.run(&inputs, &["logits", "grad/image"])?;
//!     scores.push(outputs[0].as_f32().unwrap()[[0, 7]]);
//!     let gradient = outputs[1].as_f32().unwrap();
//!     let size = gradient.mapv(f32::abs).mean().unwrap();
//!     image += &(gradient * (0.05 / size));
//! }
//! assert!(scores[19] > scores[0] + 0.2, "{scores:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub mod variables;

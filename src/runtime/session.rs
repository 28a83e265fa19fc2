//! An opened model: its inputs and outputs, runs on host tensors, cancellation from another thread.

mod cancel;
mod port;
mod threads;

pub use threads::{cores, share_cores};

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use no_denormals::no_denormals;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, RunOptions, Session as OrtSession, SessionOutputs};

pub use cancel::CancelHandle;
pub use port::Port;

use port::port;

use super::external_weights::Weights;
use super::matrices::Matrices;
use super::placement::{self, NodePlacement};
use super::{Device, Error, Library, Tensor, capture, operators};
use crate::catch_panic;
use crate::onnx::file;
use crate::onnx::proto::ModelProto;

/// How far ONNX Runtime optimizes the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Optimisation {
    /// Not at all.
    None,
    /// Constants folded, redundant nodes removed; the result is standard ONNX.
    Basic,
    /// Nodes fused as well.
    Extended,
    /// Layouts changed as well.
    #[default]
    All,
}

/// Options of a session. The defaults optimize for speed and round nothing that the model does not round.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// How far the graph is optimized.
    pub optimisation: Optimisation,
    /// Threads per node on the CPU; `None`: one per physical core that this process may use.
    pub threads: Option<usize>,
    /// Record the provider of each node, for [`Session::placement`].
    pub record_placement: bool,
    /// The folder of the model's external data, if it has any.
    pub folder: Option<PathBuf>,
    /// Use TF32 on NVIDIA GPUs (10 bits of mantissa for the factors of products): several times
    /// faster, but the relative error of a gradient is some 17 %.
    pub tf32: bool,
    /// Register [`super::operators`], on the CPU. Not for the models of users: theirs have other operators.
    pub operators: bool,
    /// Treat subnormal numbers as 0 on the CPU, where arithmetic with them is up to a hundred times slower. A softmax
    /// of masked tokens, for example, is full of them.
    pub flush_subnormals: bool,
    /// Open soon rather than run fast: weights are not arranged for the kernels, which takes longer than a run and as
    /// much memory as the weights. On the CPU, large matrices are not even copied.
    pub runs_once: bool,
    /// Let a [`super::DeviceLoop`] record its steps and replay them, see [`super::capture`]. Opening fails if the
    /// device cannot record all nodes.
    pub graph_capture: bool,
    /// Where to write the optimized graph. The session is slow: it is meant to be closed again.
    pub optimised: Option<PathBuf>,
    /// Cancels opening and running. Several sessions may share a handle.
    pub stop: CancelHandle,
}

/// A model, ready to run.
pub struct Session {
    pub(super) inner: OrtSession,
    device: Device,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    run_options: Arc<RunOptions>,
    captures: bool,
    /// Per input: whether the nodes that read it do so on the host.
    on_host: Vec<bool>,
    /// Cancels its runs.
    pub(super) stop: CancelHandle,
    flushes_subnormals: bool,
    /// The total duration of its runs.
    busy: Duration,
    /// Weights that are inputs of `inner`.
    matrices: Weights,
    /// Read by `inner`, so dropped after it.
    _weights: Weights,
}

/// The model of a session.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// The bytes of an ONNX file.
    File(&'a [u8]),
    /// A model whose weights are in memory.
    Model(&'a ModelProto),
}

impl Session {
    /// Opens a model on `device`, whether that works or not.
    ///
    /// # Errors
    /// If no library is loaded, the device cannot be used, or ONNX Runtime refuses the model.
    pub(super) fn on_device(
        model: Source,
        device: Device,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        let library = Library::loaded()?;
        let (model, mut weights, matrices) = split_weights(model, device, options)?;
        let inner = open_on(device, library, &model, &mut weights, options)?;
        let run_options = capture::no_graph().map_err(Error::model)?;
        options.stop.watch_runs(&run_options);
        let on_host = match device {
            Device::Cpu => vec![true; inner.inputs().len()],
            _ => placement::inputs_on_host(&inner)?,
        };
        Ok(Self {
            captures: options.graph_capture && device != Device::Cpu,
            on_host,
            inputs: (inner.inputs().iter())
                .filter(|input| !matrices.contains(input.name()))
                .map(Port::from_outlet)
                .collect(),
            outputs: inner.outputs().iter().map(Port::from_outlet).collect(),
            inner,
            device,
            run_options,
            stop: options.stop.clone(),
            flushes_subnormals: options.flush_subnormals,
            busy: Duration::ZERO,
            matrices,
            _weights: weights,
        })
    }

    /// The device that it runs on.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The total duration of its runs, copies to and from the device included.
    pub fn busy(&self) -> Duration {
        self.busy
    }

    /// Adds the duration of copies that were not made by a run.
    pub(super) fn add_busy(&mut self, duration: Duration) {
        self.busy += duration;
    }

    /// Whether its runs can be recorded and replayed.
    pub(super) fn captures(&self) -> bool {
        self.captures
    }

    /// Whether the nodes that read an input do so on the host.
    pub(super) fn reads_on_host(&self, input: &str) -> bool {
        let place = self.inputs.iter().position(|port| port.name == input);
        place.is_none_or(|place| self.on_host[place])
    }

    /// Options of runs that are recorded the first time and replayed from then on.
    pub(super) fn new_graph(&self) -> Result<Arc<RunOptions>, Error> {
        let options = capture::new_graph().map_err(Error::run)?;
        self.stop.watch_runs(&options);
        Ok(options)
    }

    /// The error of an operation on the session's device.
    pub(super) fn failed(&self, error: impl std::fmt::Display) -> Error {
        Error::on(self.device, error)
    }

    /// The model's inputs, in its order.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The model's outputs, in its order.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The provider of each node of the optimized graph.
    ///
    /// # Errors
    /// If the session was not opened with [`SessionOptions::record_placement`].
    pub fn placement(&self) -> Result<Vec<NodePlacement>, Error> {
        placement::of_session(&self.inner)
    }

    /// Runs the model on `inputs` and returns these outputs, in this order.
    ///
    /// # Errors
    /// If a name is not the model's, an input is missing or does not fit, the run fails, or it is stopped.
    pub fn run(
        &mut self,
        inputs: &[(&str, &Tensor)],
        outputs: &[&str],
    ) -> Result<Vec<Tensor>, Error> {
        let mut binding = self.inner.create_binding().map_err(Error::run)?;
        for (name, tensor) in inputs {
            self.bind_input(&mut binding, name, tensor)?;
        }
        self.all_given(|name| inputs.iter().any(|(given, _)| *given == name))?;
        self.matrices.bind(&mut binding)?;
        self.bind_to_host(&mut binding, outputs)?;
        let device = self.device;
        let results = self.run_bound(&binding, None)?;
        read(&results, outputs, device)
    }

    /// The input of this name.
    pub(super) fn input(&self, name: &str) -> Result<&Port, Error> {
        port("input", &self.inputs, name)
    }

    /// The output of this name.
    pub(super) fn output(&self, name: &str) -> Result<&Port, Error> {
        port("output", &self.outputs, name)
    }

    /// Whether every input of the model has a value.
    pub(super) fn all_given(&self, given: impl Fn(&str) -> bool) -> Result<(), Error> {
        match self.inputs.iter().find(|port| !given(&port.name)) {
            Some(port) => Err(Error::NoValue(port.name.clone())),
            None => Ok(()),
        }
    }

    /// Binds an input to a host tensor, which ONNX Runtime copies to the device if needed.
    pub(super) fn bind_input(
        &self,
        binding: &mut IoBinding,
        name: &str,
        tensor: &Tensor,
    ) -> Result<(), Error> {
        self.input(name)?.check_tensor(tensor)?;
        // A copy to the device may fail for want of memory.
        let value = tensor.to_value().map_err(Error::run)?;
        binding
            .bind_input(name, &value)
            .map_err(|error| self.failed(error))
    }

    /// Binds outputs to host memory.
    pub(super) fn bind_to_host(
        &self,
        binding: &mut IoBinding,
        outputs: &[&str],
    ) -> Result<(), Error> {
        let host = MemoryInfo::new(
            AllocationDevice::CPU,
            0,
            AllocatorType::Device,
            MemoryType::Default,
        )
        .map_err(Error::run)?;
        for name in outputs {
            let port = self.output(name)?;
            if !port.elem().is_some_and(Tensor::can_hold) {
                return Err(Error::Unsupported {
                    name: port.name.clone(),
                    element: port.port_type.to_string(),
                });
            }
            binding
                .bind_output_to_device(*name, &host)
                .map_err(Error::run)?;
        }
        Ok(())
    }

    /// Runs the model on what is bound, unless stopped. `graph` is the recording of this binding, if it has one.
    pub(super) fn run_bound<'b>(
        &'b mut self,
        binding: &'b IoBinding,
        graph: Option<&RunOptions>,
    ) -> Result<SessionOutputs<'b>, Error> {
        if self.stop.is_stopped() {
            return Err(Error::Stopped);
        }
        let (stop, device) = (&self.stop, self.device);
        let start = Instant::now();
        let options = graph.unwrap_or(&self.run_options);
        let results = if self.flushes_subnormals {
            // ONNX Runtime's own threads flush them, too.
            // SAFETY: the kernels do not depend on subnormal numbers, and the mode of this thread ends with the run.
            unsafe { no_denormals(|| self.inner.run_binding_with_options(binding, options)) }
        } else {
            self.inner.run_binding_with_options(binding, options)
        };
        self.busy += start.elapsed();
        results.map_err(|error| {
            if stop.is_stopped() {
                Error::Stopped
            } else {
                Error::on(device, error)
            }
        })
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("device", &self.device)
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// Host copies of a run's results, in the order of `names`.
pub(super) fn read(
    results: &SessionOutputs<'_>,
    names: &[&str],
    device: Device,
) -> Result<Vec<Tensor>, Error> {
    names
        .iter()
        .map(|name| {
            let missing = || Error::Run {
                reason: format!("output `{name}` was not computed"),
            };
            let value = results.get(name).ok_or_else(missing)?;
            let tensor = value.view().downcast().map_err(Error::run)?;
            Tensor::read(name, &tensor, device)
        })
        .collect()
}

fn open_on(
    device: Device,
    library: &'static Library,
    model: &[u8],
    weights: &mut Weights,
    options: &SessionOptions,
) -> Result<OrtSession, Error> {
    if options.stop.is_stopped() {
        return Err(Error::Stopped);
    }
    let builder = configure(library, options).map_err(Error::model)?;
    let mut builder = device.register(library, builder, options)?;
    if options.operators && device == Device::Cpu {
        operators::introduce(library);
        let operators = operators::domain().map_err(Error::model)?;
        builder = builder.with_operators(operators).map_err(Error::model)?;
    }
    weights.attach(&mut builder, options.optimisation == Optimisation::None)?;
    let _watched = options.stop.watch_load(builder.canceler());
    // The binding panics at a dimension below -1, which ONNX Runtime infers for windows larger than their input.
    let opened = catch_panic::catch(|| builder.commit_from_memory(model)).map_err(|why| {
        tracing::debug!(why, "the binding cannot read the types of inputs and outputs");
        Error::model(
            "an input or output has a negative size: a window is larger than its input; a larger picture may help",
        )
    })?;
    opened.map_err(|error| {
        let message = error.to_string();
        if options.stop.is_stopped() {
            Error::Stopped
        } else {
            Error::opening(device, &message)
        }
    })
}

/// The bytes of a model, the constants that are left out of them because the device reads them from shared memory, and
/// those that are inputs.
fn split_weights<'m>(
    model: Source<'m>,
    device: Device,
    options: &SessionOptions,
) -> Result<(Cow<'m, [u8]>, Weights, Weights), Error> {
    let none = Weights::default;
    match model {
        Source::File(bytes) => Ok((Cow::Borrowed(bytes), none(), none())),
        Source::Model(model) if device != Device::Cpu => {
            Ok((file::encode(model)?.into(), none(), none()))
        }
        Source::Model(model) => {
            let mut model = model.clone();
            let matrices = if options.runs_once {
                Matrices::detach(&mut model)
            } else {
                Matrices::default()
            };
            let weights = Weights::detach(&mut model);
            Ok((
                file::encode(&model)?.into(),
                weights,
                matrices.into_weights(),
            ))
        }
    }
}

/// A builder with every option set but the provider.
fn configure(library: &Library, options: &SessionOptions) -> ort::Result<SessionBuilder> {
    let level = match options.optimisation {
        Optimisation::None => GraphOptimizationLevel::Disable,
        Optimisation::Basic => GraphOptimizationLevel::Level1,
        Optimisation::Extended => GraphOptimizationLevel::Level2,
        Optimisation::All => GraphOptimizationLevel::All,
    };
    let mut builder = OrtSession::builder(library.environment())?
        .with_optimization_level(level)?
        .with_intra_threads(options.threads.unwrap_or_else(threads::for_this_process))?;
    if !threads::may_spin() {
        builder = builder.with_intra_op_spinning(false)?;
    }
    // Without it, ONNX Runtime multiplies with 8-bit weights in 8 bits; nothing is to be rounded
    // that the model does not round.
    builder = builder.with_config_entry("session.qdq_matmulnbits_accuracy_level", "1")?;
    if options.flush_subnormals {
        builder = builder.with_config_entry("session.set_denormal_as_zero", "1")?;
    }
    if options.record_placement {
        builder = builder.with_config_entry("session.record_ep_graph_assignment_info", "1")?;
    }
    if let Some(folder) = &options.folder {
        builder = builder.with_config_entry(
            "session.model_external_initializers_file_folder_path",
            folder.to_string_lossy(),
        )?;
    }
    if let Some(path) = &options.optimised {
        builder = builder.with_optimized_model_path(path)?;
    }
    // Weights that are arranged for the kernels are not part of the optimized model.
    if options.runs_once || options.optimised.is_some() {
        builder = builder.with_config_entry("session.disable_prepacking", "1")?;
    }
    Ok(builder)
}

#[cfg(test)]
mod tests;

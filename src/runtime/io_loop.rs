//! State that stays on the device from run to run: the outputs of a step are the inputs of the next one, without a copy
//! (ping-pong I/O binding). All other values have fixed places on the device as well.

mod buffer;

use std::sync::Arc;
use std::time::Instant;

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, RunOptions};
use ort::value::DynTensor;

use super::session::read;
use super::{Device, Error, Library, PortType, Session, Tensor, tensors};
use buffer::Buffer;

/// One value of the state: the output `output` of a step is the input `input` of the next.
#[derive(Debug)]
struct StateBuffers {
    input: String,
    output: String,
    /// Two tensors on the device: in phase `p` the model reads `buffers[p]` and writes the other.
    buffers: [DynTensor; 2],
}

/// A step graph being run again and again. Its state lives in pairs of device tensors that swap roles from step to
/// step; every other value has one device tensor. So all steps of one side of the pair have the same addresses, and a
/// device that can record a step replays it (see [`super::capture`]).
#[derive(Debug)]
pub struct DeviceLoop {
    carried: Vec<StateBuffers>,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
    /// One binding per phase: `phases[p]` reads `buffers[p]` of each state.
    phases: [BufferPhase; 2],
    phase: usize,
    /// The session it was made for, for comparison only.
    session: usize,
    /// Where its buffers are.
    device: Device,
    allocator: Allocator,
}

struct BufferPhase {
    binding: IoBinding,
    /// The bound outputs that are no state.
    read: Vec<String>,
    /// The recording of this binding, once it is to be used.
    graph: Option<Arc<RunOptions>>,
}

impl DeviceLoop {
    /// Prepares a loop over `state`: (input's name, output's name, initial value). The initial value's shape is the
    /// state's shape in every step.
    ///
    /// # Errors
    /// If a name is not the model's, a value does not fit, or the device lacks memory.
    pub fn new(session: &Session, state: &[(&str, &str, &Tensor)]) -> Result<Self, Error> {
        let allocator = allocator(session)?;
        let mut carried = Vec::with_capacity(state.len());
        for (input, output, initial) in state {
            session.input(input)?.check_tensor(initial)?;
            session.output(output)?.check_tensor(initial)?;
            let buffer = || {
                tensors::allocate(initial.elem(), &allocator, initial.shape())
                    .map_err(|error| session.failed(error))
            };
            let mut buffers = [buffer()?, buffer()?];
            initial
                .write(&mut buffers[0])
                .map_err(|error| session.failed(error))?;
            carried.push(StateBuffers {
                input: input.to_string(),
                output: output.to_string(),
                buffers,
            });
        }
        let phases = [
            BufferPhase::new(session, &mut carried, 0)?,
            BufferPhase::new(session, &mut carried, 1)?,
        ];
        Ok(Self {
            carried,
            inputs: Vec::new(),
            outputs: Vec::new(),
            phases,
            phase: 0,
            session: identity(session),
            device: session.device(),
            allocator,
        })
    }

    /// Sets an input for all following steps; it is copied to the device once.
    ///
    /// # Errors
    /// If the name is not the model's or the value does not fit.
    pub fn set(&mut self, session: &Session, name: &str, value: &Tensor) -> Result<(), Error> {
        self.belongs_to(session)?;
        self.write(session, &[(name, value)])?;
        for input in self.inputs.iter_mut().filter(|input| input.name == name) {
            input.is_constant = true;
        }
        Ok(())
    }

    /// Runs one step on the state and `inputs`, and returns the outputs that `read` names, in that
    /// order. If it fails or is stopped, the state is as before.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn step(
        &mut self,
        session: &mut Session,
        inputs: &[(&str, &Tensor)],
        read_names: &[&str],
    ) -> Result<Vec<Tensor>, Error> {
        self.belongs_to(session)?;
        session.all_given(|name| {
            let is_constant = |input: &Buffer| input.is_constant && input.name == name;
            inputs.iter().any(|(given, _)| *given == name)
                || self.inputs.iter().any(is_constant)
                || self.carried.iter().any(|carried| carried.input == name)
        })?;
        let start = Instant::now();
        self.write(session, inputs)?;
        session.add_busy(start.elapsed());
        // A state's output is always bound.
        let other: Vec<&str> = (read_names.iter().copied())
            .filter(|name| self.carried.iter().all(|carried| carried.output != *name))
            .collect();
        if self.phases[self.phase].read != other {
            self.bind_outputs(session, &other)?;
        }
        let graph = self.graph(session)?;
        let is_placed = |name: &&str| self.outputs.iter().any(|output| output.name == **name);
        let from_host: Vec<&str> = (other.iter().copied())
            .filter(|name| !is_placed(name))
            .collect();
        let results = session.run_bound(&self.phases[self.phase].binding, graph.as_deref())?;
        let mut from_host = read(&results, &from_host, self.device)?.into_iter();
        drop(results);
        let start = Instant::now();
        buffer::copy_to_host(&mut self.outputs, &other).map_err(|error| session.failed(error))?;
        self.phase = 1 - self.phase;
        let read = read_names.iter().map(|name| {
            if let Some(carried) = self.carried.iter().find(|one| one.output == *name) {
                return Tensor::read(name, &carried.buffers[self.phase], self.device);
            }
            match self.outputs.iter().find(|output| output.name == *name) {
                Some(output) => Tensor::read(name, &output.host, self.device),
                None => from_host.next().ok_or_else(|| Error::Run {
                    reason: format!("output `{name}` was not computed"),
                }),
            }
        });
        let read = read.collect();
        session.add_busy(start.elapsed());
        read
    }

    /// A copy of the current state of the input `name`.
    ///
    /// # Errors
    /// If the input carries no state, or the device fails.
    pub fn state(&self, name: &str) -> Result<Tensor, Error> {
        let carried = find(&self.carried, name)?;
        Tensor::read(
            name,
            &self.carried[carried].buffers[self.phase],
            self.device,
        )
    }

    /// A copy of what the state of the input `name` was before the last step. There must have been one, with no
    /// [`DeviceLoop::reset`] since.
    ///
    /// # Errors
    /// If the input carries no state, or the device fails.
    pub fn previous(&self, name: &str) -> Result<Tensor, Error> {
        let carried = find(&self.carried, name)?;
        Tensor::read(
            name,
            &self.carried[carried].buffers[1 - self.phase],
            self.device,
        )
    }

    /// Replaces the current state of the input `name` by a value of the same type and shape.
    ///
    /// # Errors
    /// If the input carries no state, the value does not fit, or the device fails.
    pub fn reset(&mut self, name: &str, value: &Tensor) -> Result<(), Error> {
        let carried = find(&self.carried, name)?;
        let buffer = &mut self.carried[carried].buffers[self.phase];
        let shape = buffer::extents(buffer);
        let element = PortType::from_ort(buffer.dtype());
        if value.shape() != shape || PortType::Tensor(value.elem()) != element {
            return Err(Error::Mismatch {
                name: name.to_string(),
                wanted: format!("{element} {shape:?}"),
                got: value.describe(),
            });
        }
        let device = self.device;
        value
            .write(buffer)
            .map_err(|error| Error::on(device, error))
    }

    fn belongs_to(&self, session: &Session) -> Result<(), Error> {
        if identity(session) == self.session {
            return Ok(());
        }
        Err(Error::Run {
            reason: "the device loop belongs to another session".into(),
        })
    }

    fn not_carried(&self, name: &str) -> Result<(), Error> {
        if self.carried.iter().all(|carried| carried.input != name) {
            return Ok(());
        }
        Err(Error::Run {
            reason: format!("input `{name}` is a state: use reset to replace it"),
        })
    }

    /// Copies values of inputs that are no state to their places; all are checked first.
    fn write(&mut self, session: &Session, values: &[(&str, &Tensor)]) -> Result<(), Error> {
        for (name, tensor) in values {
            self.not_carried(name)?;
            session.input(name)?.check_tensor(tensor)?;
        }
        for (name, tensor) in values {
            self.place_input(session, name, tensor)?;
        }
        buffer::write(&mut self.inputs, values).map_err(|error| session.failed(error))
    }

    /// Makes a place for an input and binds it, unless it has one of the value's shape.
    fn place_input(&mut self, session: &Session, name: &str, value: &Tensor) -> Result<(), Error> {
        let known = self.inputs.iter().position(|input| input.name == name);
        let has_shape = |place: usize| buffer::extents(&self.inputs[place].host) == value.shape();
        if known.is_some_and(has_shape) {
            return Ok(());
        }
        let memory = (!session.reads_on_host(name)).then_some(&self.allocator);
        let new = Buffer::new(name, value.elem(), value.shape(), memory);
        let new = new.map_err(|error| session.failed(error))?;
        for phase in &mut self.phases {
            phase.graph = None;
            phase
                .binding
                .bind_input(name, new.bound())
                .map_err(|error| session.failed(error))?;
        }
        match known {
            Some(place) => self.inputs[place] = new,
            None => self.inputs.push(new),
        }
        Ok(())
    }

    /// Binds the outputs of the current phase: the state's to the other buffers, `names` to their places. An output
    /// without one comes back to the host.
    fn bind_outputs(&mut self, session: &Session, names: &[&str]) -> Result<(), Error> {
        let known = self.outputs.len();
        for name in names {
            self.place_output(session, name)?;
        }
        if self.outputs.len() > known {
            // A recording may use the memory of a new place for its own results.
            self.phases.iter_mut().for_each(|phase| phase.graph = None);
        }
        let phase = &mut self.phases[self.phase];
        phase.bind_state_outputs(&mut self.carried, self.phase)?;
        let mut to_host = Vec::new();
        for name in names {
            match self.outputs.iter_mut().find(|output| output.name == *name) {
                Some(output) => phase
                    .binding
                    .bind_output(*name, output.bound_mut())
                    .map_err(Error::run)?,
                None => to_host.push(*name),
            }
        }
        session.bind_to_host(&mut phase.binding, &to_host)?;
        phase.read = names.iter().map(|name| name.to_string()).collect();
        Ok(())
    }

    /// Allocates a buffer on the device for an output, if the model declares its shape.
    fn place_output(&mut self, session: &Session, name: &str) -> Result<(), Error> {
        let port = session.output(name)?;
        let dims: Option<Vec<usize>> = (port.dims.iter())
            .map(|dim| usize::try_from((*dim)?).ok())
            .collect();
        let is_known = self.outputs.iter().any(|output| output.name == name);
        let elem = port.elem().filter(|&elem| Tensor::can_hold(elem));
        let on_host = session.device() == Device::Cpu;
        let (Some(elem), Some(dims), false) = (elem, dims, is_known || on_host) else {
            return Ok(());
        };
        let new = Buffer::new(name, elem, &dims, Some(&self.allocator));
        self.outputs
            .push(new.map_err(|error| session.failed(error))?);
        Ok(())
    }

    /// The recording of the current phase, if its steps are recorded: all outputs must have places.
    fn graph(&mut self, session: &Session) -> Result<Option<Arc<RunOptions>>, Error> {
        let phase = &mut self.phases[self.phase];
        let is_placed = |name: &String| self.outputs.iter().any(|output| output.name == *name);
        if !session.captures() || !phase.read.iter().all(is_placed) {
            return Ok(None);
        }
        if phase.graph.is_none() {
            phase.graph = Some(session.new_graph()?);
        }
        Ok(phase.graph.clone())
    }
}

impl BufferPhase {
    fn new(session: &Session, carried: &mut [StateBuffers], phase: usize) -> Result<Self, Error> {
        let mut new = Self {
            binding: session.inner.create_binding().map_err(Error::run)?,
            read: Vec::new(),
            graph: None,
        };
        for carried in carried.iter() {
            new.binding
                .bind_input(&carried.input, &carried.buffers[phase])
                .map_err(Error::run)?;
        }
        new.bind_state_outputs(carried, phase)?;
        Ok(new)
    }

    /// Binds the state's outputs to the other buffers, and no other output.
    fn bind_state_outputs(
        &mut self,
        carried: &mut [StateBuffers],
        phase: usize,
    ) -> Result<(), Error> {
        self.graph = None;
        self.binding.clear_outputs();
        // Forgotten first, so that a failure below leads to a new attempt and not to a wrong result.
        self.read.clear();
        for carried in carried {
            self.binding
                .bind_output(&carried.output, &mut carried.buffers[1 - phase])
                .map_err(Error::run)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for BufferPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BufferPhase")
            .field("binding", &self.binding)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

fn find(carried: &[StateBuffers], name: &str) -> Result<usize, Error> {
    carried
        .iter()
        .position(|carried| carried.input == name)
        .ok_or_else(|| Error::NoPort {
            kind: "state",
            name: name.to_string(),
            known: carried
                .iter()
                .map(|carried| carried.input.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// Memory of the device that the session runs on.
fn allocator(session: &Session) -> Result<Allocator, Error> {
    let memory = match session.device() {
        Device::Cpu => return Ok(Allocator::default()),
        Device::Cuda(number) | Device::TensorRt(number) => MemoryInfo::new(
            AllocationDevice::CUDA,
            number as i32,
            AllocatorType::Device,
            MemoryType::Default,
        )
        .map_err(Error::run)?,
        Device::Plugin(plugin) => {
            let memory = plugin.memory(Library::loaded()?);
            memory.map_err(|why| session.failed(why))?
        }
    };
    Allocator::new(&session.inner, memory).map_err(|error| session.failed(error))
}

/// Identifies a session. A loop's bindings keep its session alive, so that no other one can have its address.
fn identity(session: &Session) -> usize {
    session.inner.ptr() as usize
}

#[cfg(test)]
mod tests;

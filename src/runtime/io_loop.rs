//! State that stays on the device from run to run: the outputs of a step are the inputs of the next one, without a copy
//! (ping-pong I/O binding).

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::IoBinding;
use ort::value::DynTensor;

use super::session::read;
use super::{Device, Error, Library, Session, Tensor};

/// One value of the state: the output `output` of a step is the input `input` of the next.
#[derive(Debug)]
struct StateBuffers {
    input: String,
    output: String,
    /// Two tensors on the device: in phase `p` the model reads `buffers[p]` and writes the other.
    buffers: [DynTensor; 2],
}

/// A step graph being run again and again. Its state lives in pairs of device tensors that swap
/// roles from step to step.
#[derive(Debug)]
pub struct DeviceLoop {
    carried: Vec<StateBuffers>,
    /// One binding per phase: `phases[p]` reads `buffers[p]` of each state.
    phases: [BufferPhase; 2],
    phase: usize,
    /// Inputs whose value [`DeviceLoop::set`] fixed for all steps.
    constant_inputs: Vec<String>,
    /// The session it was made for, for comparison only.
    session: usize,
    /// Where its buffers are.
    device: Device,
}

#[derive(Debug)]
struct BufferPhase {
    binding: IoBinding,
    /// The outputs that are bound to come back to the host.
    read: Vec<String>,
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
                initial
                    .element()
                    .allocate(&allocator, initial.shape())
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
            phases,
            phase: 0,
            constant_inputs: Vec::new(),
            session: identity(session),
            device: session.device(),
        })
    }

    /// Sets an input for all following steps; it is copied to the device once.
    ///
    /// # Errors
    /// If the name is not the model's or the value does not fit.
    pub fn set(&mut self, session: &Session, name: &str, value: &Tensor) -> Result<(), Error> {
        self.belongs_to(session)?;
        self.not_carried(name)?;
        for phase in &mut self.phases {
            session.bind_input(&mut phase.binding, name, value)?;
        }
        if !self.constant_inputs.iter().any(|input| input == name) {
            self.constant_inputs.push(name.to_string());
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
        for (name, _) in inputs {
            self.not_carried(name)?;
        }
        session.all_given(|name| {
            inputs.iter().any(|(given, _)| *given == name)
                || self.constant_inputs.iter().any(|input| input == name)
                || self.carried.iter().any(|carried| carried.input == name)
        })?;
        let phase = &mut self.phases[self.phase];
        for (name, tensor) in inputs {
            session.bind_input(&mut phase.binding, name, tensor)?;
        }
        // A state's output stays on the device and is copied from there.
        let carried = &mut self.carried;
        let (state, host): (Vec<&str>, Vec<&str>) = read_names
            .iter()
            .partition(|name| carried.iter().any(|carried| carried.output == **name));
        if phase.read != host {
            phase.bind_outputs(session, carried, self.phase, &host)?;
        }
        let results = session.run_bound(&phase.binding)?;
        let from_host = read(&results, &host, self.device)?;
        drop(results);
        self.phase = 1 - self.phase;
        if state.is_empty() {
            return Ok(from_host);
        }
        let mut from_host = from_host.into_iter();
        read_names
            .iter()
            .map(
                |name| match self.carried.iter().find(|carried| carried.output == *name) {
                    Some(carried) => Tensor::read(name, &carried.buffers[self.phase], self.device),
                    None => from_host.next().ok_or_else(|| Error::Run {
                        reason: format!("output `{name}` was not computed"),
                    }),
                },
            )
            .collect()
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
        let shape: Vec<usize> = buffer.shape().iter().map(|&dim| dim as usize).collect();
        let element = super::Element::of(buffer.dtype());
        if value.shape() != shape || value.element() != element {
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
}

impl BufferPhase {
    fn new(session: &Session, carried: &mut [StateBuffers], phase: usize) -> Result<Self, Error> {
        let mut new = Self {
            binding: session.inner.create_binding().map_err(Error::run)?,
            read: Vec::new(),
        };
        for carried in carried.iter() {
            new.binding
                .bind_input(&carried.input, &carried.buffers[phase])
                .map_err(Error::run)?;
        }
        new.bind_outputs(session, carried, phase, &[])?;
        Ok(new)
    }

    /// Binds the state's outputs to the other buffers, and `host` to come back.
    fn bind_outputs(
        &mut self,
        session: &Session,
        carried: &mut [StateBuffers],
        phase: usize,
        host: &[&str],
    ) -> Result<(), Error> {
        self.binding.clear_outputs();
        // Forgotten first, so that a failure below leads to a new attempt and not to a wrong result.
        self.read.clear();
        for carried in carried {
            self.binding
                .bind_output(&carried.output, &mut carried.buffers[1 - phase])
                .map_err(Error::run)?;
        }
        session.bind_to_host(&mut self.binding, host)?;
        self.read = host.iter().map(|name| name.to_string()).collect();
        Ok(())
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

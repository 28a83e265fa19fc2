//! State that stays where the model runs: a loop whose outputs are its next inputs, without a copy in between.

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::IoBinding;
use ort::value::DynTensor;

use super::session::read;
use super::{Device, Error, Library, Session, Tensor};

/// One value of the state: the output `output` of a step is the input `input` of the next.
#[derive(Debug)]
struct Carried {
    input: String,
    output: String,
    /// Two tensors on the device; in step `turn` the model reads `buffers[turn]` and writes the other.
    buffers: [DynTensor; 2],
}

/// A step graph being run again and again. Its state lives in pairs of device tensors that swap roles from step to step.
#[derive(Debug)]
pub struct Loop {
    carried: Vec<Carried>,
    /// One binding a direction: `sides[turn]` reads `buffers[turn]`.
    sides: [Side; 2],
    turn: usize,
    /// Inputs that [`Loop::set`] gave a lasting value.
    lasting: Vec<String>,
    /// The session it was made for, for comparison only.
    session: usize,
    /// Where its buffers are.
    device: Device,
}

#[derive(Debug)]
struct Side {
    binding: IoBinding,
    /// The outputs that are bound to come back to the host.
    read: Vec<String>,
}

impl Loop {
    /// Prepares a loop over `state`: (input's name, output's name, initial value). The initial value's shape is the
    /// state's shape in every step.
    ///
    /// # Errors
    /// If a name is not the model's, a value does not fit, or the device has no room.
    pub fn new(session: &Session, state: &[(&str, &str, &Tensor)]) -> Result<Self, Error> {
        let allocator = allocator(session)?;
        let mut carried = Vec::with_capacity(state.len());
        for (input, output, initial) in state {
            session.input(input)?.admit(initial)?;
            session.output(output)?.admit(initial)?;
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
            carried.push(Carried {
                input: input.to_string(),
                output: output.to_string(),
                buffers,
            });
        }
        let sides = [
            Side::new(session, &mut carried, 0)?,
            Side::new(session, &mut carried, 1)?,
        ];
        Ok(Self {
            carried,
            sides,
            turn: 0,
            lasting: Vec::new(),
            session: identity(session),
            device: session.device(),
        })
    }

    /// Gives an input a value for all steps to come; it is brought to the device once.
    ///
    /// # Errors
    /// If the name is not the model's or the value does not fit.
    pub fn set(&mut self, session: &Session, name: &str, value: &Tensor) -> Result<(), Error> {
        self.belongs_to(session)?;
        self.not_carried(name)?;
        for side in &mut self.sides {
            session.bind_input(&mut side.binding, name, value)?;
        }
        if !self.lasting.iter().any(|lasting| lasting == name) {
            self.lasting.push(name.to_string());
        }
        Ok(())
    }

    /// Runs one step on the state and `inputs`, and returns the outputs that `read` names, in that order. If it fails or
    /// is stopped, the state is as before.
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
                || self.lasting.iter().any(|lasting| lasting == name)
                || self.carried.iter().any(|carried| carried.input == name)
        })?;
        let side = &mut self.sides[self.turn];
        for (name, tensor) in inputs {
            session.bind_input(&mut side.binding, name, tensor)?;
        }
        // A state's output stays on the device and is copied from there.
        let carried = &mut self.carried;
        let (state, host): (Vec<&str>, Vec<&str>) = read_names
            .iter()
            .partition(|name| carried.iter().any(|carried| carried.output == **name));
        if side.read != host {
            side.bind_outputs(session, carried, self.turn, &host)?;
        }
        let results = session.run_bound(&side.binding)?;
        let from_host = read(&results, &host, self.device)?;
        drop(results);
        self.turn = 1 - self.turn;
        if state.is_empty() {
            return Ok(from_host);
        }
        let mut from_host = from_host.into_iter();
        read_names
            .iter()
            .map(
                |name| match self.carried.iter().find(|carried| carried.output == *name) {
                    Some(carried) => Tensor::read(name, &carried.buffers[self.turn], self.device),
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
        Tensor::read(name, &self.carried[carried].buffers[self.turn], self.device)
    }

    /// A copy of what the state of the input `name` was before the last step. There must have been one, with no
    /// [`Loop::reset`] since.
    ///
    /// # Errors
    /// If the input carries no state, or the device fails.
    pub fn previous(&self, name: &str) -> Result<Tensor, Error> {
        let carried = find(&self.carried, name)?;
        Tensor::read(
            name,
            &self.carried[carried].buffers[1 - self.turn],
            self.device,
        )
    }

    /// Replaces the current state of the input `name` by a value of the same type and shape.
    ///
    /// # Errors
    /// If the input carries no state, the value does not fit, or the device fails.
    pub fn reset(&mut self, name: &str, value: &Tensor) -> Result<(), Error> {
        let carried = find(&self.carried, name)?;
        let buffer = &mut self.carried[carried].buffers[self.turn];
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
            reason: "the loop was made for another session".into(),
        })
    }

    fn not_carried(&self, name: &str) -> Result<(), Error> {
        if self.carried.iter().all(|carried| carried.input != name) {
            return Ok(());
        }
        Err(Error::Run {
            reason: format!("input `{name}` carries state: replace it with reset"),
        })
    }
}

impl Side {
    fn new(session: &Session, carried: &mut [Carried], turn: usize) -> Result<Self, Error> {
        let mut side = Self {
            binding: session.inner.create_binding().map_err(Error::run)?,
            read: Vec::new(),
        };
        for carried in carried.iter() {
            side.binding
                .bind_input(&carried.input, &carried.buffers[turn])
                .map_err(Error::run)?;
        }
        side.bind_outputs(session, carried, turn, &[])?;
        Ok(side)
    }

    /// Binds the state's outputs to the other buffers, and `host` to come back.
    fn bind_outputs(
        &mut self,
        session: &Session,
        carried: &mut [Carried],
        turn: usize,
        host: &[&str],
    ) -> Result<(), Error> {
        self.binding.clear_outputs();
        // Forgotten first, so that a failure below leads to a new attempt and not to a wrong result.
        self.read.clear();
        for carried in carried {
            self.binding
                .bind_output(&carried.output, &mut carried.buffers[1 - turn])
                .map_err(Error::run)?;
        }
        session.bind_to_host(&mut self.binding, host)?;
        self.read = host.iter().map(|name| name.to_string()).collect();
        Ok(())
    }
}

fn find(carried: &[Carried], name: &str) -> Result<usize, Error> {
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

/// Tells sessions apart. A loop's bindings keep its session alive, so that no other can take its address.
fn identity(session: &Session) -> usize {
    session.inner.ptr() as usize
}

#[cfg(test)]
mod tests;

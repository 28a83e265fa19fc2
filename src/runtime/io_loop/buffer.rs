//! Places of the inputs and outputs of a loop that are no state.

use ort::memory::Allocator;
use ort::value::DynTensor;

use crate::onnx::ElementType;
use crate::runtime::{Tensor, device_copy, tensors};

/// An input or output that is no state. Its tensors keep their places, whatever they hold.
#[derive(Debug)]
pub struct Buffer {
    pub name: String,
    pub host: DynTensor,
    /// The tensor that the model reads or writes; `None` if that is `host` itself.
    on_device: Option<DynTensor>,
    /// Whether [`super::DeviceLoop::set`] fixed its value for all steps.
    pub is_constant: bool,
}

impl Buffer {
    /// A buffer of zeros on the host, and one in `memory`, if the model reads or writes it there.
    pub fn new(
        name: &str,
        elem: ElementType,
        shape: &[usize],
        memory: Option<&Allocator>,
    ) -> ort::Result<Self> {
        Ok(Self {
            name: name.to_string(),
            host: tensors::allocate(elem, &Allocator::default(), shape)?,
            on_device: memory
                .map(|memory| tensors::allocate(elem, memory, shape))
                .transpose()?,
            is_constant: false,
        })
    }

    /// The tensor that the model reads.
    pub fn bound(&self) -> &DynTensor {
        self.on_device.as_ref().unwrap_or(&self.host)
    }

    /// The tensor that the model writes.
    pub fn bound_mut(&mut self) -> &mut DynTensor {
        self.on_device.as_mut().unwrap_or(&mut self.host)
    }
}

/// Copies values to the buffers of their names.
pub fn write(inputs: &mut [Buffer], values: &[(&str, &Tensor)]) -> ort::Result<()> {
    let (mut sources, mut targets) = (Vec::new(), Vec::new());
    for input in inputs {
        let Some((_, value)) = values.iter().find(|(name, _)| *name == input.name) else {
            continue;
        };
        value.write(&mut input.host)?;
        if let Some(target) = &mut input.on_device {
            sources.push(&input.host);
            targets.push(target);
        }
    }
    device_copy::copy(&sources, &mut targets)
}

/// Copies the buffers of these names to their host tensors.
pub fn copy_to_host(outputs: &mut [Buffer], names: &[&str]) -> ort::Result<()> {
    let (mut sources, mut targets) = (Vec::new(), Vec::new());
    for output in outputs {
        if let (true, Some(source)) = (names.contains(&&*output.name), &output.on_device) {
            sources.push(source);
            targets.push(&mut output.host);
        }
    }
    device_copy::copy(&sources, &mut targets)
}

/// The shape of a tensor.
pub fn extents(tensor: &DynTensor) -> Vec<usize> {
    tensor.shape().iter().map(|&dim| dim as usize).collect()
}

//! Copies between the host and a device. For CUDA's built-in provider the `ort` crate copies, by
//! running a small model; a plugin copies by its own function, which that crate does not offer, so
//! part of this file is unsafe code.

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator};
use ort::value::{DynTensor, Shape};

use super::Library;

/// Copies all elements of `source` into `target`, which is of the same type and shape, on a device.
pub(super) fn into(source: &DynTensor, target: &mut DynTensor) -> ort::Result<()> {
    if is_built_in(target) {
        source.copy_into(target)
    } else {
        by_the_plugin(source, target)
    }
}

/// A copy on the host.
pub(super) fn to_host(source: &DynTensor) -> ort::Result<DynTensor> {
    if is_built_in(source) {
        return source.to(AllocationDevice::CPU, 0);
    }
    let dims = Shape::new(source.shape().iter().copied());
    let mut target = DynTensor::new(&Allocator::default(), *source.data_type(), dims)?;
    by_the_plugin(source, &mut target)?;
    Ok(target)
}

/// Whether a tensor is on a device of a built-in provider, which [`by_the_plugin`] cannot copy.
fn is_built_in(tensor: &DynTensor) -> bool {
    tensor.memory_info().allocation_device() == AllocationDevice::CUDA
}

/// Copies by the plugin that one of the two tensors belongs to; returns when the copy is complete.
fn by_the_plugin(source: &DynTensor, target: &mut DynTensor) -> ort::Result<()> {
    let library = Library::loaded().map_err(|error| ort::Error::new(error.to_string()))?;
    let sources = [source.ptr()];
    let mut targets = [target.ptr()];
    // SAFETY: both lists hold one live tensor, the environment lives as long as the process, and
    // without a stream the call returns when it is done.
    unsafe {
        ort::Error::result_from_status((ort::api().CopyTensors)(
            library.environment().ptr().cast_mut(),
            sources.as_ptr(),
            targets.as_mut_ptr(),
            std::ptr::null_mut(),
            sources.len(),
        ))
    }
}

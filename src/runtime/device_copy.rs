//! Copies between the host and a device, by the device's provider. The `ort` crate offers this for some devices only,
//! by running a small model, so part of this file is unsafe code.

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator};
use ort::value::{DynTensor, Shape};

use super::Library;

/// Copies all elements of every source into the target of the same place, which is of the same type and shape. Returns
/// when the copies are complete.
pub(super) fn copy(sources: &[&DynTensor], targets: &mut [&mut DynTensor]) -> ort::Result<()> {
    debug_assert_eq!(sources.len(), targets.len());
    if sources.is_empty() {
        return Ok(());
    }
    let library = Library::loaded().map_err(|error| ort::Error::new(error.to_string()))?;
    let is_cuda =
        |tensor: &DynTensor| tensor.memory_info().allocation_device() == AllocationDevice::CUDA;
    let has_cuda = sources.iter().any(|source| is_cuda(source))
        || targets.iter().any(|target| is_cuda(target));
    if has_cuda && !library.copies_for_cuda() {
        let mut pairs = sources.iter().zip(targets);
        return pairs.try_for_each(|(source, target)| source.copy_into(&mut **target));
    }
    let from: Vec<_> = sources.iter().map(|source| source.ptr()).collect();
    let mut to: Vec<_> = targets.iter().map(|target| target.ptr()).collect();
    // SAFETY: both lists hold live tensors, as many as is said; the environment lives as long as the process, and without
    // a stream the call returns when it is done.
    unsafe {
        ort::Error::result_from_status((ort::api().CopyTensors)(
            library.environment().ptr().cast_mut(),
            from.as_ptr(),
            to.as_mut_ptr(),
            std::ptr::null_mut(),
            from.len(),
        ))
    }
}

/// A copy on the host.
pub(super) fn to_host(source: &DynTensor) -> ort::Result<DynTensor> {
    let dims = Shape::new(source.shape().iter().copied());
    let mut target = DynTensor::new(&Allocator::default(), *source.data_type(), dims)?;
    copy(&[source], &mut [&mut target])?;
    Ok(target)
}

//! Copies between the host and a device. A plugin copies by its own function, which the `ort` crate does not offer;
//! CUDA's memory is copied by the CUDA runtime. So part of this file is unsafe code.

use ort::AsPointer;
use ort::memory::{AllocationDevice, Allocator};
use ort::value::{DynTensor, Shape};

use super::Library;
use super::nvidia::runtime::{Copy, Runtime};

/// Copies all elements of every source into the target of the same place, which is of the same type and shape. Either
/// the sources or the targets are on the host. Returns when the copies are complete.
pub(super) fn copy(sources: &[&DynTensor], targets: &mut [&mut DynTensor]) -> ort::Result<()> {
    debug_assert_eq!(sources.len(), targets.len());
    let (Some(source), Some(target)) = (sources.first(), targets.first()) else {
        return Ok(());
    };
    let library = Library::loaded().map_err(|error| ort::Error::new(error.to_string()))?;
    let gpu = [source, &**target].into_iter().find_map(cuda_gpu);
    match (gpu, library.cuda_runtime()) {
        (None, _) => by_the_plugin(library, sources, targets),
        (Some(gpu), Some(runtime)) => by_cuda(runtime, gpu, sources, targets),
        // The crate copies by running a small model, which takes longer.
        (Some(_), None) => {
            let mut pairs = sources.iter().zip(targets);
            pairs.try_for_each(|(source, target)| source.copy_into(&mut **target))
        }
    }
}

/// The number of the GPU that a tensor of CUDA is on.
fn cuda_gpu(tensor: &DynTensor) -> Option<i32> {
    let memory = tensor.memory_info();
    (memory.allocation_device() == AllocationDevice::CUDA).then(|| memory.device_id())
}

/// Copies to or from a GPU.
fn by_cuda(
    runtime: &Runtime,
    gpu: i32,
    sources: &[&DynTensor],
    targets: &mut [&mut DynTensor],
) -> ort::Result<()> {
    let mut copies = Vec::with_capacity(sources.len());
    for (source, target) in sources.iter().zip(targets) {
        let bytes = source.data_type().byte_size(source.shape().num_elements());
        if source.data_type() != target.data_type() || source.shape() != target.shape() {
            return Err(ort::Error::new(
                "tensors that are copied differ in type or shape",
            ));
        }
        copies.push(Copy {
            from: source.data_ptr(),
            to: target.data_ptr_mut(),
            bytes: bytes.ok_or_else(|| ort::Error::new("text is not copied to a GPU"))?,
            is_to_host: target.memory_info().is_cpu_accessible(),
        });
    }
    // SAFETY: the tensors are alive, and each pair has one type and shape.
    unsafe { runtime.copy(gpu, &copies) }.map_err(ort::Error::new)
}

/// Copies by the plugin that the tensors on one side belong to.
fn by_the_plugin(
    library: &Library,
    sources: &[&DynTensor],
    targets: &mut [&mut DynTensor],
) -> ort::Result<()> {
    let from: Vec<_> = sources.iter().map(|source| source.ptr()).collect();
    let mut to: Vec<_> = targets.iter().map(|target| target.ptr()).collect();
    // SAFETY: both lists hold as many live tensors as the count says; the environment lives as long as the process, and
    // without a stream the call returns when it is done.
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

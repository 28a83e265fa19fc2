//! Weights that a session on the CPU reads where they lie. In a model that is handed over as bytes they would be copied
//! three times: into the bytes, out of them, and into ONNX Runtime's tensors.

use bytes::Bytes;
use ort::AsPointer;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::SessionBuilder;
use ort::value::{Shape, TensorRefMut};
use std::ffi::CString;

use super::Error;
use crate::onnx::proto::{DataLocation, ModelProto, StringStringEntryProto, TensorProto};
use crate::onnx::{ElementType, tensor::element_count};

/// Smaller constants stay in the model: ONNX Runtime may compute with them while it loads it.
const SMALLEST: usize = 1 << 14;

/// Weights apart from their model, to be kept for as long as the session that reads them.
#[derive(Default)]
pub(super) struct Weights(Vec<(TensorProto, Bytes)>);

impl Weights {
    /// Takes the large float32 constants out of a model; what is left says that they lie elsewhere.
    pub(super) fn detach(model: &mut ModelProto) -> Self {
        let mut taken = Vec::new();
        let graph = model.graph.iter_mut();
        for tensor in graph.flat_map(|graph| &mut graph.initializer) {
            if !is_detachable(tensor) {
                continue;
            }
            let Some(raw) = tensor.raw_data.take() else {
                continue;
            };
            tensor.data_location = DataLocation::External as i32;
            tensor.external_data = vec![StringStringEntryProto {
                key: "location".into(),
                value: "memory".into(),
            }];
            taken.push((tensor.clone(), aligned(raw)));
        }
        Self(taken)
    }

    /// Lets a session that is about to be opened read the weights.
    pub(super) fn lend(&self, builder: &mut SessionBuilder) -> Result<(), Error> {
        for (tensor, raw) in &self.0 {
            let info = MemoryInfo::new(
                AllocationDevice::CPU,
                0,
                AllocatorType::Device,
                MemoryType::Default,
            )
            .map_err(Error::model)?;
            let shape = Shape::new(tensor.dims.iter().copied());
            let name = CString::new(tensor.name.as_str()).map_err(Error::model)?;
            // SAFETY: the bytes are aligned and as many as the dimensions say (see `is_detachable`), and the owner of the
            // session holds `self`; ONNX Runtime only reads constants. The session's options take a share in the value,
            // so that it may go out of scope, and copy the name.
            unsafe {
                let data = raw.as_ptr().cast_mut().cast();
                let value: TensorRefMut<'_, f32> =
                    TensorRefMut::from_raw(info, data, shape).map_err(Error::model)?;
                let status = (ort::api().AddExternalInitializers)(
                    builder.ptr().cast_mut(),
                    &name.as_ptr(),
                    &value.ptr(),
                    1,
                );
                ort::Error::result_from_status(status).map_err(Error::model)?;
            }
        }
        Ok(())
    }
}

fn is_detachable(tensor: &TensorProto) -> bool {
    let size = tensor.raw_data.as_ref().map_or(0, Bytes::len);
    let fits = element_count(&tensor.dims)
        .and_then(|count| count.checked_mul(ElementType::F32.size()))
        .is_some_and(|needed| needed == size);
    size >= SMALLEST
        && fits
        && tensor.data_type == ElementType::F32.code()
        && !tensor.name.contains('\0')
}

/// The same bytes where float32 numbers may lie; those of a file begin anywhere.
fn aligned(raw: Bytes) -> Bytes {
    match raw.as_ptr().cast::<f32>().is_aligned() {
        true => raw,
        // What the allocator hands out is aligned for every number.
        false => Bytes::copy_from_slice(&raw),
    }
}

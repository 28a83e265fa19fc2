//! External weights: a session on the CPU reads large constants from memory that it shares with the model. Inside a
//! serialized model they would be copied three times: into the bytes, out of them, and into ONNX Runtime's tensors.

use bytes::Bytes;
use ort::AsPointer;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::SessionBuilder;
use ort::value::{Shape, TensorRefMut};
use std::ffi::CString;

use super::Error;
use crate::onnx::proto::{DataLocation, ModelProto, StringStringEntryProto, TensorProto};
use crate::onnx::{ElementType, tensor::element_count};

/// Constants of fewer bytes stay in the model: ONNX Runtime may evaluate them while it loads the model.
const MIN_BYTES: usize = 1 << 14;

/// Weights split from their model. They must outlive the session that reads them.
#[derive(Default)]
pub(super) struct Weights(Vec<(TensorProto, Bytes)>);

impl Weights {
    /// Takes the large float32 constants out of a model, which then refers to them as external data.
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

    /// Attaches the weights to the options of a session that is about to be opened.
    pub(super) fn attach(&self, builder: &mut SessionBuilder) -> Result<(), Error> {
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
            // SAFETY: the bytes are aligned and as many as the dimensions say (see
            // `is_detachable`), and the owner of the session holds `self`; ONNX Runtime only reads
            // constants. The session's options share ownership of the value, so that it may go out
            // of scope, and copy the name.
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
    size >= MIN_BYTES
        && fits
        && tensor.data_type == ElementType::F32.code()
        && !tensor.name.contains('\0')
}

/// The same bytes, aligned for float32; those of a file may start anywhere.
fn aligned(raw: Bytes) -> Bytes {
    if raw.as_ptr().cast::<f32>().is_aligned() {
        raw
    } else {
        // The allocator aligns for every number type.
        Bytes::copy_from_slice(&raw)
    }
}

//! External weights: a session on the CPU reads large constants from memory that it shares with the model. Inside a
//! serialized model they would be copied three times: into the bytes, out of them, and into ONNX Runtime's tensors.

use bytes::Bytes;
use ort::AsPointer;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::IoBinding;
use ort::session::builder::SessionBuilder;
use ort::value::{Shape, TensorRefMut};
use std::ffi::CString;

use super::Error;
use crate::onnx::file::ALIGNMENT;
use crate::onnx::proto::{DataLocation, ModelProto, StringStringEntryProto, TensorProto};
use crate::onnx::{ElementType, tensor::element_count};

/// Constants of fewer bytes stay in the model: ONNX Runtime may evaluate them while it loads the model.
const MIN_BYTES: usize = 1 << 14;

/// Weights split from their model. They must outlive the session that reads them.
#[derive(Default)]
pub(super) struct Weights {
    /// ONNX Runtime's values of them, which refer to the bytes and are dropped first.
    values: Vec<TensorRefMut<'static, f32>>,
    tensors: Vec<(TensorProto, Bytes)>,
}

impl Weights {
    /// Weights that are in no model. Each must be [detachable](is_detachable).
    pub(super) fn new(tensors: Vec<TensorProto>) -> Self {
        let split = tensors.into_iter().filter_map(|mut tensor| {
            let raw = tensor.raw_data.take()?;
            Some((tensor, aligned(raw)))
        });
        Self {
            values: Vec::new(),
            tensors: split.collect(),
        }
    }

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
        Self {
            values: Vec::new(),
            tensors: taken,
        }
    }

    /// Attaches the weights to the options of a session that is about to be opened. `are_final`: it does not optimize
    /// its graph. Then it computes with the shared memory itself where that is aligned, and otherwise with a copy.
    pub(super) fn attach(
        &mut self,
        builder: &mut SessionBuilder,
        are_final: bool,
    ) -> Result<(), Error> {
        let (api, options) = (ort::api(), builder.ptr().cast_mut());
        for (tensor, raw) in &self.tensors {
            let name = CString::new(tensor.name.as_str()).map_err(Error::model)?;
            let value = lent(tensor, raw).map_err(Error::model)?;
            // SAFETY: the options copy the name. The owner of the session holds `self`, which has the bytes and, since
            // the options refer to it, the value.
            unsafe {
                let status =
                    (api.AddExternalInitializers)(options, &name.as_ptr(), &value.ptr(), 1);
                ort::Error::result_from_status(status).map_err(Error::model)?;
                if are_final && raw.as_ptr().align_offset(ALIGNMENT) == 0 {
                    let status = (api.AddInitializer)(options, name.as_ptr(), value.ptr());
                    ort::Error::result_from_status(status).map_err(Error::model)?;
                }
            }
            self.values.push(value);
        }
        Ok(())
    }

    /// Binds the weights to the inputs that they are called after.
    pub(super) fn bind(&self, binding: &mut IoBinding) -> Result<(), Error> {
        for (tensor, raw) in &self.tensors {
            let name = CString::new(tensor.name.as_str()).map_err(Error::run)?;
            let value = lent(tensor, raw).map_err(Error::run)?;
            // `IoBinding::bind_input` copies what is borrowed.
            // SAFETY: the binding shares ownership of the value. The owner of the session holds `self`.
            unsafe {
                let binding = binding.ptr().cast_mut();
                let status = (ort::api().BindInput)(binding, name.as_ptr(), value.ptr());
                ort::Error::result_from_status(status).map_err(Error::run)?;
            }
        }
        Ok(())
    }

    /// Whether a weight has this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.tensors.iter().any(|(tensor, _)| tensor.name == name)
    }
}

/// A weight without copying it: the value must not outlive `raw`.
fn lent(tensor: &TensorProto, raw: &Bytes) -> ort::Result<TensorRefMut<'static, f32>> {
    let info = MemoryInfo::new(
        AllocationDevice::CPU,
        0,
        AllocatorType::Device,
        MemoryType::Default,
    )?;
    let shape = Shape::new(tensor.dims.iter().copied());
    // SAFETY: the bytes are aligned and as many as the dimensions say (see `is_detachable`). ONNX Runtime only reads
    // constants and inputs.
    unsafe { TensorRefMut::from_raw(info, raw.as_ptr().cast_mut().cast(), shape) }
}

/// Whether a constant can be read from its bytes: float32, as many as its dimensions say.
pub(super) fn is_detachable(tensor: &TensorProto) -> bool {
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

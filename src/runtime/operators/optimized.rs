//! The model that ONNX Runtime makes of another one when it optimizes it.

use crate::onnx::file;
use crate::onnx::proto::ModelProto;
use crate::runtime::{Device, Error, Session, SessionOptions};

/// The optimized model. ONNX Runtime writes it to a file only, which is read and removed.
pub(super) fn optimized(model: &ModelProto, options: &SessionOptions) -> Result<ModelProto, Error> {
    let folder = tempfile::tempdir().map_err(Error::run)?;
    let path = folder.path().join("optimized.onnx");
    let options = SessionOptions {
        optimised: Some(path.clone()),
        ..options.clone()
    };
    Session::open_model(model, Device::Cpu.into(), &options)?;
    Ok(file::read(&path)?)
}

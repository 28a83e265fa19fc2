//! Opens sessions by provider: finds its device, then opens the model there.

use super::session::Source;
use super::{Error, Provider, Session, SessionOptions};
use crate::onnx::proto::ModelProto;

impl Session {
    /// Opens a model, given as the bytes of an ONNX file.
    ///
    /// # Errors
    /// If no library is loaded, the provider that is asked for cannot start, or ONNX Runtime refuses the model.
    pub fn open(model: &[u8], provider: Provider, options: &SessionOptions) -> Result<Self, Error> {
        Self::open_source(Source::File(model), provider, options)
    }

    /// Opens a model whose weights are in memory. On the CPU they are not copied but shared for the lifetime of the
    /// session, and may exceed the size limit of a file.
    ///
    /// # Errors
    /// As [`Session::open`]; [`Error::Graph`] if another device is given a model that is larger than a file can be.
    pub fn open_model(
        model: &ModelProto,
        provider: Provider,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        Self::open_source(Source::Model(model), provider, options)
    }

    fn open_source(
        model: Source,
        provider: Provider,
        options: &SessionOptions,
    ) -> Result<Self, Error> {
        let device = match provider.named_device() {
            Some(device) => device,
            None => provider.resolve()?.device,
        };
        Self::on_device(model, device, options)
    }
}

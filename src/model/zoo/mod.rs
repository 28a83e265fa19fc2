//! The models Ziggurat can fetch: published weights in, an ONNX file out. Used by [`super::open`].

use serde::{Deserialize, Serialize};

use crate::onnx::proto::ModelProto;
use crate::text::printable;

mod efficientnet_lite;
mod pickle;
mod state_dict;

pub use state_dict::{StateDict, Tensor};

/// A network that Ziggurat can build, as `builder` in a model card calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Builder {
    #[serde(rename = "efficientnet-lite0")]
    EfficientnetLite0,
    #[serde(rename = "efficientnet-lite1")]
    EfficientnetLite1,
    #[serde(rename = "efficientnet-lite2")]
    EfficientnetLite2,
}

impl Builder {
    /// Counts up when a builder changes what it makes, so that files made before are made again.
    pub const REVISION: u32 = 1;

    /// Turns the content of a PyTorch checkpoint into an ONNX model: `image` float32 (batch, 3, S, S) in, `logits`
    /// float32 (batch, 1000) out.
    ///
    /// # Errors
    /// An [`Error`] if the checkpoint cannot be read, or does not hold exactly this network's tensors.
    pub fn build(self, checkpoint: &[u8]) -> Result<ModelProto, Error> {
        let weights = StateDict::read(checkpoint)?;
        match self {
            Self::EfficientnetLite0 => efficientnet_lite::LITE0.build(weights),
            Self::EfficientnetLite1 => efficientnet_lite::LITE1.build(weights),
            Self::EfficientnetLite2 => efficientnet_lite::LITE2.build(weights),
        }
    }
}

/// Why published weights could not be turned into an ONNX model. The caller says which file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this is not a PyTorch checkpoint in the legacy (non-zip) format")]
    NotACheckpoint,
    #[error("the checkpoint was written on a big-endian machine, which is not supported")]
    BigEndian,
    #[error("the checkpoint ends early: byte {at} and what follows is missing")]
    Truncated { at: usize },
    #[error("the checkpoint goes on after its last tensor, at byte {at}")]
    TrailingBytes { at: usize },
    #[error("the checkpoint is malformed at byte {at}: {why}")]
    Malformed { at: usize, why: &'static str },
    #[error(
        "the checkpoint refers to {} at byte {at}, which is not allowed: it may hold code, do not trust it",
        printable(name)
    )]
    ForbiddenGlobal { at: usize, name: String },
    #[error(
        "the checkpoint uses pickle opcode 0x{opcode:02x} at byte {at}, which is not supported"
    )]
    UnknownOpcode { at: usize, opcode: u8 },
    #[error("the checkpoint makes too many objects (byte {at})")]
    TooLarge { at: usize },
    #[error("the checkpoint's {} is not a tensor of a known kind", printable(name))]
    NotATensor { name: String },
    #[error("the checkpoint's tensor {} is there twice", printable(name))]
    DuplicateTensor { name: String },
    #[error(
        "the checkpoint's tensor {} has more elements than the file can hold",
        printable(name)
    )]
    HugeTensor { name: String },
    #[error(
        "the checkpoint's tensor {} reaches outside its storage",
        printable(name)
    )]
    OutsideStorage { name: String },
    #[error("the checkpoint lacks the tensor {}", printable(name))]
    MissingTensor { name: String },
    #[error(
        "the checkpoint's tensor {} has the shape {found:?}, not {expected:?}",
        printable(name)
    )]
    WrongShape {
        name: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    #[error(
        "the checkpoint's tensor {} belongs to no layer of the architecture",
        printable(name)
    )]
    UnusedTensor { name: String },
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
}

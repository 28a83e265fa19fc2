//! Converters from published weights to ONNX models. Used by [`super::open`].

use serde::{Deserialize, Serialize};

use crate::onnx::proto::ModelProto;
use crate::text::quoted;

mod efficientnet_lite;
mod pickle;
mod state_dict;

pub use state_dict::{StateDict, Tensor};

/// A supported architecture, `builder` in a model card.
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
    /// Incremented when the output of a builder changes, so that existing files are converted again.
    pub const REVISION: u32 = 1;

    /// Converts a PyTorch checkpoint to an ONNX model: `image` float32 (batch, 3, S, S) in, `logits`
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

/// Why published weights could not be converted. The caller names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("this is not a PyTorch checkpoint in the legacy (non-zip) format")]
    NotACheckpoint,
    #[error("the checkpoint was written on a big-endian machine, which is not supported")]
    BigEndian,
    #[error("the checkpoint ends early: byte {at} and what follows is missing")]
    Truncated { at: usize },
    #[error("the checkpoint has trailing data after its last tensor, at byte {at}")]
    TrailingBytes { at: usize },
    #[error("the checkpoint is malformed at byte {at}: {why}")]
    Malformed { at: usize, why: &'static str },
    #[error(
        "the checkpoint refers to {} at byte {at}, which is not allowed: it may hold code, do not trust it",
        quoted(name)
    )]
    ForbiddenGlobal { at: usize, name: String },
    #[error(
        "the checkpoint uses pickle opcode 0x{opcode:02x} at byte {at}, which is not supported"
    )]
    UnknownOpcode { at: usize, opcode: u8 },
    #[error("the checkpoint has too many objects (byte {at})")]
    TooLarge { at: usize },
    #[error("the checkpoint's {} is not a tensor of a known kind", quoted(name))]
    NotATensor { name: String },
    #[error("the checkpoint has the tensor {} twice", quoted(name))]
    DuplicateTensor { name: String },
    #[error(
        "the checkpoint's tensor {} has more elements than the file can hold",
        quoted(name)
    )]
    HugeTensor { name: String },
    #[error("the checkpoint's tensor {} reaches outside its storage", quoted(name))]
    OutsideStorage { name: String },
    #[error("the checkpoint lacks the tensor {}", quoted(name))]
    MissingTensor { name: String },
    #[error(
        "the checkpoint's tensor {} has the shape {found:?}, not {expected:?}",
        quoted(name)
    )]
    WrongShape {
        name: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    #[error(
        "the checkpoint's tensor {} belongs to no layer of the architecture",
        quoted(name)
    )]
    UnusedTensor { name: String },
    #[error(transparent)]
    Onnx(#[from] crate::onnx::Error),
}

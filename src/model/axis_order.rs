//! The order of the axes of a batch of pictures.

use serde::{Deserialize, Serialize};

/// The order of the axes of an image input. Preprocessing only knows NCHW: other inputs are transposed when a model is
/// opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AxisOrder {
    /// Batch, channel, row, column.
    #[default]
    Nchw,
    /// Batch, row, column, channel, as in TensorFlow.
    #[serde(skip)]
    Nhwc,
}

impl AxisOrder {
    /// The positions of channel, row and column.
    pub fn positions(self) -> [usize; 3] {
        match self {
            Self::Nchw => [1, 2, 3],
            Self::Nhwc => [3, 1, 2],
        }
    }

    /// Its name, `NCHW` or `NHWC`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nchw => "NCHW",
            Self::Nhwc => "NHWC",
        }
    }
}

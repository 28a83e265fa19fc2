//! The names of Ziggurat's own operators, which some graphs use on the CPU. Their kernels are in the module `operators`
//! of the runtime, which describes them.

use super::proto::OperatorSetIdProto;

/// The domain of the operators.
pub const DOMAIN: &str = "ziggurat";

/// Resampling of pictures: `rows · value · columns`.
pub const RESAMPLE: &str = "Resample";

/// A program of element-wise operations.
pub const ELEMENTWISE: &str = "Elementwise";

/// The input gradient of a depthwise convolution between two activations, in blocked channels.
pub const DEPTHWISE_GRADIENT: &str = "DepthwiseGradient";

/// The attribute of [`DEPTHWISE_GRADIENT`]: the stride of rows and columns, 1 or 2.
pub const STRIDE: &str = "stride";

/// The attribute of [`DEPTHWISE_GRADIENT`]: the gradient passes where the value that gates it lies between these two.
pub const GRADIENT_BOUNDS: &str = "gradient_bounds";

/// The attribute of [`DEPTHWISE_GRADIENT`]: the result passes where the value that gates it lies between these two.
pub const RESULT_BOUNDS: &str = "result_bounds";

/// A picture of its phases, in blocked channels.
pub const INTERLEAVE_PHASES: &str = "InterleavePhases";

/// The attribute of [`INTERLEAVE_PHASES`]: odd rows, and odd columns, that there are fewer than even ones.
pub const MISSING: &str = "missing";

/// The gradient of a convolution with respect to a picture with few channels.
pub const STEM_GRADIENT: &str = "StemGradient";

/// The input gradient of a maximum pool with two spatial axes.
pub const MAX_POOL_GRADIENT: &str = "MaxPoolGradient";

/// The input gradient of layer or RMS normalization.
pub const LAYER_NORMALIZATION_GRADIENT: &str = "LayerNormalizationGradient";

/// The attribute of [`LAYER_NORMALIZATION_GRADIENT`]: a number that is added to the mean square.
pub const EPSILON: &str = "epsilon";

/// The attribute of [`LAYER_NORMALIZATION_GRADIENT`]: 1 if the mean is subtracted first, else 0.
pub const CENTRED: &str = "centred";

/// The input gradient of a softmax along the last axis.
pub const SOFTMAX_GRADIENT: &str = "SoftmaxGradient";

/// The attribute of operators on blocked channels (NCHWc): the number of channels of a block.
pub const BLOCK: &str = "block";

/// The import of a model that uses the operators.
pub fn import() -> OperatorSetIdProto {
    OperatorSetIdProto {
        domain: DOMAIN.into(),
        version: 1,
    }
}

//! The domain that a session needs to know the operators.

use super::{
    depthwise, elementwise, layer_normalization, max_pool, phases, resample, softmax, stem,
};
use crate::onnx::own_operators::DOMAIN;
use crate::onnx::types::{fixed_dims, untyped_value};
use crate::onnx::{Builder, ElementType, file};
use crate::runtime::Library;
use ort::operator::OperatorDomain;
use ort::session::Session;
use std::sync::Once;

/// The operators, to be registered with a session. They cannot be shared between threads, so each session has its own.
pub fn domain() -> ort::Result<OperatorDomain> {
    OperatorDomain::new(DOMAIN)?
        .add(resample::Resample)?
        .add(elementwise::Elementwise)?
        .add(depthwise::DepthwiseGradient)?
        .add(phases::InterleavePhases)?
        .add(stem::StemGradient)?
        .add(max_pool::MaxPoolGradient)?
        .add(layer_normalization::LayerNormalizationGradient)?
        .add(softmax::SoftmaxGradient)
}

/// Opens a small model with the operators before all others. ONNX Runtime keeps one table of domains for all sessions:
/// opening fails if two sessions add the same domain at the same time.
pub fn introduce(library: &Library) {
    static INTRODUCED: Once = Once::new();
    // If it fails, so does the model that is opened next, with a message.
    INTRODUCED.call_once(|| _ = open_small_model(library));
}

fn open_small_model(library: &Library) -> Option<()> {
    let mut builder = Builder::empty(18, "");
    let dims = fixed_dims(&[1]);
    let input = builder.input("x", ElementType::F32, &dims).ok()?;
    let output = builder.emit("Identity", &[&input], &[]);
    let model = builder.graph().to_model(&[untyped_value(&output)]).ok()?;
    let session = Session::builder(library.environment()).ok()?;
    let session = session.with_intra_threads(1).ok()?;
    let mut session = session.with_operators(domain().ok()?).ok()?;
    let bytes = file::encode(&model).ok()?;
    session.commit_from_memory(&bytes).ok().map(drop)
}

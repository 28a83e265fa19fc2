//! Appends the score of a target and its gradient to the graph of a network.

use super::objective::{self, ClassScore};
use super::{Error, Objective};
use crate::autodiff::{Device, GradientOptions, gradient};
use crate::model::Network;
use crate::onnx::{Builder, Types};
use crate::text::quoted;

/// The names of a score (N) and of its gradient with respect to a value, which has that value's dimensions.
#[derive(Debug)]
pub(super) struct Scored {
    pub score: String,
    pub gradient: String,
}

/// Appends the score of a target, of a class its logit, and its gradient with respect to `source`,
/// to the graph of `network`. `units` is a value of int64 (N, 2): class or channel, and the flat
/// position in a channel; for a class, the second column may be missing. `shapes` are the types of
/// all values; those of emitted values are added.
///
/// # Errors
/// [`Error::NotDifferentiable`], or [`Error::Graph`] if the target's value is unknown.
pub(super) fn append(
    builder: &mut Builder,
    shapes: &mut Types,
    network: &Network,
    target: &Objective,
    units: &str,
    source: &str,
    device: Device,
) -> Result<Scored, Error> {
    let scored = objective::Scored {
        kind: target.kind,
        value: &target.value,
        layout: network.layout(&target.value),
        leak: 0.0,
        class: (ClassScore::Logit, network.activation()),
    };
    let parts = objective::emit(builder, shapes, scored, units)?;
    let options = GradientOptions {
        device,
        redirect: None,
    };
    let sources = [source.to_string()];
    let found = gradient(builder, shapes, &parts.seeds, &sources, &options);
    let mut gradients = found.map_err(|problem| Error::NotDifferentiable {
        what: quoted(&target.value),
        source: problem,
    })?;
    Ok(Scored {
        score: parts.score,
        gradient: gradients.remove(0),
    })
}

//! A run in another model: the same target there, with the same seed and settings.

use super::target::{LayerPart, Target, TargetError, TargetScope};
use super::{BranchError, Spec};
use crate::ascent::Kind;
use crate::model::layers;
use crate::text::{safe, with_subject};

/// Why a run has no counterpart in a model: one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// It is the same model.
    #[error("{0}: the run is of this model already")]
    Same(String),
    /// The model has no such class, layer or channel.
    #[error("{}", with_subject(target, &problem.to_string()))]
    Target {
        target: String,
        problem: Box<TargetError>,
    },
    /// Its settings cannot change at these steps.
    #[error("{target}: {problem}")]
    Branch {
        target: String,
        problem: BranchError,
    },
    /// Its settings mean something else today.
    #[error(
        "{target}: method {method} of an earlier version made it, whose settings have no meaning today"
    )]
    Former { target: String, method: u32 },
}

/// The counterpart of a run in the model that is called `name`, has the hash `hash` and is made of `parts`. A class is
/// found by its name, a layer, channel or neuron by the layer's name.
///
/// # Errors
/// [`TransferError`].
pub fn transferred(
    spec: &Spec,
    (name, hash): (&str, &str),
    parts: TargetScope<'_>,
) -> Result<Spec, TransferError> {
    let target = safe(&spec.target);
    if spec.former().is_some() {
        let method = spec.method;
        return Err(TransferError::Former { target, method });
    }
    if spec.model_hash == hash {
        return Err(TransferError::Same(target));
    }
    let found = counterpart(spec, parts).and_then(|found| {
        let layer = &spec.settings.mask_layer;
        if !layer.is_empty() {
            layers::find(parts.layers, layer).map_err(TargetError::Layer)?;
        }
        Ok(found)
    });
    let found = found.map_err(|problem| TransferError::Target {
        target,
        problem: Box::new(problem),
    })?;
    let what = (found.title.as_str(), found.objective, found.unit);
    let moved = Spec::new((name, hash), what, spec.seed, spec.settings.clone());
    let target = || safe(&spec.target);
    moved
        .with_earlier_of(spec)
        .map_err(|problem| TransferError::Branch {
            target: target(),
            problem,
        })
}

fn counterpart(spec: &Spec, parts: TargetScope<'_>) -> Result<Target, TargetError> {
    if let Some(name) = spec.class_name() {
        if parts.logits.is_none() {
            return Err(TargetError::NoClasses);
        }
        let index = parts.classes.counterpart(name, spec.unit.index);
        let class = parts.class(index.map_err(TargetError::Class)?)?;
        return Ok(match spec.objective.kind {
            Kind::NotClass => class.negated(),
            _ => class,
        });
    }
    let layer = layers::find(parts.layers, &spec.objective.value).map_err(TargetError::Layer)?;
    let (index, position) = (spec.unit.index, spec.unit.position);
    let place = match spec.objective.kind {
        Kind::Channel => LayerPart::Channel(index),
        Kind::Neuron => LayerPart::Neuron(index, position),
        Kind::Class | Kind::NotClass | Kind::Layer => LayerPart::Whole,
    };
    Target::of_layer(layer, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autodiff::differentiability::Differentiability;
    use crate::model::{Classes, Layer, Layout};
    use crate::runs::history::testing::record;

    fn layer(name: &str) -> Layer {
        let dims = [1, 8, 4, 6];
        Layer {
            name: name.into(),
            op: "Conv".into(),
            dims: dims.into(),
            layout: Layout::channels_first(&dims).unwrap(),
            parameters: 0,
            is_activation: true,
            differentiability: Differentiability::Differentiable,
        }
    }

    /// A run, transferred to a model whose flamingo is its class 0.
    fn transfer(spec: &Spec) -> Result<Spec, String> {
        let classes = Classes::new(["flamingo", "tench"], "test").unwrap();
        let layers = [layer("stem"), layer("head")];
        let parts = TargetScope {
            logits: Some("scores"),
            classes: &classes,
            layers: &layers,
        };
        transferred(spec, ("other", "hash"), parts).map_err(|problem| problem.to_string())
    }

    fn of_layer(kind: Kind, name: &str, index: usize) -> Spec {
        let mut spec = record(7).spec;
        spec.objective.kind = kind;
        spec.objective.value = name.into();
        spec.unit.index = index;
        spec.unit.position = (1, 2);
        spec.target = format!("{name}:{index}");
        spec
    }

    #[test]
    fn a_class_is_found_by_its_name_and_keeps_seed_and_settings() {
        let mut spec = record(7).spec;
        spec.settings.set("tilt", 1.3.into()).unwrap();
        let found = transfer(&spec).unwrap();
        assert_eq!((found.unit.index, found.target.as_str()), (0, "flamingo"));
        assert_eq!(found.objective.value, "scores");
        assert_eq!((&*found.model, &*found.model_hash), ("other", "hash"));
        assert_eq!((found.seed, &found.settings), (7, &spec.settings));
        spec.objective.kind = Kind::NotClass;
        spec.target = "not flamingo".into();
        let found = transfer(&spec).unwrap();
        assert_eq!(found.objective.kind, Kind::NotClass);
        assert_eq!(found.target, "not flamingo");
    }

    #[test]
    fn a_layers_part_is_found_by_the_layers_name() {
        let found = transfer(&of_layer(Kind::Channel, "stem", 3)).unwrap();
        assert_eq!((found.target.as_str(), found.unit.index), ("stem:3", 3));
        let found = transfer(&of_layer(Kind::Neuron, "head", 3)).unwrap();
        assert_eq!(found.target, "head:3:1,2");
        assert_eq!(
            transfer(&of_layer(Kind::Layer, "head", 0)).unwrap().target,
            "head"
        );
    }

    #[test]
    fn what_the_model_does_not_have_is_named() {
        let mut spec = record(7).spec;
        spec.target = "goldfish".into();
        let problem = transfer(&spec).unwrap_err();
        assert_eq!(problem, "goldfish: no class is called `goldfish`");
        let problem = transfer(&of_layer(Kind::Channel, "stem", 8)).unwrap_err();
        assert!(problem.contains("stem:8") && problem.contains("8 channels"));
        let problem = transfer(&of_layer(Kind::Channel, "neck", 1)).unwrap_err();
        assert!(problem.starts_with("neck:1: no layer"), "{problem}");
        let mut masked = record(7).spec;
        masked.settings.set_text("mask_layer", "neck").unwrap();
        assert!(transfer(&masked).unwrap_err().contains("neck"));
        let mut same = record(7).spec;
        same.model_hash = "hash".into();
        assert!(transfer(&same).unwrap_err().contains("already"));
    }
}

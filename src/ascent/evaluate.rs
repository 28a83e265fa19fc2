//! Evaluates a network on existing pictures: class probabilities, and the gradient and class activation map of a
//! target.
//!
//! For the command line and the explorer, and for comparing gradients with other programs.

use super::cam_layer::{self, CamOptions};
use super::scored::{self, Scored};
use super::step_session::{lowering, placeable};
use super::unit::{check_unit, flat_position};
use super::{Error, Kind, Objective, Unit, not_finite};
use crate::model::Network;
use crate::onnx::proto::TensorProto;
use crate::onnx::types::{fixed_dims, untyped_value};
use crate::onnx::{Builder, ElementType, Types};
use crate::runtime::{CancelHandle, Device, Session, SessionOptions, Tensor};
use crate::text::safe;
use ndarray::{Array2, Array4, ArrayD, Ix2, Ix4};
use std::borrow::Borrow;

/// Prefix of the names of new nodes and values.
const PREFIX: &str = "probe/";

/// The device of a session, the handle that cancels it, and how it is used.
#[derive(Debug, Clone)]
pub struct Site {
    pub device: Device,
    pub stop: CancelHandle,
    /// See [`SessionOptions::runs_once`].
    pub runs_once: bool,
}

impl Site {
    /// For a session that runs once.
    fn once(device: Device) -> Self {
        Self {
            runs_once: true,
            ..Self::from(device)
        }
    }
}

/// Without cancellation.
impl From<Device> for Site {
    fn from(device: Device) -> Self {
        Self::from((device, &CancelHandle::default()))
    }
}

impl From<(Device, &CancelHandle)> for Site {
    fn from((device, stop): (Device, &CancelHandle)) -> Self {
        Self {
            device,
            stop: stop.clone(),
            runs_once: false,
        }
    }
}

/// A session for the class probabilities of a network, for any number of pictures. `N` borrows or owns the network.
#[derive(Debug)]
pub struct Classifier<N: Borrow<Network>> {
    network: N,
    logits: String,
    session: Session,
}

impl<N: Borrow<Network>> Classifier<N> {
    /// Opens a session that computes only the class scores.
    ///
    /// # Errors
    /// [`Error::NoClassScores`] if the network has none, [`Error::Runtime`] if the device cannot run it.
    pub fn open(network: N, site: impl Into<Site>) -> Result<Self, Error> {
        let opened: &Network = network.borrow();
        let logits = match &opened.scores {
            Ok(scores) => scores.value.clone(),
            Err(why) => return Err(Error::NoClassScores(why.clone())),
        };
        let session = session(&opened.graph, &[&logits], site)?;
        Ok(Self {
            network,
            logits,
            session,
        })
    }

    /// The probability of every class for one picture (1, C, H, W) in model-input units.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the picture has other dimensions or the device fails, [`Error::NotFinite`].
    pub fn probabilities(&mut self, picture: Array4<f32>) -> Result<Vec<f32>, Error> {
        let picture = Tensor::from(picture);
        let network: &Network = self.network.borrow();
        let inputs = [(network.input.as_str(), &picture)];
        let [logits] = run(&mut self.session, &inputs, [self.logits.as_str()])?;
        let activation = network.activation();
        finite(activation.probabilities(logits.iter().copied()))
    }

    /// The device.
    pub fn device(&self) -> Device {
        self.session.device()
    }

    /// The network.
    pub fn network(&self) -> &Network {
        self.network.borrow()
    }
}

/// The elements of one of the network's values for one picture (1, C, H, W) in model-input units.
///
/// # Errors
/// [`Error::Runtime`] if the picture has other dimensions or the device fails.
pub(super) fn values_of(
    network: &Network,
    value: &str,
    picture: Array4<f32>,
    device: Device,
) -> Result<ArrayD<f32>, Error> {
    let mut session = session(&network.graph, &[value], Site::once(device))?;
    let picture = Tensor::from(picture);
    let [found] = run(&mut session, &[(&network.input, &picture)], [value])?;
    Ok(found)
}

/// The gradient of a target's score with respect to pictures (N, C, H, W) in model-input units; of the same dimensions.
/// Each picture has its own score.
///
/// # Errors
/// [`Error::NoSuchUnit`], [`Error::NotDifferentiable`], or [`Error::Runtime`] if the pictures do not fit the network.
pub fn input_gradient(
    network: &Network,
    target: &Objective,
    unit: Unit,
    pictures: Array4<f32>,
    device: Device,
) -> Result<Array4<f32>, Error> {
    let runs = pictures.dim().0;
    let graph = scored_graph(network, target, unit, runs, &network.input, device)?;
    let gradient = graph.scored.gradient;
    let mut session = session(graph.builder.graph(), &[&gradient], Site::once(device))?;
    let pictures = Tensor::from(pictures);
    let [found] = run(&mut session, &[(&network.input, &pictures)], [&gradient])?;
    Ok(found
        .into_dimensionality::<Ix4>()
        .expect("a gradient has its source's dimensions"))
}

/// The class activation map of a target for one picture (1, C, H, W) in model-input units: see [`Mapper`].
///
/// # Errors
/// As [`Mapper::open`] and [`Mapper::map`].
pub fn class_activation(
    network: &Network,
    target: &Objective,
    unit: Unit,
    picture: Array4<f32>,
    choice: CamOptions<'_>,
    device: Device,
) -> Result<Array2<f32>, Error> {
    Mapper::open(network, target, unit, choice, device)?.map(picture)
}

/// A session for the class activation map of a target, for any number of pictures.
#[derive(Debug)]
pub struct Mapper<'a> {
    network: &'a Network,
    session: Session,
    /// The names of the map and of the target's score; for a class, of all class scores.
    map: String,
    score: String,
    target: Objective,
    device: Device,
}

impl<'a> Mapper<'a> {
    /// Opens a session that computes only the map.
    ///
    /// # Errors
    /// [`Error::NoMap`] if the chosen layer has no positions or the target does not depend on it; if none is chosen and
    /// the target is a neuron or a layer, or depends on no layer with rows and columns; or for
    /// [`super::cam::Method::Cam`] if the layer is followed by more than pooling and one linear layer. Otherwise as
    /// [`input_gradient`].
    pub fn open(
        network: &'a Network,
        target: &Objective,
        unit: Unit,
        choice: CamOptions<'_>,
        site: impl Into<Site>,
    ) -> Result<Self, Error> {
        let site = site.into();
        let device = site.device;
        let map = cam_layer::resolve(network, target, choice)?.ok_or_else(|| no_map(target))?;
        let ScoredGraph {
            mut builder,
            mut shapes,
            scored,
        } = scored_graph(network, target, unit, 1, &map.layer, device)?;
        let map = map.emit(&mut builder, &mut shapes, &scored.gradient)?;
        let axes = builder.ints(&[0, 1]);
        let map = builder.emit("Squeeze", &[&map, &axes], &[]);
        let score = if target.kind.is_of_class() {
            target.value.clone()
        } else {
            scored.score
        };
        let session = session(builder.graph(), &[&map, &score], site)?;
        Ok(Self {
            network,
            session,
            map,
            score,
            target: target.clone(),
            device,
        })
    }

    /// The map of one picture (1, C, H, W) in model-input units: (rows, columns) of its layer, non-negative, not
    /// scaled.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the picture has other dimensions or the device fails, [`Error::NotFinite`].
    pub fn map(&mut self, picture: Array4<f32>) -> Result<Array2<f32>, Error> {
        let tensor = Tensor::from(picture.clone());
        let inputs = [(self.network.input.as_str(), &tensor)];
        let [map, score] = run(&mut self.session, &inputs, [&self.map, &self.score])?;
        let map = map
            .into_dimensionality::<Ix2>()
            .expect("the map has rows and columns left");
        let scores = score.iter().copied();
        let scores = if self.target.kind.is_of_class() {
            self.network.activation().probabilities(scores)
        } else {
            scores.collect()
        };
        if map.iter().chain(&scores).all(|value| value.is_finite()) {
            return Ok(map);
        }
        let value = &self.target.value;
        let first = first_not_finite(self.network, &picture, value, self.device);
        Err(Error::NotFinite(first))
    }
}

/// The first layer up to `value` that is not finite for `picture` (1, C, H, W) in model-input units, see
/// [`not_finite::first_layer`].
pub(super) fn first_not_finite(
    network: &Network,
    picture: &Array4<f32>,
    value: &str,
    device: Device,
) -> Option<String> {
    not_finite::first_layer(network, value, |name| {
        let values = values_of(network, name, picture.clone(), device).ok()?;
        Some(values.iter().all(|value| value.is_finite()))
    })
}

/// The error of a target without a class activation map.
pub(super) fn no_map(target: &Objective) -> Error {
    let value = safe(&target.value);
    Error::NoMap(match target.kind {
        Kind::Neuron | Kind::Layer => format!(
            "a neuron or a whole layer has no class activation map without --layer: choose a layer before {value}, or use a class or a channel ({value}:CHANNEL)"
        ),
        Kind::Class | Kind::NotClass | Kind::Channel => {
            format!(
                "{value} has no class activation map: no layer before it has the proportions of the picture at half its size or less; choose a layer with --layer"
            )
        }
    })
}

/// A network with the score of a target and its gradient.
struct ScoredGraph {
    builder: Builder,
    /// The types of all values.
    shapes: Types,
    scored: Scored,
}

/// Appends the score of a target for `runs` pictures, and its gradient with respect to `source`.
fn scored_graph(
    network: &Network,
    target: &Objective,
    unit: Unit,
    runs: usize,
    source: &str,
    device: Device,
) -> Result<ScoredGraph, Error> {
    check_unit(network, target, unit)?;
    let mut shapes = network.shapes_for(runs)?;
    let mut graph = network.graph.clone();
    graph.set_input_type(
        &network.input,
        ElementType::F32,
        &fixed_dims(&network.input_dims(runs)),
    );
    let mut builder = Builder::extend(graph, PREFIX);
    let position = flat_position(network, target, unit)?;
    let pair = [unit.index as i64, position as i64].repeat(runs);
    let units = builder.constant(TensorProto::from_i64("", &[runs as i64, 2], &pair));
    let scored = scored::append(
        &mut builder,
        &mut shapes,
        network,
        target,
        &units,
        source,
        lowering(device),
    )?;
    Ok(ScoredGraph {
        builder,
        shapes,
        scored,
    })
}

/// A session that computes `outputs` of a graph, pruned to what they need.
pub(super) fn session(
    graph: &crate::onnx::Graph,
    outputs: &[&str],
    site: impl Into<Site>,
) -> Result<Session, Error> {
    let Site {
        device,
        stop,
        runs_once,
    } = site.into();
    let outputs: Vec<_> = outputs.iter().map(|name| untyped_value(name)).collect();
    let model = placeable(graph.to_model(&outputs)?, device)?;
    let options = SessionOptions {
        stop,
        runs_once,
        ..SessionOptions::default()
    };
    Ok(Session::open_model(&model, device.into(), &options)?)
}

fn run<const COUNT: usize>(
    session: &mut Session,
    inputs: &[(&str, &Tensor)],
    outputs: [&str; COUNT],
) -> Result<[ndarray::ArrayD<f32>; COUNT], Error> {
    // The gradient of a linear function does not read the picture, and its graph lacks that input.
    let given: Vec<(&str, &Tensor)> = inputs
        .iter()
        .filter(|(name, _)| session.inputs().iter().any(|port| port.name == *name))
        .copied()
        .collect();
    let results = session.run(&given, &outputs)?.into_iter();
    let arrays: Vec<_> = results.map(TryInto::try_into).collect::<Result<_, _>>()?;
    Ok(arrays
        .try_into()
        .expect("there are as many results as outputs"))
}

/// The `count` largest values with their indices, in descending order. Ties are broken by index.
pub fn largest(values: impl IntoIterator<Item = f32>, count: usize) -> Vec<(usize, f32)> {
    let mut ranked: Vec<(usize, f32)> = values.into_iter().enumerate().collect();
    let before = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if count < ranked.len() {
        ranked.select_nth_unstable_by(count, before);
        ranked.truncate(count);
    }
    ranked.sort_by(before);
    ranked
}

fn finite(probabilities: Vec<f32>) -> Result<Vec<f32>, Error> {
    if probabilities.iter().all(|value| value.is_finite()) {
        Ok(probabilities)
    } else {
        Err(Error::NotFinite(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Activation;

    #[test]
    fn softmax_sums_to_one_for_large_scores() {
        let softmax = |scores: &[f32]| Activation::Softmax.probabilities(scores.iter().copied());
        assert_eq!(softmax(&[1e30, 1e30, -1e30]), [0.5, 0.5, 0.0]);
        let third = softmax(&[0.0, 2f32.ln()]);
        assert!((third[1] - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn the_largest_come_in_order_and_of_equals_the_first() {
        let values = [0.5, 2.0, 1.0, 2.0];
        assert_eq!(largest(values, 3), [(1, 2.0), (3, 2.0), (2, 1.0)]);
        assert_eq!(largest(values, 9).len(), 4);
        assert_eq!(largest([], 2), []);
    }

    #[test]
    fn scores_that_are_not_finite_are_an_error() {
        for scores in [[f32::NAN, 0.0], [f32::INFINITY, 0.0]] {
            let probabilities = Activation::Softmax.probabilities(scores.into_iter());
            assert!(matches!(finite(probabilities), Err(Error::NotFinite(None))));
        }
    }
}

//! A step graph in a session, with the state of all runs of a batch kept on the device.

use super::alike::{self, Alike};
use super::cam::Map;
use super::colour::Basis;
use super::objective::ClassScore;
use super::step_graph::{self, Request, Terms, names};
use super::stochastic_depth::{self, Batch, Gated};
use super::{Error, Objective};
use crate::autodiff;
use crate::model::Network;
use crate::onnx::Graph;
use crate::onnx::passes::fuse_batch_norm;
use crate::onnx::proto::ModelProto;
use crate::runtime::registration::is_tf32_allowed;
use crate::runtime::{CancelHandle, Device, DeviceLoop, NodePlacement, Options, Session, Tensor};
use std::collections::HashSet;

/// What a machine is built for; equal plans can share one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub objective: Objective,
    /// What of a class is climbed.
    pub class_score: ClassScore,
    /// The class activation map, if there is a mask.
    pub map: Option<Map>,
    pub runs: usize,
    pub terms: Terms,
}

/// The session, and what it needs to know to be fed.
pub(super) struct Machine {
    pub session: Session,
    /// How many residual branches may be left out.
    pub branches: usize,
    /// Whether there are rectifiers that can be opened, and it is built for that.
    pub redirects: bool,
    /// Whether each run gets the bytes that it gets alone.
    pub is_exact: bool,
}

/// Canvases, velocities and masks of all runs: the state.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub canvas: Tensor,
    pub velocity: Tensor,
    pub mask: Option<Tensor>,
}

impl Machine {
    pub fn new(
        network: &Network,
        plan: &Plan,
        device: Device,
        stop: &CancelHandle,
    ) -> Result<Self, Error> {
        let (mut graph, branches) = build(network, plan, device)?;
        let mut is_exact = plan.runs == 1;
        if plan.runs > 1 && device == Device::Cpu {
            let alone = Plan {
                runs: 1,
                ..plan.clone()
            };
            let (one, _) = build(network, &alone, device)?;
            Alike {
                model: graph,
                is_exact,
            } = alike::form(graph, one, plan.runs)?;
        }
        let graph = placeable(graph, device)?;
        let options = Options {
            stop: stop.clone(),
            tf32: is_tf32_allowed(),
            ..Options::default()
        };
        let session = Session::open_model(&graph, device.into(), &options)?;
        // What nothing reads is no input of the graph.
        let redirects = session
            .inputs()
            .iter()
            .any(|port| port.name == names::REDIRECT);
        Ok(Self {
            session,
            branches,
            redirects,
            is_exact,
        })
    }

    /// Puts the state on the device.
    pub fn start(&self, state: &State) -> Result<DeviceLoop, Error> {
        let mut parts = vec![
            (names::CANVAS, names::NEW_CANVAS, &state.canvas),
            (names::VELOCITY, names::NEW_VELOCITY, &state.velocity),
        ];
        parts.extend(
            state
                .mask
                .as_ref()
                .map(|mask| (names::MASK, names::NEW_MASK, mask)),
        );
        Ok(DeviceLoop::new(&self.session, &parts)?)
    }
}

/// Which provider gets which node of a plan's step graph.
pub(super) fn placement(
    network: &Network,
    plan: &Plan,
    device: Device,
) -> Result<Vec<NodePlacement>, Error> {
    let (graph, _) = build(network, plan, device)?;
    let options = Options {
        record_placement: true,
        ..Options::default()
    };
    let session = Session::open_model(&placeable(graph, device)?, device.into(), &options)?;
    Ok(session.placement()?)
}

/// The step graph of a plan, and how many residual branches it may leave out.
fn build(network: &Network, plan: &Plan, device: Device) -> Result<(ModelProto, usize), Error> {
    let mut shapes = network.shapes_for(plan.runs)?;
    let value = plan.objective.value.as_str();
    let keep: HashSet<&str> = [Some(value), network.logits()]
        .into_iter()
        .flatten()
        .chain(plan.map.as_ref().map(|map| map.layer.as_str()))
        .collect();
    let folded = fuse_batch_norm::fuse_batch_norm(&network.graph, &keep)?;
    let Gated { graph, branches } = if plan.terms.stochastic_depth {
        let batch = Batch {
            one: &network.shapes,
            runs: plan.runs,
        };
        stochastic_depth::gate(&folded, &mut shapes, batch, value)?
    } else {
        Gated {
            graph: folded,
            branches: 0,
        }
    };
    let affine: Vec<(f32, f32)> = network
        .affine()
        .into_iter()
        .map(|affine| (affine.scale(), affine.to_model(0.0)))
        .collect();
    let request = Request {
        network: &graph,
        input: &network.input,
        branches,
        shapes: &shapes,
        kind: plan.objective.kind,
        value,
        layout: network.layout(value),
        map: plan.map.as_ref(),
        logits: network.logits().filter(|logits| *logits == value),
        affine: &affine,
        basis: &Basis::of(network),
        class: (plan.class_score, network.activation()),
        terms: plan.terms,
        device: lowering(device),
    };
    let graph = step_graph::build(&request).map_err(|source| Error::NotDifferentiable {
        what: crate::text::printable(value),
        source,
    })?;
    Ok((graph, branches))
}

/// The form of the gradient graph for a device.
pub(super) fn lowering(device: Device) -> autodiff::Device {
    match device {
        Device::Cpu => autodiff::Device::CPU,
        Device::Cuda(_) | Device::TensorRt(_) => autodiff::Device::FULL,
        Device::Plugin(_) => autodiff::Device::BASIC,
    }
}

/// A finished graph for a device: without operators that its provider would leave to the CPU.
pub(super) fn placeable(model: ModelProto, device: Device) -> Result<ModelProto, Error> {
    if lowering(device).rare_operators {
        return Ok(model);
    }
    let graph = Graph::new(model)?;
    let basic = autodiff::lowering::basic::without_rare_operators(&graph)?;
    Ok(basic.to_model(basic.outputs())?)
}

//! A session for a step graph, with the state of all runs of a batch on the device.

use super::batch_invariance::{self, BatchInvariant};
use super::cam::Map;
use super::decorrelation::ColourBasis;
use super::objective::ClassScore;
use super::step_graph::{self, Request, Terms, names};
use super::stochastic_depth::{self, Batch, Gated};
use super::{Error, Objective};
use crate::autodiff;
use crate::autodiff::lowering::basic;
use crate::model::Network;
use crate::onnx::passes::fuse_batch_norm;
use crate::onnx::proto::ModelProto;
use crate::onnx::{Graph, Types};
use crate::runtime::registration::is_tf32_allowed;
use crate::runtime::{
    self, CancelHandle, Device, DeviceLoop, NodePlacement, Session, SessionOptions, Tensor, capture,
};
use std::collections::HashSet;

/// The specification of a step session; equal plans can share one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepPlan {
    pub objective: Objective,
    /// The score of a class that is maximized.
    pub class_score: ClassScore,
    /// The class activation map; `None` without a mask.
    pub map: Option<Map>,
    pub runs: usize,
    pub terms: Terms,
    /// Whether the device is to record its steps and replay them, if it can.
    pub graph_capture: bool,
}

/// The session, and the properties that determine its inputs.
pub(super) struct StepSession {
    pub session: Session,
    /// Number of residual branches that may be dropped.
    pub branches: usize,
    /// Whether the graph can open rectifiers.
    pub redirects: bool,
    /// Whether the results equal those of separate runs, bit for bit.
    pub is_exact: bool,
    /// Whether the device records its steps and replays them.
    pub captures: bool,
    /// Why it does not, although the plan says so.
    pub notice: Option<String>,
}

/// What is known of a step graph.
struct StepTraits {
    /// Number of gated residual branches.
    branches: usize,
    /// Whether the results equal those of separate runs, bit for bit.
    is_exact: bool,
}

/// The step graph of a plan. On the CPU, each of several runs gets the bytes of a separate run where possible.
fn for_batch(
    network: &Network,
    plan: &StepPlan,
    lowering: autodiff::Device,
) -> Result<(ModelProto, StepTraits), Error> {
    let (model, branches) = build(network, plan, lowering)?;
    if plan.runs == 1 || !lowering.blocked_channels {
        let is_exact = plan.runs == 1;
        return Ok((model, StepTraits { branches, is_exact }));
    }
    let alone = StepPlan {
        runs: 1,
        ..plan.clone()
    };
    let (one, _) = build(network, &alone, lowering)?;
    let BatchInvariant { model, is_exact } =
        batch_invariance::make_batch_invariant(model, one, plan.runs)?;
    Ok((model, StepTraits { branches, is_exact }))
}

/// The state of all runs: canvases, velocities and masks.
#[derive(Debug, Clone)]
pub(super) struct StateTensors {
    pub canvas: Tensor,
    pub velocity: Tensor,
    pub mask: Option<Tensor>,
}

impl StepSession {
    pub fn new(
        network: &Network,
        plan: &StepPlan,
        device: Device,
        stop: &CancelHandle,
    ) -> Result<Self, Error> {
        let options = SessionOptions {
            stop: stop.clone(),
            tf32: is_tf32_allowed(),
            operators: true,
            flush_subnormals: true,
            ..SessionOptions::default()
        };
        let mut fallback = None;
        if device == Device::Cpu {
            let (model, traits) = for_batch(network, plan, step_lowering(device))?;
            let types = step_graph::example_types(&Graph::new(model.clone())?)?;
            match Session::open_fused(model, &types, &options)? {
                Ok(session) => return Ok(Self::new_opened((session, false, None), traits)),
                Err(why) => fallback = Some(format!("steps are slower: {why}")),
            }
        }
        let (model, traits) = for_batch(network, plan, step_lowering(device))?;
        let model = placeable(model, device)?;
        let (session, captures, notice) = open(&model, device, options, plan.graph_capture)?;
        Ok(Self::new_opened(
            (session, captures, notice.or(fallback)),
            traits,
        ))
    }

    fn new_opened(
        (session, captures, notice): (Session, bool, Option<String>),
        traits: StepTraits,
    ) -> Self {
        // Unused inputs are pruned from the graph.
        let mut inputs = session.inputs().iter();
        let redirects = inputs.any(|port| port.name == names::REDIRECT);
        Self {
            session,
            branches: traits.branches,
            redirects,
            is_exact: traits.is_exact,
            captures,
            notice,
        }
    }

    /// Copies the state to the device.
    pub fn start(&self, state: &StateTensors) -> Result<DeviceLoop, Error> {
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

/// Opens a step graph. Returns also whether its steps are recorded and, if not although `graph_capture` asks for it,
/// why.
fn open(
    graph: &ModelProto,
    device: Device,
    options: SessionOptions,
    graph_capture: bool,
) -> Result<(Session, bool, Option<String>), Error> {
    let mut notice = None;
    if graph_capture && device != Device::Cpu {
        let recorded = SessionOptions {
            graph_capture: true,
            ..options.clone()
        };
        let opened = match capture::refusal(device) {
            Some(why) => Err(why),
            None => match Session::open_model(graph, device.into(), &recorded) {
                Err(runtime::Error::Stopped) => return Err(runtime::Error::Stopped.into()),
                Ok(session) => all_placed(&session).map(|()| session),
                Err(problem) => Err(problem.into_reason()),
            },
        };
        match opened {
            Ok(session) => return Ok((session, true, None)),
            Err(why) => notice = Some(not_captured(&why)),
        }
    }
    let session = Session::open_model(graph, device.into(), &options)?;
    Ok((session, false, notice))
}

/// Whether every output of a step can have a fixed place; otherwise why not.
fn all_placed(session: &Session) -> Result<(), String> {
    let state = [names::NEW_CANVAS, names::NEW_VELOCITY, names::NEW_MASK];
    let mut others = (session.outputs().iter()).filter(|port| !state.contains(&&*port.name));
    match others.find(|port| port.dims.contains(&None)) {
        Some(port) => Err(format!("the shape of {} is not known", port.name)),
        None => Ok(()),
    }
}

/// The notice that steps are not recorded, one line.
pub(super) fn not_captured(why: &str) -> String {
    format!("graph capture is off: {why}")
}

/// The provider of each node of a plan's step graph.
pub(super) fn placement(
    network: &Network,
    plan: &StepPlan,
    device: Device,
) -> Result<Vec<NodePlacement>, Error> {
    let (graph, _) = build(network, plan, step_lowering(device))?;
    let options = SessionOptions {
        record_placement: true,
        operators: true,
        ..SessionOptions::default()
    };
    let session = Session::open_model(&placeable(graph, device)?, device.into(), &options)?;
    Ok(session.placement()?)
}

/// The step graph of a plan, and its number of gated residual branches.
fn build(
    network: &Network,
    plan: &StepPlan,
    lowering: autodiff::Device,
) -> Result<(ModelProto, usize), Error> {
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
        stochastic_depth::gate(&folded, &mut shapes, batch, value, lowering)?
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
        basis: &ColourBasis::for_network(network),
        class: (plan.class_score, network.activation()),
        terms: plan.terms,
        device: lowering,
    };
    let graph = step_graph::build(&request).map_err(|source| Error::NotDifferentiable {
        what: crate::text::quoted(value),
        source,
    })?;
    Ok((graph, branches))
}

/// The lowering of the gradient graph for a device.
pub(super) fn lowering(device: Device) -> autodiff::Device {
    match device {
        Device::Cpu => autodiff::Device::CPU,
        Device::Cuda(_) | Device::TensorRt(_) => autodiff::Device::FULL,
        Device::Plugin(_) => autodiff::Device::BASIC,
    }
}

/// The lowering of a step graph for a device: with the operators that are registered there.
fn step_lowering(device: Device) -> autodiff::Device {
    autodiff::Device {
        own_operators: device == Device::Cpu,
        ..lowering(device)
    }
}

/// A graph for a device: without operators that its provider would leave to the CPU.
pub(super) fn placeable(model: ModelProto, device: Device) -> Result<ModelProto, Error> {
    if lowering(device).rare_operators {
        return Ok(model);
    }
    let graph = Graph::new(model)?;
    let types = if basic::needs_ranks(&graph) {
        step_graph::example_types(&graph)?
    } else {
        Types::default()
    };
    let rank = |value: &str| types.get(value).ok().map(|known| known.dims.len());
    let basic = basic::without_rare_operators(&graph, rank)?;
    Ok(basic.to_model(basic.outputs())?)
}

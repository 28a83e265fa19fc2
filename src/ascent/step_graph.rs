//! Builds the step graph, one step of the ascent as a single ONNX graph: sample a view of the canvas, run the network
//! forward and backward, shape the gradient, update the canvas.
//!
//! Canvas, velocity and mask are inputs and outputs that can stay on the device. Canvas sizes are dynamic, so one
//! session serves every octave. All resampling uses matrices: those of a view are computed in the graph from three
//! numbers per run and axis (`sampling`), those of the pyramid are inputs ([`super::resampling`]).
//!
//! ```text
//! x = clip(R · (rows z columns) + 1/2 + noise)              the view; z is the canvas, R its colour basis
//! g = rowsᵀ (Rᵀ dS/dx) columnsᵀ                             the gradient on the canvas
//! g = Σ weightᵢ · bandᵢ / rms(bandᵢ)                        with the spectrum of photographs
//! M = M + (1 - memory) · (CAM / max(CAM) - M)               where the view lies
//! v = μ v + (1 - μ) g · (1 - strength + strength · M)
//! z = z + η v - decay · z - damping · (z - blur(z)) - variation · dTV
//! z = z · min(1, contrast / rms(z))                         for each colour axis
//! ```

pub mod names;
mod resampling;
mod sampling;
mod shaping;
mod update;

use super::cam::Map;
use super::decorrelation::ColourBasis;
use super::objective::{self, ClassScore, Kind};
use crate::autodiff::{self, Device, GradientOptions, gradient};
use crate::model::{Activation, Layout};
use crate::onnx::graph::declared_dims;
use crate::onnx::proto::{Dim, ModelProto};
use crate::onnx::types::untyped_value;
use crate::onnx::{
    Builder, ElementType, Error as GraphError, Graph, NameScope, Types, ValueType, own_operators,
};
use crate::runtime;
use names::*;

/// The fraction of the gradient that bypasses the rectifier of the objective: small compared with active positions, and
/// sufficient if there are none.
const LEAK: f64 = 0.1;

/// The specification of a step graph.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The classifier, at opset 18 or newer. Its residual branches may have gates.
    pub network: &'a Graph,
    /// Its image input, (N, C, H, W).
    pub input: &'a str,
    /// Number of gated residual branches (see [`BRANCHES`]).
    pub branches: usize,
    /// Types of its values for this N.
    pub shapes: &'a Types,
    pub kind: Kind,
    /// The value that the objective scores.
    pub value: &'a str,
    /// The layout of that value; not needed for the objective of a layer.
    pub layout: Option<Layout>,
    /// The class activation map; `None` for no mask.
    pub map: Option<&'a Map>,
    /// The class scores (N, classes), if they are an output.
    pub logits: Option<&'a str>,
    /// For each channel, scale and shift from brightness (0 to 1) to the network's units.
    pub affine: &'a [(f32, f32)],
    /// The colour basis of the canvas.
    pub basis: &'a ColourBasis,
    /// The score of a class that is maximized, and the activation of its logits.
    pub class: (ClassScore, Activation),
    pub terms: Terms,
    pub device: Device,
}

/// The terms of the update. Unused terms are omitted from the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Bands of the Laplacian pyramid, the residual included; at least 1.
    pub levels: u32,
    /// Whether noise is added to views.
    pub noise: bool,
    pub decay: bool,
    pub damping: bool,
    pub variation: bool,
    /// Whether the contrast is limited.
    pub contrast: bool,
    /// Whether residual branches may be dropped (see [`BRANCHES`]).
    pub stochastic_depth: bool,
    /// Whether blocked rectifiers may pass a gradient (see [`REDIRECT`]).
    pub rescue: bool,
}

/// Builds the graph.
///
/// # Errors
/// [`autodiff::Error`] if the network cannot be differentiated from the objective to its input.
pub fn build(request: &Request) -> Result<ModelProto, autodiff::Error> {
    let dims = &request.shapes.get(request.input)?.dims;
    let &[runs, channels, height, width] = dims.as_slice() else {
        let what = format!("an image input of dimensions {dims:?} (N, channels, height, width)");
        return Err(GraphError::Unsupported(what).into());
    };
    let mut empty = request.network.empty_like();
    if request.device.own_operators {
        empty.import_opset(own_operators::import());
    }
    let mut step = Step {
        builder: Builder::extend(empty, "ascent/"),
        runs,
        channels,
        device: request.device,
    };
    step.builder.reserve(NameScope::from_graph(request.network));
    step.declare(request, [channels, height, width])?;

    let lines = step.lines(height, width);
    let view = step.view(&lines, request);
    let image = view.units.clone();
    step.builder
        .append_graph(request.network, request.input, &image)?;
    let mut shapes = request.shapes.clone();
    let scored = objective::Scored {
        kind: request.kind,
        value: request.value,
        layout: request.layout,
        leak: LEAK,
        class: request.class,
    };
    let parts = objective::emit(&mut step.builder, &mut shapes, scored, UNITS)?;
    shapes.insert(
        &image,
        ValueType {
            elem: ElementType::F32,
            dims: dims.clone(),
        },
    );
    let per_run = ValueType {
        elem: ElementType::F32,
        dims: vec![dims[0], 1, 1, 1],
    };
    shapes.insert(REDIRECT, per_run);
    let options = GradientOptions {
        device: request.device,
        redirect: request.terms.rescue.then(|| REDIRECT.into()),
    };
    let sources: Vec<String> = std::iter::once(image)
        .chain(request.map.map(|map| map.layer.clone()))
        .collect();
    let gradients = gradient(&mut step.builder, &shapes, &parts.seeds, &sources, &options)?;

    let raw = step.back_to_canvas(&gradients[0], &lines, &view, request.basis);
    let (rms, shaped) = step.shape_gradient(&raw, request.terms.levels);
    let mut outputs = vec![
        step.rename(&parts.score, SCORE)?,
        step.rename(&rms, GRADIENT_RMS)?,
    ];
    let mut direction = shaped;
    if let (Some(map), Some(gradient)) = (request.map, gradients.get(1)) {
        let Layout { rows, columns, .. } = map.layout;
        let map = map.emit(&mut step.builder, &mut shapes, gradient)?;
        let mask = step.mask(&map, (rows, columns), &lines, (height, width));
        direction = step.masked(&direction, &mask);
        outputs.push(step.rename(&mask, NEW_MASK)?);
    }
    let (canvas, velocity) = step.update(&direction, request.terms);
    outputs.push(step.rename(&canvas, NEW_CANVAS)?);
    outputs.push(step.rename(&velocity, NEW_VELOCITY)?);
    if let Some(logits) = request.logits {
        outputs.push(step.rename(logits, LOGITS)?);
    }
    let outputs: Vec<_> = outputs.iter().map(|name| untyped_value(name)).collect();
    Ok(step.builder.graph().to_model(&outputs)?)
}

/// The graph under construction, and what it is for.
struct Step {
    builder: Builder,
    /// The batch size.
    runs: usize,
    /// Channels of the canvas.
    channels: usize,
    device: Device,
}

impl Step {
    /// Declares the inputs; `size` is channels, height and width of the network's input.
    fn declare(
        &mut self,
        request: &Request,
        [channels, height, width]: [usize; 3],
    ) -> Result<(), GraphError> {
        let fixed = |size: usize| Dim::DimValue(size as i64);
        let free = |name: &str| Dim::DimParam(name.into());
        let (runs, one) = (fixed(self.runs), fixed(1));
        let (h, w) = (free("canvas_height"), free("canvas_width"));
        let mut declare = |name: &str, elem: ElementType, dims: &[Dim]| {
            self.builder.input(name, elem, dims).map(drop)
        };
        let canvas = [runs.clone(), fixed(channels), h.clone(), w.clone()];
        declare(CANVAS, ElementType::F32, &canvas)?;
        declare(VELOCITY, ElementType::F32, &canvas)?;
        declare(ROW_PIXELS, ElementType::F32, std::slice::from_ref(&h))?;
        declare(COLUMN_PIXELS, ElementType::F32, std::slice::from_ref(&w))?;
        let line = [runs.clone(), fixed(3), one.clone(), one.clone()];
        declare(VIEW_ROWS, ElementType::F32, &line)?;
        declare(VIEW_COLUMNS, ElementType::F32, &line)?;
        declare(UNITS, ElementType::I64, &[runs.clone(), fixed(2)])?;
        if request.terms.noise {
            let noise = [runs.clone(), fixed(channels), fixed(height), fixed(width)];
            declare(VIEW_NOISE, ElementType::F32, &noise)?;
        }
        if request.branches > 0 {
            declare(
                BRANCHES,
                ElementType::F32,
                &[runs.clone(), fixed(request.branches)],
            )?;
        }
        let scalar = [runs.clone(), one.clone(), one.clone(), one.clone()];
        for name in [STEP_SIZE, MOMENTUM, CLIP] {
            declare(name, ElementType::F32, &scalar)?;
        }
        if request.map.is_some() {
            declare(
                MASK,
                ElementType::F32,
                &[runs.clone(), one.clone(), h.clone(), w.clone()],
            )?;
            declare(MASK_STRENGTH, ElementType::F32, &scalar)?;
            declare(MASK_MEMORY, ElementType::F32, &scalar)?;
        }
        let terms = request.terms;
        let optional = [
            (terms.decay, DECAY),
            (terms.damping, DAMPING),
            (terms.variation, VARIATION),
            (terms.contrast, CONTRAST),
            (terms.rescue, REDIRECT),
        ];
        for (_, name) in optional.into_iter().filter(|(used, _)| *used) {
            declare(name, ElementType::F32, &scalar)?;
        }
        for level in 0..terms.levels {
            let weights = [runs.clone(), fixed(channels), one.clone(), one.clone()];
            declare(&band_weight(level), ElementType::F32, &weights)?;
        }
        let pyramid = (terms.levels - 1).max(u32::from(terms.damping));
        for level in 0..pyramid {
            let rows = [
                free(&format!("height_{}", level + 1)),
                level_dim("height", level),
            ];
            let columns = [
                free(&format!("width_{}", level + 1)),
                level_dim("width", level),
            ];
            declare(&reduce_rows(level), ElementType::F32, &rows)?;
            declare(&reduce_columns(level), ElementType::F32, &columns)?;
            let back = |dims: &[Dim; 2]| [dims[1].clone(), dims[0].clone()];
            declare(&expand_rows(level), ElementType::F32, &back(&rows))?;
            declare(&expand_columns(level), ElementType::F32, &back(&columns))?;
        }
        Ok(())
    }

    fn plain(&mut self, op: &str, inputs: &[&str]) -> String {
        self.builder.emit(op, inputs, &[])
    }

    fn number(&mut self, value: f64) -> String {
        self.builder.floats(&[], &[value as f32])
    }

    fn rename(&mut self, value: &str, name: &str) -> Result<String, GraphError> {
        self.builder.emit_named(name, "Identity", &[value], &[])
    }
}

/// Dimensions of all inputs of a step graph for an example canvas. Its sizes on all pyramid levels share no factor with
/// the size of a SIMD register, as is the case for some real canvases.
fn example_dims(graph: &Graph) -> Vec<(String, Vec<usize>)> {
    const SIDE: usize = 257;
    let size = |dim: Option<Dim>| match dim {
        Some(Dim::DimValue(size)) => usize::try_from(size).unwrap_or(1),
        Some(Dim::DimParam(name)) => {
            let level = name.rsplit('_').next().and_then(|level| level.parse().ok());
            SIDE.div_ceil(1 << level.unwrap_or(0u32))
        }
        None => 1,
    };
    let inputs = graph.inputs().iter().filter_map(|input| {
        let (_, dims) = declared_dims(input)?;
        Some((input.name.clone(), dims.into_iter().map(size).collect()))
    });
    inputs.collect()
}

/// Size of pyramid level `level` along an axis: the canvas at level 0.
fn level_dim(axis: &str, level: u32) -> Dim {
    Dim::DimParam(if level == 0 {
        format!("canvas_{axis}")
    } else {
        format!("{axis}_{level}")
    })
}

/// The types of all values of a step graph for an example canvas.
///
/// # Errors
/// Those of shape inference.
pub(super) fn example_types(graph: &Graph) -> Result<Types, runtime::Error> {
    let dims = example_dims(graph);
    let dims: Vec<(&str, &[usize])> = dims
        .iter()
        .map(|(name, dims)| (name.as_str(), dims.as_slice()))
        .collect();
    runtime::shape_inference::infer_types_with_operators(graph, &dims)
}

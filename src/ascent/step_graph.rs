//! Builds the one graph that is a step of the ascent: sample the canvas, run the network forward and backward, shape the
//! gradient, move the picture.
//!
//! Image, velocity and mask go in and come out and can stay on the device. Canvas sizes are free, so one session serves
//! every octave: all resampling is done by matrices that are inputs (see [`super::resampling`]).
//!
//! ```text
//! x' = network's input ← rows · roll(image) · columns          Gather picks the rolled rows of the matrices
//! g  = rowsᵀ-and-columns-transposed dS/dx', back on the canvas
//! g  = colour · g;  g = g / rms(g);  g = Σ weightᵢ · bandᵢ / rms(bandᵢ)
//! M  = memory · M + (1 - memory) · CAM / max(CAM);  g = g · (1 - strength + strength · M)
//! v  = μ v + (1 - μ) g
//! image = clamp(image + η v - decay · image - damping · (image - blur(image)) - variation · dTV)
//! ```

pub mod names;

use super::cam::Map;
use super::objective::{self, Kind};
use crate::autodiff::{self, Device, Options, gradient};
use crate::model::Layout;
use crate::onnx::proto::{Dim, ModelProto};
use crate::onnx::shapes::untyped;
use crate::onnx::{Builder, Elem, Error as GraphError, Graph, Shapes, ValueType};
use names::*;

/// What a step graph is built for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The classifier, at opset 18 or newer. Its residual branches may have gates.
    pub network: &'a Graph,
    /// Its image input, (N, C, H, W).
    pub input: &'a str,
    /// How many of its residual branches have gates (see [`BRANCHES`]).
    pub branches: usize,
    /// Types of its values for this N.
    pub shapes: &'a Shapes,
    pub kind: Kind,
    /// The value that the objective scores.
    pub value: &'a str,
    /// Where that has its channels; not needed for a whole layer.
    pub layout: Option<Layout>,
    /// The class activation map; `None` leaves the mask out.
    pub map: Option<&'a Map>,
    /// The class scores (N, classes), if they are to be read along the way.
    pub logits: Option<&'a str>,
    /// For each channel, scale and shift from -1..1 to the network's units.
    pub affine: &'a [(f32, f32)],
    pub terms: Terms,
    pub device: Device,
}

/// Which terms the update has. What is not used costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Bands of the Laplacian pyramid, the residual included; at least 1.
    pub levels: u32,
    pub decay: bool,
    pub damping: bool,
    pub variation: bool,
    /// Whether residual branches may be left out (see [`BRANCHES`]).
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
    let mut step = Step {
        builder: Builder::over(request.network.hollow(), "ascent/"),
        runs,
    };
    step.declare(request, channels, height, width)?;

    let view = step.sample();
    let image = step.normalise(&view, request.affine);
    step.builder
        .absorb(request.network, request.input, &image)?;
    let mut shapes = request.shapes.clone();
    let scored = objective::Scored {
        kind: request.kind,
        value: request.value,
        layout: request.layout,
    };
    let parts = objective::emit(&mut step.builder, &mut shapes, scored, UNITS)?;
    shapes.insert(
        &image,
        ValueType {
            elem: Elem::F32,
            dims: dims.clone(),
        },
    );
    let per_run = ValueType {
        elem: Elem::F32,
        dims: vec![dims[0], 1, 1, 1],
    };
    shapes.insert(REDIRECT, per_run);
    let options = Options {
        device: request.device,
        redirect: request.terms.rescue.then(|| REDIRECT.into()),
    };
    let seeds = [(parts.value, parts.seed)];
    let sources: Vec<String> = std::iter::once(image)
        .chain(request.map.map(|map| map.layer.clone()))
        .collect();
    let gradients = gradient(&mut step.builder, &shapes, &seeds, &sources, &options)?;

    let raw = step.back_to_canvas(&gradients[0], request.affine);
    let (rms, shaped) = step.shape_gradient(&raw, request.terms.levels)?;
    let mut outputs = vec![
        step.rename(&parts.score, SCORE)?,
        step.rename(&rms, GRADIENT_RMS)?,
    ];
    let mut direction = shaped;
    if let (Some(map), Some(gradient)) = (request.map, gradients.get(1)) {
        let map = map.emit(&mut step.builder, &mut shapes, gradient)?;
        let mask = step.mask(&map)?;
        direction = step.masked(&direction, &mask)?;
        outputs.push(step.rename(&mask, NEW_MASK)?);
    }
    let (image, velocity) = step.update(&direction, request.terms)?;
    outputs.push(step.rename(&image, NEW_IMAGE)?);
    outputs.push(step.rename(&velocity, NEW_VELOCITY)?);
    if let Some(logits) = request.logits {
        outputs.push(step.rename(logits, LOGITS)?);
    }
    let outputs: Vec<_> = outputs.iter().map(|name| untyped(name)).collect();
    Ok(step.builder.graph().to_model(&outputs)?)
}

/// The graph under construction, and how many runs it steps at once.
struct Step {
    builder: Builder,
    runs: usize,
}

impl Step {
    fn declare(
        &mut self,
        request: &Request,
        channels: usize,
        height: usize,
        width: usize,
    ) -> Result<(), GraphError> {
        let fixed = |size: usize| Dim::DimValue(size as i64);
        let free = |name: &str| Dim::DimParam(name.into());
        let (runs, one) = (fixed(self.runs), fixed(1));
        let (h, w) = (free("canvas_height"), free("canvas_width"));
        let mut declare =
            |name: &str, elem: Elem, dims: &[Dim]| self.builder.input(name, elem, dims).map(drop);
        let canvas = [runs.clone(), fixed(channels), h.clone(), w.clone()];
        declare(IMAGE, Elem::F32, &canvas)?;
        declare(VELOCITY, Elem::F32, &canvas)?;
        declare(ROWS, Elem::F32, &[h.clone(), fixed(height)])?;
        declare(COLUMNS, Elem::F32, &[w.clone(), fixed(width)])?;
        declare(ROLLED_ROWS, Elem::I64, &[runs.clone(), h.clone()])?;
        declare(ROLLED_COLUMNS, Elem::I64, &[runs.clone(), w.clone()])?;
        declare(UNITS, Elem::I64, &[runs.clone(), fixed(2)])?;
        declare(
            COLOUR,
            Elem::F32,
            &[runs.clone(), fixed(channels), fixed(channels)],
        )?;
        if request.branches > 0 {
            declare(
                BRANCHES,
                Elem::F32,
                &[runs.clone(), fixed(request.branches)],
            )?;
        }
        let scalar = [runs.clone(), one.clone(), one.clone(), one.clone()];
        for name in [STEP_SIZE, MOMENTUM] {
            declare(name, Elem::F32, &scalar)?;
        }
        if let Some(Layout { rows, columns, .. }) = request.map.map(|map| map.layout) {
            declare(
                MASK,
                Elem::F32,
                &[runs.clone(), one.clone(), h.clone(), w.clone()],
            )?;
            declare(MASK_ROWS, Elem::F32, &[h.clone(), fixed(rows)])?;
            declare(MASK_COLUMNS, Elem::F32, &[w.clone(), fixed(columns)])?;
            declare(MASK_STRENGTH, Elem::F32, &scalar)?;
            declare(MASK_MEMORY, Elem::F32, &scalar)?;
        }
        let terms = request.terms;
        let optional = [
            (terms.decay, DECAY),
            (terms.damping, DAMPING),
            (terms.variation, VARIATION),
            (terms.rescue, REDIRECT),
        ];
        for (_, name) in optional.into_iter().filter(|(used, _)| *used) {
            declare(name, Elem::F32, &scalar)?;
        }
        for level in 0..terms.levels {
            declare(&band_weight(level), Elem::F32, &scalar)?;
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
            declare(&reduce_rows(level), Elem::F32, &rows)?;
            declare(&reduce_columns(level), Elem::F32, &columns)?;
            let back = |dims: &[Dim; 2]| [dims[1].clone(), dims[0].clone()];
            declare(&expand_rows(level), Elem::F32, &back(&rows))?;
            declare(&expand_columns(level), Elem::F32, &back(&columns))?;
        }
        Ok(())
    }

    fn plain(&mut self, op: &str, inputs: &[&str]) -> String {
        self.builder.emit(op, inputs, &[])
    }

    /// `value` with its last two axes exchanged, from rank 4.
    fn transpose(&mut self, value: &str) -> String {
        self.builder
            .emit("Transpose", &[value], &[("perm", vec![0, 1, 3, 2].into())])
    }

    /// The rows of `matrix` (canvas, other) that `rolled` (N, canvas) names: (N, 1, canvas, other).
    fn rolled(&mut self, matrix: &str, rolled: &str) -> String {
        let picked = self
            .builder
            .emit("Gather", &[matrix, rolled], &[("axis", 0i64.into())]);
        let axes = self.builder.ints(&[1]);
        self.plain("Unsqueeze", &[&picked, &axes])
    }

    /// What the network sees of the rolled canvas: (N, C, H, W) between -1 and 1.
    fn sample(&mut self) -> String {
        let rows = self.rolled(ROWS, ROLLED_ROWS);
        let columns = self.rolled(COLUMNS, ROLLED_COLUMNS);
        let wide = self.plain("MatMul", &[IMAGE, &columns]);
        let rows = self.transpose(&rows);
        self.plain("MatMul", &[&rows, &wide])
    }

    /// From -1..1 to the network's units, channel by channel.
    fn normalise(&mut self, view: &str, affine: &[(f32, f32)]) -> String {
        let scales = self.per_channel(affine.iter().map(|(scale, _)| *scale));
        let shifts = self.per_channel(affine.iter().map(|(_, shift)| *shift));
        let scaled = self.plain("Mul", &[view, &scales]);
        self.plain("Add", &[&scaled, &shifts])
    }

    fn per_channel(&mut self, values: impl Iterator<Item = f32>) -> String {
        let values: Vec<f32> = values.collect();
        self.builder
            .floats(&[1, values.len() as i64, 1, 1], &values)
    }

    /// The gradient with respect to the canvas, from that with respect to the network's input.
    fn back_to_canvas(&mut self, gradient: &str, affine: &[(f32, f32)]) -> String {
        let scales = self.per_channel(affine.iter().map(|(scale, _)| *scale));
        let scaled = self.plain("Mul", &[gradient, &scales]);
        let rows = self.rolled(ROWS, ROLLED_ROWS);
        let columns = self.rolled(COLUMNS, ROLLED_COLUMNS);
        let columns = self.transpose(&columns);
        let narrow = self.plain("MatMul", &[&scaled, &columns]);
        self.plain("MatMul", &[&rows, &narrow])
    }

    /// Root mean square of each run's part of `value`: (N, 1, 1, 1).
    fn rms(&mut self, value: &str) -> String {
        let square = self.plain("Mul", &[value, value]);
        let axes = self.builder.ints(&[1, 2, 3]);
        let mean = self.plain("ReduceMean", &[&square, &axes]);
        self.plain("Sqrt", &[&mean])
    }

    /// `value / (rms + tiny)`: zero stays zero.
    fn over_rms(&mut self, value: &str, rms: &str, tiny: f64) -> Result<String, GraphError> {
        let tiny = self.builder.scalar(Elem::F32, tiny)?;
        let safe = self.plain("Add", &[rms, &tiny]);
        Ok(self.plain("Div", &[value, &safe]))
    }

    /// Mixes colours, normalises, and weighs the bands of the Laplacian pyramid. Returns the raw gradient's rms as well.
    fn shape_gradient(&mut self, raw: &str, levels: u32) -> Result<(String, String), GraphError> {
        let raw_rms = self.rms(raw);
        // Gradients of deep networks may be small; normalising first keeps what follows in range.
        let even = self.over_rms(raw, &raw_rms, 1e-30)?;
        let flat = self.builder.ints(&[0, 0, -1]);
        let pixels = self.plain("Reshape", &[&even, &flat]);
        let mixed = self.plain("MatMul", &[COLOUR, &pixels]);
        let canvas = self.plain("Shape", &[IMAGE]);
        let mut level_value = self.plain("Reshape", &[&mixed, &canvas]);

        let mut bands = Vec::with_capacity(levels as usize);
        for level in 0..levels - 1 {
            let coarse = self.reduce(&level_value, level);
            let back = self.expand(&coarse, level);
            bands.push(self.plain("Sub", &[&level_value, &back]));
            level_value = coarse;
        }
        let mut total = self.weighted_band(&level_value, levels - 1)?;
        for (level, band) in bands.iter().enumerate().rev() {
            let wider = self.expand(&total, level as u32);
            let band = self.weighted_band(band, level as u32)?;
            total = self.plain("Add", &[&wider, &band]);
        }
        let rms = self.rms(&total);
        let shaped = self.over_rms(&total, &rms, 1e-30)?;
        Ok((raw_rms, shaped))
    }

    fn weighted_band(&mut self, band: &str, level: u32) -> Result<String, GraphError> {
        let rms = self.rms(band);
        let even = self.over_rms(band, &rms, 1e-6)?;
        Ok(self.plain("Mul", &[&even, &band_weight(level)]))
    }

    fn reduce(&mut self, value: &str, level: u32) -> String {
        self.both_axes(value, &reduce_rows(level), &reduce_columns(level))
    }

    fn expand(&mut self, value: &str, level: u32) -> String {
        self.both_axes(value, &expand_rows(level), &expand_columns(level))
    }

    /// `rows · value · columnsᵀ`.
    fn both_axes(&mut self, value: &str, rows: &str, columns: &str) -> String {
        let columns = self
            .builder
            .emit("Transpose", &[columns], &[("perm", vec![1, 0].into())]);
        let narrow = self.plain("MatMul", &[value, &columns]);
        self.plain("MatMul", &[rows, &narrow])
    }

    /// The averaged class activation map on the canvas, of `map` (N, 1, rows, columns) scaled to 1 at its largest.
    fn mask(&mut self, map: &str) -> Result<String, GraphError> {
        let axes = self.builder.ints(&[1, 2, 3]);
        let largest = self.plain("ReduceMax", &[map, &axes]);
        let map = self.over_rms(map, &largest, 1e-30)?;
        let rows = self.rolled(MASK_ROWS, ROLLED_ROWS);
        let columns = self.rolled(MASK_COLUMNS, ROLLED_COLUMNS);
        let columns = self.transpose(&columns);
        let wide = self.plain("MatMul", &[&map, &columns]);
        let fresh = self.plain("MatMul", &[&rows, &wide]);
        self.blend(MASK, &fresh, MASK_MEMORY)
    }

    /// `share · old + (1 - share) · fresh`.
    fn blend(&mut self, old: &str, fresh: &str, share: &str) -> Result<String, GraphError> {
        let one = self.builder.scalar(Elem::F32, 1.0)?;
        let rest = self.plain("Sub", &[&one, share]);
        let old = self.plain("Mul", &[old, share]);
        let fresh = self.plain("Mul", &[fresh, &rest]);
        Ok(self.plain("Add", &[&old, &fresh]))
    }

    /// `direction · (1 - strength + strength · mask)`.
    fn masked(&mut self, direction: &str, mask: &str) -> Result<String, GraphError> {
        let one = self.builder.scalar(Elem::F32, 1.0)?;
        let factor = self.blend(mask, &one, MASK_STRENGTH)?;
        Ok(self.plain("Mul", &[direction, &factor]))
    }

    /// The new picture and velocity.
    fn update(&mut self, direction: &str, terms: Terms) -> Result<(String, String), GraphError> {
        let velocity = self.blend(VELOCITY, direction, MOMENTUM)?;
        let moved = self.plain("Mul", &[&velocity, STEP_SIZE]);
        let mut image = self.plain("Add", &[IMAGE, &moved]);
        if terms.decay {
            image = self.minus(&image, IMAGE, DECAY);
        }
        if terms.damping {
            let coarse = self.reduce(IMAGE, 0);
            let blurred = self.expand(&coarse, 0);
            let detail = self.plain("Sub", &[IMAGE, &blurred]);
            image = self.minus(&image, &detail, DAMPING);
        }
        if terms.variation {
            let slope = self.total_variation_slope()?;
            image = self.minus(&image, &slope, VARIATION);
        }
        let (least, most) = (
            self.builder.scalar(Elem::F32, -1.0)?,
            self.builder.scalar(Elem::F32, 1.0)?,
        );
        Ok((self.plain("Clip", &[&image, &least, &most]), velocity))
    }

    /// `value - factor · what`.
    fn minus(&mut self, value: &str, what: &str, factor: &str) -> String {
        let part = self.plain("Mul", &[what, factor]);
        self.plain("Sub", &[value, &part])
    }

    /// The gradient of Σ √(d² + ε) over the differences d between vertical and horizontal neighbours.
    fn total_variation_slope(&mut self) -> Result<String, GraphError> {
        let vertical = self.total_variation_along(2)?;
        let horizontal = self.total_variation_along(3)?;
        Ok(self.plain("Add", &[&vertical, &horizontal]))
    }

    fn total_variation_along(&mut self, axis: usize) -> Result<String, GraphError> {
        let [zero, one, last, end, along] =
            [0, 1, -1, i64::MAX, axis as i64].map(|number| self.builder.ints(&[number]));
        let later = self.plain("Slice", &[IMAGE, &one, &end, &along]);
        let earlier = self.plain("Slice", &[IMAGE, &zero, &last, &along]);
        let difference = self.plain("Sub", &[&later, &earlier]);
        let square = self.plain("Mul", &[&difference, &difference]);
        let smooth = self.builder.scalar(Elem::F32, 1e-4)?;
        let square = self.plain("Add", &[&square, &smooth]);
        let length = self.plain("Sqrt", &[&square]);
        let slope = self.plain("Div", &[&difference, &length]);
        // Each difference pulls its later pixel down and its earlier one up.
        let [before, after] = [axis, axis + 4].map(|place| {
            let mut pads = [0i64; 8];
            pads[place] = 1;
            self.builder.ints(&pads)
        });
        let on_later = self.plain("Pad", &[&slope, &before]);
        let on_earlier = self.plain("Pad", &[&slope, &after]);
        Ok(self.plain("Sub", &[&on_later, &on_earlier]))
    }

    fn rename(&mut self, value: &str, name: &str) -> Result<String, GraphError> {
        self.builder.emit_named(name, "Identity", &[value], &[])
    }
}

/// Size of pyramid level `level` along an axis: the canvas at level 0.
fn level_dim(axis: &str, level: u32) -> Dim {
    Dim::DimParam(if level == 0 {
        format!("canvas_{axis}")
    } else {
        format!("{axis}_{level}")
    })
}

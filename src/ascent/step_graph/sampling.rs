//! The part of a step graph between the canvas and the network: sampling of a view, its gradient, and the resampling of
//! the class activation map to the canvas.
//!
//! A view is separable: along each axis a matrix `kernel(centre of the sample - pixel)` with a triangle kernel, see
//! [`crate::ascent::views::AxisView`]. The graph computes it from a few numbers, so that nothing large is uploaded per
//! step. Its transpose gives the exact gradient.

use super::names::*;
use super::resampling::Matrix;
use super::{Request, Step};
use crate::ascent::decorrelation::ColourBasis;

/// A view along one axis.
pub(super) struct Line {
    /// The position of sample -1/2 on the canvas, and pixels per sample: each (N, 1, 1, 1).
    origin: String,
    scale: String,
    /// The matrix: (N, 1, samples, pixels) of rows, (N, 1, pixels, samples) of columns. Where the
    /// device needs equal batch dimensions, (N, C, …).
    matrix: String,
}

/// Both axes of a view.
pub(super) struct Lines {
    rows: Line,
    columns: Line,
}

impl Lines {
    /// The matrices that sample the canvas.
    fn matrices(&self) -> [Matrix<'_>; 2] {
        [&self.rows, &self.columns].map(|line| Matrix::per_run(&line.matrix))
    }
}

/// A sampled view.
pub(super) struct View {
    /// (N, C, H, W) in the network's units.
    pub units: String,
    /// The factor from a gradient with respect to `units` to one with respect to unclipped brightness.
    slope: String,
}

impl Step {
    pub(super) fn lines(&mut self, height: usize, width: usize) -> Lines {
        let [rows, columns] = [height, width].map(|size| {
            let samples: Vec<f32> = (0..size).map(|sample| sample as f32 + 0.5).collect();
            samples
        });
        let samples = self.builder.floats(&[height as i64, 1], &rows);
        let rows = self.line(VIEW_ROWS, &samples, ROW_PIXELS);
        let samples = self.builder.floats(&[width as i64], &columns);
        let pixels = self.upright(COLUMN_PIXELS);
        let columns = self.line(VIEW_COLUMNS, &samples, &pixels);
        Lines { rows, columns }
    }

    /// The matrix `max(0, 1 - |origin + sample · scale - pixel| / support) / support`, its axes those of the broadcast.
    fn line(&mut self, numbers: &str, samples: &str, pixels: &str) -> Line {
        let attributes = [("axis", 1i64.into()), ("num_outputs", 3i64.into())];
        let parts = self.builder.emit_many("Split", &[numbers], &attributes, 3);
        let [origin, scale, sharpness] = [0, 1, 2].map(|part: usize| parts[part].clone());
        let centres = self.plain("Mul", &[samples, &scale]);
        let centres = self.plain("Add", &[&centres, &origin]);
        let distance = self.plain("Sub", &[&centres, pixels]);
        let distance = self.plain("Abs", &[&distance]);
        let distance = self.plain("Mul", &[&distance, &sharpness]);
        let one = self.number(1.0);
        let weight = self.plain("Sub", &[&one, &distance]);
        let weight = self.plain("Relu", &[&weight]);
        let matrix = self.plain("Mul", &[&weight, &sharpness]);
        Line {
            origin,
            scale,
            matrix: self.repeated(&matrix),
        }
    }

    /// A line (n) as a column (n, 1).
    fn upright(&mut self, line: &str) -> String {
        let axes = self.builder.ints(&[1]);
        self.plain("Unsqueeze", &[line, &axes])
    }

    /// Samples the view of the canvas.
    pub(super) fn view(&mut self, lines: &Lines, request: &Request) -> View {
        let [rows, columns] = lines.matrices();
        let sampled = self.resampled(CANVAS, rows, columns);
        let mixed = self.mixed(&sampled, request.basis, false);
        let half = self.number(0.5);
        let mut brightness = self.plain("Add", &[&mixed, &half]);
        if request.terms.noise {
            brightness = self.plain("Add", &[&brightness, VIEW_NOISE]);
        }
        let one = self.number(1.0);
        let least = self.plain("Neg", &[CLIP]);
        let most = self.plain("Add", &[&one, CLIP]);
        let clipped = self.plain("Max", &[&brightness, &least]);
        let clipped = self.plain("Min", &[&clipped, &most]);
        let inside = self.plain("Equal", &[&clipped, &brightness]);
        let inside = self
            .builder
            .emit("Cast", &[&inside], &[("to", 1i64.into())]);
        let affine = request.affine;
        let scales = self.per_channel(affine.iter().map(|(scale, _)| *scale));
        let shifts = self.per_channel(affine.iter().map(|(_, shift)| *shift));
        let scaled = self.plain("Mul", &[&clipped, &scales]);
        View {
            units: self.plain("Add", &[&scaled, &shifts]),
            slope: self.plain("Mul", &[&inside, &scales]),
        }
    }

    /// The gradient with respect to the canvas, from that with respect to the network's input.
    pub(super) fn back_to_canvas(
        &mut self,
        gradient: &str,
        lines: &Lines,
        view: &View,
        basis: &ColourBasis,
    ) -> String {
        let brightness = self.plain("Mul", &[gradient, &view.slope]);
        let axes = self.mixed(&brightness, basis, true);
        let [rows, columns] = lines.matrices().map(Matrix::transposed);
        self.resampled(&axes, rows, columns)
    }

    /// `value` (N, C, H, W) with its channels mixed by the basis or its transpose.
    fn mixed(&mut self, value: &str, basis: &ColourBasis, transposed: bool) -> String {
        let matrix = if transposed {
            basis.matrix().t().as_standard_layout().into_owned()
        } else {
            basis.matrix().clone()
        };
        let channels = matrix.nrows() as i64;
        let matrix: Vec<f32> = matrix.iter().copied().collect();
        let matrix = if self.device.strided_products {
            let dims = [self.runs as i64, channels, channels];
            self.builder.floats(&dims, &matrix.repeat(self.runs))
        } else {
            self.builder.floats(&[channels, channels], &matrix)
        };
        let flat = self.builder.ints(&[0, 0, -1]);
        let pixels = self.plain("Reshape", &[value, &flat]);
        let mixed = self.plain("MatMul", &[&matrix, &pixels]);
        let dims = self.plain("Shape", &[value]);
        self.plain("Reshape", &[&mixed, &dims])
    }

    fn per_channel(&mut self, values: impl Iterator<Item = f32>) -> String {
        let values: Vec<f32> = values.collect();
        self.builder
            .floats(&[1, values.len() as i64, 1, 1], &values)
    }

    /// The running average of the class activation map on the canvas. `map`, (N, 1, rows, columns), is scaled to a
    /// maximum of
    /// 1. The mask outside of the view does not change. `size` is that of `map`, `input` that of the network's input.
    pub(super) fn mask(
        &mut self,
        map: &str,
        size: (usize, usize),
        lines: &Lines,
        input: (usize, usize),
    ) -> String {
        let axes = self.builder.ints(&[1, 2, 3]);
        let largest = self.plain("ReduceMax", &[map, &axes]);
        let map = self.over(map, &largest, 1e-30);
        let cells = |count: usize| -> Vec<f32> { (0..count).map(|cell| cell as f32).collect() };
        let pixels = self.upright(ROW_PIXELS);
        let places = self.builder.floats(&[size.0 as i64], &cells(size.0));
        let (rows, seen_rows) = self.spread(&lines.rows, &pixels, &places, size.0, input.0);
        let places = self.builder.floats(&[size.1 as i64, 1], &cells(size.1));
        let (columns, seen_columns) =
            self.spread(&lines.columns, COLUMN_PIXELS, &places, size.1, input.1);
        let (rows, columns) = (Matrix::per_run(&rows), Matrix::per_run(&columns));
        let fresh = self.resampled(&map, rows, columns);
        let one = self.number(1.0);
        let rest = self.plain("Sub", &[&one, MASK_MEMORY]);
        let seen = self.plain("Mul", &[&seen_rows, &rest]);
        let seen = self.plain("Mul", &[&seen, &seen_columns]);
        let change = self.plain("Sub", &[&fresh, MASK]);
        let change = self.plain("Mul", &[&change, &seen]);
        self.plain("Add", &[MASK, &change])
    }

    /// Along one axis: the matrix that interpolates `count` cells of a map linearly on the canvas, constant beyond the
    /// outermost centres, and the fraction of each pixel within the view, 0 to 1.
    fn spread(
        &mut self,
        line: &Line,
        pixels: &str,
        places: &str,
        count: usize,
        input: usize,
    ) -> (String, String) {
        // The position of a pixel in the network's input, 0 to `input`.
        let from = self.plain("Sub", &[pixels, &line.origin]);
        let at = self.plain("Div", &[&from, &line.scale]);
        let cells = self.number(count as f64 / input as f64);
        let cell = self.plain("Mul", &[&at, &cells]);
        let (half, zero, one) = (self.number(0.5), self.number(0.0), self.number(1.0));
        let cell = self.plain("Sub", &[&cell, &half]);
        let last = self.number(count as f64 - 1.0);
        let cell = self.plain("Clip", &[&cell, &zero, &last]);
        let distance = self.plain("Sub", &[&cell, places]);
        let distance = self.plain("Abs", &[&distance]);
        let weight = self.plain("Sub", &[&one, &distance]);
        let matrix = self.plain("Relu", &[&weight]);
        let middle = self.number(input as f64 / 2.0);
        let off = self.plain("Sub", &[&at, &middle]);
        let off = self.plain("Abs", &[&off]);
        let within = self.plain("Sub", &[&middle, &off]);
        let within = self.plain("Mul", &[&within, &line.scale]);
        let within = self.plain("Add", &[&within, &half]);
        let seen = self.plain("Clip", &[&within, &zero, &one]);
        (matrix, seen)
    }
}

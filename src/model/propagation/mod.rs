//! Propagates the meaning of axes through a graph, from the image input on: which index along which axis is which
//! position in the image. A convolution preserves rows and columns, a reshape flattens them, a concatenation adds a
//! class token before or after them, windows partition and restore them. Dimensions alone are ambiguous: 81 tokens may
//! be a class token, 16 registers and 64 patches.
//!
//! Mixing (a matrix product along the axis, a mean, an unknown operator) loses positions; a sum with a value that has
//! positions, as in the residual blocks of a transformer, restores them.

mod axis;
mod indices;
mod rules;

use crate::onnx::{Graph, Types};
pub use axis::{Axis, DigitKind};
use axis::{Pieces, coarsen};
use std::collections::HashMap;

/// The axes of every value that depends on the image and has known dimensions. `input` is the image, (N, channels,
/// rows, columns).
pub fn propagate_axes(graph: &Graph, shapes: &Types, input: &str) -> HashMap<String, Vec<Axis>> {
    let mut known = HashMap::new();
    if let Some([runs, channels, rows, columns]) = dims(shapes, input) {
        let axes = vec![
            Axis::new(DigitKind::Batch, *runs),
            Axis::new(DigitKind::Channels, *channels),
            Axis::new(DigitKind::Rows(*rows), *rows),
            Axis::new(DigitKind::Columns(*columns), *columns),
        ];
        known.insert(input.to_owned(), axes);
    }
    let dependent = graph.descendants([input]);
    let mut pieces = Pieces::default();
    for node in graph.nodes() {
        let outputs = node.output.iter().enumerate();
        for (index, name) in outputs.filter(|(_, name)| dependent.contains(name.as_str())) {
            let Some(dims) = dims(shapes, name) else {
                continue;
            };
            let context = rules::Context {
                graph,
                shapes,
                known: &known,
                node,
                output: index,
                dims,
            };
            let mut axes = context.axes(&mut pieces);
            coarsen(&mut axes);
            known.insert(name.clone(), axes);
        }
    }
    known
}

/// The dimensions of a non-empty value.
fn dims<'a>(shapes: &'a Types, name: &str) -> Option<&'a [usize]> {
    let dims = shapes.find(name)?.dims.as_slice();
    (!dims.contains(&0)).then_some(dims)
}

/// Axes of unknown meaning, except for a batch axis of size 1.
fn unknown(dims: &[usize]) -> Vec<Axis> {
    let axes = dims
        .iter()
        .enumerate()
        .map(|(at, &extent)| match (at, extent) {
            (0, 1) => Axis::new(DigitKind::Batch, 1),
            _ => Axis::new(DigitKind::Other, extent),
        });
    axes.collect()
}

#[cfg(test)]
mod tests;

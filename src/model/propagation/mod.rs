//! Where in the picture the elements of a network's values are: what the indices along each axis count, followed through
//! the graph from the picture on. A convolution makes rows and columns of rows and columns, a reshape puts them in a row, a
//! concatenation puts a class token before or behind them, windows take them apart and put them together again. Numbers
//! alone tell none of this: 81 tokens may be a class token, 16 registers and 64 patches.
//!
//! What is mixed (by a matrix product along the axis, a mean, an operator that is not known here) is no place any more; a sum
//! with what has places, as around every block of a transformer, has them again.

mod axis;
mod indices;
mod rules;

use crate::onnx::{Graph, Types};
pub use axis::{Axis, Of};
use axis::{Pieces, coarsen};
use std::collections::HashMap;

/// What the axes of every value count that depends on the picture and whose dimensions are known. `input` is the picture,
/// (N, channels, rows, columns).
pub fn propagate_axes(graph: &Graph, shapes: &Types, input: &str) -> HashMap<String, Vec<Axis>> {
    let mut known = HashMap::new();
    if let Some([runs, channels, rows, columns]) = dims(shapes, input) {
        let axes = vec![
            Axis::of(Of::Runs, *runs),
            Axis::of(Of::Channels, *channels),
            Axis::of(Of::Rows(*rows), *rows),
            Axis::of(Of::Columns(*columns), *columns),
        ];
        known.insert(input.to_owned(), axes);
    }
    let dependent = graph.descendants([input]);
    let mut pieces = Pieces::default();
    for node in graph.nodes() {
        let made = node.output.iter().enumerate();
        for (index, name) in made.filter(|(_, name)| dependent.contains(name.as_str())) {
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

/// The dimensions of a value that has elements.
fn dims<'a>(shapes: &'a Types, name: &str) -> Option<&'a [usize]> {
    let dims = shapes.find(name)?.dims.as_slice();
    (!dims.contains(&0)).then_some(dims)
}

/// Axes of which nothing is known but that the pictures come first, where there is one.
fn unknown(dims: &[usize]) -> Vec<Axis> {
    let axes = dims
        .iter()
        .enumerate()
        .map(|(at, &extent)| match (at, extent) {
            (0, 1) => Axis::of(Of::Runs, 1),
            _ => Axis::of(Of::Other, extent),
        });
    axes.collect()
}

#[cfg(test)]
mod tests;

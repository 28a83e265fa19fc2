//! What is differentiated: graphs, and points of random numbers.

use ndarray::{ArrayD, IxDyn};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ziggurat::onnx::proto::OperatorSetIdProto;
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, Graph};

/// A function of the graph's inputs, all of them of the type `elem`, and a point to differentiate it at.
pub struct Problem {
    pub graph: Graph,
    pub elem: ElementType,
    pub inputs: Vec<(String, ArrayD<f64>)>,
    pub outputs: Vec<String>,
    /// Where the function has kinks: a difference that crosses one is no derivative and is left out.
    pub kinks: Vec<Kink>,
}

/// A value of the graph and the numbers at which some function of it has a kink; if there are none, the value itself is
/// a choice (the indices of a pool) that must not change.
pub struct Kink {
    pub value: String,
    pub at: Vec<f64>,
}

impl Problem {
    /// A graph of float32 or float64 inputs (name, dimensions, how they are drawn), made by `build`, which is given the
    /// inputs' names and returns the outputs'.
    pub fn new(
        elem: ElementType,
        opset: i64,
        inputs: &[(&str, &[usize], Fill)],
        build: impl FnOnce(&mut Builder) -> Vec<String>,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut builder = Builder::empty(opset, "graph/");
        let draw = |&(name, dims, fill): &(&str, &[usize], Fill)| {
            builder
                .input(name, elem, &fixed_dims(dims))
                .expect("names differ");
            (name.to_owned(), random(dims, fill, &mut rng))
        };
        let inputs = inputs.iter().map(draw).collect();
        let outputs = build(&mut builder);
        Self {
            graph: builder.into_graph(),
            elem,
            inputs,
            outputs,
            kinks: Vec::new(),
        }
    }

    /// The problem with the operators `ops` taken from another domain.
    pub fn with_ops_of(mut self, domain: &str, ops: &[&str]) -> Self {
        let made = self.graph.nodes().iter().flat_map(|node| &node.output);
        let made: Vec<_> = made.map(|name| untyped_value(name)).collect();
        let mut model = self
            .graph
            .to_model(&made)
            .expect("nodes make their outputs");
        model.opset_import.push(OperatorSetIdProto {
            domain: domain.into(),
            version: 1,
        });
        let nodes = model.graph.iter_mut().flat_map(|graph| &mut graph.node);
        for node in nodes.filter(|node| ops.contains(&node.op_type.as_str())) {
            node.domain = domain.into();
        }
        self.graph = Graph::new(model).expect("it was a graph before");
        self.graph.set_outputs(Vec::new());
        self
    }
}

/// How the elements of a tensor are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Between -1 and 1.
    Uniform,
    /// Between 0.5 and 1.5.
    Positive,
    /// Between -0.7 and 0.7.
    Within,
    /// Between 1.5 and 2.5.
    Beyond,
    /// Odd multiples of 1/16, all different, in random order: far from each other and from multiples of 1/8, so that no
    /// difference crosses a kink.
    Spaced,
    /// As `Spaced`, but even multiples of 1/16.
    SpacedBetween,
}

/// A tensor of random numbers that float32 holds exactly.
pub fn random(dims: &[usize], fill: Fill, rng: &mut ChaCha8Rng) -> ArrayD<f64> {
    let count: usize = dims.iter().product();
    let values: Vec<f64> = match fill {
        Fill::Uniform => (0..count).map(|_| uniform(rng, -1.0, 1.0)).collect(),
        Fill::Positive => (0..count).map(|_| uniform(rng, 0.5, 1.5)).collect(),
        Fill::Within => (0..count).map(|_| uniform(rng, -0.7, 0.7)).collect(),
        Fill::Beyond => (0..count).map(|_| uniform(rng, 1.5, 2.5)).collect(),
        Fill::Spaced | Fill::SpacedBetween => {
            let mut order: Vec<usize> = (0..count).collect();
            for last in (1..count).rev() {
                order.swap(last, rng.next_u32() as usize % (last + 1));
            }
            let offset = if fill == Fill::Spaced { 0.5 } else { 0.0 };
            let middle = (count / 2) as f64 - offset;
            order
                .iter()
                .map(|&rank| (rank as f64 - middle) / 8.0)
                .collect()
        }
    };
    let values = values
        .iter()
        .map(|&value| f64::from(value as f32))
        .collect();
    ArrayD::from_shape_vec(IxDyn(dims), values).expect("one value an element")
}

/// Random numbers of the dimensions of `like`.
pub fn cotangent(like: &ArrayD<f64>, rng: &mut ChaCha8Rng) -> ArrayD<f64> {
    ArrayD::from_shape_simple_fn(like.raw_dim(), || f64::from(uniform(rng, -1.0, 1.0) as f32))
}

fn uniform(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * f64::from(rng.next_u32()) / 2f64.powi(32)
}

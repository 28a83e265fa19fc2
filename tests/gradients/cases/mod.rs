//! One table of single-node problems: every operator that has a rule, with every attribute that its rule reads.

mod elementwise;
mod tensors;
mod windows;

use crate::finite::{Fill, Problem, random};
use Operand::{Again, Flag, Missing, Number};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::shapes::fixed;
use ziggurat::onnx::{Attribute, Builder, Elem};

/// A node to differentiate.
#[derive(Debug, Clone)]
pub struct Case {
    pub op: &'static str,
    operands: Vec<Operand>,
    attributes: Vec<(&'static str, Attribute)>,
    /// The node has `outputs` of them; the functional reads those listed.
    outputs: usize,
    read: Vec<usize>,
    /// The opset that the attributes need, if newer than what is emitted.
    pub since: i64,
}

#[derive(Debug, Clone)]
enum Operand {
    /// A graph input, whose gradient is checked.
    Variable(Vec<usize>, Fill),
    /// The same graph input once more.
    Again(usize),
    Constant(Vec<usize>, Fill),
    Number(f64),
    Ints(Vec<i64>),
    /// Indices of the dimensions given.
    Index(Vec<i64>, Vec<i64>),
    /// Float32 numbers whatever the element type of the others.
    Floats(Vec<f32>),
    Flag(bool),
    /// Truth values of the dimensions given, true and false by turns.
    Flags(Vec<usize>),
    Missing,
}

impl Case {
    fn with(mut self, name: &'static str, value: impl Into<Attribute>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    fn reads(mut self, read: &[usize], outputs: usize) -> Self {
        (self.read, self.outputs) = (read.to_vec(), outputs);
        self
    }

    fn since(mut self, opset: i64) -> Self {
        self.since = opset;
        self
    }

    /// The opsets to try, of `wanted`: none older than the attributes need, none that ONNX Runtime lacks the kernel for.
    pub fn opsets(&self, wanted: [i64; 2]) -> [i64; 2] {
        let newest = if self.op == "GlobalLpPool" {
            21
        } else {
            i64::MAX
        };
        wanted.map(|opset| opset.max(self.since).min(newest))
    }

    /// The element types for which ONNX Runtime's CPU provider has the kernel.
    pub fn elems(&self) -> &'static [Elem] {
        match FLOAT32_ONLY.contains(&self.op) {
            true => &[Elem::F32],
            false => &[Elem::F64, Elem::F32],
        }
    }

    /// The graph of the one node. The same for every opset, except for the opset.
    pub fn problem(&self, elem: Elem, opset: i64) -> Problem {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut builder = Builder::empty(opset, "node/");
        let (mut inputs, mut names): (Vec<_>, Vec<String>) = Default::default();
        for operand in &self.operands {
            names.push(match operand {
                Operand::Variable(dims, fill) => {
                    let name = format!("x{}", inputs.len());
                    inputs.push((name.clone(), random(dims, *fill, &mut rng)));
                    builder.input(&name, elem, &fixed(dims)).unwrap()
                }
                Operand::Again(index) => names[*index].clone(),
                Operand::Constant(dims, fill) => {
                    let values: Vec<f64> = random(dims, *fill, &mut rng).iter().copied().collect();
                    let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
                    builder.constant(TensorProto::from_floats("", &dims, elem, &values).unwrap())
                }
                Operand::Number(value) => builder.scalar(elem, *value).unwrap(),
                Operand::Ints(values) => builder.ints(values),
                Operand::Index(dims, values) => {
                    builder.constant(TensorProto::from_i64("", dims, values))
                }
                Operand::Floats(values) => builder.floats(&[values.len() as i64], values),
                Operand::Flags(dims) => builder.constant(TensorProto {
                    dims: dims.iter().map(|&dim| dim as i64).collect(),
                    data_type: Elem::Bool.code(),
                    raw_data: Some(
                        (0..dims.iter().product::<usize>())
                            .map(|place| u8::from(place % 2 == 0))
                            .collect::<Vec<_>>()
                            .into(),
                    ),
                    ..Default::default()
                }),
                Operand::Flag(value) => builder.constant(TensorProto {
                    data_type: Elem::Bool.code(),
                    raw_data: Some(vec![u8::from(*value)].into()),
                    ..Default::default()
                }),
                Operand::Missing => String::new(),
            });
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let made = builder.emit_many(self.op, &names, &self.attributes, self.outputs);
        let outputs = self.read.iter().map(|&index| made[index].clone()).collect();
        Problem {
            graph: builder.into_graph(),
            elem,
            inputs,
            outputs,
            kinks: Vec::new(),
        }
    }
}

/// Operators whose CPU kernel takes no float64.
const FLOAT32_ONLY: &[&str] = &[
    "AveragePool",
    "Celu",
    "Conv",
    "ConvTranspose",
    "Elu",
    "Erf",
    "Gelu",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "LRN",
    "InstanceNormalization",
    "LeakyRelu",
    "LpPool",
    "Mean",
    "MeanVarianceNormalization",
    "Mish",
    "PRelu",
    "Resize",
    "Selu",
    "Softplus",
    "Softsign",
    "ThresholdedRelu",
];

fn case(op: &'static str, operands: &[Operand]) -> Case {
    Case {
        op,
        operands: operands.to_vec(),
        attributes: Vec::new(),
        outputs: 1,
        read: vec![0],
        since: 0,
    }
}

fn x(dims: &[usize]) -> Operand {
    Operand::Variable(dims.to_vec(), Fill::Uniform)
}

fn positive(dims: &[usize]) -> Operand {
    Operand::Variable(dims.to_vec(), Fill::Positive)
}

fn spaced(dims: &[usize]) -> Operand {
    Operand::Variable(dims.to_vec(), Fill::Spaced)
}

fn constant(dims: &[usize]) -> Operand {
    Operand::Constant(dims.to_vec(), Fill::Uniform)
}

fn positive_constant(dims: &[usize]) -> Operand {
    Operand::Constant(dims.to_vec(), Fill::Positive)
}

/// As [`spaced`], but shifted by less than the spacing: no element equals one of another `spaced` operand.
fn spaced_half(dims: &[usize]) -> Operand {
    Operand::Variable(dims.to_vec(), Fill::SpacedBetween)
}

fn constant_levels(dims: &[usize]) -> Operand {
    Operand::Constant(dims.to_vec(), Fill::SpacedBetween)
}

fn flags(dims: &[usize]) -> Operand {
    Operand::Flags(dims.to_vec())
}

fn floats(values: &[f64]) -> Operand {
    Operand::Floats(values.iter().map(|&value| value as f32).collect())
}

fn index(dims: &[i64], values: &[i64]) -> Operand {
    Operand::Index(dims.to_vec(), values.to_vec())
}

fn ints(values: &[i64]) -> Operand {
    Operand::Ints(values.to_vec())
}

/// All cases.
pub fn all() -> Vec<Case> {
    let families: [fn() -> Vec<Case>; 17] = [
        elementwise::arithmetic,
        elementwise::activations,
        tensors::linear,
        tensors::products,
        tensors::reductions,
        tensors::other_reductions,
        tensors::statistics,
        tensors::indexing,
        tensors::layout,
        tensors::slicing,
        tensors::normalization,
        windows::convolutions,
        windows::depthwise,
        windows::pools,
        windows::norm_pools,
        windows::resizing,
        windows::transposed_convolutions,
    ];
    families.iter().flat_map(|family| family()).collect()
}

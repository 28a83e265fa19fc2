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
    Flag(bool),
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
    "Conv",
    "Elu",
    "Erf",
    "Gelu",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "LRN",
    "LeakyRelu",
    "PRelu",
    "Softplus",
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

fn ints(values: &[i64]) -> Operand {
    Operand::Ints(values.to_vec())
}

/// All cases.
pub fn all() -> Vec<Case> {
    let families: [fn() -> Vec<Case>; 10] = [
        elementwise::arithmetic,
        elementwise::activations,
        tensors::linear,
        tensors::reductions,
        tensors::layout,
        tensors::slicing,
        tensors::normalization,
        windows::convolutions,
        windows::depthwise,
        windows::pools,
    ];
    families.iter().flat_map(|family| family()).collect()
}

//! One table of single-node problems: every operator that has a rule, with every attribute that its rule reads.

mod attention;
mod convolutions;
mod elementwise;
mod fusions;
mod layout;
mod linear;
mod normalization;
mod pools;
mod recurrent;
mod reductions;
mod resizing;
mod sampling;

use crate::central_differences::{Fill, Problem, random};
use Operand::{Again, Flag, Missing, Number};
pub use attention::cumulated_attention;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::types::fixed_dims;
use ziggurat::onnx::{Attribute, Builder, ElementType};

/// A node to differentiate.
#[derive(Debug, Clone)]
pub struct Case {
    /// Empty for one of ONNX's own operators.
    pub domain: &'static str,
    pub op: &'static str,
    operands: Vec<Operand>,
    attributes: Vec<(&'static str, Attribute)>,
    /// The node has `outputs` of them; the functional reads those listed.
    outputs: usize,
    read: Vec<usize>,
    /// The opset that the attributes need, if newer than what is emitted.
    since: i64,
    /// The newest opset with the attributes, or with a kernel in ONNX Runtime.
    until: i64,
    /// Whether something is computed in float32 whatever the inputs are.
    rounds: bool,
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
    /// As `Index`, of int32.
    Index32(Vec<i64>, Vec<i32>),
    /// Float32 numbers whatever the element type of the others.
    Floats(Vec<usize>, Vec<f32>),
    Flag(bool),
    /// Truth values of the dimensions given, alternately true and false.
    Flags(Vec<usize>),
    /// Bytes of the dimensions given, all different as far as they go.
    Bytes(Vec<usize>),
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

    fn of(mut self, domain: &'static str) -> Self {
        self.domain = domain;
        self
    }

    fn since(mut self, opset: i64) -> Self {
        self.since = opset;
        self
    }

    fn until(mut self, opset: i64) -> Self {
        self.until = opset;
        self
    }

    fn in_float32(mut self) -> Self {
        self.rounds = true;
        self
    }

    /// The opsets to try, of `wanted`: none older than the attributes need, none that ONNX Runtime lacks the kernel
    /// for.
    pub fn opsets(&self, wanted: [i64; 2]) -> [i64; 2] {
        wanted.map(|opset| opset.max(self.since).min(self.until))
    }

    /// The element types for which ONNX Runtime's CPU provider has the kernel.
    pub fn elems(&self) -> &'static [ElementType] {
        if self.rounds || !self.domain.is_empty() || FLOAT32_ONLY.contains(&self.op) {
            &[ElementType::F32]
        } else {
            &[ElementType::F64, ElementType::F32]
        }
    }

    /// The graph of the one node. The same for every opset, except for the opset.
    pub fn problem(&self, elem: ElementType, opset: i64) -> Problem {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut builder = Builder::empty(opset, "node/");
        let (mut inputs, mut names): (Vec<_>, Vec<String>) = Default::default();
        for operand in &self.operands {
            names.push(match operand {
                Operand::Variable(dims, fill) => {
                    let name = format!("x{}", inputs.len());
                    inputs.push((name.clone(), random(dims, *fill, &mut rng)));
                    builder.input(&name, elem, &fixed_dims(dims)).unwrap()
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
                Operand::Index32(dims, values) => builder.constant(TensorProto {
                    dims: dims.clone(),
                    data_type: ElementType::I32.code(),
                    int32_data: values.clone(),
                    ..Default::default()
                }),
                Operand::Floats(dims, values) => {
                    let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
                    builder.floats(&dims, values)
                }
                Operand::Flags(dims) => builder.constant(TensorProto {
                    dims: dims.iter().map(|&dim| dim as i64).collect(),
                    data_type: ElementType::Bool.code(),
                    raw_data: Some(
                        (0..dims.iter().product::<usize>())
                            .map(|place| u8::from(place % 2 == 0))
                            .collect::<Vec<_>>()
                            .into(),
                    ),
                    ..Default::default()
                }),
                Operand::Flag(value) => builder.constant(TensorProto {
                    data_type: ElementType::Bool.code(),
                    raw_data: Some(vec![u8::from(*value)].into()),
                    ..Default::default()
                }),
                Operand::Bytes(dims) => builder.constant(TensorProto {
                    dims: dims.iter().map(|&dim| dim as i64).collect(),
                    data_type: ElementType::U8.code(),
                    raw_data: Some(
                        (0..dims.iter().product::<usize>())
                            .map(|place| (place * 37 + 11) as u8)
                            .collect::<Vec<_>>()
                            .into(),
                    ),
                    ..Default::default()
                }),
                Operand::Missing => String::new(),
            });
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let made = builder.emit_many(self.op, &names, &self.attributes, self.outputs);
        let outputs = self.read.iter().map(|&index| made[index].clone()).collect();
        let problem = Problem {
            graph: builder.into_graph(),
            elem,
            inputs,
            outputs,
            kinks: Vec::new(),
        };
        match self.domain {
            "" => problem,
            domain => problem.with_ops_of(domain, &[self.op]),
        }
    }
}

/// Operators whose CPU kernel takes no float64.
const FLOAT32_ONLY: &[&str] = &[
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Attention",
    "AveragePool",
    "Celu",
    "Col2Im",
    "Conv",
    "ConvTranspose",
    "Cosh",
    "DeformConv",
    "Elu",
    "Erf",
    "Gelu",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "GRU",
    "GridSample",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "InstanceNormalization",
    "LRN",
    "LSTM",
    "LeakyRelu",
    "LpPool",
    "MaxUnpool",
    "Mean",
    "MeanVarianceNormalization",
    "Mish",
    "OneHot",
    "PRelu",
    "RNN",
    "Resize",
    "RoiAlign",
    "RotaryEmbedding",
    "Selu",
    "SimplifiedLayerNormalization",
    "Sinh",
    "Softplus",
    "Softsign",
    "Tan",
    "ThresholdedRelu",
];

fn case(op: &'static str, operands: &[Operand]) -> Case {
    Case {
        domain: "",
        op,
        operands: operands.to_vec(),
        attributes: Vec::new(),
        outputs: 1,
        read: vec![0],
        since: 0,
        until: i64::MAX,
        rounds: false,
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
    floats_of(&[values.len()], values)
}

fn floats_of(dims: &[usize], values: &[f64]) -> Operand {
    let values = values.iter().map(|&value| value as f32).collect();
    Operand::Floats(dims.to_vec(), values)
}

fn index32(dims: &[i64], values: &[i32]) -> Operand {
    Operand::Index32(dims.to_vec(), values.to_vec())
}

fn index(dims: &[i64], values: &[i64]) -> Operand {
    Operand::Index(dims.to_vec(), values.to_vec())
}

fn ints(values: &[i64]) -> Operand {
    Operand::Ints(values.to_vec())
}

/// All cases.
pub fn all() -> Vec<Case> {
    let families: [fn() -> Vec<Case>; 34] = [
        attention::attention,
        attention::multi_head_attention,
        attention::packed_attention,
        attention::rotary,
        convolutions::convolutions,
        convolutions::depthwise,
        convolutions::filters,
        convolutions::transposed_convolutions,
        elementwise::activations,
        elementwise::arithmetic,
        fusions::activations,
        fusions::blocks,
        fusions::normalization,
        fusions::products,
        fusions::renamed,
        layout::fourier,
        layout::indexing,
        layout::layout,
        layout::slicing,
        linear::linear,
        linear::products,
        normalization::normalization,
        normalization::statistics,
        pools::norm_pools,
        pools::pools,
        pools::windows,
        recurrent::functions,
        recurrent::recurrent,
        reductions::other_reductions,
        reductions::reductions,
        resizing::resizing,
        sampling::geometry,
        sampling::grids,
        sampling::regions,
    ];
    families.iter().flat_map(|family| family()).collect()
}

//! One table of single-node problems: every operator that has a rule, with every attribute that its rule reads.

use crate::finite::{Fill, Problem, random};
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

use Operand::{Again, Flag, Missing, Number};

/// All cases.
pub fn all() -> Vec<Case> {
    let families: [fn() -> Vec<Case>; 9] = [
        arithmetic,
        activations,
        linear,
        reductions,
        layout,
        slicing,
        normalization,
        convolutions,
        pools,
    ];
    let mut cases: Vec<Case> = families.iter().flat_map(|family| family()).collect();
    cases.extend(depthwise());
    cases
}

fn arithmetic() -> Vec<Case> {
    let mut cases = vec![
        case("Abs", &[spaced(&[3, 5])]),
        case("Erf", &[x(&[3, 5])]),
        case("Exp", &[x(&[2, 3, 5])]),
        case("Log", &[positive(&[7])]),
        case("Neg", &[x(&[])]),
        case("Sqrt", &[positive(&[2, 3])]),
        case("Pow", &[positive(&[3, 4]), x(&[3, 4])]),
        case("Pow", &[positive(&[3, 4]), x(&[])]),
        case("Pow", &[positive(&[4]), x(&[3, 1])]),
        case("Pow", &[x(&[3, 4]), ints(&[3])]),
        case("Pow", &[x(&[3, 4]), Number(2.0)]),
        case("Sum", &[x(&[3, 4])]),
        case("Sum", &[x(&[3, 4]), x(&[4]), constant(&[2, 1, 1]), x(&[])]),
        case("Add", &[x(&[2, 3]), Again(0)]),
        case("Mul", &[x(&[2, 3]), Again(0)]),
        case("Sub", &[x(&[2, 3]), Again(0)]),
        case("Div", &[positive(&[2, 3]), Again(0)]),
    ];
    // Broadcasting: neither, either and both sides, axes of size 1 in front, between and behind.
    let shapes: [(&[usize], &[usize]); 7] = [
        (&[2, 3, 5], &[2, 3, 5]),
        (&[2, 3, 5], &[]),
        (&[], &[2, 3]),
        (&[2, 3, 5], &[3, 1]),
        (&[5], &[2, 3, 5]),
        (&[2, 1, 5], &[3, 1]),
        (&[1, 1], &[1]),
    ];
    for op in ["Add", "Sub", "Mul", "Div"] {
        for (a, b) in shapes {
            cases.push(case(op, &[x(a), positive(b)]));
        }
        cases.push(case(op, &[x(&[2, 3]), positive_constant(&[3])]));
        cases.push(case(op, &[constant(&[4, 1]), positive(&[3])]));
    }
    cases
}

fn activations() -> Vec<Case> {
    let dims = [3, 5, 7];
    vec![
        case("Clip", &[spaced(&dims), Number(-1.0), Number(6.0)]),
        case("Clip", &[spaced(&dims), Number(0.0), Number(6.0)]),
        case("Clip", &[spaced(&dims), Number(-2.0)]),
        case("Clip", &[spaced(&dims), Missing, Number(1.0)]),
        case("Clip", &[spaced(&dims)]),
        case(
            "Clip",
            &[spaced(&dims), Number(-1e30), Number(f64::INFINITY)],
        ),
        case(
            "Clip",
            &[spaced(&dims), Number(f64::NEG_INFINITY), Number(1e9)],
        ),
        case("Elu", &[spaced(&[2, 3])]),
        case("Elu", &[spaced(&[2, 3])]).with("alpha", 0.3f32),
        case("Gelu", &[x(&dims)]).since(20),
        case("Gelu", &[spaced(&[2, 9])])
            .with("approximate", "tanh")
            .since(20),
        case("Gelu", &[spaced(&[2, 9])])
            .with("approximate", "none")
            .since(20),
        case("HardSigmoid", &[spaced(&dims)]),
        case("HardSigmoid", &[spaced(&dims)])
            .with("alpha", 0.25f32)
            .with("beta", 0.75f32),
        case("HardSwish", &[spaced(&dims)]),
        case("LeakyRelu", &[spaced(&dims)]),
        case("LeakyRelu", &[spaced(&dims)]).with("alpha", 0.4f32),
        case("LeakyRelu", &[spaced(&dims)]).with("alpha", -0.5f32),
        case("PRelu", &[spaced(&dims), x(&[])]),
        case("PRelu", &[spaced(&dims), x(&[5, 1])]),
        case("PRelu", &[spaced(&dims), constant(&[3, 1, 7])]),
        case(
            "PRelu",
            &[Operand::Constant(dims.to_vec(), Fill::Spaced), x(&dims)],
        ),
        case("Relu", &[spaced(&dims)]),
        case("Relu", &[spaced(&[])]),
        case("Sigmoid", &[x(&dims)]),
        case("Softplus", &[spaced(&[3, 5])]),
        case("Tanh", &[x(&dims)]),
    ]
}

fn linear() -> Vec<Case> {
    let mut cases = Vec::new();
    for (a, b) in [
        ([3, 4], [4, 5]),
        ([3, 4], [5, 4]),
        ([4, 3], [4, 5]),
        ([4, 3], [5, 4]),
    ] {
        let (transposed_a, transposed_b) = (i64::from(a[0] == 4), i64::from(b[1] == 4));
        for third in [Missing, x(&[3, 5]), x(&[5]), x(&[3, 1]), x(&[])] {
            let gemm = case("Gemm", &[x(&a), x(&b), third]);
            cases.push(
                gemm.with("transA", transposed_a)
                    .with("transB", transposed_b)
                    .with("alpha", 0.5f32)
                    .with("beta", -3f32),
            );
        }
    }
    cases.push(case(
        "Gemm",
        &[x(&[1, 6]), constant(&[6, 2]), constant(&[2])],
    ));
    cases.push(case("Gemm", &[constant(&[2, 6]), x(&[6, 3])]));
    let shapes: [(&[usize], &[usize]); 10] = [
        (&[3, 4], &[4, 5]),
        (&[4], &[4, 5]),
        (&[3, 4], &[4]),
        (&[4], &[4]),
        (&[2, 3, 4], &[4, 5]),
        (&[3, 4], &[2, 4, 5]),
        (&[2, 1, 3, 4], &[3, 4, 2]),
        (&[4], &[2, 3, 4, 5]),
        (&[2, 3, 4], &[4]),
        (&[2, 3, 4, 1], &[1, 3, 1, 2]),
    ];
    cases.extend(shapes.map(|(a, b)| case("MatMul", &[x(a), x(b)])));
    cases.push(case("MatMul", &[x(&[3, 3]), Again(0)]));
    cases
}

fn reductions() -> Vec<Case> {
    let mut cases = Vec::new();
    for op in ["ReduceMean", "ReduceSum"] {
        for axes in [
            Missing,
            ints(&[]),
            ints(&[1]),
            ints(&[-1, 0]),
            ints(&[2, 1]),
        ] {
            for (keep, noop) in [(1i64, 0i64), (0, 0), (1, 1)] {
                let reduce = case(op, &[x(&[2, 3, 4]), axes.clone()]);
                cases.push(
                    reduce
                        .with("keepdims", keep)
                        .with("noop_with_empty_axes", noop),
                );
            }
        }
        cases.push(case(op, &[x(&[2, 3])]));
    }
    for op in ["Softmax", "LogSoftmax"] {
        cases.push(case(op, &[x(&[2, 5])]));
        cases
            .extend([0i64, 1, 2, -1, -2].map(|axis| case(op, &[x(&[2, 3, 4])]).with("axis", axis)));
    }
    cases
}

fn layout() -> Vec<Case> {
    vec![
        case("Cast", &[x(&[2, 3])]).with("to", i64::from(Elem::F64.code())),
        case("Cast", &[x(&[2, 3])]).with("to", i64::from(Elem::F32.code())),
        case("Dropout", &[x(&[2, 3])]),
        case("Dropout", &[x(&[2, 3]), Number(0.5), Flag(false)]).reads(&[0], 2),
        case("Flatten", &[x(&[2, 3, 4])]),
        case("Flatten", &[x(&[2, 3, 4])]).with("axis", 0i64),
        case("Flatten", &[x(&[2, 3, 4])]).with("axis", -1i64),
        case("Identity", &[x(&[2, 3])]),
        case("Reshape", &[x(&[2, 3, 4]), ints(&[4, -1])]),
        case("Reshape", &[x(&[2, 3, 4]), ints(&[0, 1, -1, 2])]).with("allowzero", 0i64),
        case("Reshape", &[x(&[1, 1]), ints(&[])]),
        case("Squeeze", &[x(&[1, 3, 1])]),
        case("Squeeze", &[x(&[1, 3, 1]), ints(&[-1])]),
        case("Transpose", &[x(&[2, 3, 4])]),
        case("Transpose", &[x(&[2, 3, 4])]).with("perm", vec![1i64, 2, 0]),
        case("Transpose", &[x(&[2, 3, 4, 2])]).with("perm", vec![0i64, 3, 1, 2]),
        case("Unsqueeze", &[x(&[2, 3]), ints(&[0, -1])]),
    ]
}

fn slicing() -> Vec<Case> {
    const HUGE: i64 = i64::MAX;
    let d = [4, 5, 6];
    let mut cases = vec![
        case(
            "Concat",
            &[x(&[2, 3]), x(&[2, 1]), constant(&[2, 2]), Again(0)],
        )
        .with("axis", 1i64),
        case("Concat", &[x(&[2, 3, 2]), x(&[1, 3, 2])]).with("axis", -3i64),
        case("Concat", &[x(&[3])]).with("axis", 0i64),
        case("Slice", &[x(&d), ints(&[1]), ints(&[3])]),
        case(
            "Slice",
            &[x(&d), ints(&[1, -4]), ints(&[HUGE, -1]), ints(&[-1, 1])],
        ),
        case(
            "Slice",
            &[
                x(&d),
                ints(&[-100, 2]),
                ints(&[2, HUGE]),
                ints(&[0, 2]),
                ints(&[1, 3]),
            ],
        ),
        case(
            "Slice",
            &[
                x(&d),
                ints(&[-1, HUGE]),
                ints(&[-HUGE, 0]),
                ints(&[2, 0]),
                ints(&[-1, -2]),
            ],
        ),
        case(
            "Slice",
            &[
                x(&d),
                ints(&[3, 4]),
                ints(&[0, -HUGE]),
                Missing,
                ints(&[-2, -3]),
            ],
        ),
        case(
            "Slice",
            &[x(&d), ints(&[0]), ints(&[HUGE]), ints(&[1]), ints(&[2])],
        ),
        case("Split", &[x(&[2, 6])])
            .with("axis", 1i64)
            .with("num_outputs", 3i64)
            .reads(&[0, 1, 2], 3),
        case("Split", &[x(&[2, 7])])
            .with("axis", -1i64)
            .with("num_outputs", 3i64)
            .reads(&[2], 3),
        case("Split", &[x(&[6, 2]), ints(&[1, 3, 2])]).reads(&[0, 2], 3),
        case("Split", &[x(&[6, 2]), ints(&[1, 0, 5])]).reads(&[2], 3),
    ];
    for mode in ["constant", "edge", "reflect", "wrap"] {
        let since = if mode == "wrap" { 19 } else { 0 };
        let pads: [(&[i64], Operand); 5] = [
            (&[0, 1, 2, 1, 0, 3], Missing),
            (&[2, 1], ints(&[1])),
            (&[2, 0, 1, 3], ints(&[-1, 0])),
            (&[-1, 1, 0, 2, -2, 0], Missing),
            (&[0, 0, 0, 0, 0, 0], Missing),
        ];
        for (pads, axes) in pads {
            let negative = pads.iter().any(|&pad| pad < 0);
            // ONNX Runtime refuses to cut and reflect (or wrap) along one node.
            if negative && !matches!(mode, "constant" | "edge") {
                continue;
            }
            let pad = case("Pad", &[x(&d), ints(pads), Missing, axes]);
            cases.push(pad.with("mode", mode).since(since));
        }
    }
    cases.push(case(
        "Pad",
        &[x(&d), ints(&[1, 1, 0, 0, 0, 1]), Number(0.5)],
    ));
    cases
}

fn normalization() -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in [&[2, 3][..], &[2, 3, 4], &[2, 3, 4, 5], &[1, 3, 2, 2, 3]] {
        let channel = || constant(&[3]);
        let normalise = case(
            "BatchNormalization",
            &[
                x(dims),
                channel(),
                channel(),
                channel(),
                positive_constant(&[3]),
            ],
        );
        cases.push(normalise.clone());
        cases.push(normalise.with("epsilon", 0.3f32).with("momentum", 0.5f32));
    }
    // ONNX Runtime's CPU kernel takes odd sizes and four dimensions only.
    for size in [1i64, 3, 5, 9] {
        let lrn = case("LRN", &[x(&[2, 7, 2, 3])]).with("size", size);
        cases.push(lrn.clone());
        cases.push(
            lrn.with("alpha", 2f32)
                .with("beta", 1.5f32)
                .with("bias", 0.7f32),
        );
    }
    cases
}

fn conv(input: &[usize], weight: &[usize], attributes: &[(&'static str, &[i64])]) -> Case {
    let channels = [weight[0]];
    let mut conv = case("Conv", &[x(input), constant(weight), constant(&channels)]);
    for (name, values) in attributes {
        conv = conv.with(name, *values);
    }
    let group = (input[1] / weight[1]) as i64;
    conv.with("group", group)
}

fn convolutions() -> Vec<Case> {
    let mut cases = vec![
        conv(&[2, 3, 7, 6], &[4, 3, 3, 3], &[]),
        conv(
            &[2, 3, 7, 6],
            &[4, 3, 3, 2],
            &[("strides", &[2, 1]), ("pads", &[1, 0, 2, 1])],
        ),
        conv(&[1, 3, 8, 7], &[4, 3, 1, 1], &[("strides", &[2, 3])]),
        conv(
            &[1, 3, 9, 7],
            &[4, 3, 2, 3],
            &[
                ("strides", &[4, 3]),
                ("dilations", &[2, 1]),
                ("pads", &[2, 1, 0, 1]),
            ],
        ),
        conv(
            &[1, 3, 11, 11],
            &[2, 3, 7, 7],
            &[("strides", &[2, 2]), ("pads", &[3, 3, 3, 3])],
        ),
        // Channels in blocks, stride 1: the kernel flipped.
        conv(
            &[2, 8, 5, 4],
            &[5, 8, 3, 3],
            &[("pads", &[1, 1, 1, 1]), ("kernel_shape", &[3, 3])],
        ),
        conv(
            &[1, 8, 6, 7],
            &[3, 8, 3, 2],
            &[("dilations", &[2, 3]), ("pads", &[2, 0, 1, 3])],
        ),
        conv(&[1, 8, 4, 3], &[3, 8, 1, 1], &[]),
        // More padding than the kernel reaches.
        conv(&[1, 8, 4, 3], &[3, 8, 1, 1], &[("pads", &[1, 0, 0, 0])]),
        conv(&[1, 8, 4, 3], &[3, 8, 1, 1], &[("pads", &[0, 0, 0, 2])]),
        conv(&[1, 8, 4, 3], &[3, 8, 2, 2], &[("pads", &[0, 3, 3, 0])]),
        // Groups.
        conv(&[1, 6, 5, 4], &[4, 3, 3, 3], &[("pads", &[1, 0, 1, 0])]),
        conv(&[1, 6, 5, 4], &[9, 2, 3, 3], &[("strides", &[2, 2])]),
        conv(&[1, 16, 5, 4], &[8, 4, 3, 3], &[("pads", &[1, 1, 1, 1])]),
        conv(&[1, 4, 5, 6], &[8, 1, 3, 3], &[("pads", &[1, 1, 1, 1])]),
        conv(
            &[1, 4, 6, 6],
            &[8, 1, 3, 3],
            &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])],
        ),
        // One axis and three.
        conv(
            &[2, 3, 9],
            &[4, 3, 3],
            &[("strides", &[2]), ("pads", &[2, 1])],
        ),
        conv(
            &[2, 8, 9],
            &[4, 8, 4],
            &[("dilations", &[2]), ("pads", &[2, 1])],
        ),
        conv(&[2, 3, 9], &[3, 1, 3], &[]),
        conv(
            &[2, 3, 8],
            &[3, 1, 3],
            &[("strides", &[2]), ("pads", &[1, 1])],
        ),
        conv(
            &[1, 8, 3, 4, 5],
            &[2, 8, 2, 3, 2],
            &[("pads", &[0, 1, 1, 1, 0, 0])],
        ),
        conv(
            &[1, 2, 5, 4, 5],
            &[2, 2, 2, 3, 2],
            &[("strides", &[2, 1, 2]), ("pads", &[1, 1, 0, 0, 1, 0])],
        ),
        conv(
            &[1, 3, 4, 4, 4],
            &[3, 1, 3, 3, 3],
            &[("strides", &[2, 2, 2]), ("pads", &[1, 1, 1, 1, 1, 1])],
        ),
    ];
    // The padding that ONNX Runtime works out.
    for auto_pad in ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"] {
        for conv in [
            conv(&[1, 3, 7, 6], &[2, 3, 3, 2], &[]),
            conv(&[1, 8, 7, 6], &[2, 8, 4, 3], &[]),
            conv(&[1, 3, 7, 8], &[2, 3, 4, 3], &[("strides", &[2, 3])]),
            conv(&[1, 3, 7, 8], &[2, 3, 1, 2], &[("strides", &[3, 3])]),
            conv(&[1, 3, 8, 8], &[3, 1, 3, 3], &[("strides", &[2, 2])]),
            conv(&[1, 3, 8, 8], &[3, 1, 4, 5], &[]),
            conv(&[1, 3, 8], &[2, 3, 4], &[]),
        ] {
            cases.push(conv.with("auto_pad", auto_pad));
        }
    }
    cases
}

/// Depthwise convolutions of stride 1 and 2 with every padding that the kernel can have.
fn depthwise() -> Vec<Case> {
    let mut cases = Vec::new();
    for kernel in [3usize, 5, 7] {
        for stride in [1i64, 2] {
            for begin in 0..kernel as i64 {
                for end in 0..kernel as i64 {
                    let pads = [begin, end, end, begin];
                    let weight = [2, 1, kernel, kernel];
                    cases.push(conv(
                        &[1, 2, 8, 8],
                        &weight,
                        &[("strides", &[stride; 2]), ("pads", &pads)],
                    ));
                }
            }
            // Odd sizes, two different sizes, kernels that are not square.
            let same = [kernel as i64 / 2; 4];
            let strides: (&'static str, &[i64]) = ("strides", &[stride; 2]);
            cases.push(conv(
                &[2, 3, 9, 7],
                &[3, 1, kernel, kernel],
                &[strides, ("pads", &same)],
            ));
            cases.push(conv(
                &[1, 3, 6, 10],
                &[3, 1, kernel, kernel],
                &[strides, ("pads", &same)],
            ));
            let flat = [same[0], 1, same[0], 1];
            cases.push(conv(
                &[1, 3, 6, 8],
                &[3, 1, kernel, 3],
                &[strides, ("pads", &flat)],
            ));
        }
    }
    // More padding than the kernel reaches, and an even kernel.
    cases.push(conv(&[1, 2, 6, 6], &[2, 1, 2, 2], &[("strides", &[2, 2])]));
    cases.push(conv(
        &[1, 2, 6, 6],
        &[2, 1, 2, 2],
        &[("strides", &[2, 2]), ("pads", &[2, 0, 0, 2])],
    ));
    cases.push(conv(
        &[1, 2, 6, 6],
        &[2, 1, 3, 3],
        &[("strides", &[1, 1]), ("pads", &[3, 0, 0, 4])],
    ));
    cases.push(conv(
        &[1, 2, 8, 8],
        &[2, 1, 3, 3],
        &[
            ("strides", &[2, 2]),
            ("pads", &[4, 0, 0, 4]),
            ("dilations", &[2, 2]),
        ],
    ));
    cases
}

fn pools() -> Vec<Case> {
    let mut cases = Vec::new();
    type Attributes = &'static [(&'static str, &'static [i64])];
    let windows: &[(&[usize], Attributes, i64)] = &[
        (
            &[2, 3, 6, 4],
            &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])],
            0,
        ),
        (
            &[1, 2, 7, 6],
            &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])],
            0,
        ),
        (
            &[1, 2, 7, 8],
            &[("kernel_shape", &[3, 3]), ("strides", &[2, 2])],
            0,
        ),
        (
            &[1, 2, 8, 8],
            &[
                ("kernel_shape", &[3, 3]),
                ("strides", &[2, 2]),
                ("pads", &[1, 1, 1, 1]),
            ],
            0,
        ),
        (
            &[2, 2, 5, 6],
            &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1])],
            0,
        ),
        (&[1, 2, 5, 6], &[("kernel_shape", &[3, 2])], 0),
        (
            &[1, 2, 6, 7],
            &[
                ("kernel_shape", &[3, 4]),
                ("strides", &[1, 2]),
                ("pads", &[2, 0, 1, 3]),
            ],
            0,
        ),
        (
            &[1, 2, 9, 7],
            &[("kernel_shape", &[2, 1]), ("strides", &[4, 3])],
            0,
        ),
        (
            &[1, 2, 9],
            &[("kernel_shape", &[3]), ("strides", &[2]), ("pads", &[1, 0])],
            0,
        ),
        (
            &[1, 2, 4, 5, 6],
            &[
                ("kernel_shape", &[2, 3, 2]),
                ("strides", &[2, 2, 1]),
                ("pads", &[1, 1, 0, 0, 1, 1]),
            ],
            0,
        ),
        (
            &[1, 2, 9, 8],
            &[
                ("kernel_shape", &[3, 2]),
                ("strides", &[2, 1]),
                ("dilations", &[2, 3]),
            ],
            19,
        ),
        (
            &[1, 2, 9, 8],
            &[
                ("kernel_shape", &[2, 3]),
                ("pads", &[1, 2, 0, 1]),
                ("dilations", &[3, 2]),
            ],
            19,
        ),
    ];
    for (dims, attributes, since) in windows {
        for ceil in [0i64, 1] {
            let of = |op: &'static str| {
                let input = if op == "MaxPool" {
                    spaced(dims)
                } else {
                    x(dims)
                };
                let pool = case(op, &[input]).with("ceil_mode", ceil).since(*since);
                attributes
                    .iter()
                    .fold(pool, |pool, (name, values)| pool.with(name, *values))
            };
            cases.push(of("MaxPool"));
            cases.extend(
                [0i64, 1].map(|include| of("AveragePool").with("count_include_pad", include)),
            );
        }
    }
    cases.push(
        case("MaxPool", &[spaced(&[1, 2, 7, 6])])
            .with("kernel_shape", vec![3i64, 3])
            .with("storage_order", 1i64)
            .reads(&[0], 2),
    );
    for auto_pad in ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"] {
        for (kernel, stride) in [([2i64, 3], [1i64, 1]), ([3, 2], [2, 2]), ([3, 3], [2, 3])] {
            for (op, input) in [
                ("MaxPool", spaced(&[1, 2, 7, 8])),
                ("AveragePool", x(&[1, 2, 7, 8])),
            ] {
                let pool = case(op, &[input])
                    .with("kernel_shape", &kernel[..])
                    .with("strides", &stride[..]);
                cases.push(pool.with("auto_pad", auto_pad));
            }
        }
    }
    for dims in [&[2, 3, 5][..], &[2, 3, 4, 5], &[1, 2, 3, 2, 2]] {
        cases.push(case("GlobalAveragePool", &[x(dims)]));
        cases.push(case("GlobalMaxPool", &[spaced(dims)]));
    }
    cases
}

//! The sweep over graphs of several nodes: sharing, inner sources, constants of every kind, old opsets.

use crate::central_differences::{Fill, Numeric, Problem, differentiable, run};
use ndarray::{ArrayD, IxDyn};
use ziggurat::autodiff::{GradientOptions, gradient};
use ziggurat::onnx::proto::{AttributeProto, AttributeType, NodeProto, TensorProto};
use ziggurat::onnx::{Attribute, Builder, ElementType, Graph, Types, ValueType};

const X: (&str, &[usize], Fill) = ("x", &[2, 3, 4], Fill::Uniform);

fn attribute(
    name: &str,
    kind: AttributeType,
    fill: impl FnOnce(&mut AttributeProto),
) -> AttributeProto {
    let mut attribute = AttributeProto {
        name: name.into(),
        ..Default::default()
    };
    attribute.set_type(kind);
    fill(&mut attribute);
    attribute
}

#[test]
fn a_value_read_many_times_gathers_all_contributions() {
    let problem = Problem::new(
        ElementType::F64,
        18,
        &[X, ("y", &[3, 1], Fill::Uniform)],
        |b| {
            let square = b.emit("Mul", &["x", "x"], &[]);
            let wave = b.emit("Tanh", &[&square], &[]);
            let parts = b.emit_many(
                "Split",
                &[&wave],
                &[("axis", 2i64.into()), ("num_outputs", 2i64.into())],
                2,
            );
            let first = b.emit("Mul", &[&parts[0], "y"], &[]);
            let second = b.emit("Sub", &[&parts[1], &parts[0]], &[]);
            let joined = b.emit(
                "Concat",
                &[&first, &second, &square],
                &[("axis", (-1i64).into())],
            );
            // Two objectives, one of them also a value on the way to the other.
            let last = b.emit("Add", &[&joined, "y"], &[]);
            vec![last, wave]
        },
    );
    problem.check().unwrap();
}

#[test]
fn sources_may_lie_within_the_graph_and_one_behind_another() {
    let problem = Problem::new(ElementType::F64, 18, &[X], |b| {
        let inner = b.emit("Exp", &["x"], &[]);
        let square = b.emit("Mul", &[&inner, &inner], &[]);
        vec![b.emit("Sigmoid", &[&square], &[]), inner, square]
    });
    let [objective, inner, square] = problem.outputs.clone().try_into().unwrap();
    let (mut builder, shapes) = differentiable(&problem).unwrap();
    let ones = TensorProto::from_floats("", &[2, 3, 4], ElementType::F64, &[1.0; 24]).unwrap();
    let seeds = [(objective.clone(), builder.constant(ones))];
    let sources = [inner.clone(), "x".into(), objective.clone()];
    let mut names = gradient(
        &mut builder,
        &shapes,
        &seeds,
        &sources,
        &GradientOptions::default(),
    )
    .unwrap();
    names.extend([inner, square, objective]);
    let values = run(&problem, builder.graph(), &names).unwrap();
    let [of_inner, of_x, of_objective, inner, _, objective] = values.try_into().unwrap();
    let slope = objective.mapv(|y| y * (1.0 - y)) * 2.0 * &inner;
    assert!((&of_inner - &slope).iter().all(|error| error.abs() < 1e-12));
    assert!(
        (&of_x - &slope * &inner)
            .iter()
            .all(|error| error.abs() < 1e-12)
    );
    assert_eq!(of_objective, ArrayD::<f64>::ones(IxDyn(&[2, 3, 4])));
}

#[test]
fn constant_nodes_count_as_constants() {
    let mut problem = Problem::new(
        ElementType::F32,
        18,
        &[("x", &[3, 5], Fill::Spaced)],
        |_| vec!["x".into()],
    );
    let mut model = problem.graph.to_model(&[]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.input = problem.graph.inputs().to_vec();
    let node = |op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>| NodeProto {
        attribute,
        ..NodeProto::new(op, input, &[output])
    };
    let float = attribute("value_float", AttributeType::Float, |a| a.f = 2.0);
    let axes = attribute("value_ints", AttributeType::Ints, |a| a.ints = vec![1]);
    graph.node = vec![
        node("Constant", &[], "max", vec![float]),
        node("Constant", &[], "axes", vec![axes]),
        node("Clip", &["x", "", "max"], "clipped", vec![]),
        node("ReduceMean", &["clipped", "axes"], "y", vec![]),
    ];
    problem.graph = Graph::new(model).unwrap();
    problem.outputs = vec!["y".into()];
    problem.check().unwrap();
}

#[test]
fn old_opsets_are_differentiated_in_their_upgraded_form() {
    let x4: (&str, &[usize], Fill) = ("x", &[2, 3, 1, 4], Fill::Spaced);
    type Old = (i64, &'static str, Vec<(&'static str, Attribute)>, usize);
    let old: Vec<Old> = vec![
        (9, "Softmax", vec![], 1),
        (9, "Softmax", vec![("axis", 2i64.into())], 1),
        (12, "LogSoftmax", vec![("axis", 0i64.into())], 1),
        (11, "Squeeze", vec![("axes", vec![-2i64].into())], 1),
        (7, "Squeeze", vec![], 1),
        (9, "Unsqueeze", vec![("axes", vec![0i64, 3].into())], 1),
        (
            11,
            "Split",
            vec![("axis", 3i64.into()), ("split", vec![1i64, 3].into())],
            2,
        ),
        (11, "Split", vec![("axis", 1i64.into())], 3),
        (13, "Split", vec![("axis", 3i64.into())], 2),
        (
            7,
            "Clip",
            vec![("min", (-1f32).into()), ("max", 0.5f32.into())],
            1,
        ),
        (10, "Clip", vec![("max", 0.5f32.into())], 1),
        (
            7,
            "Pad",
            vec![
                ("pads", vec![0i64, 1, 0, 2, 0, 0, 1, -1].into()),
                ("value", 2f32.into()),
            ],
            1,
        ),
        (
            10,
            "Pad",
            vec![
                ("pads", vec![0i64, 1, 0, 2, 0, 1, 0, 0].into()),
                ("mode", "reflect".into()),
            ],
            1,
        ),
        (
            9,
            "Slice",
            vec![
                ("starts", vec![1i64, -3].into()),
                ("ends", vec![9i64, -1].into()),
                ("axes", vec![1i64, 3].into()),
            ],
            1,
        ),
        (
            7,
            "Slice",
            vec![("starts", vec![1i64].into()), ("ends", vec![2i64].into())],
            1,
        ),
        (
            11,
            "ReduceMean",
            vec![("axes", vec![-1i64, 1].into()), ("keepdims", 0i64.into())],
            1,
        ),
        (17, "ReduceMean", vec![], 1),
        (11, "ReduceSum", vec![("axes", vec![2i64].into())], 1),
        (7, "Dropout", vec![("ratio", 0.3f32.into())], 1),
        (
            7,
            "Upsample",
            vec![("scales", vec![1f32, 1.0, 3.0, 2.5].into())],
            1,
        ),
        (
            8,
            "Upsample",
            vec![
                ("scales", vec![1f32, 1.0, 3.0, 2.0].into()),
                ("mode", "linear".into()),
            ],
            1,
        ),
        (7, "GlobalAveragePool", vec![], 1),
        (
            7,
            "MaxPool",
            vec![("kernel_shape", vec![1i64, 2].into())],
            1,
        ),
    ];
    for (opset, op, attributes, outputs) in old {
        let problem = Problem::new(ElementType::F32, opset, &[x4], |b| {
            b.emit_many(op, &["x"], &attributes, outputs)
        });
        problem
            .check()
            .unwrap_or_else(|error| panic!("{op}-{opset} {attributes:?}: {error}"));
    }
    let picture: (&str, &[usize], Fill) = ("x", &[1, 2, 6, 5], Fill::Uniform);
    for (opset, op, scales, mode) in [
        (9, "Upsample", [1f32, 1.0, 2.0, 3.0], "nearest"),
        (9, "Upsample", [1.0, 1.0, 2.0, 1.5], "linear"),
        (10, "Resize", [1.0, 1.0, 1.7, 2.0], "nearest"),
        (10, "Resize", [1.0, 1.0, 0.45, 0.7], "nearest"),
        (10, "Resize", [1.0, 1.0, 1.5, 0.6], "linear"),
    ] {
        let problem = Problem::new(ElementType::F32, opset, &[picture], |b| {
            let scales = b.floats(&[4], &scales);
            vec![b.emit(op, &["x", &scales], &[("mode", mode.into())])]
        });
        problem
            .check()
            .unwrap_or_else(|error| panic!("{op}-{opset} {scales:?}, {mode}: {error}"));
    }
    let largest = Problem::new(ElementType::F32, 9, &[x4], |b| {
        let attributes = [("k", 2i64.into()), ("axis", 1i64.into())];
        b.emit_many("TopK", &["x"], &attributes, 2)[..1].to_vec()
    });
    largest.check().unwrap();
    let normalise = Problem::new(ElementType::F32, 8, &[X], |b| {
        let parameters = [0.5, 2.0, 1.0].map(|scale| b.floats(&[3], &[0.3 * scale, scale, 1.0]));
        let [scale, mean, variance] = parameters;
        let inputs = ["x", &scale, &mean, &mean, &variance];
        vec![b.emit("BatchNormalization", &inputs, &[("epsilon", 0.1f32.into())])]
    });
    normalise.check().unwrap();
}

#[test]
fn weights_that_are_no_plain_constants_work_too() {
    let x: (&str, &[usize], Fill) = ("x", &[1, 8, 5, 5], Fill::Uniform);
    let values: Vec<f32> = (0..2 * 8 * 9)
        .map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5)
        .collect();
    // Computed by a node.
    let computed = Problem::new(ElementType::F32, 18, &[x], |b| {
        let weight = b.floats(&[2, 8, 3, 3], &values);
        let weight = b.emit("Neg", &[&weight], &[]);
        vec![b.emit("Conv", &["x", &weight], &[])]
    });
    computed.check().unwrap();
    // Stored as a list of floats instead of bytes.
    let listed = Problem::new(ElementType::F32, 18, &[x], |b| {
        let weight = TensorProto {
            dims: vec![2, 8, 3, 3],
            data_type: 1,
            float_data: values.clone(),
            name: "w".into(),
            ..Default::default()
        };
        let weight = b.constant_named(weight).unwrap();
        vec![b.emit(
            "Conv",
            &["x", &weight],
            &[("pads", vec![1i64, 0, 0, 1].into())],
        )]
    });
    listed.check().unwrap();
    // Statistics of a batch normalisation that a node computes.
    let normalise = Problem::new(ElementType::F32, 18, &[X], |b| {
        let scale = b.floats(&[3], &[0.5, -2.0, 3.0]);
        let variance = b.emit("Exp", &[&scale], &[]);
        vec![b.emit(
            "BatchNormalization",
            &["x", &scale, &scale, &scale, &variance],
            &[],
        )]
    });
    normalise.check().unwrap();
}

/// ONNX Runtime's CPU kernel refuses even sizes, so the formula is written out for the differences.
#[test]
fn local_response_normalisation_of_even_size() {
    let dims: &[usize] = &[2, 7, 2, 3];
    let (alpha, beta, bias) = (1.5f32, 0.6f32, 0.8f32);
    for size in [2i64, 4, 8] {
        let written_out = Problem::new(ElementType::F32, 18, &[("x", dims, Fill::Uniform)], |b| {
            let (before, after) = ((size - 1) / 2, size / 2);
            let square = b.emit("Mul", &["x", "x"], &[]);
            let pads = b.ints(&[0, before, 0, 0, 0, after, 0, 0]);
            let padded = b.emit("Pad", &[&square, &pads], &[]);
            let axis = b.ints(&[1]);
            let windows: Vec<String> = (0..size)
                .map(|first| {
                    let (start, end) = (b.ints(&[first]), b.ints(&[first + 7]));
                    b.emit("Slice", &[&padded, &start, &end, &axis], &[])
                })
                .collect();
            let windows: Vec<&str> = windows.iter().map(String::as_str).collect();
            let sum = b.emit("Sum", &windows, &[]);
            let numbers = [alpha / size as f32, bias, beta].map(|number| b.floats(&[], &[number]));
            let scaled = b.emit("Mul", &[&sum, &numbers[0]], &[]);
            let divisor = b.emit("Add", &[&scaled, &numbers[1]], &[]);
            let power = b.emit("Pow", &[&divisor, &numbers[2]], &[]);
            vec![b.emit("Div", &["x", &power], &[])]
        });
        let numeric = Numeric::new(&written_out, 5).unwrap();
        let mut builder = Builder::extend(written_out.graph.clone(), "gradient/");
        let attributes = [
            ("size", size.into()),
            ("alpha", alpha.into()),
            ("beta", beta.into()),
            ("bias", bias.into()),
        ];
        let node = builder.emit("LRN", &["x"], &attributes);
        let known = ValueType {
            elem: ElementType::F32,
            dims: dims.to_vec(),
        };
        let shapes: Types = [("x".to_owned(), known.clone()), (node.clone(), known)]
            .into_iter()
            .collect();
        let cotangent: Vec<f64> = numeric.cotangents[0].iter().copied().collect();
        let cotangent =
            TensorProto::from_floats("", &[2, 7, 2, 3], ElementType::F32, &cotangent).unwrap();
        let seeds = [(node, builder.constant(cotangent))];
        let found = gradient(
            &mut builder,
            &shapes,
            &seeds,
            &["x".into()],
            &GradientOptions::default(),
        )
        .unwrap();
        let found = run(&written_out, builder.graph(), &found).unwrap();
        numeric.agree(&written_out, &found).unwrap();
    }
}

#[test]
fn operators_that_are_gone_are_read_as_what_took_their_place() {
    let picture: (&str, &[usize], Fill) = ("x", &[1, 2, 3, 4], Fill::Uniform);
    for mode in ["nearest", "linear"] {
        let larger = Problem::new(ElementType::F32, 9, &[picture], |b| {
            let scales = b.floats(&[4], &[1.0, 1.0, 2.0, 3.0]);
            vec![b.emit("Upsample", &["x", &scales], &[("mode", mode.into())])]
        });
        larger
            .check()
            .unwrap_or_else(|error| panic!("{mode}: {error}"));
    }
    let put = Problem::new(ElementType::F32, 10, &[picture], |b| {
        let indices = b.constant(TensorProto::from_i64("", &[1, 1, 1, 2], &[1, 0]));
        let updates = b.floats(&[1, 1, 1, 2], &[0.5, -0.5]);
        let axis = [("axis", 2i64.into())];
        vec![b.emit("Scatter", &["x", &indices, &updates], &axis)]
    });
    put.check().unwrap_or_else(|error| panic!("{error}"));
    let regions = Problem::new(ElementType::F32, 10, &[picture], |b| {
        let regions = b.floats(&[1, 4], &[0.25, 0.5, 2.5, 3.0]);
        let batch = b.ints(&[0]);
        let attributes = [
            ("sampling_ratio", 2i64.into()),
            ("output_height", 2i64.into()),
            ("output_width", 2i64.into()),
        ];
        vec![b.emit("RoiAlign", &["x", &regions, &batch], &attributes)]
    });
    regions.check().unwrap_or_else(|error| panic!("{error}"));
}

/// Queries, keys and values as windowed transformers are exported: one product, transposed, and split by its
/// first axis. ONNX Runtime moves the gradient's transpositions through what puts the parts back together.
#[test]
fn attention_takes_its_parts_from_a_transposed_product() {
    const SIZES: [i64; 5] = [1, 4, 3, 2, 5];
    let x: (&str, &[usize], Fill) = ("x", &[4, 30], Fill::Uniform);
    let problem = Problem::new(ElementType::F64, 18, &[x], |b| {
        let sizes = b.ints(&SIZES);
        let apart = b.emit("Reshape", &["x", &sizes], &[]);
        let order = [("perm", vec![2i64, 0, 3, 1, 4].into())];
        let parts = b.emit("Transpose", &[&apart], &order);
        let [q, k, v] = [0, 1, 2].map(|place| {
            let place = b.int(place);
            b.emit("Gather", &[&parts, &place], &[("axis", 0i64.into())])
        });
        let swapped = [("perm", vec![0i64, 1, 3, 2].into())];
        let turned = b.emit("Transpose", &[&k], &swapped);
        let scores = b.emit("MatMul", &[&q, &turned], &[]);
        let weights = b.emit("Softmax", &[&scores], &[]);
        vec![b.emit("MatMul", &[&weights, &v], &[])]
    });
    problem.check().unwrap();
}

#[test]
fn an_input_that_only_gives_a_type_has_no_gradient() {
    let problem = Problem::new(ElementType::F64, 18, &[X], |b| {
        let half = b.floats(&[], &[0.5]);
        let half = b.emit("CastLike", &[&half, "x"], &[]);
        let scaled = b.emit("Mul", &["x", &half], &[]);
        vec![b.emit("Sin", &[&scaled], &[])]
    });
    problem.check().unwrap();
}

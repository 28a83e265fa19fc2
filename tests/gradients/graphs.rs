//! The sweep over graphs of several nodes: sharing, inner sources, old opsets, redirected rectifiers, ties, and what it
//! refuses.

use crate::finite::{DEVICES, Fill, Numeric, Problem, differentiable, gradients, run};
use ndarray::{ArrayD, IxDyn};
use ziggurat::autodiff::reach::{Reach, reach};
use ziggurat::autodiff::{Device, Options, gradient};
use ziggurat::onnx::proto::{AttributeProto, AttributeType, NodeProto, TensorProto};
use ziggurat::onnx::{Attribute, Builder, Elem, Graph, Shapes, ValueType};

const X: (&str, &[usize], Fill) = ("x", &[2, 3, 4], Fill::Uniform);

fn on(device: Device) -> Options {
    Options {
        device,
        ..Default::default()
    }
}

/// The gradients of the problem's outputs, each with cotangents of ones.
fn gradients_of_sum(problem: &Problem, options: &Options) -> Vec<ArrayD<f64>> {
    let outputs = run(problem, &problem.graph, &problem.outputs).unwrap();
    let ones: Vec<_> = outputs
        .iter()
        .map(|output| ArrayD::ones(output.raw_dim()))
        .collect();
    gradients(problem, &ones, options).unwrap()
}

/// Why the sweep refuses a problem.
fn refusal(problem: &Problem) -> String {
    let outputs = run(problem, &problem.graph, &problem.outputs).unwrap();
    gradients(problem, &outputs, &Options::default()).unwrap_err()
}

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
    let problem = Problem::of(Elem::F64, 18, &[X, ("y", &[3, 1], Fill::Uniform)], |b| {
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
    });
    problem.check().unwrap();
}

#[test]
fn sources_may_lie_within_the_graph_and_one_behind_another() {
    let problem = Problem::of(Elem::F64, 18, &[X], |b| {
        let inner = b.emit("Exp", &["x"], &[]);
        let square = b.emit("Mul", &[&inner, &inner], &[]);
        vec![b.emit("Sigmoid", &[&square], &[]), inner, square]
    });
    let [objective, inner, square] = problem.outputs.clone().try_into().unwrap();
    let (mut builder, shapes) = differentiable(&problem).unwrap();
    let ones = TensorProto::from_floats("", &[2, 3, 4], Elem::F64, &[1.0; 24]).unwrap();
    let seeds = [(objective.clone(), builder.constant(ones))];
    let sources = [inner.clone(), "x".into(), objective.clone()];
    let mut names = gradient(&mut builder, &shapes, &seeds, &sources, &Options::default()).unwrap();
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
    let mut problem = Problem::of(Elem::F32, 18, &[("x", &[3, 5], Fill::Spaced)], |_| {
        vec!["x".into()]
    });
    let mut model = problem.graph.to_model(&[]).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.input = problem.graph.inputs().to_vec();
    let node = |op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>| NodeProto {
        op_type: op.into(),
        input: input.iter().map(|name| (*name).into()).collect(),
        output: vec![output.into()],
        attribute,
        ..Default::default()
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
        (7, "GlobalAveragePool", vec![], 1),
        (
            7,
            "MaxPool",
            vec![("kernel_shape", vec![1i64, 2].into())],
            1,
        ),
    ];
    for (opset, op, attributes, outputs) in old {
        let problem = Problem::of(Elem::F32, opset, &[x4], |b| {
            b.emit_many(op, &["x"], &attributes, outputs)
        });
        problem
            .check()
            .unwrap_or_else(|error| panic!("{op}-{opset} {attributes:?}: {error}"));
    }
    let normalise = Problem::of(Elem::F32, 8, &[X], |b| {
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
    let computed = Problem::of(Elem::F32, 18, &[x], |b| {
        let weight = b.floats(&[2, 8, 3, 3], &values);
        let weight = b.emit("Neg", &[&weight], &[]);
        vec![b.emit("Conv", &["x", &weight], &[])]
    });
    computed.check().unwrap();
    // Stored as a list of floats instead of bytes.
    let listed = Problem::of(Elem::F32, 18, &[x], |b| {
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
    let normalise = Problem::of(Elem::F32, 18, &[X], |b| {
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
        let written_out = Problem::of(Elem::F32, 18, &[("x", dims, Fill::Uniform)], |b| {
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
        let numeric = Numeric::of(&written_out, 5).unwrap();
        let mut builder = Builder::over(written_out.graph.clone(), "gradient/");
        let attributes = [
            ("size", size.into()),
            ("alpha", alpha.into()),
            ("beta", beta.into()),
            ("bias", bias.into()),
        ];
        let node = builder.emit("LRN", &["x"], &attributes);
        let known = ValueType {
            elem: Elem::F32,
            dims: dims.to_vec(),
        };
        let shapes: Shapes = [("x".to_owned(), known.clone()), (node.clone(), known)]
            .into_iter()
            .collect();
        let cotangent: Vec<f64> = numeric.cotangents[0].iter().copied().collect();
        let cotangent = TensorProto::from_floats("", &[2, 7, 2, 3], Elem::F32, &cotangent).unwrap();
        let seeds = [(node, builder.constant(cotangent))];
        let found = gradient(
            &mut builder,
            &shapes,
            &seeds,
            &["x".into()],
            &Options::default(),
        )
        .unwrap();
        let found = run(&written_out, builder.graph(), &found).unwrap();
        numeric.agree(&written_out, &found).unwrap();
    }
}

#[test]
fn a_redirected_rectifier_lets_upward_gradients_through_where_it_blocks() {
    for (op, max, elem) in [
        ("Relu", None, Elem::F32),
        ("Clip", Some(1.0), Elem::F32),
        ("Relu", None, Elem::F64),
    ] {
        let problem = Problem::of(elem, 18, &[("x", &[24], Fill::Spaced)], |b| {
            let weight = b.scalar(elem, 0.25).unwrap();
            let weight = b.emit_named("weight", "Identity", &[&weight], &[]).unwrap();
            let bounds = [0.0, 1.0].map(|bound| b.scalar(elem, bound).unwrap());
            match max {
                Some(_) => vec![b.emit(op, &["x", &bounds[0], &bounds[1]], &[]), weight],
                None => vec![b.emit(op, &["x"], &[]), weight],
            }
        });
        let cycle = [-1.0, 2.0, -0.5, 0.75, 3.0, -4.0];
        let cotangents = [
            ArrayD::from_shape_fn(IxDyn(&[24]), |index| cycle[index[0] % 6]),
            ArrayD::zeros(IxDyn(&[])),
        ];
        let expected = ArrayD::from_shape_fn(IxDyn(&[24]), |index| {
            let (x, g) = (problem.inputs[0].1[[index[0]]], cotangents[0][[index[0]]]);
            match x {
                x if x < 0.0 => 0.25 * f64::max(g, 0.0),
                x if max.is_some_and(|max| x > max) => 0.0,
                _ => g,
            }
        });
        for device in DEVICES {
            let options = Options {
                device,
                redirect: Some("weight".into()),
            };
            let found = gradients(&problem, &cotangents, &options).unwrap();
            assert_eq!(found[0], expected, "{op} {device:?}");
        }
    }
}

#[test]
fn ties_keep_the_sum_of_the_gradient_and_give_it_to_maxima_alone() {
    type Pool = (&'static [usize], Vec<(&'static str, Attribute)>);
    let pools: [Pool; 4] = [
        (
            &[1, 2, 6, 6],
            vec![
                ("kernel_shape", vec![2i64, 3].into()),
                ("strides", vec![2i64, 3].into()),
            ],
        ),
        (
            &[1, 2, 7, 6],
            vec![
                ("kernel_shape", vec![3i64, 3].into()),
                ("strides", vec![2i64, 1].into()),
            ],
        ),
        (
            &[1, 2, 5, 5],
            vec![
                ("kernel_shape", vec![3i64, 3].into()),
                ("pads", vec![1i64; 4].into()),
            ],
        ),
        (
            &[1, 2, 9],
            vec![
                ("kernel_shape", vec![3i64].into()),
                ("strides", vec![3i64].into()),
            ],
        ),
    ];
    for (dims, attributes) in pools {
        let mut problem = Problem::of(Elem::F32, 18, &[("x", dims, Fill::Uniform)], |b| {
            vec![b.emit("MaxPool", &["x"], &attributes)]
        });
        // Three values only, also below zero: ties in almost every window.
        problem.inputs[0]
            .1
            .mapv_inplace(|value| (value * 1.5).round() - 1.0);
        let output = &run(&problem, &problem.graph, &problem.outputs).unwrap()[0];
        // Each window alone: its gradient lies on its maxima, is nowhere negative, and sums to one.
        for window in 0..output.len() {
            let mut cotangent = ArrayD::zeros(output.raw_dim());
            cotangent.as_slice_mut().unwrap()[window] = 1.0;
            for device in DEVICES {
                let found = &gradients(&problem, &[cotangent.clone()], &on(device)).unwrap()[0];
                let maximum = output.as_slice().unwrap()[window];
                assert!((found.sum() - 1.0).abs() < 1e-6, "{attributes:?}: {found}");
                for (gradient, value) in found.iter().zip(&problem.inputs[0].1) {
                    assert!(*gradient == 0.0 || *gradient > 0.0 && *value == maximum);
                }
            }
        }
    }
    // Where positions are asked for, the first maximum takes it all, as in PyTorch.
    let mut flat = Problem::of(Elem::F32, 18, &[("x", &[1, 1, 3, 3], Fill::Uniform)], |b| {
        vec![b.emit("GlobalMaxPool", &["x"], &[])]
    });
    flat.inputs[0].1.fill(-2.0);
    let found = &gradients_of_sum(&flat, &on(Device::Cuda))[0];
    assert_eq!(
        found.iter().copied().collect::<Vec<_>>(),
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn rectifiers_pass_nothing_at_their_kinks() {
    for (op, at) in [("Relu", vec![0.0]), ("Clip", vec![0.0, 6.0])] {
        let mut problem = Problem::of(Elem::F32, 18, &[("x", &[3], Fill::Uniform)], |b| {
            let bounds: Vec<String> = at
                .iter()
                .map(|&at| b.scalar(Elem::F32, at).unwrap())
                .collect();
            let inputs: Vec<&str> = std::iter::once("x")
                .chain(bounds.iter().map(String::as_str))
                .collect();
            let inputs = if op == "Relu" {
                &inputs[..1]
            } else {
                &inputs[..]
            };
            vec![b.emit(op, inputs, &[])]
        });
        let last = *at.last().unwrap();
        problem.inputs[0].1 = ArrayD::from_shape_vec(IxDyn(&[3]), vec![0.0, 1e-30, last]).unwrap();
        for device in DEVICES {
            let found = &gradients_of_sum(&problem, &on(device))[0];
            assert_eq!(
                found.iter().copied().collect::<Vec<_>>(),
                [0.0, 1.0, 0.0],
                "{op}"
            );
        }
    }
}

#[test]
fn an_operator_without_a_rule_is_named_with_what_can_be_done() {
    let problem = Problem::of(Elem::F32, 18, &[X], |b| {
        let squashed = b.emit("Tanh", &["x"], &[]);
        let found = b.emit_named("odd one", "Sinh", &[&squashed], &[]).unwrap();
        vec![b.emit("Relu", &[&found], &[])]
    });
    assert_eq!(
        refusal(&problem),
        "node \"odd one\" (Sinh, opset 18) has no gradient rule; only values made before it can be differentiated"
    );
    let reached = reach(&problem.graph, "x");
    let blocked = Reach::Blocked {
        node: "\"odd one\"".into(),
        op: "\"Sinh\"".into(),
    };
    assert_eq!(reached[problem.outputs[0].as_str()], blocked);
    assert_eq!(reached["graph/Tanh_1"], Reach::Differentiable);
}

#[test]
fn a_form_that_a_rule_does_not_cover_says_why() {
    let refused = |inputs: &[(&str, &[usize], Fill)], build: &dyn Fn(&mut Builder) -> String| {
        refusal(&Problem::of(Elem::F32, 18, inputs, |b| vec![build(b)]))
    };
    let x: (&str, &[usize], Fill) = ("x", &[1, 2, 5, 5], Fill::Positive);
    let weight: (&str, &[usize], Fill) = ("w", &[3, 2, 3, 3], Fill::Uniform);
    let message = refused(&[x, weight], &|b| {
        b.emit_named("c", "Conv", &["x", "w"], &[]).unwrap()
    });
    assert_eq!(
        message,
        "node \"c\" (Conv) cannot be differentiated: its input 1 is to be differentiated too"
    );

    let message = refused(&[x], &|b| {
        let largest = b.emit("ArgMax", &["x"], &[("axis", 3i64.into())]);
        let (one, ends) = (b.ints(&[1]), b.ints(&[5]));
        let largest = b.emit("ReduceMax", &[&largest], &[("keepdims", 0i64.into())]);
        let start = b.emit("Reshape", &[&largest, &one], &[]);
        b.emit_named("s", "Slice", &["x", &start, &ends], &[])
            .unwrap()
    });
    assert!(
        message.contains("its dimensions are not known before the model runs"),
        "{message}"
    );

    let message = refused(&[x], &|b| {
        let ratio = b.floats(&[], &[0.5]);
        let training = TensorProto {
            data_type: Elem::Bool.code(),
            raw_data: Some(vec![1].into()),
            ..Default::default()
        };
        let training = b.constant(training);
        b.emit_named("d", "Dropout", &["x", &ratio, &training], &[])
            .unwrap()
    });
    assert_eq!(
        message,
        "node \"d\" (Dropout) cannot be differentiated: it is in training mode"
    );

    let message = refused(&[x], &|b| {
        let high = b.emit("ReduceMax", &["x"], &[("keepdims", 0i64.into())]);
        b.emit_named("k", "Clip", &["x", "", &high], &[]).unwrap()
    });
    assert!(
        message.contains("(Clip) cannot be differentiated: its input 2"),
        "{message}"
    );
}

#[test]
fn what_the_objective_does_not_depend_on_is_named() {
    let sign = Problem::of(Elem::F32, 18, &[X], |b| {
        vec![b.emit_named("s", "Sign", &["x"], &[]).unwrap()]
    });
    assert_eq!(
        refusal(&sign),
        "\"s\" does not depend on \"x\": there is no gradient"
    );
    assert_eq!(reach(&sign.graph, "x")["s"], Reach::Independent);

    let rounded = Problem::of(Elem::F32, 18, &[X], |b| {
        let whole = b.emit(
            "Cast",
            &["x"],
            &[("to", i64::from(Elem::I64.code()).into())],
        );
        vec![
            b.emit_named("r", "Cast", &[&whole], &[("to", 1i64.into())])
                .unwrap(),
        ]
    });
    assert_eq!(
        refusal(&rounded),
        "\"r\" does not depend on \"x\": there is no gradient"
    );
    assert_eq!(reach(&rounded.graph, "x")["r"], Reach::Independent);

    let other = Problem::of(Elem::F32, 18, &[X, ("y", &[2], Fill::Uniform)], |b| {
        vec![b.emit_named("e", "Exp", &["x"], &[]).unwrap()]
    });
    let (mut builder, shapes) = differentiable(&other).unwrap_or_else(|error| panic!("{error}"));
    let seeds = [("e".to_owned(), "x".to_owned())];
    let error = gradient(
        &mut builder,
        &shapes,
        &seeds,
        &["y".into()],
        &Options::default(),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"e\" does not depend on \"y\": there is no gradient"
    );
}

//! The valid models that mutation starts from: every operator that has a rule or is decomposed as the middle of a
//! small classifier, and models made of functions, branches, loops, half precision and bytes.

mod structured;

use crate::cases;
pub use structured::nested_loops;
use ziggurat::onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto,
};
use ziggurat::onnx::types::{fixed_dims, untyped_value, value_info};
use ziggurat::onnx::{Attribute, ElementType};

/// Bytes of the file `weights.bin` that lies beside every model.
pub const WEIGHTS: usize = 4096;

/// All of them.
pub fn all() -> Vec<ModelProto> {
    let opset = |index: usize| [18, 20, 22][index % 3];
    let cases = cases::all().into_iter().enumerate();
    let mut models: Vec<ModelProto> = cases
        .map(|(index, case)| {
            let opset = case.opsets([opset(index); 2])[0];
            let elem = *case.elems().last().expect("every case has a type");
            classifier(&case.problem(elem, opset))
        })
        .collect();
    models.extend([
        structured::functions(),
        structured::control_flow(),
        nested_loops(2),
        halves(),
        bytes(),
        quantised(),
        old(),
        beside(),
    ]);
    models
}

pub fn node(
    op: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        attribute: attributes,
        ..NodeProto::new(op, inputs, outputs)
    }
}

pub fn subgraph(name: &str, graph: GraphProto) -> AttributeProto {
    Attribute::from(graph).named(name)
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto::int_list(name, values)
}

/// A model of `opset` from `image`, float32 (1, 3, 4, 4), to `logits`.
pub fn model(opset: i64, nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> ModelProto {
    ModelProto {
        ir_version: 10,
        opset_import: [("", opset), ("local", 1), ("com.microsoft", 1)]
            .map(|(domain, version)| OperatorSetIdProto {
                domain: domain.into(),
                version,
            })
            .into(),
        graph: Some(GraphProto {
            name: "g".into(),
            node: nodes,
            initializer: constants,
            input: vec![value_info(
                "image",
                ElementType::F32,
                &fixed_dims(&[1, 3, 4, 4]),
            )],
            output: vec![untyped_value("logits")],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The classifier whose scores are what a problem's graph makes of the first pixels of the picture.
fn classifier(problem: &crate::central_differences::Problem) -> ModelProto {
    let outputs: Vec<_> = problem
        .outputs
        .iter()
        .map(|name| untyped_value(name))
        .collect();
    let mut model = problem.graph.to_model(&outputs).expect("the outputs exist");
    let graph = model.graph.get_or_insert_default();
    let mut nodes = vec![node("Flatten", &["image"], &["pixels"], vec![])];
    let mut most = 1;
    graph.initializer.push(ints("pixels/from", &[0]));
    graph.initializer.push(ints("pixels/axis", &[1]));
    graph.initializer.push(ints("scores/dims", &[1, -1]));
    for (name, value) in &problem.inputs {
        most = most.max(value.len());
        let dims: Vec<i64> = value.shape().iter().map(|&dim| dim as i64).collect();
        let [to, shape, part, whole] =
            ["to", "shape", "part", "whole"].map(|what| format!("{name}/{what}"));
        graph.initializer.push(ints(&to, &[value.len() as i64]));
        graph.initializer.push(ints(&shape, &dims));
        nodes.push(node(
            "Slice",
            &["pixels", "pixels/from", &to, "pixels/axis"],
            &[&part],
            vec![],
        ));
        nodes.push(node("Reshape", &[&part, &shape], &[&whole], vec![]));
        let code = i64::from(problem.elem.code());
        nodes.push(node(
            "Cast",
            &[&whole],
            &[name],
            vec![Attribute::Int(code).named("to")],
        ));
    }
    nodes.append(&mut graph.node);
    let mut scores = Vec::new();
    for output in &problem.outputs {
        let [real, flat] = ["real", "flat"].map(|what| format!("{output}/{what}"));
        nodes.push(node(
            "Cast",
            &[output],
            &[&real],
            vec![Attribute::Int(1).named("to")],
        ));
        nodes.push(node("Reshape", &[&real, "scores/dims"], &[&flat], vec![]));
        scores.push(flat);
    }
    let scores: Vec<&str> = scores.iter().map(String::as_str).collect();
    nodes.push(node(
        "Concat",
        &scores,
        &["logits"],
        vec![Attribute::Int(1).named("axis")],
    ));
    let side = (2..).find(|side| 3 * side * side >= most).unwrap_or(2);
    graph.node = nodes;
    graph.input = vec![value_info(
        "image",
        ElementType::F32,
        &fixed_dims(&[1, 3, side, side]),
    )];
    graph.output = vec![untyped_value("logits")];
    model
}

fn weights(name: &str, dims: &[i64], elem: ElementType) -> TensorProto {
    let count = dims.iter().product::<i64>();
    let values: Vec<f64> = (0..count)
        .map(|place| (place % 7) as f64 / 8.0 - 0.375)
        .collect();
    TensorProto::from_floats(name, dims, elem, &values).expect("a floating-point type")
}

fn network(opset: i64, elem: ElementType) -> ModelProto {
    let mut made = model(
        opset,
        vec![
            node(
                "Conv",
                &["image", "kernel", "shift"],
                &["conv"],
                vec![Attribute::from(vec![1i64; 4]).named("pads")],
            ),
            node(
                "BatchNormalization",
                &["conv", "scale", "shift", "mean", "scale"],
                &["norm"],
                vec![],
            ),
            node("Relu", &["norm"], &["relu"], vec![]),
            node(
                "MaxPool",
                &["relu"],
                &["pool"],
                vec![Attribute::from(vec![2i64, 2]).named("kernel_shape")],
            ),
            node("Flatten", &["pool"], &["flat"], vec![]),
            node(
                "Gemm",
                &["flat", "matrix"],
                &["scores"],
                vec![Attribute::Int(1).named("transB")],
            ),
            node(
                "Softmax",
                &["scores"],
                &["logits"],
                vec![Attribute::Int(1).named("axis")],
            ),
        ],
        vec![
            weights("kernel", &[4, 3, 3, 3], elem),
            weights("shift", &[4], elem),
            weights("mean", &[4], elem),
            TensorProto::from_floats("scale", &[4], elem, &[1.0, 0.5, 2.0, 1.0])
                .expect("a floating-point type"),
            weights("matrix", &[5, 100], elem),
        ],
    );
    let graph = made.graph.get_or_insert_default();
    graph.input = vec![value_info("image", elem, &fixed_dims(&[1, 3, 6, 6]))];
    made
}

fn halves() -> ModelProto {
    network(17, ElementType::F16)
}

fn old() -> ModelProto {
    network(7, ElementType::F32)
}

/// Pixels as bytes, channels last.
fn bytes() -> ModelProto {
    let mut made = model(
        13,
        vec![
            node(
                "Cast",
                &["image"],
                &["real"],
                vec![Attribute::Int(1).named("to")],
            ),
            node(
                "Transpose",
                &["real"],
                &["turned"],
                vec![Attribute::from(vec![0i64, 3, 1, 2]).named("perm")],
            ),
            node("Shape", &["turned"], &["dims"], vec![]),
            node("Gather", &["dims", "zero"], &["runs"], vec![]),
            node(
                "Concat",
                &["runs", "rest"],
                &["wanted"],
                vec![Attribute::Int(0).named("axis")],
            ),
            node("Reshape", &["turned", "wanted"], &["logits"], vec![]),
        ],
        vec![ints("zero", &[0]), ints("rest", &[-1])],
    );
    let graph = made.graph.get_or_insert_default();
    graph.input = vec![value_info(
        "image",
        ElementType::U8,
        &fixed_dims(&[1, 4, 4, 3]),
    )];
    made
}

fn quantised() -> ModelProto {
    let level = TensorProto {
        name: "zero".into(),
        data_type: ElementType::U8.code(),
        raw_data: Some(vec![128].into()),
        ..Default::default()
    };
    let levels = |op: &str, from: &str, to: &str| node(op, &[from, "scale", "zero"], &[to], vec![]);
    model(
        13,
        vec![
            levels("QuantizeLinear", "image", "q"),
            levels("DequantizeLinear", "q", "real"),
            node("Relu", &["real"], &["relu"], vec![]),
            levels("QuantizeLinear", "relu", "q2"),
            levels("DequantizeLinear", "q2", "real2"),
            node("Flatten", &["real2"], &["logits"], vec![]),
        ],
        vec![TensorProto::from_f32("scale", &[], &[0.02]), level],
    )
}

/// Weights in the file beside the model.
fn beside() -> ModelProto {
    let mut made = network(18, ElementType::F32);
    let graph = made.graph.get_or_insert_default();
    let mut offset = 0;
    for tensor in &mut graph.initializer {
        let length = tensor.raw_data.take().map_or(0, |raw| raw.len());
        tensor.data_location = 1;
        let entries = [
            ("location", "weights.bin".to_owned()),
            ("offset", offset.to_string()),
            ("length", length.to_string()),
        ];
        tensor.external_data = entries
            .map(|(key, value)| StringStringEntryProto {
                key: key.into(),
                value,
            })
            .into();
        offset += length;
    }
    made
}

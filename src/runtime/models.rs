//! Small ONNX models for this room's tests: just the messages and fields that they need.

use prost::Message;

/// float32 and int64 in ONNX's numbering.
pub(super) const F32: i32 = 1;
pub(super) const I64: i32 = 7;

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opsets: Vec<Opset>,
}

#[derive(Clone, PartialEq, Message)]
struct Opset {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializers: Vec<External>,
    #[prost(message, repeated, tag = "11")]
    inputs: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    outputs: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    operator: String,
}

/// A float32 tensor whose content lies in another file.
#[derive(Clone, PartialEq, Message)]
struct External {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    element: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(message, repeated, tag = "13")]
    external: Vec<Entry>,
    #[prost(int32, tag = "14")]
    location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dims: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
struct Dim {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

/// An input or output: name, element type, dims (0: open).
pub(super) type Io<'a> = (&'a str, i32, &'a [i64]);
/// A node: operator, inputs, outputs. It is named after its first output.
pub(super) type Op<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

/// The bytes of a model.
pub(super) fn model(inputs: &[Io<'_>], outputs: &[Io<'_>], nodes: &[Op<'_>]) -> Vec<u8> {
    bytes(inputs, outputs, nodes, Vec::new())
}

/// A model one of whose weights (float32, `name` of `length` elements) lies in `file`.
pub(super) fn model_with_external(
    inputs: &[Io<'_>],
    outputs: &[Io<'_>],
    nodes: &[Op<'_>],
    (name, length, file): (&str, i64, &str),
) -> Vec<u8> {
    let weight = External {
        dims: vec![length],
        element: F32,
        name: name.into(),
        external: vec![Entry {
            key: "location".into(),
            value: file.into(),
        }],
        location: 1,
    };
    bytes(inputs, outputs, nodes, vec![weight])
}

/// `length` products by the matrix `w`, one after the other: a model that keeps a processor busy.
pub(super) fn busy(size: i64, length: usize) -> Vec<u8> {
    let names: Vec<String> = (0..=length).map(|index| format!("v{index}")).collect();
    let ends: Vec<[&str; 2]> = names.windows(2).map(|w| [w[0].as_str(), "w"]).collect();
    let outs: Vec<[&str; 1]> = names[1..].iter().map(|name| [name.as_str()]).collect();
    let nodes: Vec<Op<'_>> = ends
        .iter()
        .zip(&outs)
        .map(|(ins, outs)| ("MatMul", ins.as_slice(), outs.as_slice()))
        .collect();
    let square = [size, size];
    model(
        &[("v0", F32, &square), ("w", F32, &square)],
        &[(names[length].as_str(), F32, &square)],
        &nodes,
    )
}

fn bytes(
    inputs: &[Io<'_>],
    outputs: &[Io<'_>],
    nodes: &[Op<'_>],
    initializers: Vec<External>,
) -> Vec<u8> {
    let strings = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    let node = |(operator, inputs, outputs): &Op<'_>| Node {
        inputs: strings(inputs),
        outputs: strings(outputs),
        name: outputs[0].to_string(),
        operator: operator.to_string(),
    };
    Model {
        ir_version: 8,
        opsets: vec![Opset {
            domain: String::new(),
            version: 17,
        }],
        graph: Some(Graph {
            nodes: nodes.iter().map(node).collect(),
            name: "test".into(),
            initializers,
            inputs: inputs.iter().map(value).collect(),
            outputs: outputs.iter().map(value).collect(),
        }),
    }
    .encode_to_vec()
}

fn value((name, element, dims): &Io<'_>) -> Value {
    let dim = |&extent: &i64| Dim {
        value: (extent > 0).then_some(extent),
        name: (extent == 0).then(|| "open".to_string()),
    };
    let shape = Shape {
        dims: dims.iter().map(dim).collect(),
    };
    let tensor = TensorType {
        element: *element,
        shape: Some(shape),
    };
    Value {
        name: name.to_string(),
        r#type: Some(Type {
            tensor: Some(tensor),
        }),
    }
}

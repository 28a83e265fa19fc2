//! Small ONNX models for the tests of this folder.

use crate::onnx::proto::{
    DataLocation, Dim, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto,
};
use crate::onnx::types::value_info;
use crate::onnx::{ElementType, file};

/// An input or output: name, element type, dimensions (0: open).
pub(super) type Io<'a> = (&'a str, ElementType, &'a [i64]);
/// A node: operator, inputs, outputs. Its name is that of its first output.
pub(super) type Op<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

/// The bytes of a model.
pub(super) fn model(inputs: &[Io<'_>], outputs: &[Io<'_>], nodes: &[Op<'_>]) -> Vec<u8> {
    bytes(inputs, outputs, nodes, Vec::new())
}

/// A model with one weight (float32, `name` of `length` elements) stored in `file`.
pub(super) fn model_with_external(
    inputs: &[Io<'_>],
    outputs: &[Io<'_>],
    nodes: &[Op<'_>],
    (name, length, file): (&str, i64, &str),
) -> Vec<u8> {
    let weight = TensorProto {
        dims: vec![length],
        data_type: ElementType::F32.code(),
        name: name.into(),
        external_data: vec![StringStringEntryProto {
            key: "location".into(),
            value: file.into(),
        }],
        data_location: DataLocation::External as i32,
        ..Default::default()
    };
    bytes(inputs, outputs, nodes, vec![weight])
}

/// `length` products with the matrix `w`, one after the other: a model that keeps a processor busy.
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
        &[
            ("v0", ElementType::F32, &square),
            ("w", ElementType::F32, &square),
        ],
        &[(names[length].as_str(), ElementType::F32, &square)],
        &nodes,
    )
}

fn bytes(
    inputs: &[Io<'_>],
    outputs: &[Io<'_>],
    nodes: &[Op<'_>],
    initializer: Vec<TensorProto>,
) -> Vec<u8> {
    let node =
        |(op, inputs, outputs): &Op<'_>| NodeProto::new(op, inputs, outputs).with_name(outputs[0]);
    let port = |(name, elem, dims): &Io<'_>| {
        let dims = dims.iter().map(|&extent| match extent {
            0 => Dim::DimParam("open".into()),
            extent => Dim::DimValue(extent),
        });
        value_info(name, *elem, &dims.collect::<Vec<_>>())
    };
    let graph = GraphProto {
        name: "test".into(),
        node: nodes.iter().map(node).collect(),
        initializer,
        input: inputs.iter().map(port).collect(),
        output: outputs.iter().map(port).collect(),
        ..Default::default()
    };
    file::encode(&ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            version: 17,
            ..Default::default()
        }],
        graph: Some(graph),
        ..Default::default()
    })
    .unwrap()
}

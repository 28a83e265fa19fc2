//! All tensors of a model, wherever they are.

use crate::onnx::proto::{AttributeProto, GraphProto, ModelProto, TensorProto};

/// Every tensor of a model: initializers and attributes, also of subgraphs, functions and training graphs, and the
/// values and indices of sparse tensors.
pub(super) fn tensors_of_model(model: &mut ModelProto) -> Vec<&mut TensorProto> {
    let mut tensors = Vec::new();
    if let Some(graph) = &mut model.graph {
        tensors_of_graph(graph, &mut tensors);
    }
    for training in &mut model.training_info {
        for graph in [&mut training.initialization, &mut training.algorithm]
            .into_iter()
            .flatten()
        {
            tensors_of_graph(graph, &mut tensors);
        }
    }
    for function in &mut model.functions {
        let own = function.attribute_proto.iter_mut();
        let inner = function
            .node
            .iter_mut()
            .flat_map(|node| &mut node.attribute);
        own.chain(inner)
            .for_each(|attribute| tensors_of_attribute(attribute, &mut tensors));
    }
    tensors
}

fn tensors_of_graph<'a>(graph: &'a mut GraphProto, tensors: &mut Vec<&'a mut TensorProto>) {
    tensors.extend(&mut graph.initializer);
    for sparse in &mut graph.sparse_initializer {
        tensors.extend(sparse.values.as_mut());
        tensors.extend(sparse.indices.as_mut());
    }
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    attributes.for_each(|attribute| tensors_of_attribute(attribute, tensors));
}

fn tensors_of_attribute<'a>(
    attribute: &'a mut AttributeProto,
    tensors: &mut Vec<&'a mut TensorProto>,
) {
    tensors.extend(attribute.t.as_deref_mut());
    tensors.extend(&mut attribute.tensors);
    for sparse in attribute
        .sparse_tensor
        .as_deref_mut()
        .into_iter()
        .chain(&mut attribute.sparse_tensors)
    {
        tensors.extend(sparse.values.as_mut());
        tensors.extend(sparse.indices.as_mut());
    }
    for graph in attribute
        .g
        .as_deref_mut()
        .into_iter()
        .chain(&mut attribute.graphs)
    {
        tensors_of_graph(graph, tensors);
    }
}

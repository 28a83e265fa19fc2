//! Makes the inputs of `Range` scalars, as ONNX requires. ONNX Runtime accepts tensors of one element as well, but only
//! as long as they are not constant, for example within a loop.

use super::proto::NodeProto;
use super::{Error, Graph, INTERNAL_PREFIX, NameScope};
use std::borrow::Cow;

/// The graph with every input of `Range` squeezed to a scalar.
///
/// # Errors
/// [`Error::Corrupt`] if the graph is inconsistent.
pub fn scalar(graph: &Graph) -> Result<Cow<'_, Graph>, Error> {
    let may_have_axes = |name: &&String| {
        graph
            .constant(name)
            .is_none_or(|constant| !constant.dims.is_empty())
    };
    let is_squeezed = |name: &String| {
        let producer = graph.producer(name).map(|index| &graph.nodes()[index]);
        producer.is_some_and(|node| node.is_op("Squeeze") && node.input_at(1).is_none())
    };
    let unsqueezed = |node: &NodeProto| -> Vec<String> {
        let inputs = node.input.iter().filter(may_have_axes);
        inputs.filter(|name| !is_squeezed(name)).cloned().collect()
    };
    let needs_squeeze = |node: &NodeProto| node.is_op("Range") && !unsqueezed(node).is_empty();
    if !graph.nodes().iter().any(needs_squeeze) {
        return Ok(Cow::Borrowed(graph));
    }
    let mut scope = NameScope::from_graph(graph);
    let mut result = graph.without_nodes();
    for node in graph.nodes() {
        let mut node = node.clone();
        for value in unsqueezed(&node)
            .into_iter()
            .filter(|_| needs_squeeze(&node))
            .collect::<Vec<_>>()
        {
            let number = scope.fresh(&format!("{INTERNAL_PREFIX}range"), "number");
            result.insert_node(NodeProto::new("Squeeze", &[&value], &[&number]))?;
            let inputs = node.input.iter_mut().filter(|name| **name == value);
            inputs.for_each(|name| name.clone_from(&number));
        }
        result.insert_node(node)?;
    }
    result.set_outputs(graph.outputs().to_vec());
    Ok(Cow::Owned(result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Builder;

    #[test]
    fn inputs_of_one_element_are_squeezed_once() {
        let mut b = Builder::empty(18, "");
        let (list, number) = (b.ints(&[16]), b.int(1));
        b.emit_named("range", "Range", &[&number, &list, &number], &[])
            .unwrap();
        let graph = b.into_graph();
        let result = scalar(&graph).unwrap();
        let [squeeze, range] = result.nodes() else {
            panic!("{:?}", result.nodes())
        };
        assert!(squeeze.is_op("Squeeze") && squeeze.input == [list]);
        assert_eq!(
            range.input,
            [number.clone(), squeeze.output[0].clone(), number]
        );
        assert!(matches!(scalar(&result).unwrap(), Cow::Borrowed(_)));
    }
}

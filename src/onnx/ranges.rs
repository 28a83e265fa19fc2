//! `Range` counts between numbers without axes. ONNX Runtime takes lists of one number as well, as long as it does not know
//! them when it reads the graph, within a loop for example; once they are known, it refuses them.

use super::names;
use super::proto::NodeProto;
use super::{Error, Graph, OWN};
use std::borrow::Cow;
use std::collections::HashSet;

/// The graph, in which every `Range` reads numbers without axes.
///
/// # Errors
/// [`Error::Corrupt`] if the graph contradicts itself.
pub fn scalar(graph: &Graph) -> Result<Cow<'_, Graph>, Error> {
    let is_list = |name: &&String| {
        graph
            .constant(name)
            .is_none_or(|known| !known.dims.is_empty())
    };
    let is_flat = |name: &String| {
        let maker = graph.producer(name).map(|index| &graph.nodes()[index]);
        maker.is_some_and(|node| node.is("Squeeze") && node.input_at(1).is_none())
    };
    let lists = |node: &NodeProto| -> Vec<String> {
        let inputs = node.input.iter().filter(is_list);
        inputs.filter(|name| !is_flat(name)).cloned().collect()
    };
    let is_open = |node: &NodeProto| node.is("Range") && !lists(node).is_empty();
    if !graph.nodes().iter().any(is_open) {
        return Ok(Cow::Borrowed(graph));
    }
    let mut taken: HashSet<String> = graph.names().map(str::to_owned).collect();
    names::for_each_output(graph.nodes(), &mut |name| {
        taken.insert(name.to_owned());
    });
    let mut result = graph.without_nodes();
    for node in graph.nodes() {
        let mut node = node.clone();
        for list in lists(&node)
            .into_iter()
            .filter(|_| is_open(&node))
            .collect::<Vec<_>>()
        {
            let number = names::fresh_name(&mut taken, &format!("{OWN}range"), "number");
            result.insert_node(NodeProto {
                op_type: "Squeeze".into(),
                input: vec![list.clone()],
                output: vec![number.clone()],
                ..Default::default()
            })?;
            let read = node.input.iter_mut().filter(|name| **name == list);
            read.for_each(|name| name.clone_from(&number));
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
    fn limits_of_one_element_are_flattened_once() {
        let mut b = Builder::empty(18, "");
        let (list, number) = (b.ints(&[16]), b.int(1));
        b.emit_named("range", "Range", &[&number, &list, &number], &[])
            .unwrap();
        let graph = b.into_graph();
        let made = scalar(&graph).unwrap();
        let [squeeze, range] = made.nodes() else {
            panic!("{:?}", made.nodes())
        };
        assert!(squeeze.is("Squeeze") && squeeze.input == [list]);
        assert_eq!(
            range.input,
            [number.clone(), squeeze.output[0].clone(), number]
        );
        assert!(matches!(scalar(&made).unwrap(), Cow::Borrowed(_)));
    }
}

//! Shape inference: the static dimensions of every value of a graph, by ONNX Runtime's own
//! implementation. Nothing is run, and large weights are not loaded.

mod guard;

use super::{Error, Optimisation, Provider, Session, SessionOptions};
use crate::onnx::proto::DataLocation;
use crate::onnx::types::{fixed_dims, untyped_value, value_info};
use crate::onnx::{ElementType, Graph, Types, ValueType, file};

/// Constants of more elements than this become inputs of the same dimensions: no shape is computed from them, and ONNX
/// Runtime need not load them.
const MAX_CONSTANT_ELEMENTS: usize = 1024;

/// Values of more elements than this fit into no memory, and their sizes may overflow.
const MAX_VALUE_ELEMENTS: usize = 1 << 40;

/// The types of all values of `graph` for the dimensions given for its inputs. Values whose dimensions depend on more
/// than those, and values that no memory can hold, are left out.
///
/// # Errors
/// [`Error::Graph`] if the graph is damaged, [`Error::NegativeSize`] if a dimension would be
/// negative, [`Error::Model`] if ONNX Runtime refuses the graph.
pub fn infer_types(graph: &Graph, inputs: &[(&str, &[usize])]) -> Result<Types, Error> {
    infer(graph, inputs, false)
}

/// As [`infer_types`], for a graph that may have [`super::operators`].
///
/// # Errors
/// As [`infer_types`].
pub fn infer_types_with_operators(
    graph: &Graph,
    inputs: &[(&str, &[usize])],
) -> Result<Types, Error> {
    infer(graph, inputs, true)
}

fn infer(graph: &Graph, inputs: &[(&str, &[usize])], operators: bool) -> Result<Types, Error> {
    let mut probe = graph.clone();
    for &(name, dims) in inputs {
        let declared = graph.inputs().iter().find(|input| input.name == name);
        let elem = declared
            .and_then(crate::onnx::graph::declared_dims)
            .map(|(elem, _)| elem);
        let elem = elem
            .and_then(ElementType::from_code)
            .unwrap_or(ElementType::F32);
        probe.set_input_type(name, elem, &fixed_dims(dims));
    }
    let values = graph
        .nodes()
        .iter()
        .flat_map(|node| &node.output)
        .filter(|name| !name.is_empty());
    let outputs: Vec<_> = values.map(|name| untyped_value(name)).collect();
    let mut model = probe.to_model(&outputs)?;
    let proto = model.graph.get_or_insert_default();
    let mut shapes = Types::default();
    let mut kept = Vec::new();
    for constant in std::mem::take(&mut proto.initializer) {
        let (dims, elem) = (constant.shape()?, constant.elem()?);
        let count: usize = dims.iter().product();
        shapes.insert(
            &constant.name,
            ValueType {
                elem,
                dims: dims.clone(),
            },
        );
        let stored = constant.data_location == DataLocation::Default as i32;
        if stored && (count <= MAX_CONSTANT_ELEMENTS || !elem.is_float()) {
            kept.push(constant);
        } else {
            proto
                .input
                .push(value_info(&constant.name, elem, &fixed_dims(&dims)));
        }
    }
    proto.initializer = kept;
    guard::insert_guards(graph, proto);
    // Dimensions that the graph computes from other dimensions are constants, which basic
    // optimization folds. Without it, a chain of them (the windows of one block after another)
    // would need one session per link.
    let options = SessionOptions {
        optimisation: Optimisation::Basic,
        threads: Some(1),
        operators,
        ..SessionOptions::default()
    };
    let session = Session::open(&file::encode(&model)?, Provider::Cpu, &options)
        .map_err(|problem| negative_dim_error(graph, problem))?;
    for port in session.inputs().iter().chain(session.outputs()) {
        let dims: Option<Vec<usize>> = port
            .dims
            .iter()
            .map(|dim| dim.and_then(|dim| usize::try_from(dim).ok()))
            .collect();
        let dims = dims.filter(|dims| {
            let mut extents = dims.iter().map(|dim| dim.max(&1));
            let product = extents.try_fold(1usize, |product, &dim| product.checked_mul(dim));
            product.is_some_and(|product| product <= MAX_VALUE_ELEMENTS)
        });
        if let (Some(elem), Some(dims)) = (port.elem(), dims) {
            shapes.insert(&port.name, ValueType { elem, dims });
        }
    }
    Ok(shapes)
}

/// The error of a model that a guard rejects; any other error unchanged.
fn negative_dim_error(graph: &Graph, problem: Error) -> Error {
    match guard::reported_node(graph, &problem.to_string()) {
        None => problem,
        Some(node) => Error::NegativeSize {
            node: node.display_name(),
            op: node.op_type.clone(),
        },
    }
}

//! One graph for any batch size, from graphs for three batch sizes.
//!
//! The nodes of the three must be equal. Constants that differ must be integers that are linear in
//! the batch size, or equal elements in dimensions that are; two batch sizes determine the line,
//! the third one confirms it. They are replaced by nodes that compute them from the dimensions of
//! an input.

use crate::onnx::graph::declared_dims_mut;
use crate::onnx::proto::{Dim, TensorProto, ValueInfoProto};
use crate::onnx::types::{fixed_dims, value_info};
use crate::onnx::{Builder, ElementType, Error, Graph, NameScope, Types, ValueType};
use crate::text::quoted;
use std::collections::HashMap;

/// `offset + slope · N`, for each of several integers.
struct Linear {
    offset: Vec<i64>,
    slope: Vec<i64>,
}

impl Linear {
    /// The line through integers for three batch sizes; `None` if there is none.
    fn through(batches: [usize; 3], values: [&[i64]; 3]) -> Option<Self> {
        let [first, second, third] = batches.map(|batch| i128::from(batch as u64));
        let count = values[0].len();
        if values.iter().any(|values| values.len() != count) {
            return None;
        }
        let (mut offset, mut slope) = (Vec::new(), Vec::new());
        for index in 0..count {
            let [at_first, at_second, at_third] = values.map(|values| i128::from(values[index]));
            let rise = at_second - at_first;
            let steepness = rise / (second - first);
            let start = at_first - steepness * first;
            if rise % (second - first) != 0 || start + steepness * third != at_third {
                return None;
            }
            offset.push(i64::try_from(start).ok()?);
            slope.push(i64::try_from(steepness).ok()?);
        }
        Some(Self { offset, slope })
    }
}

/// What a constant is for any batch size.
enum Variable {
    /// Integers in these dimensions.
    Integers(Vec<i64>, Linear),
    /// One element, repeated to fill dimensions.
    Filled(Box<TensorProto>, Linear),
}

impl Variable {
    fn new(batches: [usize; 3], tensors: [&TensorProto; 3]) -> Option<Self> {
        let dims = tensors.map(|tensor| tensor.dims.as_slice());
        if dims[0] == dims[1] && dims[0] == dims[2] {
            let integers = tensors.map(|tensor| match tensor.elem() {
                Ok(ElementType::I64) => tensor.to_i64().ok(),
                _ => None,
            });
            let [Some(first), Some(second), Some(third)] = &integers else {
                return None;
            };
            let linear = Linear::through(batches, [first, second, third])?;
            return Some(Self::Integers(dims[0].to_vec(), linear));
        }
        let element = repeated(tensors[0])?;
        if tensors[1..]
            .iter()
            .any(|tensor| repeated(tensor).as_ref() != Some(&element))
        {
            return None;
        }
        Some(Self::Filled(
            element.into(),
            Linear::through(batches, dims)?,
        ))
    }
}

/// The element of a constant whose elements are all equal, as a scalar without name.
fn repeated(tensor: &TensorProto) -> Option<TensorProto> {
    let size = tensor.elem().ok()?.size();
    let raw = tensor.raw_data.as_ref()?;
    let first = raw.get(..size)?;
    raw.chunks(size)
        .all(|element| element == first)
        .then(|| TensorProto {
            data_type: tensor.data_type,
            raw_data: Some(raw.slice(..size)),
            ..Default::default()
        })
}

/// The graph for any batch size, which is axis 0 of `input`. `graphs` are `base` with further nodes
/// for each of `batches`. New values get none of the `reserved` names.
///
/// # Errors
/// The reason, if there is no such graph.
pub fn generalize(
    base: &Graph,
    batches: [usize; 3],
    graphs: [&Graph; 3],
    input: &str,
    mut reserved: NameScope,
) -> Result<Graph, String> {
    let depends = |what: &str| Err(format!("{what} of the gradient depends on it"));
    let [first, others @ ..] = graphs;
    if others.iter().any(|other| other.nodes() != first.nodes()) {
        return depends("the structure");
    }
    let known = base.constants().count();
    let [constants, second, third] =
        graphs.map(|graph| graph.constants().skip(known).collect::<Vec<_>>());
    if [&second, &third]
        .iter()
        .any(|others| others.len() != constants.len())
    {
        return depends("the structure");
    }
    let mut variables: HashMap<&str, Variable> = HashMap::new();
    for ((first, second), third) in constants.iter().zip(&second).zip(&third) {
        if first.name != second.name || first.name != third.name {
            return depends("the structure");
        }
        if first == second && first == third {
            continue;
        }
        match Variable::new(batches, [first, second, third]) {
            Some(variable) => variables.insert(&first.name, variable),
            None => return depends(&format!("constant {}", quoted(&first.name))),
        };
    }
    reserved.extend(NameScope::from_graph(first));
    rebuilt(first, &variables, input, reserved).map_err(|error| error.to_string())
}

/// The graph with the variable constants computed.
fn rebuilt(
    graph: &Graph,
    variables: &HashMap<&str, Variable>,
    input: &str,
    reserved: NameScope,
) -> Result<Graph, Error> {
    let mut start = graph.empty_like();
    for value in graph.inputs() {
        start.insert_input(value.clone())?;
    }
    for constant in graph.constants() {
        if !variables.contains_key(constant.name.as_str()) {
            start.insert_constant(constant.clone())?;
        }
    }
    let mut builder = Builder::extend(start, &format!("{}batch/", super::PREFIX));
    builder.reserve(reserved);
    if !variables.is_empty() {
        let ends = [("start", 0i64.into()), ("end", 1i64.into())];
        let batch = builder.emit("Shape", &[input], &ends);
        for constant in graph.constants() {
            let name = constant.name.as_str();
            match variables.get(name) {
                None => {}
                Some(Variable::Integers(dims, linear)) => {
                    let batch = if dims.is_empty() {
                        builder.emit("Squeeze", &[&batch], &[])
                    } else {
                        batch.clone()
                    };
                    compute(&mut builder, linear, dims, &batch, Some(name))?;
                }
                Some(Variable::Filled(element, linear)) => {
                    let rank = [linear.slope.len() as i64];
                    let dims = compute(&mut builder, linear, &rank, &batch, None)?;
                    let element = builder.constant(TensorProto::clone(element));
                    builder.emit_named(name, "Expand", &[&element, &dims], &[])?;
                }
            }
        }
    }
    for node in graph.nodes() {
        builder.append(node.clone())?;
    }
    let mut result = builder.into_graph();
    result.set_outputs(graph.outputs().to_vec());
    Ok(result)
}

/// Emits `offset + slope · batch`.
fn compute(
    builder: &mut Builder,
    linear: &Linear,
    dims: &[i64],
    batch: &str,
    name: Option<&str>,
) -> Result<String, Error> {
    let slope = builder.constant(TensorProto::from_i64("", dims, &linear.slope));
    let offset = builder.constant(TensorProto::from_i64("", dims, &linear.offset));
    let product = builder.emit("Mul", &[batch, &slope], &[]);
    match name {
        Some(name) => builder.emit_named(name, "Add", &[&product, &offset], &[]),
        None => Ok(builder.emit("Add", &[&product, &offset], &[])),
    }
}

/// The declaration of a value whose types for the first two compared batch sizes are these; `None` if they are unknown.
/// Where they differ, the dimension is open; where it is that of the batch, it is `batch`.
pub fn declared(name: &str, types: [&Types; 2], batch: Option<&Dim>) -> Option<ValueInfoProto> {
    let [first, second] = types.map(|types| types.find(name));
    let (first, second) = (first?, second?);
    if first.dims.len() != second.dims.len() {
        return None;
    }
    let mut value = value_info(name, first.elem, &fixed_dims(&first.dims));
    let sizes = first.dims.iter().zip(&second.dims);
    for (dim, (first, second)) in declared_dims_mut(&mut value).iter_mut().zip(sizes) {
        if first != second {
            let is_batch = [*first, *second] == [super::BATCHES[0], super::BATCHES[1]];
            dim.value = batch.filter(|_| is_batch).cloned();
        }
    }
    Some(value)
}

/// The dimensions of a value for a batch size, from its types for the first two of `batches`.
pub fn dims_at(
    batch: usize,
    batches: [usize; 3],
    types: [Option<&ValueType>; 2],
) -> Option<Vec<usize>> {
    let [first, second] = types;
    let (first, second) = (&first?.dims, &second?.dims);
    if first.len() != second.len() {
        return None;
    }
    let [from, to] = [batches[0] as i64, batches[1] as i64];
    let pairs = first.iter().zip(second);
    pairs
        .map(|(&first, &second)| {
            let (first, rise) = (first as i64, second as i64 - first as i64);
            let slope = (rise % (to - from) == 0).then_some(rise / (to - from))?;
            usize::try_from(first + slope * (batch as i64 - from)).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCHES: [usize; 3] = [19, 23, 29];

    fn variable(make: impl Fn(i64) -> TensorProto) -> Option<Variable> {
        let [first, second, third] = BATCHES.map(|batch| make(batch as i64));
        Variable::new(BATCHES, [&first, &second, &third])
    }

    #[test]
    fn integers_on_a_line_are_computed() {
        let of = |batch| TensorProto::from_i64("", &[3], &[2 * batch, 7, batch - 1]);
        let Some(Variable::Integers(dims, linear)) = variable(of) else {
            panic!("they are linear");
        };
        assert_eq!(dims, [3]);
        assert_eq!(
            (linear.offset, linear.slope),
            (vec![0, 7, -1], vec![2, 0, 1])
        );
    }

    #[test]
    fn equal_elements_fill_any_size() {
        let of =
            |batch: i64| TensorProto::from_f32("", &[batch, 2], &vec![0.5; 2 * batch as usize]);
        let Some(Variable::Filled(element, linear)) = variable(of) else {
            panic!("they are equal");
        };
        assert_eq!(element.to_f32().unwrap(), [0.5]);
        assert_eq!((linear.offset, linear.slope), (vec![0, 2], vec![1, 0]));
    }

    #[test]
    fn what_is_not_on_a_line_is_refused() {
        let square = |batch| TensorProto::from_i64("", &[1], &[batch * batch]);
        assert!(variable(square).is_none());
        let half = |batch| TensorProto::from_i64("", &[1], &[batch / 2]);
        assert!(variable(half).is_none());
        let share = |batch: i64| TensorProto::from_f32("", &[], &[1.0 / batch as f32]);
        assert!(variable(share).is_none());
        let range = |batch: i64| {
            let numbers: Vec<i64> = (0..batch).collect();
            TensorProto::from_i64("", &[batch], &numbers)
        };
        assert!(variable(range).is_none());
    }

    #[test]
    fn dimensions_of_other_batch_sizes_follow() {
        let of = |dims: &[usize]| ValueType {
            elem: ElementType::F32,
            dims: dims.to_vec(),
        };
        let (first, second) = (of(&[19, 57, 4]), of(&[23, 69, 4]));
        let dims = dims_at(1, BATCHES, [Some(&first), Some(&second)]);
        assert_eq!(dims, Some(vec![1, 3, 4]));
    }
}

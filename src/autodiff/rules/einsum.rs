//! Sums of products over named axes.

use super::{Context, Error, Gradients};
use crate::autodiff::einsum_equation::Equation;
use std::collections::HashMap;

/// For each operand, the sum of products of `g` with all others, over the axes that the operand lacks.
pub fn einsum(cx: &mut Context) -> Result<Gradients, Error> {
    let gradient = cx.grad_output()?;
    let names: Vec<String> = (0..cx.node.input.len())
        .map(|index| cx.input(index))
        .collect::<Result<_, _>>()?;
    let dims: Vec<Vec<usize>> = names
        .iter()
        .map(|name| cx.dims(name))
        .collect::<Result<_, _>>()?;
    let equation = cx.node.string("equation").unwrap_or_default().to_owned();
    let ranks: Vec<usize> = dims.iter().map(Vec::len).collect();
    let parsed = Equation::parse(&equation, &ranks);
    let out = cx.dims(&cx.output())?;
    let Some(equation) = parsed.filter(|parsed| parsed.output.len() == out.len()) else {
        return Err(cx.unsupported(&format!("equation = {equation:?} of {dims:?}")));
    };
    let mut sizes: HashMap<char, usize> = HashMap::new();
    for (labels, dims) in equation.inputs.iter().zip(&dims) {
        for (&label, &size) in labels.iter().zip(dims) {
            let largest = sizes.entry(label).or_insert(size);
            *largest = size.max(*largest);
        }
    }
    cx.for_each_requested(names.len(), |cx, index| {
        let own = &equation.inputs[index];
        if (1..own.len()).any(|place| own[..place].contains(&own[place])) {
            return Err(cx.unsupported(&format!("it takes the diagonal of its input {index}")));
        }
        let mut factors = vec![(gradient.as_str(), &equation.output, &out)];
        for other in (0..names.len()).filter(|&other| other != index) {
            factors.push((&names[other], &equation.inputs[other], &dims[other]));
        }
        // An axis of no other factor is summed over in the forward pass only: the gradient is repeated along it.
        let in_full = |label: char| {
            factors.iter().any(|(_, labels, dims)| {
                let mut axes = labels.iter().zip(dims.iter());
                axes.any(|(&other, &size)| other == label && size == sizes[&label])
            })
        };
        let kept: Vec<bool> = own
            .iter()
            .zip(&dims[index])
            .map(|(&label, &size)| size == sizes[&label] && in_full(label))
            .collect();
        let result = own.iter().zip(&kept).filter(|(_, kept)| **kept);
        let result: String = result.map(|(label, _)| *label).collect();
        let terms: Vec<String> = factors
            .iter()
            .map(|(_, labels, _)| labels.iter().collect())
            .collect();
        let operands: Vec<&str> = factors.iter().map(|(name, _, _)| *name).collect();
        let equation = format!("{}->{result}", terms.join(","));
        let product = cx.emit("Einsum", &operands, &[("equation", equation.into())]);
        let full = &dims[index];
        if kept.iter().all(|kept| *kept) {
            return Ok(product);
        }
        let size = |(&size, &kept): (&usize, &bool)| if kept { size } else { 1 };
        let with_ones: Vec<usize> = full.iter().zip(&kept).map(size).collect();
        let product = cx.reshape(&product, &with_ones);
        Ok(cx.expand(&product, full))
    })
}

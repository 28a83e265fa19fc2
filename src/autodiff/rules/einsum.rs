//! Sums of products over named axes.

use super::{Context, Error, Gradients};
use std::collections::HashMap;

/// One label per axis; the axes of an ellipsis have labels of their own.
type Labels = Vec<char>;

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

/// An equation with one label per axis.
#[derive(Debug, PartialEq)]
struct Equation {
    inputs: Vec<Labels>,
    output: Labels,
}

impl Equation {
    /// `None` if the text is not a valid equation for operands of these ranks.
    fn parse(text: &str, ranks: &[usize]) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text.as_str(), None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != ranks.len() {
            return None;
        }
        let covered = |term: &str, rank: usize| rank.checked_sub(term.replace("...", "").len());
        let covered: Vec<usize> = terms
            .iter()
            .zip(ranks)
            .map(|(term, &rank)| covered(term, rank))
            .collect::<Option<_>>()?;
        let free = ('A'..='Z').chain('a'..='z').filter(|c| !text.contains(*c));
        let most = covered.iter().copied().max().unwrap_or(0);
        let hidden: Labels = free.take(most).collect();
        let labels = |term: &str, covered: usize| -> Option<Labels> {
            let (before, after) = match term.split_once("...") {
                Some(parts) => parts,
                None if covered == 0 => (term, ""),
                None => return None,
            };
            let hidden = hidden.get(hidden.len().checked_sub(covered)?..)?;
            let all: Labels = before
                .chars()
                .chain(hidden.iter().copied())
                .chain(after.chars())
                .collect();
            all.iter().all(char::is_ascii_alphabetic).then_some(all)
        };
        let inputs: Vec<Labels> = terms
            .iter()
            .zip(&covered)
            .map(|(term, &covered)| labels(term, covered))
            .collect::<Option<_>>()?;
        let output = match right {
            Some(right) => labels(right, if right.contains("...") { most } else { 0 })?,
            None => implicit_output(&inputs, &hidden),
        };
        let known = |label: &char| inputs.iter().any(|labels| labels.contains(label));
        output.iter().all(known).then_some(Self { inputs, output })
    }
}

/// Implicit output: the ellipsis, then all labels that occur once, in alphabetical order.
fn implicit_output(inputs: &[Labels], hidden: &[char]) -> Labels {
    let all: Labels = inputs.concat();
    let mut once: Labels = all
        .iter()
        .copied()
        .filter(|label| !hidden.contains(label))
        .filter(|label| all.iter().filter(|other| *other == label).count() == 1)
        .collect();
    once.sort_unstable();
    [hidden, &once].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, ranks: &[usize]) -> Option<(Vec<String>, String)> {
        let equation = Equation::parse(text, ranks)?;
        let inputs = equation.inputs.iter().map(|labels| labels.iter().collect());
        Some((inputs.collect(), equation.output.iter().collect()))
    }

    #[test]
    fn an_ellipsis_gets_labels_of_its_own_counted_from_the_last_axis() {
        let (inputs, output) = parsed("...ij, ...jk -> ...ik", &[4, 3]).unwrap();
        assert_eq!(
            (inputs, output),
            (vec!["ABij".into(), "Bjk".into()], "ABik".into())
        );
    }

    #[test]
    fn without_an_arrow_the_output_has_what_occurs_once() {
        let (_, output) = parsed("ba,ac", &[2, 2]).unwrap();
        assert_eq!(output, "bc");
    }

    #[test]
    fn what_does_not_fit_the_operands_is_no_equation() {
        for (text, ranks) in [
            ("ij,jk->ik", &[2][..]),
            ("ij->ij", &[3]),
            ("ij->ik", &[2]),
            ("i1->i", &[2]),
        ] {
            assert_eq!(parsed(text, ranks), None, "{text}");
        }
    }
}

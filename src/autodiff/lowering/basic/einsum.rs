//! `Einsum` of two operands as `MatMul`, or as products and a sum. WebGPU's `Einsum` gives wrong
//! results where the batch dimensions of the operands differ.
//!
//! Only ranks are known here, no dimensions. So equations with an ellipsis are decomposed only
//! where the matrices are the last two axes already, as in `...ij,...jk->...ik`.

use crate::autodiff::einsum_equation::{Equation, Labels};
use crate::onnx::proto::NodeProto;
use crate::onnx::{Attribute, Builder, Error};

/// Replaces an `Einsum` node; `false` if it stays as it is. `rank` is the rank of a value, if it is known.
pub(super) fn decompose(
    builder: &mut Builder,
    node: &NodeProto,
    rank: &impl Fn(&str) -> Option<usize>,
) -> Result<bool, Error> {
    let equation = node.string("equation").unwrap_or_default();
    let [first, second] = node.input.as_slice() else {
        return Ok(false);
    };
    let result = node.output[0].as_str();
    if is_product_of_last_axes(equation) {
        builder.emit_named(result, "MatMul", &[first, second], &[])?;
        return Ok(true);
    }
    let Some([left, right, output]) = labels(equation, [rank(first), rank(second)]) else {
        return Ok(false);
    };
    let operands = [
        (first.as_str(), left.as_str()),
        (second.as_str(), right.as_str()),
    ];
    let Some(axes) = Axes::classify(&left, &right, &output) else {
        return Ok(false);
    };
    if axes.is_matrix_product() {
        matrix_product(builder, operands, &axes, (&output, result))?;
        return Ok(true);
    }
    // Without batch dimensions the provider is right, and needs no memory for all products.
    if axes.batch.is_empty() {
        return Ok(false);
    }
    sum_of_products(builder, operands, &axes, (&output, result))?;
    Ok(true)
}

/// One label per axis of both operands and of the output. `None` if the equation depends on ranks
/// that are unknown, or does not fit them.
fn labels(equation: &str, ranks: [Option<usize>; 2]) -> Option<[String; 3]> {
    let ranks = if Equation::depends_on_ranks(equation) {
        ranks
    } else {
        let (terms, _) = equation.split_once("->")?;
        let (left, right) = terms.split_once(',')?;
        [left, right].map(|term| Some(term.chars().filter(|c| !c.is_whitespace()).count()))
    };
    let [left, right] = ranks;
    let Equation { inputs, output } = Equation::parse(equation, &[left?, right?])?;
    let text = |labels: &Labels| labels.iter().collect::<String>();
    Some([text(&inputs[0]), text(&inputs[1]), text(&output)])
}

/// Whether an equation is what `MatMul` computes, whatever an ellipsis stands for: `...ij,...jk->...ik`.
fn is_product_of_last_axes(equation: &str) -> bool {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let parts = equation.split_once("->");
    let parts = parts.and_then(|(terms, output)| Some((terms.split_once(',')?, output)));
    let Some(((left, right), output)) = parts else {
        return false;
    };
    let split = |term: &str| -> Option<(String, [char; 2])> {
        let labels: Vec<char> = term.strip_prefix("...")?.chars().collect();
        let matrix = labels.as_slice().try_into().ok()?;
        Some(("...".into(), matrix))
    };
    let (Some((_, [i, j])), Some((_, [also_j, k])), Some((_, [also_i, also_k]))) =
        (split(left), split(right), split(output))
    else {
        return false;
    };
    let distinct = i != j && j != k && i != k;
    distinct && j == also_j && i == also_i && k == also_k
}

/// The labels of an equation by what happens to them.
struct Axes {
    /// In both operands and in the output.
    batch: Vec<char>,
    /// In the first operand and in the output only.
    rows: Vec<char>,
    /// In the second operand and in the output only.
    columns: Vec<char>,
    /// Not in the output: summed over.
    summed: Vec<char>,
    /// Whether every summed label is in both operands.
    is_contraction: bool,
}

impl Axes {
    /// `None` if a label occurs twice in a term.
    fn classify(left: &str, right: &str, output: &str) -> Option<Self> {
        let terms = [left, right, output];
        let is_plain = |term: &str| {
            let mut labels = term.char_indices();
            labels.all(|(at, label)| label.is_ascii_alphabetic() && !term[..at].contains(label))
        };
        let known = |label| left.contains(label) || right.contains(label);
        if !terms.into_iter().all(is_plain) || !output.chars().all(known) {
            return None;
        }
        let select = |in_left: bool, in_right: bool| -> Vec<char> {
            let labels = output.chars();
            labels
                .filter(|&label| left.contains(label) == in_left)
                .filter(|&label| right.contains(label) == in_right)
                .collect()
        };
        let others = right.chars().filter(|&label| !left.contains(label));
        let summed: Vec<char> = left
            .chars()
            .chain(others)
            .filter(|&label| !output.contains(label))
            .collect();
        let in_both = |&label: &char| left.contains(label) && right.contains(label);
        Some(Self {
            batch: select(true, true),
            rows: select(true, false),
            columns: select(false, true),
            is_contraction: summed.iter().all(in_both),
            summed,
        })
    }

    /// Whether one `MatMul` computes it.
    fn is_matrix_product(&self) -> bool {
        self.is_contraction
            && self.summed.len() == 1
            && self.rows.len() <= 1
            && self.columns.len() <= 1
    }
}

/// [batch…, row, summed] × [batch…, summed, column], with axes of length 1 for a missing row or column.
fn matrix_product(
    builder: &mut Builder,
    [first, second]: [(&str, &str); 2],
    axes: &Axes,
    (output, result): (&str, &str),
) -> Result<(), Error> {
    // Labels that no equation has, for the missing axes.
    let row = axes.rows.first().copied().unwrap_or('<');
    let column = axes.columns.first().copied().unwrap_or('>');
    let order = |last: [char; 2]| -> Vec<char> { axes.batch.iter().copied().chain(last).collect() };
    let left = arrange(builder, first, &order([row, axes.summed[0]]));
    let right = arrange(builder, second, &order([axes.summed[0], column]));
    let product = builder.emit("MatMul", &[&left, &right], &[]);
    finish(builder, &product, &order([row, column]), output, result)
}

/// The product of all elements, summed: for any equation, but it needs memory for all products.
fn sum_of_products(
    builder: &mut Builder,
    [first, second]: [(&str, &str); 2],
    axes: &Axes,
    (output, result): (&str, &str),
) -> Result<(), Error> {
    let order: Vec<char> = output.chars().chain(axes.summed.iter().copied()).collect();
    let left = arrange(builder, first, &order);
    let right = arrange(builder, second, &order);
    if axes.summed.is_empty() {
        builder.emit_named(result, "Mul", &[&left, &right], &[])?;
        return Ok(());
    }
    let product = builder.emit("Mul", &[&left, &right], &[]);
    let kept = output.len() as i64;
    let summed: Vec<i64> = (kept..order.len() as i64).collect();
    let summed = builder.ints(&summed);
    let attributes = [("keepdims", 0i64.into())];
    builder.emit_named(result, "ReduceSum", &[&product, &summed], &attributes)?;
    Ok(())
}

/// An operand with its axes in this order, and with axes of length 1 for labels that it lacks.
fn arrange(builder: &mut Builder, (value, labels): (&str, &str), order: &[char]) -> String {
    let places = order.iter().filter_map(|label| labels.find(*label));
    let permutation: Vec<i64> = places.map(|place| place as i64).collect();
    let mut value = value.to_owned();
    if !permutation.is_sorted() {
        let attributes = [("perm", Attribute::Ints(permutation))];
        value = builder.emit("Transpose", &[&value], &attributes);
    }
    let missing = places_of(order, |label| !labels.contains(label));
    if !missing.is_empty() {
        let missing = builder.ints(&missing);
        value = builder.emit("Unsqueeze", &[&value, &missing], &[]);
    }
    value
}

/// Emits `result`: a product with axes `order`, without those that `output` lacks and in its order.
fn finish(
    builder: &mut Builder,
    product: &str,
    order: &[char],
    output: &str,
    result: &str,
) -> Result<(), Error> {
    let added = places_of(order, |label| !output.contains(label));
    let mut value = product.to_owned();
    if !added.is_empty() {
        let added = builder.ints(&added);
        value = builder.emit("Squeeze", &[&value, &added], &[]);
    }
    let kept: String = order
        .iter()
        .filter(|label| output.contains(**label))
        .collect();
    let places = output.chars().filter_map(|label| kept.find(label));
    let permutation: Vec<i64> = places.map(|place| place as i64).collect();
    let attributes = [("perm", Attribute::Ints(permutation))];
    builder.emit_named(result, "Transpose", &[&value], &attributes)?;
    Ok(())
}

fn places_of(order: &[char], is_wanted: impl Fn(char) -> bool) -> Vec<i64> {
    let places = order.iter().enumerate();
    places
        .filter(|(_, label)| is_wanted(**label))
        .map(|(place, _)| place as i64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_the_last_axes_is_recognized() {
        assert!(is_product_of_last_axes("...ij, ...jk -> ...ik"));
        for equation in [
            "...ij,...kj->...ik",
            "...ij,...jk->...ki",
            "ij,...jk->...ik",
            "...ii,...ij->...ij",
            "...ij,...jk",
        ] {
            assert!(!is_product_of_last_axes(equation), "{equation}");
        }
    }

    #[test]
    fn axes_of_an_ellipsis_and_of_an_implicit_output_are_named_by_the_ranks() {
        let of = |equation, ranks| labels(equation, ranks).map(|labels| labels.join(" "));
        let known = [Some(4), Some(4)];
        assert_eq!(of("...id,...jd->...ij", known).unwrap(), "ABid ABjd ABij");
        assert_eq!(of("ij,jk", [Some(2), Some(2)]).unwrap(), "ij jk ik");
        assert_eq!(of("...id,...jd->...ij", [Some(4), None]), None);
        assert_eq!(of("id,jd->ij", [None, None]).unwrap(), "id jd ij");
        assert_eq!(of("id,jd->ij", known).unwrap(), "id jd ij");
    }

    #[test]
    fn labels_are_sorted_into_batch_rows_columns_and_sums() {
        let axes = Axes::classify("bhid", "bhjd", "bhij").unwrap();
        assert_eq!(axes.batch, ['b', 'h']);
        assert_eq!((axes.rows, axes.columns), (vec!['i'], vec!['j']));
        assert_eq!(axes.summed, ['d']);
        assert!(
            Axes::classify("bij", "bjk", "bik")
                .unwrap()
                .is_matrix_product()
        );
        assert!(!Axes::classify("ij", "jk", "i").unwrap().is_matrix_product());
        for (left, right, output) in [("ii", "ij", "ij"), ("...i", "i", "..."), ("i", "j", "k")] {
            assert!(Axes::classify(left, right, output).is_none());
        }
    }
}

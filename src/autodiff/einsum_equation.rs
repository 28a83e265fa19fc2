//! The equation of an `Einsum`, with every axis named: for its gradient rule and its lowering.

/// One label per axis; the axes of an ellipsis have labels of their own.
pub type Labels = Vec<char>;

/// An equation with one label per axis.
#[derive(Debug, PartialEq)]
pub struct Equation {
    /// Of each operand.
    pub inputs: Vec<Labels>,
    pub output: Labels,
}

impl Equation {
    /// Whether the axes of an equation depend on the ranks of its operands: it has an ellipsis, or no output.
    pub fn depends_on_ranks(text: &str) -> bool {
        text.contains("...") || !text.contains("->")
    }

    /// `None` if the text is not a valid equation for operands of these ranks.
    pub fn parse(text: &str, ranks: &[usize]) -> Option<Self> {
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

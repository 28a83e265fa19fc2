//! Log-probabilities of a network, without computing probabilities: `log softmax(x)` for `Softmax(x)`, `a - b` for
//! `exp(a) / exp(b)`. A probability that rounds to 0 or 1 has no gradient, but its logarithm has one.
//!
//! Operators with a rule are rewritten backwards from the output. For other values the logarithm is computed directly.

use crate::onnx::proto::NodeProto;
use crate::onnx::{Builder, ElementType, Error, Graph, Types};

/// Minimum of a probability before its logarithm is computed directly.
const MIN_PROBABILITY: f64 = 1e-30;

/// Minimum of the complement of a probability before its logarithm is computed directly: half the spacing of float32
/// below 1.
const MIN_COMPLEMENT: f64 = 6e-8;

/// Operators that only move elements and therefore commute with the logarithm.
const MOVING: &[&str] = &[
    "Cast",
    "Concat",
    "Dropout",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Emits logarithms of values of a graph.
pub(super) struct Logarithms<'a> {
    pub builder: &'a mut Builder,
    /// The types of the graph's values.
    pub shapes: &'a Types,
    /// Maximum number of successive operators that are rewritten.
    pub depth: usize,
}

impl Logarithms<'_> {
    /// The logarithm of `value`, of the same dimensions. It is correct if all inputs of the rules are positive.
    pub fn of(&mut self, value: &str) -> Result<String, Error> {
        self.follow(value, Part::Itself, 0)
    }

    /// The logarithm of `1 - value`, of the same dimensions.
    pub fn of_complement(&mut self, value: &str) -> Result<String, Error> {
        self.follow(value, Part::Complement, 0)
    }

    fn follow(&mut self, value: &str, part: Part, depth: usize) -> Result<String, Error> {
        let node = self.producer(value).filter(|_| depth < self.depth);
        let known = match (&node, part) {
            (Some(node), Part::Itself) => self.rule(node, depth)?,
            (Some(node), Part::Complement) => self.complement_rule(node, depth)?,
            (None, _) => None,
        };
        match known {
            Some(logarithm) => Ok(logarithm),
            None => self.plain(value, part),
        }
    }

    /// The logarithm of an input of a node at `depth`.
    fn deeper(&mut self, value: &str, depth: usize) -> Result<String, Error> {
        self.follow(value, Part::Itself, depth + 1)
    }

    fn producer(&self, value: &str) -> Option<NodeProto> {
        let graph = self.builder.graph();
        graph
            .producer(value)
            .map(|index| graph.nodes()[index].clone())
    }

    /// The logarithm, computed directly.
    fn plain(&mut self, value: &str, part: Part) -> Result<String, Error> {
        let elem = self.elem(value)?;
        let (number, least) = match part {
            Part::Itself => (value.to_string(), MIN_PROBABILITY),
            Part::Complement => {
                let one = self.builder.scalar(elem, 1.0)?;
                (
                    self.builder.emit("Sub", &[&one, value], &[]),
                    MIN_COMPLEMENT,
                )
            }
        };
        let least = self.builder.scalar(elem, least)?;
        let positive = self.builder.emit("Max", &[&number, &least], &[]);
        Ok(self.emit("Log", &[&positive]))
    }

    fn elem(&self, value: &str) -> Result<ElementType, Error> {
        match self.builder.graph().constant(value) {
            Some(constant) => ElementType::from_code(constant.data_type)
                .ok_or_else(|| Error::Unsupported("a constant that is not numeric".into())),
            None => Ok(self.shapes.get(value)?.elem),
        }
    }

    fn emit(&mut self, op: &str, inputs: &[&str]) -> String {
        self.builder.emit(op, inputs, &[])
    }

    /// The logarithm of a node's first output; `None` if there is no rule for the node.
    fn rule(&mut self, node: &NodeProto, depth: usize) -> Result<Option<String>, Error> {
        let Some(input) = node.input_at(0) else {
            return Ok(None);
        };
        Ok(Some(match node.op_type.as_str() {
            "Softmax" => {
                let axis = node.int("axis").unwrap_or(-1);
                self.builder
                    .emit("LogSoftmax", &[input], &[("axis", axis.into())])
            }
            "Sigmoid" => self.log_sigmoid(input, true),
            "Exp" => input.to_string(),
            "Clip" => self.deeper(input, depth)?,
            "Mul" | "Div" => {
                let Some(other) = node.input_at(1) else {
                    return Ok(None);
                };
                let terms = [self.deeper(input, depth)?, self.deeper(other, depth)?];
                let op = if node.is_op("Mul") { "Add" } else { "Sub" };
                self.emit(op, &[&terms[0], &terms[1]])
            }
            "Add" | "Sum" | "Mean" => {
                if let Some(x) = self.sigmoid_by_tanh(node)? {
                    return Ok(Some(self.log_sigmoid(&x, true)));
                }
                let mut terms = Vec::with_capacity(node.input.len());
                for term in &node.input {
                    terms.push(self.deeper(term, depth)?);
                }
                let sum = self.log_sum(&terms);
                match node.is_op("Mean") {
                    true => self.less_log(&sum, node.input.len(), self.elem(input)?)?,
                    false => sum,
                }
            }
            "Sub" if self.is_one(input) => {
                let Some(other) = node.input_at(1) else {
                    return Ok(None);
                };
                self.follow(other, Part::Complement, depth + 1)?
            }
            "ReduceSum" | "ReduceL1" | "ReduceMean" => {
                let logarithms = self.deeper(input, depth)?;
                let mut sum = node.clone();
                sum.op_type = "ReduceLogSumExp".into();
                let sum = self.moved(&sum, &[logarithms])?;
                match node.is_op("ReduceMean") {
                    true => self.less_log(&sum, self.reduced(node)?, self.elem(input)?)?,
                    false => sum,
                }
            }
            "Reciprocal" => {
                let logarithm = self.deeper(input, depth)?;
                self.emit("Neg", &[&logarithm])
            }
            op if MOVING.contains(&op) => self.along(node, Part::Itself, depth)?,
            _ => return Ok(None),
        }))
    }

    /// The logarithm of 1 minus a node's first output; `None` if there is no rule for the node.
    fn complement_rule(&mut self, node: &NodeProto, depth: usize) -> Result<Option<String>, Error> {
        let Some(input) = node.input_at(0) else {
            return Ok(None);
        };
        Ok(Some(match node.op_type.as_str() {
            "Sigmoid" => self.log_sigmoid(input, false),
            "Clip" => self.follow(input, Part::Complement, depth + 1)?,
            "Add" => match self.sigmoid_by_tanh(node)? {
                Some(x) => self.log_sigmoid(&x, false),
                None => return Ok(None),
            },
            "Sub" if self.is_one(input) => match node.input_at(1) {
                Some(other) => self.follow(other, Part::Itself, depth + 1)?,
                None => return Ok(None),
            },
            // 1 - a / (a + c) = c / (a + c), and likewise without a numerator, which is 1.
            "Div" | "Reciprocal" => match self.rest_of_sum(node) {
                Some((rest, sum)) => {
                    let terms = [self.deeper(&rest, depth)?, self.deeper(&sum, depth)?];
                    self.emit("Sub", &[&terms[0], &terms[1]])
                }
                None => return Ok(None),
            },
            // 1 minus a mean is the mean of the complements.
            "Mean" => {
                let mut terms = Vec::with_capacity(node.input.len());
                for term in &node.input {
                    terms.push(self.follow(term, Part::Complement, depth + 1)?);
                }
                let sum = self.log_sum(&terms);
                self.less_log(&sum, terms.len(), self.elem(input)?)?
            }
            "ReduceMean" => {
                let logarithms = self.follow(input, Part::Complement, depth + 1)?;
                let mut sum = node.clone();
                sum.op_type = "ReduceLogSumExp".into();
                let sum = self.moved(&sum, &[logarithms])?;
                self.less_log(&sum, self.reduced(node)?, self.elem(input)?)?
            }
            op if MOVING.contains(&op) => self.along(node, Part::Complement, depth)?,
            _ => return Ok(None),
        }))
    }

    /// The value `c`, and the value `a + c`, of a node that gives `a / (a + c)`.
    fn rest_of_sum(&self, node: &NodeProto) -> Option<(String, String)> {
        let is_reciprocal = node.is_op("Reciprocal");
        let denominator = node.input_at(usize::from(!is_reciprocal))?;
        let sum = self.producer(denominator).filter(|sum| sum.is_op("Add"))?;
        let is_numerator = |term: &String| match is_reciprocal {
            true => self.is_one(term),
            false => {
                let numerator = &node.input[0];
                term == numerator || (self.is_one(term) && self.is_one(numerator))
            }
        };
        let [first, second] = sum.input.as_slice() else {
            return None;
        };
        let rest = match (is_numerator(first), is_numerator(second)) {
            (true, _) => second,
            (_, true) => first,
            _ => return None,
        };
        Some((rest.clone(), denominator.to_string()))
    }

    /// `log σ(x)`, or `log (1 - σ(x))`: minus the softplus of `-x`, or of `x`.
    fn log_sigmoid(&mut self, x: &str, is_itself: bool) -> String {
        let x = match is_itself {
            true => self.emit("Neg", &[x]),
            false => x.to_string(),
        };
        let soft = self.emit("Softplus", &[&x]);
        self.emit("Neg", &[&soft])
    }

    /// `log Σ exp(term)`, without overflow.
    fn log_sum(&mut self, terms: &[String]) -> String {
        let all: Vec<&str> = terms.iter().map(String::as_str).collect();
        let largest = self.emit("Max", &all);
        let mut powers = Vec::with_capacity(terms.len());
        for term in terms {
            let less = self.emit("Sub", &[term, &largest]);
            powers.push(self.emit("Exp", &[&less]));
        }
        let sum = powers
            .into_iter()
            .reduce(|sum, power| self.emit("Add", &[&sum, &power]))
            .expect("a sum has terms");
        let log = self.emit("Log", &[&sum]);
        self.emit("Add", &[&log, &largest])
    }

    fn less_log(&mut self, value: &str, count: usize, elem: ElementType) -> Result<String, Error> {
        let log = self.builder.scalar(elem, (count as f64).ln())?;
        Ok(self.emit("Sub", &[value, &log]))
    }

    /// Number of elements that a reduction combines.
    fn reduced(&self, node: &NodeProto) -> Result<usize, Error> {
        let count = |value: &str| Ok::<usize, Error>(self.shapes.get(value)?.count());
        let before = count(node.input_at(0).unwrap_or_default())?;
        Ok(before / count(&node.output[0])?.max(1))
    }

    /// An operator that moves elements, applied to logarithms.
    fn along(&mut self, node: &NodeProto, part: Part, depth: usize) -> Result<String, Error> {
        let moved = match node.is_op("Concat") {
            true => node.input.len(),
            false => 1,
        };
        let mut inputs = Vec::with_capacity(moved);
        for input in &node.input[..moved] {
            inputs.push(self.follow(input, part, depth + 1)?);
        }
        self.moved(node, &inputs)
    }

    /// A copy of `node` with its first inputs replaced by `inputs`.
    fn moved(&mut self, node: &NodeProto, inputs: &[String]) -> Result<String, Error> {
        let mut copy = node.clone();
        for (input, moved) in copy.input.iter_mut().zip(inputs) {
            input.clone_from(moved);
        }
        self.builder.emit_copy(copy)
    }

    /// `2 z`, if a node gives `tanh(z) / 2 + 1 / 2`, which is `σ(2 z)`.
    fn sigmoid_by_tanh(&mut self, node: &NodeProto) -> Result<Option<String>, Error> {
        let Some(half) = self.beside(node, 0.5) else {
            return Ok(None);
        };
        let scaled = self.producer(&half).filter(|node| node.is_op("Mul"));
        let tanh = scaled.and_then(|node| self.producer(&self.beside(&node, 0.5)?));
        let Some(tanh) = tanh.filter(|node| node.is_op("Tanh")) else {
            return Ok(None);
        };
        let z = &tanh.input[0];
        let two = self.builder.scalar(self.elem(z)?, 2.0)?;
        Ok(Some(self.emit("Mul", &[z, &two])))
    }

    /// The other input of a binary node, one of whose inputs is a constant that equals `number` everywhere.
    fn beside(&self, node: &NodeProto, number: f32) -> Option<String> {
        let [first, second] = node.input.as_slice() else {
            return None;
        };
        match (
            self.is_number(first, number),
            self.is_number(second, number),
        ) {
            (true, false) => Some(second.clone()),
            (false, true) => Some(first.clone()),
            _ => None,
        }
    }

    fn is_one(&self, value: &str) -> bool {
        self.is_number(value, 1.0)
    }

    fn is_number(&self, value: &str, wanted: f32) -> bool {
        is_filled_with(self.builder.graph(), value, wanted)
    }
}

/// The requested logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Of the value.
    Itself,
    /// Of 1 minus the value.
    Complement,
}

/// Whether a value is a constant whose elements all equal `number`.
pub(super) fn is_filled_with(graph: &Graph, value: &str, number: f32) -> bool {
    let numbers = graph.constant(value).and_then(|known| known.to_f32().ok());
    numbers.is_some_and(|all| !all.is_empty() && all.iter().all(|&one| one == number))
}

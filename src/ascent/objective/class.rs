//! The score of a class, or of its negative, and its gradient with respect to the class scores. The table of
//! [`objective`](super) has the formulas.

use super::{ClassScore, EmittedScore, one_hot};
use crate::model::Activation;
use crate::onnx::{Builder, ElementType, Error as GraphError, Graph, Types};

/// Added to the logit of a class to exclude it from a softmax.
const EXCLUDED: f64 = -1e9;

/// A value and the gradient of a score with respect to it, up to a positive factor per picture.
type Seed = (String, String);

/// The objective of a class, or of its negative.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassObjective<'a> {
    /// Name of the class scores, (N, classes).
    pub logits: &'a str,
    pub classes: usize,
    pub elem: ElementType,
    /// Name of the input (N, 2) of int64 whose first column is the class.
    pub units: &'a str,
    /// Whether the score of the class is minimized.
    pub is_negative: bool,
}

impl ClassObjective<'_> {
    /// Emits the score (N), and its gradient up to a positive factor per picture. The gradient of a log-probability
    /// vanishes as the probability approaches 1; divided by `1 - p` (for the negative: by `p`) it is the gradient of
    /// the log-odds, which does not vanish. For scores without probabilities, the objective is the score.
    pub fn emit(
        &self,
        builder: &mut Builder,
        shapes: &Types,
        score: ClassScore,
        activation: Activation,
    ) -> Result<EmittedScore, GraphError> {
        let (score, (value, direction)) = match (score, activation) {
            (ClassScore::LogProbability, Activation::Softmax) => self.log_softmax(builder)?,
            (ClassScore::LogProbability, Activation::Sigmoid) => {
                let seed = self.linear_seed(builder, shapes)?;
                (self.log_sigmoid(builder), seed)
            }
            (ClassScore::Logit, _) | (_, Activation::None) => {
                let score = self.own(builder, self.logits);
                let score = self.signed(builder, score);
                (score, self.linear_seed(builder, shapes)?)
            }
        };
        let direction = self.signed(builder, direction);
        let seeds = vec![(value, direction)];
        Ok(EmittedScore { score, seeds })
    }

    /// A value, negated if the score of the class is minimized.
    fn signed(&self, builder: &mut Builder, value: String) -> String {
        if self.is_negative {
            builder.emit("Neg", &[&value], &[])
        } else {
            value
        }
    }

    /// The log-probability of a softmax, and the gradient of the log-odds `x_c - log Σ exp(others)`.
    fn log_softmax(&self, builder: &mut Builder) -> Result<(String, Seed), GraphError> {
        let along = [("axis", 1i64.into())];
        let hot = self.one_hot(builder);
        let excluded = builder.scalar(self.elem, EXCLUDED)?;
        let excluded = builder.emit("Mul", &[&hot, &excluded], &[]);
        let others = builder.emit("Add", &[self.logits, &excluded], &[]);
        let shares = builder.emit("Softmax", &[&others], &along);
        let direction = builder.emit("Sub", &[&hot, &shares], &[]);
        let score = if self.is_negative {
            // log (1 - p) = log Σ exp(others) - log Σ exp(all), which stays finite for p near 1.
            let (last, flat) = (builder.ints(&[1]), [("keepdims", 0i64.into())]);
            let [rest, all] = [others.as_str(), self.logits]
                .map(|logits| builder.emit("ReduceLogSumExp", &[logits, &last], &flat));
            builder.emit("Sub", &[&rest, &all], &[])
        } else {
            let logs = builder.emit("LogSoftmax", &[self.logits], &along);
            self.own(builder, &logs)
        };
        Ok((score, (self.logits.into(), direction)))
    }

    /// The log-probability of a sigmoid: `log σ(x) = -softplus(-x)`, which stays finite for small `σ(x)`. For the
    /// negative, `x` has the opposite sign.
    fn log_sigmoid(&self, builder: &mut Builder) -> String {
        let down = if self.is_negative {
            self.logits.to_string()
        } else {
            builder.emit("Neg", &[self.logits], &[])
        };
        let soft = builder.emit("Softplus", &[&down], &[]);
        let logs = builder.emit("Neg", &[&soft], &[]);
        self.own(builder, &logs)
    }

    /// (N, classes): 1 at the class.
    fn one_hot(&self, builder: &mut Builder) -> String {
        one_hot(builder, self.units, 0, self.classes)
    }

    /// (N): the elements of `values` (N, classes) for the class.
    fn own(&self, builder: &mut Builder, values: &str) -> String {
        let (last, flat) = (builder.ints(&[1]), [("keepdims", 0i64.into())]);
        let first = builder.ints(&[0]);
        let along = [("axis", 1i64.into())];
        let index = builder.emit("Gather", &[self.units, &first], &along);
        let own = builder.emit("GatherElements", &[values, &index], &along);
        builder.emit("ReduceSum", &[&own, &last], &flat)
    }

    /// A value and the gradient of the class's logit with respect to it. If the logits are `Gemm(features, weights,
    /// bias)` with constant weights (classes, features), the value is the features and the gradient a row of the
    /// weights, which saves a product with a one-hot matrix. Otherwise the value is the logits.
    fn linear_seed(&self, builder: &mut Builder, shapes: &Types) -> Result<Seed, GraphError> {
        let Some((features, weights)) = self.linear(builder.graph(), shapes)? else {
            return Ok((self.logits.into(), self.one_hot(builder)));
        };
        let first = builder.int(0);
        let class = builder.emit("Gather", &[self.units, &first], &[("axis", 1i64.into())]);
        let seed = builder.emit("Gather", &[&weights, &class], &[("axis", 0i64.into())]);
        Ok((features, seed))
    }

    /// Features and weights of the linear layer that computes the logits, if there is one.
    fn linear(
        &self,
        graph: &Graph,
        shapes: &Types,
    ) -> Result<Option<(String, String)>, GraphError> {
        let Some(node) = graph
            .producer(self.logits)
            .map(|index| &graph.nodes()[index])
        else {
            return Ok(None);
        };
        let (Some(features), Some(weights)) = (node.input_at(0), node.input_at(1)) else {
            return Ok(None);
        };
        let is_one = |name: &str| node.float(name).is_none_or(|value| value == 1.0);
        let is_flag = |name: &str, set: bool| (node.int(name).unwrap_or(0) != 0) == set;
        let fits = node.is_op("Gemm")
            && is_one("alpha")
            && is_flag("transA", false)
            && is_flag("transB", true);
        let is_known = graph.constant(weights).is_some();
        if !fits || !is_known || shapes.get(features)?.elem != ElementType::F32 {
            return Ok(None);
        }
        Ok(Some((features.to_string(), weights.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::ValueType;
    use crate::onnx::types::{fixed_dims, untyped_value};
    use crate::runtime::{Provider, Session, SessionOptions, Tensor, testing};
    use ndarray::Array2;

    const CLASSES: usize = 4;

    /// Score and gradient of class 2 for the logits.
    fn score(
        logits: &[f32; CLASSES],
        score: ClassScore,
        activation: Activation,
        is_negative: bool,
    ) -> (f32, Vec<f32>) {
        let mut builder = Builder::empty(18, "");
        let x = builder
            .input("x", ElementType::F32, &fixed_dims(&[1, CLASSES]))
            .unwrap();
        let units = builder.ints(&[2, 0]);
        let dims = builder.ints(&[1, 2]);
        let units = builder.emit("Reshape", &[&units, &dims], &[]);
        let mut shapes = Types::default();
        let dims = vec![1, CLASSES];
        let elem = ElementType::F32;
        shapes.insert("x", ValueType { elem, dims });
        let class = ClassObjective {
            logits: &x,
            classes: CLASSES,
            elem,
            units: &units,
            is_negative,
        };
        let parts = class
            .emit(&mut builder, &shapes, score, activation)
            .unwrap();
        let [(value, seed)] = parts.seeds.as_slice() else {
            panic!("one seed");
        };
        assert_eq!(value, "x");
        let outputs = [untyped_value(&parts.score), untyped_value(seed)];
        let model = builder.graph().to_model(&outputs).unwrap();
        let mut session =
            Session::open_model(&model, Provider::Cpu, &SessionOptions::default()).unwrap();
        let x = Tensor::from(Array2::from_shape_vec((1, CLASSES), logits.to_vec()).unwrap());
        let inputs: &[(&str, &Tensor)] = if session.inputs().is_empty() {
            &[]
        } else {
            &[("x", &x)]
        };
        let found = session.run(inputs, &[&parts.score, seed]).unwrap();
        let numbers = |index: usize| {
            found[index]
                .as_f32()
                .unwrap()
                .iter()
                .copied()
                .collect::<Vec<f32>>()
        };
        (numbers(0)[0], numbers(1))
    }

    #[test]
    fn directions_are_the_slopes_of_the_scores_up_to_a_factor() {
        testing::library();
        let step = 1e-2;
        for logits in [
            [0.3, -1.2, 0.8, 0.1],
            [2.0, 1.5, -3.0, 0.0],
            [-1.0, 0.5, 4.0, -2.0],
        ] {
            for is_negative in [false, true] {
                for (of, activation) in [
                    (ClassScore::LogProbability, Activation::Softmax),
                    (ClassScore::LogProbability, Activation::Sigmoid),
                    (ClassScore::LogProbability, Activation::None),
                    (ClassScore::Logit, Activation::Softmax),
                ] {
                    let (value, direction) = score(&logits, of, activation, is_negative);
                    let factor = match (of, activation) {
                        (ClassScore::Logit, _) | (_, Activation::None) => 1.0,
                        _ => 1.0 - value.exp(),
                    };
                    for index in 0..CLASSES {
                        let mut moved = logits;
                        moved[index] += step;
                        let up = score(&moved, of, activation, is_negative).0;
                        moved[index] -= 2.0 * step;
                        let down = score(&moved, of, activation, is_negative).0;
                        let slope = (up - down) / (2.0 * step);
                        let found = factor * direction[index];
                        assert!(
                            (slope - found).abs() < 2e-3,
                            "{of:?} {activation:?} {is_negative}: {slope} {found}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_certain_class_can_be_minimized_and_an_impossible_one_maximized() {
        testing::library();
        for activation in [Activation::Softmax, Activation::Sigmoid] {
            let certain = [0.0, 0.0, 80.0, 0.0];
            let (value, gradient) = score(&certain, ClassScore::LogProbability, activation, true);
            assert!(value < -70.0 && value.is_finite(), "{value}");
            assert!((gradient[2] + 1.0).abs() < 1e-5, "{gradient:?}");
            let (_, gradient) = score(&certain, ClassScore::LogProbability, activation, false);
            assert!((gradient[2] - 1.0).abs() < 1e-5, "{gradient:?}");
            let impossible = [0.0, 0.0, -80.0, 0.0];
            let (value, gradient) =
                score(&impossible, ClassScore::LogProbability, activation, false);
            assert!(value < -70.0 && value.is_finite(), "{value}");
            assert!((gradient[2] - 1.0).abs() < 1e-5, "{gradient:?}");
        }
    }
}

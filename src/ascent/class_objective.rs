//! The score of a class, or of its negative, and its gradient with respect to the class scores. The table of
//! [`objective`](super::objective) has the formulas.

use super::objective::{ClassScore, Parts, one_hot};
use crate::model::Activation;
use crate::onnx::{Builder, Elem, Error as GraphError, Shapes};

/// What takes a class out of a softmax: it is added to the class's logit.
const EXCLUDED: f64 = -1e9;

/// Class scores and what is climbed of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassObjective<'a> {
    /// Name of the class scores, (N, classes).
    pub logits: &'a str,
    pub classes: usize,
    pub elem: Elem,
    /// Name of the input (N, 2) of int64 whose first column is the class.
    pub units: &'a str,
    /// Whether the class is climbed down.
    pub is_negative: bool,
}

impl ClassObjective<'_> {
    /// Emits the score (N) and its gradient. A network whose scores have no probabilities is climbed by its scores.
    pub fn emit(
        &self,
        builder: &mut Builder,
        shapes: &Shapes,
        score: ClassScore,
        activation: Activation,
    ) -> Result<Parts, GraphError> {
        match (score, activation) {
            (ClassScore::LogProbability, Activation::Softmax) => self.log_softmax(builder),
            (ClassScore::LogProbability, Activation::Sigmoid) => Ok(self.log_sigmoid(builder)),
            (ClassScore::Logit, _) | (_, Activation::None) => self.logit(builder, shapes),
        }
    }

    fn logit(&self, builder: &mut Builder, shapes: &Shapes) -> Result<Parts, GraphError> {
        let score = self.own(builder, self.logits);
        let (value, seed) = match self.linear_seed(builder, shapes)? {
            Some(seed) => seed,
            None => (self.logits.into(), self.one_hot(builder)),
        };
        if !self.is_negative {
            let seeds = vec![(value, seed)];
            return Ok(Parts { score, seeds });
        }
        let score = builder.emit("Neg", &[&score], &[]);
        let seeds = vec![(value, builder.emit("Neg", &[&seed], &[]))];
        Ok(Parts { score, seeds })
    }

    fn log_softmax(&self, builder: &mut Builder) -> Result<Parts, GraphError> {
        let along = [("axis", 1i64.into())];
        let hot = self.one_hot(builder);
        let shares = builder.emit("Softmax", &[self.logits], &along);
        if !self.is_negative {
            let logs = builder.emit("LogSoftmax", &[self.logits], &along);
            let score = self.own(builder, &logs);
            let seed = builder.emit("Sub", &[&hot, &shares], &[]);
            return Ok(self.parts(score, seed));
        }
        // log (1 - p) = log Σ exp(others) - log Σ exp(all), which stays finite however near to 1 p is.
        let excluded = builder.scalar(self.elem, EXCLUDED)?;
        let excluded = builder.emit("Mul", &[&hot, &excluded], &[]);
        let others = builder.emit("Add", &[self.logits, &excluded], &[]);
        let (last, flat) = (builder.ints(&[1]), [("keepdims", 0i64.into())]);
        let [rest, all] = [others.as_str(), self.logits]
            .map(|logits| builder.emit("ReduceLogSumExp", &[logits, &last], &flat));
        let score = builder.emit("Sub", &[&rest, &all], &[]);
        let other_shares = builder.emit("Softmax", &[&others], &along);
        let direction = builder.emit("Sub", &[&other_shares, &hot], &[]);
        let own = builder.emit("Mul", &[&shares, &hot], &[]);
        let own = builder.emit("ReduceSum", &[&own, &last], &[("keepdims", 1i64.into())]);
        let seed = builder.emit("Mul", &[&direction, &own], &[]);
        Ok(self.parts(score, seed))
    }

    fn log_sigmoid(&self, builder: &mut Builder) -> Parts {
        // log σ(x) = -softplus(-x), which stays finite however small σ(x) is; of the negative, x has the other sign.
        let minus = builder.emit("Neg", &[self.logits], &[]);
        let down = if self.is_negative {
            self.logits
        } else {
            &minus
        };
        let soft = builder.emit("Softplus", &[down], &[]);
        let logs = builder.emit("Neg", &[&soft], &[]);
        let score = self.own(builder, &logs);
        let rest = builder.emit("Sigmoid", &[down], &[]);
        let rest = match self.is_negative {
            true => builder.emit("Neg", &[&rest], &[]),
            false => rest,
        };
        let hot = self.one_hot(builder);
        let seed = builder.emit("Mul", &[&hot, &rest], &[]);
        self.parts(score, seed)
    }

    fn parts(&self, score: String, seed: String) -> Parts {
        let seeds = vec![(self.logits.into(), seed)];
        Parts { score, seeds }
    }

    /// (N, classes): 1 at the class.
    fn one_hot(&self, builder: &mut Builder) -> String {
        one_hot(builder, self.units, 0, self.classes)
    }

    /// (N): what `values` (N, classes) hold for the class.
    fn own(&self, builder: &mut Builder, values: &str) -> String {
        let (last, flat) = (builder.ints(&[1]), [("keepdims", 0i64.into())]);
        let class = [0, 1].map(|bound| builder.ints(&[bound]));
        let index = builder.emit("Slice", &[self.units, &class[0], &class[1], &last], &[]);
        let along = [("axis", 1i64.into())];
        let own = builder.emit("GatherElements", &[values, &index], &along);
        builder.emit("ReduceSum", &[&own, &last], &flat)
    }

    /// Where logits are `Gemm(features, weights, bias)` with constant weights (classes, features), the features and the gradient
    /// of a logit with respect to them: a row of the weights. It saves a product with a matrix that has a single 1 per row.
    fn linear_seed(
        &self,
        builder: &mut Builder,
        shapes: &Shapes,
    ) -> Result<Option<(String, String)>, GraphError> {
        let graph = builder.graph();
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
        let fits = node.is("Gemm")
            && is_one("alpha")
            && is_flag("transA", false)
            && is_flag("transB", true);
        if !fits || graph.constant(weights).is_none() || shapes.get(features)?.elem != Elem::F32 {
            return Ok(None);
        }
        let (features, weights) = (features.to_string(), weights.to_string());
        let first = builder.int(0);
        let class = builder.emit("Gather", &[self.units, &first], &[("axis", 1i64.into())]);
        let seed = builder.emit("Gather", &[&weights, &class], &[("axis", 0i64.into())]);
        Ok(Some((features, seed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::ValueType;
    use crate::onnx::shapes::{fixed, untyped};
    use crate::runtime::{Options, Provider, Session, Tensor, testing};
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
            .input("x", Elem::F32, &fixed(&[1, CLASSES]))
            .unwrap();
        let units = builder.ints(&[2, 0]);
        let dims = builder.ints(&[1, 2]);
        let units = builder.emit("Reshape", &[&units, &dims], &[]);
        let mut shapes = Shapes::default();
        let dims = vec![1, CLASSES];
        let elem = Elem::F32;
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
        let outputs = [untyped(&parts.score), untyped(seed)];
        let model = builder.graph().to_model(&outputs).unwrap();
        let mut session = Session::open_model(&model, Provider::Cpu, &Options::default()).unwrap();
        let x = Tensor::from(Array2::from_shape_vec((1, CLASSES), logits.to_vec()).unwrap());
        let inputs: &[(&str, &Tensor)] = match session.inputs().is_empty() {
            true => &[],
            false => &[("x", &x)],
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
    fn gradients_are_the_slopes_of_the_scores() {
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
                    let (_, gradient) = score(&logits, of, activation, is_negative);
                    for index in 0..CLASSES {
                        let mut moved = logits;
                        moved[index] += step;
                        let up = score(&moved, of, activation, is_negative).0;
                        moved[index] -= 2.0 * step;
                        let down = score(&moved, of, activation, is_negative).0;
                        let slope = (up - down) / (2.0 * step);
                        let found = gradient[index];
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
    fn a_certain_class_can_be_climbed_down_and_an_impossible_one_up() {
        testing::library();
        for activation in [Activation::Softmax, Activation::Sigmoid] {
            let certain = [0.0, 0.0, 80.0, 0.0];
            let (value, gradient) = score(&certain, ClassScore::LogProbability, activation, true);
            assert!(value < -70.0 && value.is_finite(), "{value}");
            assert!((gradient[2] + 1.0).abs() < 1e-5, "{gradient:?}");
            let impossible = [0.0, 0.0, -80.0, 0.0];
            let (value, gradient) =
                score(&impossible, ClassScore::LogProbability, activation, false);
            assert!(value < -70.0 && value.is_finite(), "{value}");
            assert!((gradient[2] - 1.0).abs() < 1e-5, "{gradient:?}");
        }
    }
}

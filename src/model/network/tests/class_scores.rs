//! What class scores mean, in every form that exporters give them.

use super::*;
use crate::model::class_scores::Evidence;

/// What comes behind the logits (N, 4) in a file; returns the outputs' names.
pub(super) type Tail = fn(&mut Builder, &str) -> Vec<String>;

pub(super) fn emit(b: &mut Builder, op: &str, inputs: &[&str]) -> String {
    b.emit(op, inputs, &[])
}

pub(super) fn number(b: &mut Builder, value: f64) -> String {
    b.scalar(ElementType::F32, value).unwrap()
}

/// A file whose logits are `spread` times those of [`small`].
pub(super) fn with_tail(card: &str, spread: f64, tail: Tail) -> Result<Network, Error> {
    opened_with(card, 18, |b| {
        b.input(
            "x",
            ElementType::F32,
            &[
                Dim::DimParam("N".into()),
                Dim::DimValue(3),
                Dim::DimValue(4),
                Dim::DimValue(4),
            ],
        )
        .unwrap();
        let pool = small(b, "x", ElementType::F32);
        let flat = emit(b, "Flatten", &[&pool]);
        let weight = b.floats(
            &[4, 4],
            &std::array::from_fn::<f32, 16, _>(|i| ((i * 7) % 5) as f32 - 2.0),
        );
        let spread = number(b, spread);
        let weight = emit(b, "Mul", &[&weight, &spread]);
        let logits = b
            .emit_named("logits", "MatMul", &[&flat, &weight], &[])
            .unwrap();
        tail(b, &logits)
    })
}

/// What the network gives for a picture under a name.
pub(super) fn given(network: &Network, value: &str, brightness: f32) -> Vec<f32> {
    let model = network.graph.to_model(&[untyped_value(value)]).unwrap();
    let mut session =
        Session::open_model(&model, Provider::Cpu, &SessionOptions::default()).unwrap();
    let [n, c, h, w] = network.input_dims(1);
    let picture = Array4::from_shape_fn((n, c, h, w), |(_, c, y, x)| {
        brightness * (c + y * x) as f32 / 9.0
    });
    let found = session
        .run(&[(&network.input, &Tensor::from(picture))], &[value])
        .unwrap();
    found[0].as_f32().unwrap().iter().copied().collect()
}

/// Checks that the scores are finite, and that the activation makes of them what the output `output` holds.
pub(super) fn assert_means(network: &Network, output: &str, what: &str) {
    for brightness in [0.0, 0.3, 1.0, -1.0] {
        let scores = given(network, network.logits().unwrap(), brightness);
        assert!(
            scores.iter().all(|score| score.is_finite()),
            "{what}: {scores:?}"
        );
        let found = network.activation().probabilities(scores.into_iter());
        let expected = given(network, output, brightness);
        assert_eq!(found.len(), expected.len(), "{what}");
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-4, "{what}: {found:?} for {expected:?}");
        }
    }
}

pub(super) fn softmax(b: &mut Builder, x: &str) -> String {
    b.emit("Softmax", &[x], &[("axis", (-1i64).into())])
}

pub(super) fn last(b: &mut Builder) -> String {
    b.ints(&[-1])
}

/// Tails that end in probabilities of exclusive classes.
const EXCLUSIVE: &[(&str, Tail)] = &[
    ("softmax", |b, x| vec![softmax(b, x)]),
    ("softmax of a softmax", |b, x| {
        let p = softmax(b, x);
        vec![softmax(b, &p)]
    }),
    ("clip", |b, x| {
        let (p, low, high) = (softmax(b, x), number(b, 1e-7), number(b, 1.0 - 1e-7));
        vec![emit(b, "Clip", &[&p, &low, &high])]
    }),
    ("reshape, cast and identity", |b, x| {
        let p = softmax(b, x);
        let dims = b.ints(&[-1, 1, 4, 1]);
        let p = emit(b, "Reshape", &[&p, &dims]);
        let p = b.emit("Cast", &[&p], &[("to", 1i64.into())]);
        vec![emit(b, "Identity", &[&p])]
    }),
    ("times 1", |b, x| {
        let (p, one) = (softmax(b, x), number(b, 1.0));
        vec![emit(b, "Mul", &[&p, &one])]
    }),
    ("written out", |b, x| {
        let (e, axes) = (emit(b, "Exp", &[x]), last(b));
        let sum = emit(b, "ReduceSum", &[&e, &axes]);
        vec![emit(b, "Div", &[&e, &sum])]
    }),
    ("written out with the largest taken off", |b, x| {
        let axes = last(b);
        let largest = emit(b, "ReduceMax", &[x, &axes]);
        let less = emit(b, "Sub", &[x, &largest]);
        let e = emit(b, "Exp", &[&less]);
        let sum = emit(b, "ReduceSum", &[&e, &axes]);
        vec![emit(b, "Div", &[&e, &sum])]
    }),
    ("power of the logarithm", |b, x| {
        let log = b.emit("LogSoftmax", &[x], &[("axis", 1i64.into())]);
        vec![emit(b, "Exp", &[&log])]
    }),
    ("mean of two heads", |b, x| {
        let minus = emit(b, "Neg", &[x]);
        let heads = [softmax(b, x), softmax(b, &minus)];
        vec![emit(b, "Mean", &[&heads[0], &heads[1]])]
    }),
    ("half the sum of two heads", |b, x| {
        let minus = emit(b, "Neg", &[x]);
        let heads = [softmax(b, x), softmax(b, &minus)];
        let (sum, half) = (emit(b, "Add", &[&heads[0], &heads[1]]), number(b, 0.5));
        vec![emit(b, "Mul", &[&sum, &half])]
    }),
    ("1 - p beside p", |b, x| {
        let (start, end, axes) = (b.ints(&[0]), b.ints(&[1]), b.ints(&[1]));
        let one = emit(b, "Slice", &[x, &start, &end, &axes]);
        let (p, whole) = (emit(b, "Sigmoid", &[&one]), number(b, 1.0));
        let rest = emit(b, "Sub", &[&whole, &p]);
        vec![b.emit("Concat", &[&rest, &p], &[("axis", 1i64.into())])]
    }),
    ("sigmoids over their sum", |b, x| {
        let (p, axes) = (emit(b, "Sigmoid", &[x]), last(b));
        let sum = emit(b, "ReduceL1", &[&p, &axes]);
        vec![emit(b, "Div", &[&p, &sum])]
    }),
];

/// Tails that end in a probability of its own for each class.
const INDEPENDENT: &[(&str, Tail)] = &[
    ("sigmoid", |b, x| vec![emit(b, "Sigmoid", &[x])]),
    ("sigmoid, clipped", |b, x| {
        let (p, low, high) = (
            emit(b, "Sigmoid", &[x]),
            number(b, 1e-6),
            number(b, 1.0 - 1e-6),
        );
        vec![emit(b, "Clip", &[&p, &low, &high])]
    }),
    ("1 - sigmoid", |b, x| {
        let (p, one) = (emit(b, "Sigmoid", &[x]), number(b, 1.0));
        vec![emit(b, "Sub", &[&one, &p])]
    }),
    ("mean of two sigmoids", |b, x| {
        let minus = emit(b, "Neg", &[x]);
        let heads = [emit(b, "Sigmoid", &[x]), emit(b, "Sigmoid", &[&minus])];
        vec![emit(b, "Mean", &[&heads[0], &heads[1]])]
    }),
    ("written out", |b, x| {
        let (minus, one) = (emit(b, "Neg", &[x]), number(b, 1.0));
        let power = emit(b, "Exp", &[&minus]);
        let sum = emit(b, "Add", &[&one, &power]);
        vec![emit(b, "Div", &[&one, &sum])]
    }),
    ("product of two sigmoids", |b, x| {
        let minus = emit(b, "Neg", &[x]);
        let factors = [emit(b, "Sigmoid", &[x]), emit(b, "Sigmoid", &[&minus])];
        vec![emit(b, "Mul", &[&factors[0], &factors[1]])]
    }),
    ("noisy or", |b, x| {
        let (minus, one) = (emit(b, "Neg", &[x]), number(b, 1.0));
        let factors = [emit(b, "Sigmoid", &[x]), emit(b, "Sigmoid", &[&minus])];
        let factors = factors.map(|p| emit(b, "Sub", &[&one, &p]));
        let neither = emit(b, "Mul", &[&factors[0], &factors[1]]);
        vec![emit(b, "Sub", &[&one, &neither])]
    }),
    ("half of 1 + tanh", |b, x| {
        let (one, half) = (number(b, 1.0), number(b, 0.5));
        let tanh = emit(b, "Tanh", &[x]);
        let sum = emit(b, "Add", &[&tanh, &one]);
        vec![emit(b, "Mul", &[&sum, &half])]
    }),
];

#[test]
fn probabilities_are_recognised_however_they_are_computed() {
    for (tails, activation) in [
        (EXCLUSIVE, Activation::Softmax),
        (INDEPENDENT, Activation::Sigmoid),
    ] {
        for (what, tail) in tails {
            for spread in [0.2, 3.0] {
                let network = with_tail("", spread, *tail).unwrap();
                assert_eq!(network.activation(), activation, "{what}");
                let output = network.scores.as_ref().unwrap().output.clone();
                assert_means(&network, &output, what);
            }
        }
    }
}

/// A tail by its name, the activation that it stands for, and how to compute a probability from what it gives.
type Other = (&'static str, Activation, Tail, fn(f32) -> f32);

/// Tails that end in something else than probabilities.
const OTHER: &[Other] = &[
    (
        "softmax in percent",
        Activation::Softmax,
        |b, x| {
            let (p, hundred) = (softmax(b, x), number(b, 100.0));
            vec![emit(b, "Mul", &[&p, &hundred])]
        },
        |percent| percent / 100.0,
    ),
    (
        "sigmoid in percent",
        Activation::Sigmoid,
        |b, x| {
            let (p, hundred) = (emit(b, "Sigmoid", &[x]), number(b, 100.0));
            vec![emit(b, "Mul", &[&p, &hundred])]
        },
        |percent| percent / 100.0,
    ),
    (
        "logarithm of a sigmoid",
        Activation::Sigmoid,
        |b, x| {
            let p = emit(b, "Sigmoid", &[x]);
            vec![emit(b, "Log", &[&p])]
        },
        f32::exp,
    ),
    (
        "logarithm of a sigmoid without it",
        Activation::Sigmoid,
        |b, x| {
            let minus = emit(b, "Neg", &[x]);
            let soft = emit(b, "Softplus", &[&minus]);
            vec![emit(b, "Neg", &[&soft])]
        },
        f32::exp,
    ),
];

#[test]
fn percentages_and_logarithms_are_recognised() {
    for (what, activation, tail, probability) in OTHER {
        let network = with_tail("", 1.0, *tail).unwrap();
        assert_eq!(network.activation(), *activation, "{what}");
        let output = network.scores.as_ref().unwrap().output.clone();
        let scores = given(&network, network.logits().unwrap(), 0.3);
        let found = activation.probabilities(scores.into_iter());
        for (a, b) in found.iter().zip(given(&network, &output, 0.3)) {
            assert!((a - probability(b)).abs() < 1e-4, "{what}: {found:?}");
        }
    }
}

/// A sigmoid that is written as a tangent saturates: the value before it is maximized.
#[test]
fn a_sigmoid_by_tanh_is_climbed_before_it_saturates() {
    let network = with_tail("", 100.0, |b, x| {
        let half = number(b, 0.5);
        let z = emit(b, "Mul", &[x, &half]);
        let tanh = emit(b, "Tanh", &[&z]);
        let scaled = emit(b, "Mul", &[&half, &tanh]);
        vec![emit(b, "Add", &[&scaled, &half])]
    })
    .unwrap();
    assert_eq!(network.activation(), Activation::Sigmoid);
    let scores = given(&network, network.logits().unwrap(), 1.0);
    assert!(scores.iter().any(|score| score.abs() > 40.0), "{scores:?}");
}

#[test]
fn a_number_made_of_the_scores_and_indices_of_classes_are_no_class_scores() {
    let network = with_tail("", 1.0, |b, x| {
        let (p, axes) = (softmax(b, x), last(b));
        let index = b.emit(
            "ArgMax",
            &[&p],
            &[("axis", 1i64.into()), ("keepdims", 1i64.into())],
        );
        let next = {
            let one = b.int(1);
            emit(b, "Add", &[&index, &one])
        };
        vec![emit(b, "ReduceMax", &[&p, &axes]), next, p]
    })
    .unwrap();
    let scores = network.scores.as_ref().unwrap();
    assert_eq!(
        (scores.classes, scores.activation),
        (4, Activation::Softmax)
    );
    assert!(scores.output.contains("Softmax"), "{}", scores.output);
}

#[test]
fn numbers_between_bounds_that_nothing_explains_are_mentioned() {
    let network = with_tail("", 1.0, |b, x| vec![emit(b, "Tanh", &[x])]).unwrap();
    let scores = network.scores.as_ref().unwrap();
    assert_eq!(scores.evidence, Evidence::Assumption);
    assert!(
        scores.remarks[0].contains("bounded numbers"),
        "{:?}",
        scores.remarks
    );
}

#[test]
fn scores_without_an_activation_are_softmaxed_unless_the_card_says_otherwise() {
    let network = with_tail("", 1.0, |b, x| vec![emit(b, "Identity", &[x])]).unwrap();
    let scores = network.scores.as_ref().unwrap();
    assert_eq!(
        (scores.activation, scores.evidence),
        (Activation::Softmax, Evidence::Assumption)
    );
    assert_eq!(
        given(&network, &scores.value, 0.5),
        given(&network, "logits", 0.5)
    );
}

#[test]
fn logarithms_of_probabilities_are_scores() {
    let network = with_tail("", 1.0, |b, x| {
        let p = softmax(b, x);
        vec![emit(b, "Log", &[&p])]
    });
    assert_means_logarithms(&network.unwrap());
    let network = with_tail("", 1.0, |b, x| {
        vec![b.emit("LogSoftmax", &[x], &[("axis", 1i64.into())])]
    });
    assert_means_logarithms(&network.unwrap());
}

fn assert_means_logarithms(network: &Network) {
    assert_eq!(network.activation(), Activation::Softmax);
    let scores = network.scores.as_ref().unwrap();
    let found = network
        .activation()
        .probabilities(given(network, &scores.value, 0.7).into_iter());
    let expected = given(network, &scores.output, 0.7);
    for (p, log) in found.iter().zip(expected) {
        assert!((p - log.exp()).abs() < 1e-5);
    }
}

#[test]
fn a_network_of_one_output_has_one_class_or_two_if_two_are_named() {
    let tail: Tail = |b, x| {
        let (start, end, axes) = (b.ints(&[0]), b.ints(&[1]), b.ints(&[1]));
        let one = emit(b, "Slice", &[x, &start, &end, &axes]);
        vec![b.emit_named("p", "Sigmoid", &[&one], &[]).unwrap()]
    };
    let network = with_tail("", 1.0, tail).unwrap();
    assert_eq!(
        (network.activation(), network.classes.len()),
        (Activation::Sigmoid, 1)
    );
    assert_means(&network, "p", "one class");
    let network = with_tail("classes.names = [\"cat\", \"dog\"]", 1.0, tail).unwrap();
    assert_eq!(
        (network.activation(), network.classes.len()),
        (Activation::Sigmoid, 2)
    );
    let scores = given(&network, network.logits().unwrap(), 0.4);
    let found = network.activation().probabilities(scores.into_iter());
    let p = given(&network, "p", 0.4)[0];
    assert!((found[0] - (1.0 - p)).abs() < 1e-6 && (found[1] - p).abs() < 1e-6);
    // A batch that was squeezed away.
    let squeezed = with_tail("", 1.0, |b, x| {
        let (start, end, axes) = (b.ints(&[0]), b.ints(&[1]), b.ints(&[1]));
        let one = emit(b, "Slice", &[x, &start, &end, &axes]);
        let one = emit(b, "Squeeze", &[&one, &axes]);
        vec![b.emit_named("p", "Sigmoid", &[&one], &[]).unwrap()]
    });
    let squeezed = squeezed.unwrap();
    assert_eq!(
        squeezed
            .shapes
            .get(squeezed.logits().unwrap())
            .unwrap()
            .dims,
        [1, 1]
    );
    assert_means(&squeezed, "p", "squeezed");
}

#[test]
fn a_gate_at_the_end_is_no_probability() {
    let network = with_tail("", 1.0, |b, x| {
        let gate = emit(b, "Sigmoid", &[x]);
        let small = number(b, 0.01);
        let x = emit(b, "Mul", &[x, &small]);
        let x = emit(b, "Abs", &[&x]);
        vec![emit(b, "Mul", &[&x, &gate])]
    });
    let scores = network.unwrap().scores.unwrap();
    assert_eq!(
        (scores.activation, scores.evidence),
        (Activation::Softmax, Evidence::Assumption)
    );
}

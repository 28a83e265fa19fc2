//! One id, one picture: on the CPU a run gets the same bytes alone and in any batch.

use super::tokens::transformer;
use super::{FLAMINGO, built, class_objective, network, run};
use ziggurat::ascent::{Ascent, Kind, Objective, Outcome, Run, Settings, Unit};
use ziggurat::model::Network;
use ziggurat::onnx::proto::{Dim, TensorProto};
use ziggurat::onnx::{Attribute, Builder, ElementType};
use ziggurat::runtime::{CancelHandle, Device};

/// Pictures, scores of every step, and how they ended.
type Made = (Vec<Vec<u8>>, Vec<Vec<f32>>, Vec<Outcome>);

fn made(network: &Network, objective: &Objective, runs: &[Run]) -> Made {
    let stop = CancelHandle::default();
    let mut ascent = Ascent::new(network, objective, runs, Device::Cpu, &stop).unwrap();
    let mut scores = vec![Vec::new(); runs.len()];
    while let Some(report) = ascent.step().unwrap() {
        for (all, score) in scores.iter_mut().zip(report.scores) {
            all.push(score);
        }
    }
    let outcomes = ascent.outcomes().unwrap();
    let pictures = ascent.pictures().unwrap();
    let pictures = pictures.into_iter().map(image::RgbImage::into_raw);
    (pictures.collect(), scores, outcomes)
}

/// Each of `runs` alone, then together by `counts`: the first two, say, and all of them.
fn is_the_same_together(network: &Network, objective: &Objective, runs: &[Run], counts: &[usize]) {
    let alone: Vec<Made> = runs
        .iter()
        .map(|run| made(network, objective, std::slice::from_ref(run)))
        .collect();
    for &count in counts {
        let (pictures, scores, outcomes) = made(network, objective, &runs[..count]);
        for index in 0..count {
            let (picture, score, outcome) = &alone[index];
            let differing = scores[index]
                .iter()
                .zip(&score[0])
                .position(|(a, b)| a != b);
            assert_eq!(
                differing, None,
                "run {index} of {count}, {objective:?}: this step's score"
            );
            assert!(
                pictures[index] == picture[0],
                "run {index} of {count}, {objective:?}: the picture"
            );
            assert_eq!(outcomes[index], outcome[0], "run {index} of {count}");
        }
    }
}

fn with(run: &Run, changes: &[(&str, f64)]) -> Run {
    let mut run = run.clone();
    for (key, value) in changes {
        run.settings.set(key, (*value).into()).unwrap();
    }
    run
}

/// Whether runs of a class of this network are promised to be the same beside others.
fn is_promised(network: &Network, runs: &[Run]) -> bool {
    let objective = Objective {
        kind: Kind::Class,
        value: network.logits().unwrap().into(),
    };
    let stop = CancelHandle::default();
    let ascent = Ascent::new(network, &objective, runs, Device::Cpu, &stop).unwrap();
    ascent.is_exact()
}

#[test]
fn a_class_is_the_same_beside_others() {
    let runs: Vec<Run> = (0..8)
        .map(|index| run(7 * index + 1, 5 - index as u64 % 3, 14))
        .collect();
    assert!(is_promised(network(), &runs[..1]) && is_promised(network(), &runs));
    is_the_same_together(network(), &class_objective(), &runs, &[2, 3, 8]);
    let negative = Objective {
        kind: Kind::NotClass,
        ..class_objective()
    };
    is_the_same_together(network(), &negative, &runs[..2], &[2]);
}

/// What a companion asks for is in the step graph of both; a run that does not ask for it is unchanged.
#[test]
fn settings_of_a_companion_do_not_show() {
    let plain = run(FLAMINGO, 0, 12);
    let bare = with(
        &plain,
        &[
            ("mask", 0.0),
            ("view_noise", 0.0),
            ("contrast", 0.0),
            ("noise", 0.3),
        ],
    );
    let busy = with(
        &plain,
        &[("decay", 0.01), ("damping", 0.1), ("total_variation", 0.1)],
    );
    is_the_same_together(network(), &class_objective(), &[plain, bare, busy], &[2, 3]);
}

/// Some of these neurons are blocked where they start: the others step beside them with rectifiers that could be
/// opened.
#[test]
fn channels_neurons_and_layers_are_the_same_beside_others() {
    for kind in [Kind::Channel, Kind::Neuron, Kind::Layer] {
        let objective = Objective {
            kind,
            value: "blocks.5/expand/relu6".into(),
        };
        let runs: Vec<Run> = (0..4)
            .map(|index| {
                let mut run = run(5 * index, index as u64, 20);
                run.unit.position = (10, 3 * index);
                run
            })
            .collect();
        is_the_same_together(network(), &objective, &runs, &[4]);
    }
}

#[test]
fn a_transformers_tokens_are_the_same_beside_others() {
    for (kind, value) in [
        (Kind::Class, "scores"),
        (Kind::Channel, "hidden"),
        (Kind::Layer, "block"),
    ] {
        let objective = Objective {
            kind,
            value: value.into(),
        };
        is_the_same_together(transformer(), &objective, &small_runs(5), &[2, 5]);
    }
}

/// Networks with the nodes that ONNX Runtime computes differently for several pictures.
#[test]
fn curves_and_sums_over_channels_are_the_same_beside_others() {
    for build in [curved, attentive] {
        let network = built(build);
        assert!(is_promised(&network, &small_runs(5)));
        let objective = Objective {
            kind: Kind::Class,
            value: network.logits().unwrap().into(),
        };
        is_the_same_together(&network, &objective, &small_runs(5), &[2, 5]);
    }
}

/// Where ONNX Runtime may move a transposition past a sum, for one picture but not for several, nothing is promised.
#[test]
fn networks_that_turn_their_channels_promise_nothing() {
    let network = built(channels_last);
    assert!(is_promised(&network, &small_runs(1)));
    assert!(!is_promised(&network, &small_runs(2)));
}

fn small_runs(count: usize) -> Vec<Run> {
    let settings = Settings {
        steps: 16,
        octaves: 2,
        ..Settings::default()
    };
    let run = |index| Run {
        unit: Unit {
            index,
            position: (0, 0),
        },
        seed: index as u64,
        settings: settings.clone(),
        earlier: Vec::new(),
    };
    (0..count).map(run).collect()
}

/// A picture of 3 × 25 × 23: odd sides, so that no picture of a batch begins where a register does.
fn picture(b: &mut Builder) -> String {
    let runs = Dim::DimParam("n".into());
    let dims = [runs, Dim::DimValue(3), Dim::DimValue(25), Dim::DimValue(23)];
    b.input("x", ElementType::F32, &dims).unwrap()
}

fn weights(b: &mut Builder, dims: &[i64], seed: i64) -> String {
    let count: i64 = dims.iter().product();
    let number = |at: i64| ((at * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.5;
    let values: Vec<f32> = (0..count).map(number).collect();
    b.constant(TensorProto::from_f32("", dims, &values))
}

fn convolved(b: &mut Builder, value: &str, dims: [i64; 4], stride: i64, seed: i64) -> String {
    let weight = weights(b, &dims, seed);
    let pad = dims[2] / 2;
    let attributes = [
        ("strides", Attribute::from(vec![stride; 2])),
        ("pads", Attribute::from(vec![pad; 4])),
    ];
    b.emit("Conv", &[value, &weight], &attributes)
}

fn scores(b: &mut Builder, features: &str, channels: i64) -> String {
    let (weight, bias) = (weights(b, &[6, channels], 90), weights(b, &[6], 91));
    let attributes = [("transB", 1i64.into())];
    b.emit_named("scores", "Gemm", &[features, &weight, &bias], &attributes)
        .unwrap()
}

fn pooled(b: &mut Builder, value: &str) -> String {
    let mean = b.emit("GlobalAveragePool", &[value], &[]);
    b.emit("Flatten", &[&mean], &[])
}

/// Residual blocks whose activations are computed in registers and what is left over singly.
fn curved(b: &mut Builder) -> String {
    let x = picture(b);
    let mut value = convolved(b, &x, [9, 3, 3, 3], 2, 1);
    for (index, op) in ["Elu", "Softplus", "Mish", "Selu", "Celu", "Sin"]
        .iter()
        .enumerate()
    {
        let bent = b.emit(op, &[&value], &[]);
        let next = convolved(b, &bent, [9, 9, 3, 3], 1, index as i64 + 2);
        value = b.emit("Add", &[&value, &next], &[]);
    }
    let features = pooled(b, &value);
    scores(b, &features, 9)
}

/// Attention to channels by what their places hold, and to places by what their channels hold (Woo et al. 2018).
fn attentive(b: &mut Builder) -> String {
    let x = picture(b);
    let first = convolved(b, &x, [16, 3, 5, 5], 2, 1);
    let value = b.emit("Relu", &[&first], &[]);
    let squeezed = b.emit("GlobalAveragePool", &[&value], &[]);
    let gate = convolved(b, &squeezed, [16, 16, 1, 1], 1, 2);
    let gate = b.emit("Sigmoid", &[&gate], &[]);
    let value = b.emit("Mul", &[&value, &gate], &[]);
    let channels = b.ints(&[1]);
    let mean = b.emit("ReduceMean", &[&value, &channels], &[]);
    let most = b.emit("ReduceMax", &[&value, &channels], &[]);
    let both = b.emit("Concat", &[&mean, &most], &[("axis", 1i64.into())]);
    let gate = convolved(b, &both, [1, 2, 3, 3], 1, 3);
    let gate = b.emit("Sigmoid", &[&gate], &[]);
    let value = b.emit("Mul", &[&value, &gate], &[]);
    let shares = b.emit("Softmax", &[&value], &[("axis", 1i64.into())]);
    let last = convolved(b, &shares, [16, 16, 3, 3], 1, 4);
    let value = b.emit("Add", &[&value, &last], &[]);
    let features = pooled(b, &value);
    scores(b, &features, 16)
}

/// Channels last from the first layer on: normalised, then averaged over rows and columns.
fn channels_last(b: &mut Builder) -> String {
    let x = picture(b);
    let first = convolved(b, &x, [24, 3, 4, 4], 4, 1);
    let turned = [("perm", Attribute::from(vec![0i64, 2, 3, 1]))];
    let value = b.emit("Transpose", &[&first], &turned);
    let scale = b.floats(&[24], &[1.0; 24]);
    let normal = b.emit("LayerNormalization", &[&value, &scale], &[]);
    let wide = weights(b, &[24, 40], 2);
    let wide = b.emit("MatMul", &[&normal, &wide], &[]);
    let bent = b.emit("Tanh", &[&wide], &[]);
    let narrow = weights(b, &[40, 24], 3);
    let narrow = b.emit("MatMul", &[&bent, &narrow], &[]);
    let value = b.emit("Add", &[&value, &narrow], &[]);
    let places = b.ints(&[1, 2]);
    let flat = [("keepdims", 0i64.into())];
    let features = b.emit("ReduceMean", &[&value, &places], &flat);
    scores(b, &features, 24)
}

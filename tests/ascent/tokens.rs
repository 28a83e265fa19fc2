//! A transformer's tokens as the places of the picture: its layers, neurons, maps and ascents.

use super::built;
use ndarray::{Array4, s};
use std::sync::OnceLock;
use ziggurat::ascent::cam::Method;
use ziggurat::ascent::evaluate;
use ziggurat::ascent::{Ascent, CamOptions, Error, Kind, Objective, Run, Settings, Unit};
use ziggurat::model::Network;
use ziggurat::model::layout::Axes;
use ziggurat::onnx::proto::{Dim, TensorProto};
use ziggurat::onnx::{Attribute, Builder, ElementType};
use ziggurat::runtime::{CancelHandle, Device};

const CHANNELS: i64 = 8;
/// One class token before those of four rows and columns of patches, of four by four pixels each.
const TOKENS: i64 = 17;

/// A vision transformer (Dosovitskiy et al. 2020) of one block and one head, with weights that are any.
pub fn transformer() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| built(build))
}

fn build(b: &mut Builder) -> String {
    let runs = Dim::DimParam("n".into());
    let picture = [runs, Dim::DimValue(3), Dim::DimValue(16), Dim::DimValue(16)];
    let x = b.input("x", ElementType::F32, &picture).unwrap();
    let patch = weights(b, &[CHANNELS, 3, 4, 4], 1);
    let strides = [("strides", Attribute::from(vec![4i64, 4]))];
    let patches = named(b, "patches", "Conv", &[&x, &patch], &strides);
    let flat = b.ints(&[0, CHANNELS, TOKENS - 1]);
    let flat = named(b, "flat", "Reshape", &[&patches, &flat], &[]);
    let turned = [("perm", Attribute::from(vec![0i64, 2, 1]))];
    let row = named(b, "row", "Transpose", &[&flat], &turned);
    let front = b.ints(&[0, 1, 0, 0, 0, 0]);
    let tokens = b.emit("Pad", &[&row, &front], &[]);
    let positions = weights(b, &[1, TOKENS, CHANNELS], 2);
    let start = named(b, "embedded", "Add", &[&tokens, &positions], &[]);

    let normal = normalised(b, "norm1", &start);
    let [query, key, value] = [3, 4, 5].map(|seed| linear(b, &normal, seed));
    let key = b.emit("Transpose", &[&key], &turned);
    let scores = b.emit("MatMul", &[&query, &key], &[]);
    let shares = named(b, "shares", "Softmax", &[&scores], &[]);
    let attended = named(b, "attended", "MatMul", &[&shares, &value], &[]);
    let middle = named(b, "middle", "Add", &[&attended, &start], &[]);
    let normal = normalised(b, "norm2", &middle);
    let hidden = linear(b, &normal, 6);
    let hidden = named(b, "hidden", "Relu", &[&hidden], &[]);
    let made = linear(b, &hidden, 7);
    let block = named(b, "block", "Add", &[&middle, &made], &[]);
    let last = normalised(b, "norm", &block);
    let first = b.int(0);
    let class = b.emit("Gather", &[&last, &first], &[("axis", 1i64.into())]);
    let head = weights(b, &[CHANNELS, 5], 8);
    named(b, "scores", "MatMul", &[&class, &head], &[])
}

fn named(
    b: &mut Builder,
    name: &str,
    op: &str,
    inputs: &[&str],
    attributes: &[(&str, Attribute)],
) -> String {
    b.emit_named(name, op, inputs, attributes).unwrap()
}

/// Numbers between -0.5 and 0.5 without a pattern that matters.
fn weights(b: &mut Builder, dims: &[i64], seed: i64) -> String {
    let count: i64 = dims.iter().product();
    let number = |at: i64| ((at * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.5;
    let values: Vec<f32> = (0..count).map(number).collect();
    b.constant(TensorProto::from_f32("", dims, &values))
}

fn linear(b: &mut Builder, value: &str, seed: i64) -> String {
    let weight = weights(b, &[CHANNELS, CHANNELS], seed);
    let bias = weights(b, &[CHANNELS], seed + 20);
    let product = b.emit("MatMul", &[value, &weight], &[]);
    b.emit("Add", &[&product, &bias], &[])
}

fn normalised(b: &mut Builder, name: &str, value: &str) -> String {
    let scale = b.floats(&[CHANNELS], &[1.0; CHANNELS as usize]);
    named(b, name, "LayerNormalization", &[value, &scale], &[])
}

fn picture() -> Array4<f32> {
    Array4::from_shape_fn((1, 3, 16, 16), |(_, c, y, x)| {
        ((x * (c + 1) + 2 * y) as f32 / 3.0).sin()
    })
}

fn class() -> Objective {
    Objective {
        kind: Kind::Class,
        value: "scores".into(),
    }
}

#[test]
fn tokens_are_places_of_the_picture() {
    let layers = transformer().layers();
    let of = |name: &str| layers.iter().find(|layer| layer.name == name).unwrap();
    let row = |before, order| Axes::Tokens { order, before };
    for (name, axes) in [
        ("patches", Axes::ChannelsFirst),
        ("flat", row(0, [0, 1, 2])),
        ("row", row(0, [0, 2, 1])),
        ("embedded", row(1, [0, 2, 1])),
        ("norm", row(1, [0, 2, 1])),
    ] {
        let layer = of(name);
        assert_eq!(layer.layout.axes, axes, "{name}");
        assert_eq!(
            (layer.channels(), layer.plane()),
            (8, Some((4, 4))),
            "{name}"
        );
    }
}

#[test]
fn people_see_the_layers_that_they_would_name() {
    let layers = transformer().layers();
    let shown = layers.iter().filter(|layer| layer.is_activation);
    let shown: Vec<&str> = shown.map(|layer| layer.name.as_str()).collect();
    let named =
        |name: &&str| !name.contains(|c: char| c.is_ascii_digit()) || name.starts_with("norm");
    let named: Vec<&str> = shown.iter().copied().filter(named).collect();
    let expected = [
        "patches", "embedded", "norm1", "attended", "middle", "norm2", "hidden", "block", "norm",
        "scores",
    ];
    assert_eq!(named, expected);
    // Besides, the five linear layers, each with its bias and once.
    let linear = shown.len() - named.len();
    assert_eq!(linear, 5, "{shown:?}");
}

/// Before attention, what a token holds comes from its own patch alone.
#[test]
fn a_neuron_of_a_token_looks_at_its_patch() {
    let neuron = Objective {
        kind: Kind::Neuron,
        value: "embedded".into(),
    };
    let unit = Unit {
        index: 3,
        position: (2, 1),
    };
    let network = transformer();
    let found = evaluate::input_gradient(network, &neuron, unit, picture(), Device::Cpu).unwrap();
    let patch = found.slice(s![0, .., 8..12, 4..8]);
    assert!(patch.iter().all(|&slope| slope != 0.0));
    let total =
        |values: &mut dyn Iterator<Item = &f32>| values.map(|value| value.abs()).sum::<f32>();
    let (all, inside) = (total(&mut found.iter()), total(&mut patch.iter()));
    assert!((all - inside).abs() < 1e-5, "{all} {inside}");

    let outside = Unit {
        index: 3,
        position: (4, 0),
    };
    let problem = evaluate::input_gradient(network, &neuron, outside, picture(), Device::Cpu);
    assert!(matches!(problem, Err(Error::NoSuchUnit(_))));
}

/// Behind the last attention only the class token counts: a map there would be empty. So it is taken before.
#[test]
fn the_map_is_taken_before_the_last_attention() {
    let map = |layer: Option<&str>, method| {
        let choice = CamOptions { method, layer };
        let unit = Unit::default();
        evaluate::class_activation(
            transformer(),
            &class(),
            unit,
            picture(),
            choice,
            Device::Cpu,
        )
    };
    let found = map(None, Method::HiResCam).unwrap();
    assert_eq!(found.dim(), (4, 4));
    assert!(found.sum() > 0.0);
    assert_eq!(found, map(Some("embedded"), Method::HiResCam).unwrap());
    assert_eq!(map(Some("block"), Method::HiResCam).unwrap().sum(), 0.0);
    for (layer, method, expected) in [
        (Some("scores"), Method::GradCam, "no rows and columns"),
        (None, Method::Cam, "one linear layer"),
    ] {
        let problem = map(layer, method).unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn channels_of_tokens_rise_alone_and_together() {
    let settings = Settings {
        steps: 24,
        octaves: 1,
        ..Settings::default()
    };
    let run = |index| Run {
        unit: Unit {
            index,
            position: (1, 2),
        },
        seed: 0,
        settings: settings.clone(),
        earlier: Vec::new(),
    };
    for kind in [Kind::Class, Kind::Channel, Kind::Neuron, Kind::Layer] {
        let value = match kind {
            Kind::Class => "scores",
            _ => "hidden",
        };
        let objective = Objective {
            kind,
            value: value.into(),
        };
        let stop = CancelHandle::default();
        let runs = [run(1), run(2)];
        let mut ascent = Ascent::new(transformer(), &objective, &runs, Device::Cpu, &stop).unwrap();
        let first = ascent.step().unwrap().unwrap().scores;
        while ascent.step().unwrap().is_some() {}
        let last = ascent.outcomes().unwrap();
        for (first, last) in first.iter().zip(last) {
            assert!(last.score > *first, "{kind:?}: {first} to {}", last.score);
        }
    }
}

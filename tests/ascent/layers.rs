//! Which channels of a layer a picture activates most: the numbers are those of the layer's own values.

use super::tokens::transformer;
use super::{built, network};
use ndarray::{Array4, ArrayD, Dimension};
use ziggurat::ascent::Error;
use ziggurat::ascent::layer_probe::{ChannelActivation, ChannelMaps, LayerProbe, Rank};
use ziggurat::model::layout::Axes;
use ziggurat::model::{Layer, Layout, Network};
use ziggurat::onnx::ElementType;
use ziggurat::onnx::proto::{Dim, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::runtime::{Device, Provider, Session, SessionOptions, Tensor};

/// A layer's values for a picture, from ONNX Runtime itself.
fn values(network: &Network, layer: &str, picture: &Array4<f32>) -> ArrayD<f32> {
    let model = network.graph.to_model(&[untyped_value(layer)]).unwrap();
    let mut session =
        Session::open_model(&model, Provider::Cpu, &SessionOptions::default()).unwrap();
    let picture = Tensor::from(picture.clone());
    let found = session
        .run(&[(&network.input, &picture)], &[layer])
        .unwrap();
    found[0].as_f32().unwrap().clone()
}

/// What a layer's values come to for each channel, element by element.
fn reference(layer: &Layer, values: &ArrayD<f32>) -> Vec<ChannelActivation> {
    let Layout {
        axes,
        rows,
        columns,
        ..
    } = layer.layout;
    // The axis of channels, and the place of an element among those of its channel, if it counts.
    type PlaceOf = Box<dyn Fn(&[usize]) -> Option<usize>>;
    let (channels, place): (usize, PlaceOf) = match axes {
        Axes::Vector => (1, Box::new(|_| Some(0))),
        Axes::ChannelsFirst => (1, Box::new(move |at| Some(at[2] * columns + at[3]))),
        Axes::ChannelsLast => (3, Box::new(move |at| Some(at[1] * columns + at[2]))),
        Axes::Tokens {
            order: [_, channels, tokens],
            before,
        } => (
            channels,
            Box::new(move |at| {
                at[tokens]
                    .checked_sub(before)
                    .filter(|&place| place < rows * columns)
            }),
        ),
        Axes::NonSpatial { channels, .. } => (channels, Box::new(|_| Some(0))),
    };
    let mut found = vec![(0.0f64, 0usize, f32::NEG_INFINITY, 0); layer.channels()];
    for (at, &value) in values.indexed_iter() {
        if let Some(place) = place(at.slice()) {
            let (sum, count, maximum, at_place) = &mut found[at.slice()[channels]];
            (*sum, *count) = (*sum + f64::from(value), *count + 1);
            if value > *maximum {
                (*maximum, *at_place) = (value, place);
            }
        }
    }
    let channel = |(channel, (sum, count, maximum, place)): (usize, (f64, usize, f32, usize))| {
        ChannelActivation {
            channel,
            mean: (sum / count as f64) as f32,
            maximum,
            at: layer.plane().map(|_| (place / columns, place % columns)),
        }
    };
    found.into_iter().enumerate().map(channel).collect()
}

/// Asserts that every channel of each of these layers has the numbers that the layer's own values come to.
fn expect_reference(network: &Network, layers: &[Layer], picture: &Array4<f32>) {
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    let mut probe = LayerProbe::open(network, &names, Device::Cpu).unwrap();
    let found = probe
        .strongest(picture.clone(), Rank::Mean, usize::MAX)
        .unwrap();
    assert_eq!(found.len(), layers.len());
    for (layer, found) in layers.iter().zip(found) {
        let expected = reference(layer, &values(network, &layer.name, picture));
        assert_eq!(found.len(), expected.len(), "{}", layer.name);
        assert!(
            found.is_sorted_by(|a, b| a.mean >= b.mean),
            "{}",
            layer.name
        );
        for found in found {
            let expected = expected[found.channel];
            let is_near = |a: f32, b: f32| (a - b).abs() <= 1e-4 * (1.0 + b.abs());
            assert!(
                is_near(found.mean, expected.mean),
                "{}: {found:?} {expected:?}",
                layer.name
            );
            assert!(
                is_near(found.maximum, expected.maximum),
                "{}: {found:?} {expected:?}",
                layer.name
            );
            assert_eq!(found.at.is_some(), layer.plane().is_some());
        }
    }
}

fn strongest(
    network: &Network,
    layer: &str,
    picture: &Array4<f32>,
    rank: Rank,
    count: usize,
) -> Vec<ChannelActivation> {
    let mut probe = LayerProbe::open(network, &[layer], Device::Cpu).unwrap();
    probe
        .strongest(picture.clone(), rank, count)
        .unwrap()
        .remove(0)
}

fn photo(side: usize) -> Array4<f32> {
    Array4::from_shape_fn((1, 3, side, side), |(_, c, y, x)| {
        ((x * (c + 1) + 2 * y) as f32 / (side as f32 / 5.0)).sin()
    })
}

/// Three channels of two rows and three columns, each the picture times a number, one of them below zero everywhere.
fn scaled() -> Network {
    built(|b| {
        let one = |number| Dim::DimValue(number);
        let x = b
            .input("x", ElementType::F32, &[one(1), one(1), one(2), one(3)])
            .unwrap();
        let weights = b.constant(TensorProto::from_f32("", &[3, 1, 1, 1], &[1.0, -1.0, 2.0]));
        let conv = b.emit_named("conv", "Conv", &[&x, &weights], &[]).unwrap();
        let pool = b
            .emit_named("pool", "GlobalAveragePool", &[&conv], &[])
            .unwrap();
        b.emit_named("scores", "Flatten", &[&pool], &[]).unwrap()
    })
}

#[test]
fn channels_are_ranked_by_their_mean_or_their_maximum() {
    let network = scaled();
    let picture =
        Array4::from_shape_vec((1, 1, 2, 3), vec![0.0, -6.0, 1.0, 2.0, 0.0, 0.0]).unwrap();
    let channel = |channel, mean, maximum, at| ChannelActivation {
        channel,
        mean,
        maximum,
        at: Some(at),
    };
    let by_mean = strongest(&network, "conv", &picture, Rank::Mean, 9);
    assert_eq!(
        by_mean,
        [
            channel(1, 0.5, 6.0, (0, 1)),
            channel(0, -0.5, 2.0, (1, 0)),
            channel(2, -1.0, 4.0, (1, 0)),
        ]
    );
    let by_maximum = strongest(&network, "conv", &picture, Rank::Maximum, 2);
    assert_eq!(
        by_maximum,
        [channel(1, 0.5, 6.0, (0, 1)), channel(2, -1.0, 4.0, (1, 0))]
    );
    let scores = strongest(&network, "scores", &picture, Rank::Mean, 1);
    assert_eq!(
        scores,
        [ChannelActivation {
            channel: 1,
            mean: 0.5,
            maximum: 0.5,
            at: None
        }]
    );
}

#[test]
fn tokens_vectors_and_values_without_positions_are_read_as_their_layout_says() {
    let network = transformer();
    let layers = network.layers();
    let kinds = |wanted: fn(&Axes) -> bool| layers.iter().any(|layer| wanted(&layer.layout.axes));
    assert!(kinds(|axes| matches!(axes, Axes::Tokens { before: 1, .. })));
    assert!(
        kinds(|axes| matches!(axes, Axes::Vector))
            && kinds(|axes| matches!(axes, Axes::ChannelsFirst))
    );
    expect_reference(network, &layers, &photo(16));
}

#[test]
fn every_layer_of_a_real_network_has_the_numbers_of_its_own_values() {
    let layers: Vec<Layer> = network()
        .layers()
        .into_iter()
        .filter(|layer| layer.is_activation)
        .collect();
    let some: Vec<Layer> = layers.into_iter().step_by(7).collect();
    assert!(some.len() > 5);
    expect_reference(network(), &some, &photo(224));
}

#[test]
fn the_maps_are_those_of_the_strongest_channels() {
    let (network, picture) = (network(), photo(224));
    let layer = "blocks.10/expand/relu6";
    let by_maximum = strongest(network, layer, &picture, Rank::Maximum, 5);
    let mut maps = ChannelMaps::open(network, layer, (Rank::Maximum, 5), Device::Cpu).unwrap();
    let maps = maps.of(picture.clone()).unwrap();
    let channels: Vec<ChannelActivation> = maps.iter().map(|(channel, _)| *channel).collect();
    assert_eq!(channels, by_maximum);
    let ranked = strongest(network, layer, &picture, Rank::Mean, 5);
    let mut maps = ChannelMaps::open(network, layer, (Rank::Mean, 5), Device::Cpu).unwrap();
    let maps = maps.of(picture.clone()).unwrap();
    let channels: Vec<ChannelActivation> = maps.iter().map(|(channel, _)| *channel).collect();
    assert_eq!(channels, ranked);
    let values = values(network, layer, &picture);
    for (found, map) in &maps {
        let map = map.as_ref().unwrap();
        for ((row, column), value) in map.indexed_iter() {
            assert!((value - values[[0, found.channel, row, column]]).abs() < 1e-4);
        }
        assert!((map[found.at.unwrap()] - found.maximum).abs() < 1e-4);
    }
    let mut vector =
        ChannelMaps::open(network, "logits", (Rank::Maximum, 2000), Device::Cpu).unwrap();
    let vector = vector.of(picture).unwrap();
    assert_eq!(vector.len(), 1000);
    assert!(vector.iter().all(|(_, map)| map.is_none()));
}

#[test]
fn a_layer_that_is_none_and_activations_that_are_no_numbers_are_named() {
    let network = scaled();
    let missing = LayerProbe::open(&network, &["nowhere"], Device::Cpu).unwrap_err();
    assert!(
        matches!(&missing, Error::NoSuchUnit(why) if why.contains("nowhere")),
        "{missing}"
    );
    let mut probe = LayerProbe::open(&network, &["conv"], Device::Cpu).unwrap();
    let broken = Array4::from_elem((1, 1, 2, 3), f32::INFINITY);
    let problem = probe
        .strongest(broken, Rank::Mean, 1)
        .unwrap_err()
        .to_string();
    assert!(
        problem.contains("conv") && problem.contains("not finite"),
        "{problem}"
    );
}

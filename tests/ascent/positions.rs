//! Which token is which place of the picture, however a network lays its tokens out: before anything is mixed, what a
//! neuron answers to lies in its own patch of the picture, and all of it.

use super::built;
use ndarray::Array4;
use ziggurat::ascent::evaluate;
use ziggurat::ascent::{Kind, Objective, Unit};
use ziggurat::model::layout::Axes;
use ziggurat::model::{Layer, Network};
use ziggurat::onnx::proto::{Dim, TensorProto};
use ziggurat::onnx::{Attribute, Builder, ElementType};
use ziggurat::runtime::Device;

const CHANNELS: i64 = 8;
const ROWS: i64 = 4;
const COLUMNS: i64 = 6;
const PATCHES: i64 = ROWS * COLUMNS;
/// Height and width of a patch.
const PATCH: i64 = 4;

fn ints(name: &str, values: &[i64]) -> (String, Attribute) {
    (name.into(), values.into())
}

/// A node whose output is called after its operator and its number.
fn emit(b: &mut Builder, op: &str, inputs: &[&str], attributes: &[(String, Attribute)]) -> String {
    let attributes = attributes.iter();
    let attributes: Vec<(&str, Attribute)> = attributes
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    b.emit(op, inputs, &attributes)
}

fn transposed(b: &mut Builder, value: &str, order: &[i64]) -> String {
    emit(b, "Transpose", &[value], &[ints("perm", order)])
}

fn reshaped(b: &mut Builder, value: &str, dims: &[i64]) -> String {
    let dims = b.ints(dims);
    b.emit("Reshape", &[value, &dims], &[])
}

fn joined(b: &mut Builder, values: &[&str], axis: i64) -> String {
    b.emit("Concat", values, &[("axis", axis.into())])
}

fn sliced(b: &mut Builder, value: &str, (start, end): (i64, i64), axis: i64) -> String {
    let bounds = [start, end, axis].map(|bound| b.ints(&[bound]));
    b.emit("Slice", &[value, &bounds[0], &bounds[1], &bounds[2]], &[])
}

/// Numbers between -0.5 and 0.5 without a pattern that matters.
fn weights(b: &mut Builder, dims: &[i64]) -> String {
    let count: i64 = dims.iter().product();
    let seed = count + dims[0] * 31;
    let number = |at: i64| ((at * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.5;
    let values: Vec<f32> = (0..count).map(number).collect();
    b.constant(TensorProto::from_f32("", dims, &values))
}

/// The patches of a picture (1, 3, 16, 24) as planes (1, 8, 4, 6).
fn planes(b: &mut Builder) -> String {
    let dims = [1, 3, ROWS * PATCH, COLUMNS * PATCH].map(Dim::DimValue);
    let x = b.input("x", ElementType::F32, &dims).unwrap();
    let weight = weights(b, &[CHANNELS, 3, PATCH, PATCH]);
    emit(
        b,
        "Conv",
        &[&x, &weight],
        &[ints("strides", &[PATCH, PATCH])],
    )
}

/// The patches as a row of tokens (1, 24, 8).
fn row(b: &mut Builder) -> String {
    let planes = planes(b);
    let flat = reshaped(b, &planes, &[1, CHANNELS, PATCHES]);
    transposed(b, &flat, &[0, 2, 1])
}

/// So many tokens that stand for no place.
fn extra(b: &mut Builder, count: i64) -> String {
    weights(b, &[1, count, CHANNELS])
}

/// A network that ends with `tokens`, whose steps to them keep places apart.
fn network(tokens: impl FnOnce(&mut Builder) -> String) -> Network {
    built(|b| {
        let tokens = tokens(b);
        b.emit_named("tokens", "Sigmoid", &[&tokens], &[]).unwrap();
        let whole = b.ints(&[1, -1]);
        let flat = b.emit("Reshape", &["tokens", &whole], &[]);
        b.emit_named("scores", "Mul", &[&flat, &flat], &[]).unwrap()
    })
}

fn layer(network: &Network, name: &str) -> Option<Layer> {
    network
        .layers()
        .into_iter()
        .find(|layer| layer.name == name)
}

/// Checks that the neurons of "tokens" look at their own patch.
fn check(what: &str, network: &Network) {
    let found = layer(network, "tokens").unwrap_or_else(|| panic!("{what}: no layer"));
    let grid = (ROWS as usize, COLUMNS as usize);
    assert_eq!(found.plane(), Some(grid), "{what}: {:?}", found.layout);
    let [n, c, h, w] = network.input_dims(1);
    let picture = Array4::from_shape_fn((n, c, h, w), |(_, c, y, x)| {
        ((x * (c + 1) + 2 * y) as f32 / 3.0).sin()
    });
    for position in [(0, 0), (0, 5), (2, 1), (3, 5)] {
        let neuron = Objective {
            kind: Kind::Neuron,
            value: "tokens".into(),
        };
        let unit = Unit { index: 0, position };
        let slopes = evaluate::input_gradient(network, &neuron, unit, picture.clone(), Device::Cpu);
        let slopes = slopes.unwrap();
        let patch = PATCH as usize;
        for ((_, _, y, x), slope) in slopes.indexed_iter() {
            let is_inside = (y / patch, x / patch) == position;
            assert_eq!(*slope != 0.0, is_inside, "{what}: {position:?} at {y},{x}");
        }
    }
}

#[test]
fn extra_tokens_lie_before_and_behind_in_any_number() {
    for (before, behind) in [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
        (4, 0),
        (16, 0),
        (17, 0),
        (0, 17),
        (2, 16),
        // As many as there are patches, and so many that all make a square.
        (24, 24),
        (1, 24),
        (40, 0),
    ] {
        let network = network(|b| {
            let row = row(b);
            let [first, last] = [before, behind].map(|count| extra(b, count.max(1)));
            let mut all = vec![row.as_str()];
            if before > 0 {
                all.insert(0, &first);
            }
            if behind > 0 {
                all.push(&last);
            }
            joined(b, &all, 1)
        });
        check(&format!("{before} before, {behind} behind"), &network);
        let layout = network.layout("tokens").unwrap();
        let order = [0, 2, 1];
        let before = before as usize;
        assert_eq!(layout.axes, Axes::Tokens { order, before });
    }
}

#[test]
fn tokens_come_and_go_on_any_axis() {
    type Build = fn(&mut Builder) -> String;
    let variants: &[(&str, Build)] = &[
        ("registers between", |b| {
            let (class, registers, row) = (extra(b, 1), extra(b, 16), row(b));
            let inner = joined(b, &[&class, &row], 1);
            let class = sliced(b, &inner, (0, 1), 1);
            let rest = sliced(b, &inner, (1, i64::MAX), 1);
            joined(b, &[&class, &registers, &rest], 1)
        }),
        ("padded", |b| {
            let row = row(b);
            let pads = b.ints(&[0, 3, 0, 0, 2, 0]);
            b.emit("Pad", &[&row, &pads], &[])
        }),
        ("dropped by a slice", |b| {
            let (registers, row) = (extra(b, 5), row(b));
            let all = joined(b, &[&registers, &row, &registers], 1);
            sliced(b, &all, (2, -5), 1)
        }),
        ("dropped by a split", |b| {
            let (registers, row) = (extra(b, 5), row(b));
            let all = joined(b, &[&row, &registers], 1);
            let sizes = b.ints(&[PATCHES + 1, 4]);
            b.emit_many("Split", &[&all, &sizes], &[("axis", 1i64.into())], 2)
                .remove(0)
        }),
        ("gathered", |b| {
            let (class, row) = (extra(b, 1), row(b));
            let all = joined(b, &[&class, &row], 1);
            let kept: Vec<i64> = (1..=PATCHES).chain([0]).collect();
            let kept = b.ints(&kept);
            b.emit("Gather", &[&all, &kept], &[("axis", 1i64.into())])
        }),
        ("channels first", |b| {
            let row = row(b);
            let columns = transposed(b, &row, &[0, 2, 1]);
            let class = weights(b, &[1, CHANNELS, 3]);
            joined(b, &[&class, &columns], 2)
        }),
        ("sequence first", |b| {
            let row = row(b);
            let sequence = transposed(b, &row, &[1, 0, 2]);
            let class = weights(b, &[1, 1, CHANNELS]);
            joined(b, &[&sequence, &class], 0)
        }),
        ("one row for all pictures, and back", |b| {
            let (class, row) = (extra(b, 1), row(b));
            let all = joined(b, &[&class, &row], 1);
            let flat = reshaped(b, &all, &[-1, CHANNELS]);
            let scale = b.floats(&[CHANNELS], &[2.0; CHANNELS as usize]);
            let scaled = b.emit("Mul", &[&flat, &scale], &[]);
            reshaped(b, &scaled, &[1, PATCHES + 1, CHANNELS])
        }),
        ("heads, and back", |b| {
            let (class, row) = (extra(b, 1), row(b));
            let all = joined(b, &[&row, &class], 1);
            let apart = reshaped(b, &all, &[1, PATCHES + 1, 2, CHANNELS / 2]);
            let heads = transposed(b, &apart, &[0, 2, 1, 3]);
            let back = transposed(b, &heads, &[0, 2, 1, 3]);
            reshaped(b, &back, &[1, PATCHES + 1, CHANNELS])
        }),
        ("patches without a convolution", |b| {
            let dims = [1, 3, ROWS * PATCH, COLUMNS * PATCH].map(Dim::DimValue);
            let x = b.input("x", ElementType::F32, &dims).unwrap();
            let apart = reshaped(b, &x, &[1, 3, ROWS, PATCH, COLUMNS, PATCH]);
            let turned = transposed(b, &apart, &[0, 2, 4, 3, 5, 1]);
            let row = reshaped(b, &turned, &[1, PATCHES, 3 * PATCH * PATCH]);
            let weight = weights(b, &[3 * PATCH * PATCH, CHANNELS]);
            let row = b.emit("MatMul", &[&row, &weight], &[]);
            let class = extra(b, 4);
            joined(b, &[&class, &row], 1)
        }),
        ("channels last", |b| {
            let planes = planes(b);
            transposed(b, &planes, &[0, 2, 3, 1])
        }),
        ("windows, and back", |b| {
            let windows = windows(b, 0);
            from_windows(b, &windows, 0)
        }),
        ("rolled windows, and back", |b| {
            let windows = windows(b, 1);
            from_windows(b, &windows, 1)
        }),
        ("a sum with what is not known", |b| {
            let row = row(b);
            let unknown = reordered(b, &row);
            let nothing = b.floats(&[], &[0.0]);
            let unknown = b.emit("Mul", &[&unknown, &nothing], &[]);
            b.emit("Add", &[&unknown, &row], &[])
        }),
    ];
    for (what, build) in variants {
        check(what, &network(build));
    }
}

/// Windows of two rows and three columns, as (windows, places, channels), of planes that are rolled by so many places.
fn windows(b: &mut Builder, rolled: i64) -> String {
    let planes = planes(b);
    let last = transposed(b, &planes, &[0, 2, 3, 1]);
    let rolled = [1, 2]
        .into_iter()
        .fold(last, |value, axis| roll(b, &value, rolled, axis));
    let apart = reshaped(b, &rolled, &[1, 2, 2, 2, 3, CHANNELS]);
    let turned = transposed(b, &apart, &[0, 1, 3, 2, 4, 5]);
    let windows = reshaped(b, &turned, &[4, 6, CHANNELS]);
    let scale = b.floats(&[CHANNELS], &[2.0; CHANNELS as usize]);
    b.emit_named("windows", "Mul", &[&windows, &scale], &[])
        .unwrap()
}

fn from_windows(b: &mut Builder, windows: &str, rolled: i64) -> String {
    let apart = reshaped(b, windows, &[1, 2, 2, 2, 3, CHANNELS]);
    let turned = transposed(b, &apart, &[0, 1, 3, 2, 4, 5]);
    let together = reshaped(b, &turned, &[1, ROWS, COLUMNS, CHANNELS]);
    let one = b.floats(&[], &[1.0]);
    let together = b
        .emit_named("together", "Mul", &[&together, &one], &[])
        .unwrap();
    [1, 2]
        .into_iter()
        .fold(together, |value, axis| roll(b, &value, -rolled, axis))
}

fn roll(b: &mut Builder, value: &str, by: i64, axis: i64) -> String {
    if by == 0 {
        return value.to_string();
    }
    let start = sliced(b, value, (by, i64::MAX), axis);
    let end = sliced(b, value, (0, by), axis);
    joined(b, &[&start, &end], axis)
}

/// Tokens in an order that is known only when the network runs.
fn reordered(b: &mut Builder, row: &str) -> String {
    let count = b.ints(&[PATCHES]);
    b.emit_many("TopK", &[row, &count], &[("axis", 1i64.into())], 2)
        .remove(0)
}

#[test]
fn what_is_no_row_of_patches_is_not_read_as_one() {
    type Build = fn(&mut Builder) -> String;
    let variants: &[(&str, Build)] = &[
        ("half of the patches", |b| {
            let row = row(b);
            sliced(b, &row, (0, 16), 1)
        }),
        ("rolled", |b| {
            let row = row(b);
            roll(b, &row, 3, 1)
        }),
        ("registers alone", |b| {
            let (registers, row) = (extra(b, 24), row(b));
            let all = joined(b, &[&registers, &row], 1);
            sliced(b, &all, (0, 24), 1)
        }),
        ("two grids", |b| {
            let row = row(b);
            joined(b, &[&row, &row], 1)
        }),
        ("not known", |b| {
            let row = row(b);
            let weight = weights(b, &[CHANNELS, CHANNELS]);
            let unknown = reordered(b, &row);
            b.emit("MatMul", &[&unknown, &weight], &[])
        }),
        ("windows", |b| windows(b, 0)),
        ("rolled planes", |b| {
            let windows = windows(b, 1);
            from_windows(b, &windows, 1);
            "together".into()
        }),
        ("columns before rows", |b| {
            let planes = planes(b);
            let turned = transposed(b, &planes, &[0, 3, 2, 1]);
            reshaped(b, &turned, &[1, PATCHES, CHANNELS])
        }),
        ("attention", |b| {
            let row = row(b);
            let turned = transposed(b, &row, &[0, 2, 1]);
            let scores = b.emit("MatMul", &[&row, &turned], &[]);
            b.emit("Softmax", &[&scores], &[])
        }),
        ("a mean over tokens", |b| {
            let row = row(b);
            let axis = b.ints(&[1]);
            b.emit("ReduceMean", &[&row, &axis], &[])
        }),
    ];
    for (what, build) in variants {
        let network = network(build);
        let found = network.layout("tokens");
        let plane = found.and_then(|layout| layout.plane());
        assert_eq!(plane, None, "{what}: {found:?}");
    }
}

/// 81 tokens of 64 features are 17 tokens and 8 × 8 patches, not 81 channels of 8 × 8.
#[test]
fn no_square_is_read_into_features() {
    let network = built(|b| {
        let dims = [1, 3, 32, 32].map(Dim::DimValue);
        let x = b.input("x", ElementType::F32, &dims).unwrap();
        let weight = weights(b, &[64, 3, 4, 4]);
        let planes = emit(b, "Conv", &[&x, &weight], &[ints("strides", &[4, 4])]);
        let flat = reshaped(b, &planes, &[1, 64, 64]);
        let row = transposed(b, &flat, &[0, 2, 1]);
        let registers = weights(b, &[1, 17, 64]);
        let all = joined(b, &[&registers, &row], 1);
        b.emit_named("tokens", "Tanh", &[&all], &[]).unwrap();
        let axis = b.ints(&[1]);
        let flat = [("keepdims", 0i64.into())];
        b.emit_named("scores", "ReduceMean", &["tokens", &axis], &flat)
            .unwrap()
    });
    let found = layer(&network, "tokens").unwrap();
    assert!(found.is_activation);
    assert_eq!((found.channels(), found.plane()), (64, Some((8, 8))));
}

/// A layer without places has channels: the mean over what there is.
#[test]
fn a_layer_without_places_has_the_mean_of_its_channels() {
    let network = network(|b| {
        let row = row(b);
        let weight = weights(b, &[CHANNELS, CHANNELS]);
        let unknown = reordered(b, &row);
        b.emit("MatMul", &[&unknown, &weight], &[])
    });
    let found = layer(&network, "tokens").unwrap();
    assert!(found.is_activation && found.layout.is_non_spatial());
    assert_eq!(found.channels(), CHANNELS as usize);
    let channel = Objective {
        kind: Kind::Channel,
        value: "tokens".into(),
    };
    let unit = Unit {
        index: 2,
        position: (0, 0),
    };
    let picture = Array4::from_elem(network.input_dims(1), 0.5);
    let problem = evaluate::input_gradient(&network, &channel, unit, picture, Device::Cpu);
    // TopK picks: what it picks has a gradient.
    assert!(problem.unwrap().iter().any(|slope| *slope != 0.0));
}

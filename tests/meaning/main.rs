//! What a model means, as a user meets it: scores that are no softmax, words with two readings, numbers that are not
//! finite, models without classes.

mod names;
mod outcomes;
#[path = "../common/sandbox.rs"]
mod sandbox;
mod scores;

use image::{Rgb, RgbImage};
use sandbox::Sandbox;
use std::fs;
use ziggurat::onnx::proto::{Dim, StringStringEntryProto, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Builder, ElementType, file};

/// A sandbox with a picture.
fn with_picture() -> Sandbox {
    let sandbox = Sandbox::with_runtime();
    let picture = RgbImage::from_fn(32, 32, |x, y| Rgb([(8 * x) as u8, (8 * y) as u8, 99]));
    picture.save(sandbox.path("picture.png")).unwrap();
    sandbox
}

/// Writes a model whose outputs `tail` makes of the logits (N, classes), and returns its path.
fn write_model(
    sandbox: &Sandbox,
    name: &str,
    build: &Model,
    tail: fn(&mut Builder, &str) -> Vec<String>,
) -> String {
    let mut b = Builder::empty(18, "g/");
    let [n, c, h, w] = [
        Dim::DimParam("N".into()),
        Dim::DimValue(3),
        Dim::DimValue(32),
        Dim::DimValue(32),
    ];
    b.input("image", ElementType::F32, &[n, c, h, w]).unwrap();
    let mut weights = waves(8 * 3 * 9, 0.3);
    if build.is_not_a_number {
        weights[17] = f32::NAN;
    }
    let weight = b.floats(&[8, 3, 3, 3], &weights);
    let pads = [
        ("pads", vec![1i64; 4].into()),
        ("strides", vec![2i64; 2].into()),
    ];
    let conv = b
        .emit_named(build.names[0], "Conv", &["image", &weight], &pads)
        .unwrap();
    let relu = b.emit_named(build.names[1], "Relu", &[&conv], &[]).unwrap();
    let pool = b.emit("GlobalAveragePool", &[&relu], &[]);
    let flat = b.emit("Flatten", &[&pool], &[]);
    let spread = b.floats(&[], &[build.spread]);
    let classes = build.classes;
    let weight = b.floats(&[8, classes as i64], &waves(8 * classes, 1.0));
    let scores = b.emit("MatMul", &[&flat, &weight], &[]);
    let logits = b
        .emit_named("logits", "Mul", &[&scores, &spread], &[])
        .unwrap();
    let outputs: Vec<_> = tail(&mut b, &logits)
        .iter()
        .map(|name| untyped_value(name))
        .collect();
    let mut model = b.graph().to_model(&outputs).unwrap();
    if !build.class_names.is_empty() {
        model.metadata_props.push(StringStringEntryProto {
            key: "names".into(),
            value: serde_json::to_string(&build.class_names).unwrap(),
        });
    }
    let path = sandbox.path(name);
    file::write(model, path.as_ref(), None).unwrap();
    path
}

/// The probability of each class of the picture, by index.
fn classified(sandbox: &Sandbox, model: &str) -> Vec<(u64, f64)> {
    let lines = sandbox.objects(&["classify", model, &sandbox.path("picture.png"), "--json"]);
    let top = lines[0]["top"].as_array().unwrap().clone();
    let mut all: Vec<(u64, f64)> = top
        .iter()
        .map(|one| {
            (
                one["index"].as_u64().unwrap(),
                one["probability"].as_f64().unwrap(),
            )
        })
        .collect();
    all.sort_by_key(|(index, _)| *index);
    all
}

/// What of a model differs between tests.
struct Model {
    classes: usize,
    names: [&'static str; 2],
    class_names: &'static [&'static str],
    spread: f32,
    is_not_a_number: bool,
}

const PLAIN: Model = Model {
    classes: 5,
    names: ["conv", "relu"],
    class_names: &[],
    spread: 1.5,
    is_not_a_number: false,
};

/// Numbers without a pattern, between `-size` and `size`.
fn waves(count: usize, size: f32) -> Vec<f32> {
    (0..count)
        .map(|index| size * (index as f32 * 12.9898).sin())
        .collect()
}

fn plain(b: &mut Builder, logits: &str) -> Vec<String> {
    vec![b.emit_named("scores", "Identity", &[logits], &[]).unwrap()]
}

//! `ziggurat run` as a user meets it.

mod devices;
mod judges;
mod mistakes;
mod models;
mod repeat;
#[path = "../common/sandbox.rs"]
mod sandbox;
mod settings;
mod shares;

use sandbox::Sandbox;
use serde_json::Value;
use std::fs;
use std::path::Path;
use ziggurat::onnx::proto::{Dim, TensorProto};
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, file};
use ziggurat::runs::picture_file;

/// A classifier of four classes whose weights follow from a number; the score of its last class may be the same for
/// every picture.
fn classifier(path: &str, factor: i64, is_last_dead: bool) {
    classifier_of(path, factor, is_last_dead, 6);
}

/// The same with so many channels in its layer.
fn classifier_of(path: &str, factor: i64, is_last_dead: bool, channels: i64) {
    let mut b = Builder::empty(18, "g/");
    let mut doubles = |dims: &[i64]| {
        let count = dims.iter().product::<i64>();
        let is_dead = |place: i64| is_last_dead && dims.len() == 2 && place % 4 == 3;
        let value = |place: i64| {
            if is_dead(place) {
                0.0
            } else {
                ((place * factor % 11) as f64 - 5.0) / 16.0
            }
        };
        let values: Vec<f64> = (0..count).map(value).collect();
        b.constant(TensorProto::from_floats("", dims, ElementType::F64, &values).unwrap())
    };
    let (kernel, head) = (doubles(&[channels, 3, 3, 3]), doubles(&[channels, 4]));
    let [low, high] = [0.0, 6.0].map(|bound| b.scalar(ElementType::F64, bound).unwrap());
    b.input("image", ElementType::F64, &fixed_dims(&[1, 3, 32, 32]))
        .unwrap();
    let strides = [("strides", vec![2i64, 2].into())];
    let seen = b.emit("Conv", &["image", &kernel], &strides);
    let limited = b.emit("Clip", &[&seen, &low, &high], &[]);
    let axes = b.ints(&[2, 3]);
    let keep = [("keepdims", 0i64.into())];
    let pooled = b.emit("ReduceMean", &[&limited, &axes], &keep);
    b.emit_named("logits", "MatMul", &[&pooled, &head], &[])
        .unwrap();
    let model = b.graph().to_model(&[untyped_value("logits")]).unwrap();
    file::write(model, Path::new(path), None).unwrap();
}

/// Two classifiers that share the classes flamingo, tench and crane, at different indices.
fn two_models(sandbox: &Sandbox) -> [String; 2] {
    let model = |name: &str, factor, names: [&str; 4]| {
        fs::create_dir_all(sandbox.path(name)).unwrap();
        fs::write(
            sandbox.path(&format!("{name}/labels.txt")),
            names.join("\n"),
        )
        .unwrap();
        let path = sandbox.path(&format!("{name}/{name}.onnx"));
        classifier(&path, factor, name == "first");
        path
    };
    [
        model("first", 7, ["flamingo", "goldfish", "tench", "crane"]),
        model("second", 4, ["crane", "tench", "flamingo", "pug"]),
    ]
}

/// Options that make a run short.
const SHORT: [&str; 7] = [
    "--steps",
    "3",
    "--set",
    "octaves=1",
    "--json",
    "--provider",
    "cpu",
];

//! What lies beside a model, what its file states of itself, and photos of any shape and state: as a user meets them.

mod metadata;
mod names;
mod photos;
#[path = "../common/sandbox.rs"]
mod sandbox;

use assert_cmd::Command;
use image::{ImageFormat, Rgb, RgbImage};
use sandbox::Sandbox;
use serde_json::Value;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;
use ziggurat::onnx::proto::StringStringEntryProto;
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, file};

fn ziggurat(arguments: &[&str]) -> Command {
    Sandbox::with_shared_home().command(arguments)
}

fn printed(arguments: &[&str]) -> Printed {
    ziggurat::runtime::testing::library();
    let (result, remarks) = Sandbox::with_shared_home().printed(arguments);
    Printed { result, remarks }
}

/// What a command printed.
struct Printed {
    result: String,
    remarks: String,
}

/// `model.onnx`: the averages of the three channels of a picture of 32 × 32 pixels are the scores of three classes.
fn write_model(sandbox: &Sandbox, metadata: &[(&str, &str)]) -> String {
    let mut builder = Builder::empty(18, "t/");
    builder
        .input("x", ElementType::F32, &fixed_dims(&[1, 3, 32, 32]))
        .unwrap();
    let sides = |side: i64| vec![side, side].into();
    let windows = [("kernel_shape", sides(2)), ("strides", sides(2))];
    let smaller = builder.emit("AveragePool", &["x"], &windows);
    builder
        .emit_named("relu", "Relu", &[&smaller], &[])
        .unwrap();
    let mean = builder.emit("GlobalAveragePool", &["relu"], &[]);
    builder
        .emit_named("scores", "Flatten", &[&mean], &[])
        .unwrap();
    let mut model = builder
        .graph()
        .to_model(&[untyped_value("scores")])
        .unwrap();
    let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
        key: key.into(),
        value: value.into(),
    };
    model.metadata_props = metadata.iter().map(entry).collect();
    let path = sandbox.path("model.onnx");
    file::write(model, Path::new(&path), None).unwrap();
    path
}

fn save_photo(sandbox: &Sandbox, name: &str, photo: &RgbImage) -> String {
    photo.save(sandbox.path(name)).unwrap();
    sandbox.path(name)
}

/// The name of the class that `classify` puts first.
fn first(model: &str, photo: &str) -> String {
    let line: Value =
        serde_json::from_str(&printed(&["classify", model, photo, "--json"]).result).unwrap();
    line["top"][0]["name"].as_str().unwrap().into()
}

fn solid(colour: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(32, 32, Rgb(colour))
}

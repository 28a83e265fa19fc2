//! The program as a user meets it: every subcommand, and what it says to bad input.

mod cam;
mod classify;
mod completions;
mod doctor;
mod gradient;
mod layers;
mod library;
mod mistakes;
mod outputs;
mod replacing;
#[path = "../common/sandbox.rs"]
mod sandbox;

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use ndarray::{Array4, s};
use ndarray_npy::{read_npy, write_npy};
use sandbox::Sandbox;
use serde_json::Value;
use std::fs;
use std::path::Path;
use ziggurat::model::{ModelFile, ModelSource};
use ziggurat::onnx::proto::{Dim, NodeProto};
use ziggurat::onnx::types::{fixed_dims, untyped_value, value_info};
use ziggurat::onnx::{Builder, ElementType, file};
use ziggurat::runtime::{Provider, Session, SessionOptions, Tensor, package, testing};

/// The program in the shared home.
fn ziggurat(arguments: &[&str]) -> Command {
    Sandbox::with_shared_home().command(arguments)
}

/// What it prints if it succeeds.
fn output(arguments: &[&str]) -> String {
    Sandbox::with_shared_home().output(arguments)
}

/// The lines of JSON that it prints.
fn objects(arguments: &[&str]) -> Vec<Value> {
    Sandbox::with_shared_home().objects(arguments)
}

/// Its error; nothing is on standard output.
fn complaint(status: i32, arguments: &[&str]) -> String {
    Sandbox::with_shared_home().complaint(status, arguments)
}

/// A folder with a picture.
fn with_picture() -> Sandbox {
    let sandbox = Sandbox::with_shared_home();
    pattern().save(sandbox.path("picture.png")).unwrap();
    sandbox
}

const MODEL: &str = "efficientnet-lite0";

/// Ramps of red and green over rings of blue.
fn pattern() -> RgbImage {
    RgbImage::from_fn(300, 260, |x, y| {
        Rgb([
            (x * 255 / 300) as u8,
            (y * 255 / 260) as u8,
            ((x * x + y * y) / 64 % 256) as u8,
        ])
    })
}

fn model_file() -> ModelFile {
    let source = ModelSource::resolve(&testing::home(), Some(MODEL)).unwrap();
    source.open(&testing::home(), &package::quiet).unwrap()
}

/// Two inputs that look like noise.
fn inputs() -> Array4<f32> {
    let mut state = 1u32;
    Array4::from_shape_simple_fn((2, 3, 224, 224), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

//! Sliding windows: kernels and strides that do not fit their input.

use super::{IMAGE, message, pass_message};
use crate::models::{self, node};
use crate::pipeline::Pipeline;
use ziggurat::onnx::proto::TensorProto;
use ziggurat::onnx::{Attribute, ElementType, Types};

/// ONNX Runtime says that there are fewer windows than none.
#[test]
fn windows_larger_than_what_they_slide_over() {
    ziggurat::runtime::testing::library();
    let pool = vec![Attribute::from(vec![10i64, 2]).named("kernel_shape")];
    let nodes = vec![
        node("LpPool", &["image"], &["pool"], pool),
        node("Flatten", &["pool"], &["logits"], vec![]),
    ];
    let message = message(
        Pipeline::EndToEnd,
        &models::model(18, nodes, vec![]),
        &Types::default(),
    );
    assert!(message.contains("has a negative size"), "{message}");
    assert!(!message.contains("0x"), "{message}");
}

/// A kernel that is larger than the filters was read beyond their end.
#[test]
fn a_kernel_that_is_not_that_of_the_filters() {
    let attributes = vec![
        Attribute::from(vec![3i64, 3]).named("kernel_shape"),
        Attribute::from(vec![2i64, 2]).named("strides"),
        Attribute::from(vec![1i64; 4]).named("pads"),
        Attribute::Int(3).named("group"),
    ];
    let filters = TensorProto::from_floats("filters", &[3, 1, 1, 1], ElementType::F32, &[1.0; 3]);
    let message = pass_message(
        vec![node("Conv", &["image", "filters"], &["logits"], attributes)],
        vec![filters.unwrap()],
        &[IMAGE, ("logits", &[1, 3, 2, 2])],
    );
    let expected = "its kernel_shape is [3, 3], and its filters are [1, 1]";
    assert!(message.contains(expected), "{message}");
}

/// ONNX Runtime went through all of a pool's window, for every place, also what lies outside of the picture. The
/// gradient of a normalisation by neighbouring channels has a pool, and panicked.
#[test]
fn windows_beyond_all_measure() {
    let pool = vec![
        Attribute::from(vec![1i64 << 31, 2]).named("kernel_shape"),
        Attribute::from("SAME_UPPER").named("auto_pad"),
    ];
    let channels = vec![Attribute::Int(1 << 31).named("size")];
    for (op, attributes, window) in [
        ("AveragePool", pool, "[2147483648, 2]"),
        ("LRN", channels, "[2147483648]"),
    ] {
        let nodes = vec![
            node(op, &["image"], &["made"], attributes),
            node("Flatten", &["made"], &["logits"], vec![]),
        ];
        let model = models::model(18, nodes, vec![]);
        let message = message(Pipeline::EndToEnd, &model, &Types::default());
        let expected = format!("({op}) has windows of {window}");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn pools_over_what_has_no_rows() {
    for pool in [
        "GlobalAveragePool",
        "GlobalMaxPool",
        "MaxPool",
        "AveragePool",
        "LpPool",
    ] {
        let message = pass_message(
            vec![node(pool, &["image"], &["logits"], vec![])],
            vec![],
            &[("image", &[3]), ("logits", &[3])],
        );
        assert!(
            message.contains("cannot be differentiated: its input 0 has 1 axes"),
            "{message}"
        );
    }
}

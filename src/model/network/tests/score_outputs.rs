//! Which output has the class scores: containers, several outputs, and none.

use super::class_scores::*;
use super::*;

/// A `ZipMap` of `probabilities`, and the label of the best class, as converters of scikit-learn write them.
fn zipped(b: &mut Builder, probabilities: &str) -> Vec<String> {
    let labels = ["hen", "cock", "owl", "jay"].map(str::to_string).to_vec();
    let zip = NodeProto::new("ZipMap", &[probabilities], &["loss"])
        .in_domain("ai.onnx.ml")
        .attr("classlabels_strings", labels);
    b.append(zip).unwrap();
    vec!["loss".into()]
}

#[test]
fn containers_are_looked_through() {
    let network = with_tail("", 1.0, |b, x| {
        let p = softmax(b, x);
        zipped(b, &p)
    });
    let network = network.unwrap();
    assert_eq!(network.classes.name(2), Some("owl"));
    assert_eq!(network.classes_origin, Origin::Network);
    assert_eq!(network.logits(), Some("logits"));
    let best: Tail = |b, x| {
        let (p, k) = (softmax(b, x), b.ints(&[2]));
        b.emit_many("TopK", &[&p, &k], &[], 2)
    };
    let network = with_tail("", 1.0, best).unwrap();
    assert_eq!(
        (network.logits(), network.classes.len()),
        (Some("logits"), 4)
    );
    assert!(
        network
            .assumptions()
            .iter()
            .any(|line| line.contains("TopK"))
    );
    let index: Tail = |b, x| vec![b.emit("ArgMax", &[x], &[("axis", 1i64.into())])];
    let network = with_tail("", 1.0, index).unwrap();
    assert_eq!(
        (network.logits(), network.classes.len()),
        (Some("logits"), 4)
    );
}

#[test]
fn of_several_outputs_one_is_taken_and_the_others_are_named() {
    let heads: Tail = |b, x| {
        let (start, end, axes) = (b.ints(&[0]), b.ints(&[3]), b.ints(&[1]));
        let age = b.emit_named("age", "Identity", &[x], &[]).unwrap();
        let kind = b
            .emit_named("kind", "Slice", &[x, &start, &end, &axes], &[])
            .unwrap();
        vec![age, kind]
    };
    let network = with_tail("", 1.0, heads).unwrap();
    let line = network.assumptions().pop().unwrap();
    assert!(
        line.contains("using \"age\" (4 classes)") && line.contains("\"kind\" (3 classes)"),
        "{line}"
    );
    // As many names as classes of one output decide.
    let network = with_tail("classes.names = [\"a\", \"b\", \"c\"]", 1.0, heads).unwrap();
    assert_eq!(network.logits(), Some("kind"));
    let network = with_tail("output.name = \"kind\"", 1.0, heads).unwrap();
    assert_eq!(network.logits(), Some("kind"));
    assert!(
        network
            .assumptions()
            .iter()
            .all(|line| !line.contains("several"))
    );
    let error = with_tail("output.name = \"logits\"", 1.0, heads)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"logits\" is not an output; outputs: \"age\", \"kind\""),
        "{error}"
    );
}

#[test]
fn a_network_without_class_scores_has_layers() {
    let network = opened(18, |b| {
        b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 4, 4]))
            .unwrap();
        small(b, "x", ElementType::F32);
        vec!["relu".into()]
    });
    let network = network.unwrap();
    assert!(network.logits().is_none() && network.classes.is_empty());
    assert!(network.layers().iter().any(|layer| layer.name == "relu"));
    let line = network.assumptions().pop().unwrap();
    assert!(
        line.contains("no class scores") && line.contains("[1, 4, 4, 4]"),
        "{line}"
    );
}

#[test]
fn inputs_off_the_path_of_the_chosen_output_are_not_asked_for() {
    let build = |b: &mut Builder| {
        b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 4, 4]))
            .unwrap();
        b.input("words", ElementType::F32, &fixed_dims(&[1, 4]))
            .unwrap();
        let pool = small(b, "x", ElementType::F32);
        let flat = b.emit_named("image", "Flatten", &[&pool], &[]).unwrap();
        let both = b.emit_named("both", "Mul", &[&flat, "words"], &[]).unwrap();
        vec![both, flat]
    };
    let error = opened(18, build).unwrap_err().to_string();
    assert!(error.contains("\"words\""), "{error}");
    let network = opened_with("output.name = \"image\"", 18, build).unwrap();
    assert_eq!(network.logits(), Some("image"));
}

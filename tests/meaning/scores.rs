//! Scores that are no softmax, and models without class scores.

use super::*;
use serde_json::Value;

fn sigmoid(b: &mut Builder, logits: &str) -> Vec<String> {
    vec![b.emit_named("scores", "Sigmoid", &[logits], &[]).unwrap()]
}

#[test]
fn probabilities_of_independent_classes_are_shown_as_they_are() {
    let sandbox = with_picture();
    let model = write_model(&sandbox, "labels.onnx", &PLAIN, sigmoid);
    let sum: f64 = classified(&sandbox, &model).iter().map(|(_, p)| p).sum();
    assert!((sum - 1.0).abs() > 0.2, "{sum}");
    let raw = write_model(&sandbox, "raw.onnx", &PLAIN, plain);
    let sum: f64 = classified(&sandbox, &raw).iter().map(|(_, p)| p).sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    let message = sandbox.command(&["doctor", &model]).assert().success();
    let message = String::from_utf8(message.get_output().stdout.clone()).unwrap();
    assert!(
        message.contains("activation sigmoid (from its last operators); logits is maximized"),
        "{message}"
    );
}

#[test]
fn a_binary_model_has_a_class_and_its_negative() {
    let sandbox = with_picture();
    let model = write_model(
        &sandbox,
        "binary.onnx",
        &Model {
            classes: 1,
            ..PLAIN
        },
        sigmoid,
    );
    let all = classified(&sandbox, &model);
    assert_eq!(all.len(), 1);
    assert!(all[0].1 > 0.0 && all[0].1 < 1.0);
    let probability = |target: &str| {
        let line = sandbox
            .objects(&["run", target, "--model", &model, "--steps", "60", "--json"])
            .remove(0);
        (
            line["probability"].as_f64().unwrap(),
            line["target"].as_str().unwrap().to_owned(),
        )
    };
    let (yes, _) = probability("0");
    let (no, title) = probability("not:0");
    assert!(yes > 0.9 && 1.0 - no < all[0].1 - 0.2, "{yes} {no} {all:?}");
    assert_eq!(title, "not class 0");
    assert!(
        sandbox
            .complaint(2, &["run", "not:3", "--model", &model])
            .contains("class 3 does not exist")
    );
    let npy = sandbox.path("x.npy");
    ndarray_npy::write_npy(&npy, &ndarray::Array4::from_elem((1, 3, 32, 32), 0.3f32)).unwrap();
    let gradient = |target: &str| -> ndarray::Array4<f32> {
        let out = sandbox.path("g.npy");
        let arguments = [
            "gradient", &model, "--target", target, "--input", &npy, "--output", &out,
        ];
        sandbox.command(&arguments).assert().success();
        ndarray_npy::read_npy(&out).unwrap()
    };
    assert_eq!(gradient("not:0"), -gradient("class:0"));
}

#[test]
fn a_saturated_head_is_climbed_from_before_its_saturation() {
    let sandbox = with_picture();
    for (name, tail) in [
        (
            "sigmoid.onnx",
            sigmoid as fn(&mut Builder, &str) -> Vec<String>,
        ),
        ("softmax.onnx", |b, x| vec![b.emit("Softmax", &[x], &[])]),
        ("written.onnx", |b, x| {
            let minus = b.emit("Neg", &[x], &[]);
            let power = b.emit("Exp", &[&minus], &[]);
            let one = b.floats(&[], &[1.0]);
            let sum = b.emit("Add", &[&one, &power], &[]);
            vec![b.emit("Div", &[&one, &sum], &[])]
        }),
    ] {
        let model = write_model(
            &sandbox,
            name,
            &Model {
                spread: 60.0,
                ..PLAIN
            },
            tail,
        );
        for target in ["0", "1", "not:0", "not:1"] {
            let line = sandbox
                .objects(&["run", target, "--model", &model, "--steps", "60", "--json"])
                .remove(0);
            assert!(
                line["score"].as_f64().unwrap().is_finite(),
                "{name} {target}"
            );
        }
    }
}

#[test]
fn a_model_without_class_scores_is_opened_for_its_layers() {
    let sandbox = with_picture();
    let model = write_model(&sandbox, "backbone.onnx", &PLAIN, |_, _| {
        vec!["relu".into()]
    });
    let layers = sandbox.objects(&["layers", &model, "--json"]);
    assert!(
        layers.iter().any(|layer| layer["name"] == "relu"),
        "{layers:?}"
    );
    let line = sandbox
        .objects(&["run", "relu:3", "--model", &model, "--steps", "3", "--json"])
        .remove(0);
    assert_eq!(
        (&line["target"], &line["probability"]),
        (&"relu:3".into(), &Value::Null)
    );
    for (status, arguments) in [
        (2, &["run", "0", "--model", &model][..]),
        (1, &["classify", &model, &sandbox.path("picture.png")][..]),
    ] {
        let message = sandbox.complaint(status, arguments);
        assert!(
            message.contains("no class scores") || message.contains("no class is called"),
            "{message}"
        );
    }
}

//! Runs that diverge, and classes that are not reached.

use super::*;
use serde_json::Value;

#[test]
fn numbers_that_are_not_finite_end_a_run_and_nothing_is_kept() {
    let sandbox = with_picture();
    let model = write_model(
        &sandbox,
        "nan.onnx",
        &Model {
            is_not_a_number: true,
            ..PLAIN
        },
        plain,
    );
    for target in ["0", "not:1", "relu", "relu:2", "conv:1:3,4"] {
        let out = sandbox.path("out.png");
        let message = sandbox.complaint(
            1,
            &[
                "run", target, "--model", &model, "--steps", "9", "--out", &out,
            ],
        );
        assert!(
            message.contains("not a finite number") && message.contains("\"conv\" (\"Conv\")"),
            "{target}: {message}"
        );
        assert!(!fs::exists(&out).unwrap());
    }
    sandbox.command(&["history", "verify"]).assert().success();
    assert!(sandbox.objects(&["history", "list", "--json"]).is_empty());
}

#[test]
fn a_class_that_is_not_reached_is_reported() {
    let sandbox = with_picture();
    let model = write_model(
        &sandbox,
        "flat.onnx",
        &Model {
            spread: 1e-4,
            ..PLAIN
        },
        plain,
    );
    let arguments = ["run", "class:2", "--model", &model, "--steps", "8"];
    let remarks = sandbox.notices(&arguments);
    assert!(
        remarks.contains("class 2 was not reached: its probability is 20.0 %"),
        "{remarks}"
    );
    let line = sandbox
        .objects(&[
            "run", "class:2", "--model", &model, "--steps", "8", "--json",
        ])
        .remove(0);
    assert_eq!(
        (&line["reached"], &line["from_history"]),
        (&Value::Bool(false), &Value::Bool(true))
    );
    let kept = sandbox.path(&format!(
        "home/data/history/{}/run.json",
        line["id"].as_str().unwrap()
    ));
    let kept: Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
    assert_eq!(kept["reached"], Value::Bool(false));
}

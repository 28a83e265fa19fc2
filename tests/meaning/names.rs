//! Names of classes and layers.

use super::*;

#[test]
fn a_word_with_two_readings_is_an_error_that_names_both() {
    let sandbox = with_picture();
    let model = write_model(
        &sandbox,
        "numbers.onnx",
        &Model {
            names: ["3", "4"],
            ..PLAIN
        },
        plain,
    );
    let message = sandbox.complaint(2, &["run", "4", "--model", &model]);
    assert!(
        message.contains("class:4") && message.contains("layer:4"),
        "{message}"
    );
    let run = |target: &str| {
        sandbox
            .objects(&["run", target, "--model", &model, "--steps", "2", "--json"])
            .remove(0)
    };
    assert_eq!(run("layer:4")["target"], "4");
    assert_eq!(run("layer:4:7")["target"], "4:7");
    assert_eq!(run("class:4")["target"], "class 4");
    // One reading alone needs no prefix.
    assert_eq!(run("0")["target"], "class 0");
    assert_eq!(run("4:7")["target"], "4:7");
    let cam = |target: &str| {
        let (picture, out) = (sandbox.path("picture.png"), sandbox.path("map.png"));
        let arguments = ["cam", &model, &picture, "--target", target, "--out", &out];
        sandbox.command(&arguments).output().unwrap().status.code()
    };
    assert_eq!(
        (cam("4"), cam("class:4"), cam("0")),
        (Some(2), Some(0), Some(0))
    );
}

#[test]
fn a_name_that_is_a_number_wins_over_the_index_and_says_so() {
    let sandbox = with_picture();
    let names = &["0", "90", "1", "270", "x"];
    let model = write_model(
        &sandbox,
        "angles.onnx",
        &Model {
            class_names: names,
            ..PLAIN
        },
        plain,
    );
    let run = |target: &str| {
        let arguments = ["run", target, "--model", &model, "--steps", "2"];
        let remarks = sandbox.notices(&arguments);
        let shown = sandbox.objects(&["run", target, "--model", &model, "--steps", "2", "--json"]);
        (shown[0]["target"].as_str().unwrap().to_owned(), remarks)
    };
    let (target, remarks) = run("90");
    assert!(
        target == "90" && !remarks.contains("is read as"),
        "{remarks}"
    );
    let (target, remarks) = run("1");
    assert!(
        target == "1" && remarks.contains("is read as the name of class 2; class:#1"),
        "{remarks}"
    );
    assert_eq!(run("class:#1").0, "90");
    assert_eq!(run("4").0, "x");
}

#[test]
fn a_scope_is_called_a_scope() {
    let sandbox = with_picture();
    let model = write_model(
        &sandbox,
        "scopes.onnx",
        &Model {
            names: ["stem/a/conv", "stem/a/relu"],
            ..PLAIN
        },
        plain,
    );
    for scope in ["stem", "stem/a", "layer:stem"] {
        let message = sandbox.complaint(2, &["run", scope, "--model", &model]);
        assert!(
            message.contains("is a scope of 2 layers") && message.contains("stem/a/relu"),
            "{message}"
        );
    }
    assert!(
        sandbox
            .complaint(2, &["run", "ste", "--model", &model])
            .contains("no class is called")
    );
}

#[test]
fn labels_inside_a_container_name_the_classes() {
    let sandbox = with_picture();
    let model = write_model(&sandbox, "best.onnx", &PLAIN, |b, x| {
        let p = b.emit("Softmax", &[x], &[]);
        let count = b.constant(TensorProto::from_i64("", &[1], &[2]));
        b.emit_many("TopK", &[&p, &count], &[], 2)
    });
    assert_eq!(classified(&sandbox, &model).len(), 5);
    let message = sandbox.complaint(
        1,
        &[
            "classify",
            &model,
            &sandbox.path("picture.png"),
            "--scores-output",
            "nowhere",
        ],
    );
    assert!(
        message.contains("\"nowhere\" is not an output; outputs: "),
        "{message}"
    );
}

#[test]
fn finished_runs_have_the_names_of_the_card_in_force() {
    let sandbox = with_picture();
    let model = write_model(&sandbox, "late.onnx", &PLAIN, plain);
    for target in ["class:3", "not:3"] {
        sandbox.objects(&["run", target, "--model", &model, "--steps", "2", "--json"]);
    }
    let targets = || -> Vec<String> {
        let runs = sandbox.objects(&["history", "list", "--json"]);
        let mut all: Vec<String> = runs
            .iter()
            .map(|run| run["target"].as_str().unwrap().into())
            .collect();
        all.sort();
        all
    };
    assert_eq!(targets(), ["class 3", "not class 3"]);
    let names = r#"classes.names = ["ant", "bee", "cow", "doe", "eel"]"#;
    fs::write(sandbox.path("late.toml"), names).unwrap();
    assert_eq!(targets(), ["doe", "not doe"]);
}

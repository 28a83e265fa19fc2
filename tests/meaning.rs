//! What a model means, as a user meets it: scores that are no softmax, words with two readings, numbers that are not
//! finite, models without classes.

#[path = "common/sandbox.rs"]
mod sandbox;

use image::{Rgb, RgbImage};
use sandbox::Sandbox;
use serde_json::Value;
use std::fs;
use ziggurat::onnx::proto::{Dim, StringStringEntryProto, TensorProto};
use ziggurat::onnx::shapes::untyped;
use ziggurat::onnx::{Builder, Elem, file};

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
    b.input("image", Elem::F32, &[n, c, h, w]).unwrap();
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
        .map(|name| untyped(name))
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

fn sigmoid(b: &mut Builder, logits: &str) -> Vec<String> {
    vec![b.emit_named("scores", "Sigmoid", &[logits], &[]).unwrap()]
}

fn plain(b: &mut Builder, logits: &str) -> Vec<String> {
    vec![b.emit_named("scores", "Identity", &[logits], &[]).unwrap()]
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
        message.contains("activation sigmoid (by the operators at its end); logits is climbed"),
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
fn a_class_that_is_not_reached_is_said() {
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
        message.contains("\"nowhere\" is no output; outputs: "),
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

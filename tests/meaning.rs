//! What a model means, as a user meets it: scores that are no softmax, words with two readings, numbers that are not
//! finite, models without classes.

#[path = "common/cli.rs"]
#[allow(dead_code)]
mod cli;
#[path = "common/home.rs"]
#[allow(dead_code)]
mod home;

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use serde_json::Value;
use std::fs;
use ziggurat::onnx::proto::{Dim, StringStringEntryProto, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Builder, ElementType, file};

/// A folder with models, and a home of its own.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        home::with_runtime(&folder.path().join("home/data"));
        let picture = RgbImage::from_fn(32, 32, |x, y| Rgb([(8 * x) as u8, (8 * y) as u8, 99]));
        picture.save(folder.path().join("picture.png")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    /// Writes a model whose outputs `tail` makes of the logits (N, classes), and returns its path.
    fn model(
        &self,
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
        let path = self.path(name);
        file::write(model, path.as_ref(), None).unwrap();
        path
    }

    fn ziggurat(&self, arguments: &[&str]) -> Command {
        cli::ziggurat(&self.folder.path().join("home"), arguments)
    }

    fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        cli::objects(self.ziggurat(arguments))
    }

    fn remarks(&self, arguments: &[&str]) -> String {
        cli::stderr(self.ziggurat(arguments))
    }

    fn complaint(&self, status: i32, arguments: &[&str]) -> String {
        cli::error(self.ziggurat(arguments), status)
    }

    /// The probability of each class of the picture, by index.
    fn classified(&self, model: &str) -> Vec<(u64, f64)> {
        let lines = self.objects(&["classify", model, &self.path("picture.png"), "--json"]);
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
    let desk = Desk::new();
    let model = desk.model("labels.onnx", &PLAIN, sigmoid);
    let sum: f64 = desk.classified(&model).iter().map(|(_, p)| p).sum();
    assert!((sum - 1.0).abs() > 0.2, "{sum}");
    let raw = desk.model("raw.onnx", &PLAIN, plain);
    let sum: f64 = desk.classified(&raw).iter().map(|(_, p)| p).sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    let message = desk.ziggurat(&["doctor", &model]).assert().success();
    let message = String::from_utf8(message.get_output().stdout.clone()).unwrap();
    assert!(
        message.contains("activation sigmoid (by the operators at its end); logits is climbed"),
        "{message}"
    );
}

#[test]
fn a_binary_model_has_a_class_and_its_negative() {
    let desk = Desk::new();
    let model = desk.model(
        "binary.onnx",
        &Model {
            classes: 1,
            ..PLAIN
        },
        sigmoid,
    );
    let all = desk.classified(&model);
    assert_eq!(all.len(), 1);
    assert!(all[0].1 > 0.0 && all[0].1 < 1.0);
    let probability = |target: &str| {
        let line = desk
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
        desk.complaint(2, &["run", "not:3", "--model", &model])
            .contains("class 3 does not exist")
    );
    let npy = desk.path("x.npy");
    ndarray_npy::write_npy(&npy, &ndarray::Array4::from_elem((1, 3, 32, 32), 0.3f32)).unwrap();
    let gradient = |target: &str| -> ndarray::Array4<f32> {
        let out = desk.path("g.npy");
        let arguments = [
            "gradient", &model, "--target", target, "--input", &npy, "--output", &out,
        ];
        desk.ziggurat(&arguments).assert().success();
        ndarray_npy::read_npy(&out).unwrap()
    };
    assert_eq!(gradient("not:0"), -gradient("class:0"));
}

#[test]
fn a_saturated_head_is_climbed_from_before_its_saturation() {
    let desk = Desk::new();
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
        let model = desk.model(
            name,
            &Model {
                spread: 60.0,
                ..PLAIN
            },
            tail,
        );
        for target in ["0", "1", "not:0", "not:1"] {
            let line = desk
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
    let desk = Desk::new();
    let model = desk.model(
        "numbers.onnx",
        &Model {
            names: ["3", "4"],
            ..PLAIN
        },
        plain,
    );
    let message = desk.complaint(2, &["run", "4", "--model", &model]);
    assert!(
        message.contains("class:4") && message.contains("layer:4"),
        "{message}"
    );
    let run = |target: &str| {
        desk.objects(&["run", target, "--model", &model, "--steps", "2", "--json"])
            .remove(0)
    };
    assert_eq!(run("layer:4")["target"], "4");
    assert_eq!(run("layer:4:7")["target"], "4:7");
    assert_eq!(run("class:4")["target"], "class 4");
    // One reading alone needs no prefix.
    assert_eq!(run("0")["target"], "class 0");
    assert_eq!(run("4:7")["target"], "4:7");
    let cam = |target: &str| {
        let (picture, out) = (desk.path("picture.png"), desk.path("map.png"));
        let arguments = ["cam", &model, &picture, "--target", target, "--out", &out];
        desk.ziggurat(&arguments).output().unwrap().status.code()
    };
    assert_eq!(
        (cam("4"), cam("class:4"), cam("0")),
        (Some(2), Some(0), Some(0))
    );
}

#[test]
fn a_name_that_is_a_number_wins_over_the_index_and_says_so() {
    let desk = Desk::new();
    let names = &["0", "90", "1", "270", "x"];
    let model = desk.model(
        "angles.onnx",
        &Model {
            class_names: names,
            ..PLAIN
        },
        plain,
    );
    let run = |target: &str| {
        let arguments = ["run", target, "--model", &model, "--steps", "2"];
        let remarks = desk.remarks(&arguments);
        let shown = desk.objects(&["run", target, "--model", &model, "--steps", "2", "--json"]);
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
    let desk = Desk::new();
    let model = desk.model(
        "scopes.onnx",
        &Model {
            names: ["stem/a/conv", "stem/a/relu"],
            ..PLAIN
        },
        plain,
    );
    for scope in ["stem", "stem/a", "layer:stem"] {
        let message = desk.complaint(2, &["run", scope, "--model", &model]);
        assert!(
            message.contains("is a scope of 2 layers") && message.contains("stem/a/relu"),
            "{message}"
        );
    }
    assert!(
        desk.complaint(2, &["run", "ste", "--model", &model])
            .contains("no class is called")
    );
}

#[test]
fn numbers_that_are_not_finite_end_a_run_and_nothing_is_kept() {
    let desk = Desk::new();
    let model = desk.model(
        "nan.onnx",
        &Model {
            is_not_a_number: true,
            ..PLAIN
        },
        plain,
    );
    for target in ["0", "not:1", "relu", "relu:2", "conv:1:3,4"] {
        let out = desk.path("out.png");
        let message = desk.complaint(
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
    desk.ziggurat(&["history", "verify"]).assert().success();
    assert!(desk.objects(&["history", "list", "--json"]).is_empty());
}

#[test]
fn a_class_that_is_not_reached_is_said() {
    let desk = Desk::new();
    let model = desk.model(
        "flat.onnx",
        &Model {
            spread: 1e-4,
            ..PLAIN
        },
        plain,
    );
    let arguments = ["run", "class:2", "--model", &model, "--steps", "8"];
    let remarks = desk.remarks(&arguments);
    assert!(
        remarks.contains("class 2 was not reached: its probability is 20.0 %"),
        "{remarks}"
    );
    let line = desk
        .objects(&[
            "run", "class:2", "--model", &model, "--steps", "8", "--json",
        ])
        .remove(0);
    assert_eq!(
        (&line["reached"], &line["from_history"]),
        (&Value::Bool(false), &Value::Bool(true))
    );
    let kept = desk.path(&format!(
        "home/data/history/{}/run.json",
        line["id"].as_str().unwrap()
    ));
    let kept: Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
    assert_eq!(kept["reached"], Value::Bool(false));
}

#[test]
fn a_model_without_class_scores_is_opened_for_its_layers() {
    let desk = Desk::new();
    let model = desk.model("backbone.onnx", &PLAIN, |_, _| vec!["relu".into()]);
    let layers = desk.objects(&["layers", &model, "--json"]);
    assert!(
        layers.iter().any(|layer| layer["name"] == "relu"),
        "{layers:?}"
    );
    let line = desk
        .objects(&["run", "relu:3", "--model", &model, "--steps", "3", "--json"])
        .remove(0);
    assert_eq!(
        (&line["target"], &line["probability"]),
        (&"relu:3".into(), &Value::Null)
    );
    for (status, arguments) in [
        (2, &["run", "0", "--model", &model][..]),
        (1, &["classify", &model, &desk.path("picture.png")][..]),
    ] {
        let message = desk.complaint(status, arguments);
        assert!(
            message.contains("no class scores") || message.contains("no class is called"),
            "{message}"
        );
    }
}

#[test]
fn labels_inside_a_container_name_the_classes() {
    let desk = Desk::new();
    let model = desk.model("best.onnx", &PLAIN, |b, x| {
        let p = b.emit("Softmax", &[x], &[]);
        let count = b.constant(TensorProto::from_i64("", &[1], &[2]));
        b.emit_many("TopK", &[&p, &count], &[], 2)
    });
    assert_eq!(desk.classified(&model).len(), 5);
    let message = desk.complaint(
        1,
        &[
            "classify",
            &model,
            &desk.path("picture.png"),
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
    let desk = Desk::new();
    let model = desk.model("late.onnx", &PLAIN, plain);
    for target in ["class:3", "not:3"] {
        desk.objects(&["run", target, "--model", &model, "--steps", "2", "--json"]);
    }
    let targets = || -> Vec<String> {
        let runs = desk.objects(&["history", "list", "--json"]);
        let mut all: Vec<String> = runs
            .iter()
            .map(|run| run["target"].as_str().unwrap().into())
            .collect();
        all.sort();
        all
    };
    assert_eq!(targets(), ["class 3", "not class 3"]);
    let names = r#"classes.names = ["ant", "bee", "cow", "doe", "eel"]"#;
    fs::write(desk.path("late.toml"), names).unwrap();
    assert_eq!(targets(), ["doe", "not doe"]);
}

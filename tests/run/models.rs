//! Several targets and several models.

use super::*;

/// A classifier of float64: a convolution, limits, and a product.
fn of_doubles(path: &str) {
    classifier(path, 7, false);
}

#[test]
fn a_network_of_float64_is_shown_pictures_and_makes_them() {
    let sandbox = Sandbox::with_models();
    let (model, out) = (sandbox.path("doubles.onnx"), sandbox.path("two.png"));
    of_doubles(&model);
    let run = [
        "run",
        "2",
        "--model",
        &model,
        "--preset",
        "draft",
        "--steps",
        "4",
        "--out",
        &out,
        "--json",
        "--provider",
        "cpu",
    ];
    assert_eq!(sandbox.objects(&run)[0]["steps"], 4);
    let classify = ["classify", &model, &out, "--json", "--provider", "cpu"];
    let top = &sandbox.objects(&classify)[0]["top"];
    assert_eq!(top.as_array().unwrap().len(), 4);
    let probabilities = top.as_array().unwrap().iter();
    let sum: f64 = probabilities
        .map(|each| each["probability"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-4, "{top}");
}

#[test]
fn several_targets_share_a_call_and_each_gets_its_own_picture() {
    let sandbox = Sandbox::with_models();
    let out = sandbox.path("pictures");
    let arguments = [
        "run",
        "flamingo",
        "goldfish",
        "blocks.3/expand/relu6:2",
        "--steps",
        "3",
        "--out",
        &out,
        "--json",
    ];
    let lines = sandbox.objects(&arguments);
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert!(Path::new(line["image"].as_str().unwrap()).is_file());
    }
    assert!(lines.iter().any(|line| line["probability"].is_null()));
}

#[test]
fn one_target_may_go_into_a_folder_that_exists_or_not() {
    let sandbox = Sandbox::with_models();
    for folder in ["new/", "new", "deeper/inside.png/"] {
        let out = sandbox.path(folder);
        let arguments = ["run", "flamingo", "--steps", "2", "--json", "--out", &out];
        let image = sandbox.objects(&arguments)[0]["image"].to_string();
        assert!(
            image.contains(&out) && image.contains("flamingo-"),
            "{image}"
        );
    }
    assert_eq!(fs::read_dir(sandbox.path("new")).unwrap().count(), 2);
    let message = sandbox.complaint(2, &["run", "flamingo", "--out", &sandbox.path("name")]);
    assert!(
        message.contains("in .png, or in / if it is a folder"),
        "{message}"
    );
}

#[test]
fn every_target_runs_in_each_model_in_turn() {
    let sandbox = Sandbox::with_models();
    let [first, second] = two_models(&sandbox);
    let out = sandbox.path("out/");
    let models = ["--model", &first, "--model", &second, "--out", &out];
    let arguments = [&["run", "flamingo", "tench"][..], &models, &SHORT].concat();
    let lines = sandbox.objects(&arguments);
    let made: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| {
            (
                line["model"].as_str().unwrap(),
                line["target"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        made,
        [
            (first.as_str(), "flamingo"),
            (&first, "tench"),
            (&second, "flamingo"),
            (&second, "tench")
        ]
    );
    let images = lines.iter().map(|line| line["image"].as_str().unwrap());
    let images: std::collections::BTreeSet<&str> = images.collect();
    assert_eq!(images.len(), 4);
    assert!(images.iter().all(|image| Path::new(image).is_file()));
    let names: Vec<_> = images
        .iter()
        .map(|image| image.contains("flamingo-second-"))
        .collect();
    assert_eq!(names.iter().filter(|is_named| **is_named).count(), 1);
    // The class has the index that its own model gives it.
    let spec =
        |line: &Value| picture_file::read_spec(Path::new(line["image"].as_str().unwrap())).unwrap();
    assert_eq!(
        (spec(&lines[0]).unit.index, spec(&lines[2]).unit.index),
        (0, 2)
    );

    // The same again comes from history; a model that is given twice counts once.
    let models = ["--model", &second, "--model", &second];
    let arguments = [&["run", "flamingo"][..], &models, &SHORT].concat();
    let again = sandbox.objects(&arguments);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["from_history"], true);
}

#[test]
fn a_target_that_one_of_the_models_lacks_is_an_error_before_any_run() {
    let sandbox = Sandbox::with_models();
    let [first, second] = two_models(&sandbox);
    let models = ["--model", &first, "--model", &second];
    let message = sandbox.complaint(2, &[&["run", "goldfish"][..], &models, &SHORT].concat());
    assert!(
        message.contains("second.onnx: no class is called `goldfish`"),
        "{message}"
    );
    let picture = ["--out", &sandbox.path("one.png")];
    let message = sandbox.complaint(
        2,
        &[&["run", "crane"][..], &models, &picture, &SHORT].concat(),
    );
    assert!(
        message.contains("several targets or models need a folder"),
        "{message}"
    );
    let missing = ["--model", &first, "--model", "efficientnet-lite00"];
    let message = sandbox.complaint(2, &[&["run", "crane"][..], &missing, &SHORT].concat());
    assert!(message.contains("efficientnet-lite00"), "{message}");
    assert!(!Path::new(&sandbox.path("home/data/history")).exists());
}

#[test]
fn a_failure_in_one_model_is_an_error_and_the_other_runs() {
    let sandbox = Sandbox::with_models();
    let [first, second] = two_models(&sandbox);
    let models = ["--model", &first, "--model", &second];
    let logit = ["--set", "objective=logit", "--set", "mask=0"];
    let arguments = [&["run", "crane"][..], &models, &logit, &SHORT].concat();
    let done = sandbox.command(&arguments).assert().code(1);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_string();
    let (out, message) = (
        text(&done.get_output().stdout),
        text(&done.get_output().stderr),
    );
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1, "{out}{message}");
    assert_eq!(lines[0]["model"].as_str(), Some(second.as_str()));
    assert!(
        message.contains("first.onnx: crane: the gradient is exactly 0"),
        "{message}"
    );
}

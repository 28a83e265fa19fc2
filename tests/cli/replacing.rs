//! What no output file may replace: the files that the command reads, and the history.

use super::outputs::{small_input, small_model};
use super::*;
use std::os::unix::fs::symlink;

/// The contents of all files.
fn contents(sandbox: &Sandbox) -> Vec<Vec<u8>> {
    let files = sandbox.files().into_iter();
    files
        .map(|name| fs::read(sandbox.path(name.to_str().unwrap())).unwrap())
        .collect()
}

#[test]
fn no_command_replaces_what_it_reads() {
    let sandbox = with_picture();
    let model = small_model(&sandbox, "model.onnx");
    let (picture, input) = (sandbox.path("picture.png"), small_input(&sandbox));
    fs::hard_link(&model, sandbox.path("hard.onnx")).unwrap();
    symlink("model.onnx", sandbox.path("soft.onnx")).unwrap();
    fs::hard_link(&input, sandbox.path("hard.npy")).unwrap();
    symlink("picture.png", sandbox.path("soft.png")).unwrap();
    // A model may have any name, and so may a picture.
    symlink("model.onnx", sandbox.path("model.npy")).unwrap();
    let before = contents(&sandbox);

    let [hard, soft, hard_npy, soft_png, model_npy, again] = [
        "hard.onnx",
        "soft.onnx",
        "hard.npy",
        "soft.png",
        "model.npy",
        "./model.onnx",
    ]
    .map(|name| sandbox.path(name));
    for arguments in [
        &["cam", &model, "--export", &model][..],
        &["cam", &model, "--export", &hard],
        &["cam", &soft, "--export", &model],
        &["cam", &model, "--export", &again],
        &["gradient", &model, "--export", &soft],
        &["cam", &model, &picture, "--target", "0", "--out", &picture],
        &["cam", &model, &picture, "--target", "0", "--out", &soft_png],
        &[
            "cam", &model, &picture, "--target", "0", "--out", &model_npy,
        ],
        &[
            "gradient", &model, "--target", "0", "--input", &input, "--output", &input,
        ],
        &[
            "gradient", &model, "--target", "0", "--input", &input, "--output", &hard_npy,
        ],
        &[
            "gradient", &model, "--target", "0", "--input", &input, "--output", &model_npy,
        ],
    ] {
        let why = complaint(2, arguments);
        assert!(
            why.contains("that the command reads; choose another name for the result"),
            "{why}"
        );
    }
    assert!(
        contents(&sandbox) == before,
        "a file has changed, or a new one is left"
    );
}

#[test]
fn no_command_replaces_a_file_of_its_model() {
    let sandbox = with_picture();
    let model = small_model(&sandbox, "model.onnx");
    // With its weights beside it, and a list of class names.
    let weights = file::read(Path::new(&model)).unwrap();
    file::write(weights, Path::new(&model), Some(16)).unwrap();
    symlink("model.onnx.data", sandbox.path("weights.npy")).unwrap();
    sandbox.put("labels.json", r#"["a", "b", "c"]"#);
    let card = sandbox.put("model.toml", "output.activation = \"sigmoid\"\n");
    fs::hard_link(&card, sandbox.path("card.npy")).unwrap();
    let (picture, input) = (sandbox.path("picture.png"), small_input(&sandbox));
    let [labels, weights, card] =
        ["labels.png", "weights.npy", "card.npy"].map(|name| sandbox.path(name));
    let before = contents(&sandbox);
    let gradient = ["gradient", &model, "--target", "0", "--input", &input];
    let cam = ["cam", &model, &picture, "--target", "0", "--layer", "0"];
    for (arguments, what) in [
        (
            [&gradient[..], &["--output", &weights]].concat(),
            "weights.npy: this is a file of the model",
        ),
        (
            [&gradient[..], &["--output", &card]].concat(),
            "card.npy: this is the model's card",
        ),
        (
            [&cam[..], &["--out", &weights]].concat(),
            "weights.npy: this is a file of the model",
        ),
        // The run's settings would be in labels.json.
        (
            vec!["run", "0", "--model", &model, "--out", &labels],
            "labels.json: this is a file of the model",
        ),
    ] {
        let why = complaint(2, &arguments);
        assert!(why.contains(what), "{why}");
    }
    assert!(contents(&sandbox) == before, "a file has changed");
}

#[test]
fn an_installed_model_is_not_replaced() {
    let installed = model_file().path;
    let before = fs::metadata(&installed).unwrap().modified().unwrap();
    for command in ["cam", "gradient"] {
        let why = complaint(
            2,
            &[command, MODEL, "--export", installed.to_str().unwrap()],
        );
        assert!(
            why.contains("this is the model that the command reads"),
            "{why}"
        );
    }
    assert_eq!(
        fs::metadata(&installed).unwrap().modified().unwrap(),
        before
    );
}

#[test]
fn a_run_is_not_replaced_by_its_repetition_or_export() {
    let sandbox = with_picture();
    let model = small_model(&sandbox, "model.onnx");
    let made = sandbox.path("made.png");
    let run = Sandbox::with_runtime();
    let settings = ["--steps", "1", "--graphics", "none", "--out", &made];
    run.output(&[&["run", "0", "--model", &model], &settings[..]].concat());
    let why = run.complaint(2, &["run", "--from", &made, "--out", &made]);
    assert!(
        why.contains("this is the picture that the command reads"),
        "{why}"
    );

    let runs = run.objects(&["history", "list", "--json"]);
    let (id, image) = (
        runs[0]["id"].as_str().unwrap(),
        runs[0]["image"].as_str().unwrap(),
    );
    let why = run.complaint(2, &["history", "export", id, "--out", image]);
    assert!(
        why.contains("this is a run that the command reads"),
        "{why}"
    );
    // The list of targets may be called like a picture, too.
    let list = sandbox.put("list.png", "0\n");
    let why = run.complaint(
        2,
        &["run", "--model", &model, "--targets", &list, "--out", &list],
    );
    assert!(
        why.contains("this is the list of targets that the command reads"),
        "{why}"
    );
}

#[test]
fn the_folder_of_the_history_is_for_the_history() {
    let sandbox = with_picture();
    let model = small_model(&sandbox, "model.onnx");
    let run = Sandbox::with_runtime();
    let settings = ["--steps", "1", "--graphics", "none"];
    let run_once = [&["run", "0", "--model", &model], &settings[..]].concat();
    let history = run.home.history();
    let inside = [history.join("a.png"), history.join("pictures/")];
    // Before there is a history, and afterwards.
    for _ in 0..2 {
        for out in &inside {
            let out = out.to_str().unwrap();
            let why = run.complaint(2, &[&run_once[..], &["--out", out]].concat());
            assert!(why.contains("the folder of the history is"), "{why}");
        }
        run.output(&run_once);
    }
    assert_eq!(run.objects(&["history", "list", "--json"]).len(), 1);
}

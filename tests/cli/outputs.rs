//! Output files: what they may replace, links, permissions, and what remains of interrupted commands.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A small classifier of pictures of 8 × 8 pixels.
fn small_model(sandbox: &Sandbox, name: &str) -> String {
    let mut builder = Builder::empty(18, "");
    builder
        .input("image", ElementType::F32, &fixed_dims(&[1, 3, 8, 8]))
        .unwrap();
    let weights: Vec<f32> = (0..48).map(|index| index as f32 / 48.0 - 0.4).collect();
    let filters = builder.floats(&[4, 3, 2, 2], &weights);
    let strides = [("strides", vec![2i64, 2].into())];
    let features = builder.emit("Conv", &["image", &filters], &strides);
    let features = builder.emit("Relu", &[&features], &[]);
    let pooled = builder.emit("GlobalAveragePool", &[&features], &[]);
    let pooled = builder.emit("Flatten", &[&pooled], &[]);
    let classes = builder.floats(&[3, 4], &weights[..12]);
    let transposed = [("transB", 1i64.into())];
    builder
        .emit_named("scores", "Gemm", &[&pooled, &classes], &transposed)
        .unwrap();
    let model = builder
        .graph()
        .to_model(&[untyped_value("scores")])
        .unwrap();
    let path = sandbox.path(name);
    file::write(model, Path::new(&path), None).unwrap();
    path
}

/// Input of the small model.
fn small_input(sandbox: &Sandbox) -> String {
    let path = sandbox.path("input.npy");
    write_npy(&path, &Array4::<f32>::ones((1, 3, 8, 8))).unwrap();
    path
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
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

/// The contents of all files.
fn contents(sandbox: &Sandbox) -> Vec<Vec<u8>> {
    let files = sandbox.files().into_iter();
    files
        .map(|name| fs::read(sandbox.path(name.to_str().unwrap())).unwrap())
        .collect()
}

#[test]
fn a_path_that_is_no_file_says_what_it_is() {
    let sandbox = with_picture();
    let model = small_model(&sandbox, "model.onnx");
    let (picture, input) = (sandbox.path("picture.png"), small_input(&sandbox));
    let [npy, onnx, link] = ["d.npy", "d.onnx", "link/"].map(|name| sandbox.path(name));
    fs::create_dir(&npy).unwrap();
    fs::create_dir(&onnx).unwrap();
    symlink("nowhere", sandbox.path("link")).unwrap();
    let gradient = ["gradient", &model, "--target", "0", "--input", &input];
    let why = complaint(2, &[&gradient[..], &["--output", &npy]].concat());
    assert!(
        why.ends_with("d.npy: this is a folder; give the name of a file that ends in .npy"),
        "{why}"
    );
    let why = complaint(2, &["cam", &model, "--export", &onnx]);
    assert!(why.contains("d.onnx: this is a folder;"), "{why}");
    for arguments in [
        &["cam", &model, &picture, "--target", "0", "--out", &link][..],
        &["run", "0", "--model", &model, "--out", &link],
    ] {
        let why = complaint(1, arguments);
        assert!(
            why.ends_with("link is a link to nowhere, which does not exist"),
            "{why}"
        );
    }
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
fn the_name_of_an_output_file_states_its_format() {
    let sandbox = with_picture();
    let model = small_model(&sandbox, "model.onnx");
    let (picture, input) = (sandbox.path("picture.png"), small_input(&sandbox));
    let [text, jpeg] = ["x.txt", "x.jpg"].map(|name| sandbox.path(name));
    let to_file = "results are written to files, not to standard output";
    for (arguments, expected) in [
        (
            &["cam", &model, "--export", &text][..],
            "let the name end in .onnx",
        ),
        (
            &["gradient", &model, "--export", &text],
            "let the name end in .onnx",
        ),
        (
            &["cam", &model, &picture, "--target", "0", "--out", &jpeg],
            "let the name end in .png or .npy",
        ),
        (
            &[
                "gradient", &model, "--target", "0", "--input", &input, "--output", &text,
            ],
            "let the name end in .npy",
        ),
        (&["cam", &model, "--export", "-"], to_file),
        (&["gradient", &model, "--export", "-"], to_file),
        (
            &["cam", &model, &picture, "--target", "0", "--out", "-"],
            to_file,
        ),
        (
            &[
                "gradient", &model, "--target", "0", "--input", &input, "--output", "-",
            ],
            to_file,
        ),
        (&["run", "0", "--model", &model, "--out", "-"], to_file),
        (&["history", "export", "0", "--out", "-"], to_file),
    ] {
        let why = complaint(2, arguments);
        assert!(why.contains(expected), "{why}");
    }
    assert_eq!(sandbox.files().len(), 3);
}

#[test]
fn a_link_stays_a_link_and_its_target_keeps_its_permissions() {
    let sandbox = with_picture();
    let model = small_model(&sandbox, "model.onnx");
    let (picture, input) = (sandbox.path("picture.png"), small_input(&sandbox));
    fs::create_dir(sandbox.path("there")).unwrap();
    let run = Sandbox::with_runtime();
    for (name, arguments) in [
        ("export.onnx", &["cam", &model, "--export"][..]),
        (
            "map.png",
            &["cam", &model, &picture, "--target", "0", "--out"],
        ),
        (
            "gradient.npy",
            &[
                "gradient", &model, "--target", "0", "--input", &input, "--output",
            ],
        ),
        (
            "made.png",
            &[
                "run",
                "0",
                "--model",
                &model,
                "--steps",
                "1",
                "--graphics",
                "none",
                "--out",
            ],
        ),
    ] {
        let (link, target) = (sandbox.path(name), sandbox.path(&format!("there/{name}")));
        symlink(format!("there/{name}"), &link).unwrap();
        // First a link to nothing, then one to a file.
        for content in ["", "old"] {
            if !content.is_empty() {
                fs::write(&target, content).unwrap();
                fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
            }
            run.output(&[arguments, &[&link]].concat());
            assert!(Path::new(&link).is_symlink(), "{name}");
            assert!(fs::metadata(&target).unwrap().len() > 100, "{name}");
        }
        assert_eq!(mode(&target), 0o600, "{name}");
    }
}

#[test]
fn only_regular_files_are_written() {
    let sandbox = with_picture();
    let model = small_model(&sandbox, "model.onnx");
    let pipe = sandbox.path("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let run = Sandbox::with_runtime();
    for arguments in [
        &[
            "cam",
            &model,
            &sandbox.path("picture.png"),
            "--target",
            "0",
            "--out",
            &pipe,
        ][..],
        &[
            "run",
            "0",
            "--model",
            &model,
            "--steps",
            "1",
            "--graphics",
            "none",
            "--out",
            &pipe,
        ],
    ] {
        let why = run.complaint(1, arguments);
        assert!(why.contains("a pipe, not a regular file"), "{why}");
    }
}

/// A command that is running, and has begun its output file in `folder`.
fn begun(arguments: &[&str], folder: &str) -> Child {
    let command = ziggurat(arguments);
    let mut child = std::process::Command::new(command.get_program());
    child.args(arguments);
    for (name, value) in command.get_envs() {
        child.env(name, value.unwrap());
    }
    let child = child
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while fs::read_dir(folder).unwrap().next().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "no file appears");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn a_signal_leaves_no_file() {
    use std::os::unix::process::ExitStatusExt;
    let sandbox = with_picture();
    model_file();
    let picture = sandbox.path("picture.png");
    let input = sandbox.path("input.npy");
    write_npy(&input, &inputs()).unwrap();
    for (signal, name, arguments) in [
        ("INT", "a.onnx", &["cam", MODEL, "--export"][..]),
        ("TERM", "b.onnx", &["gradient", MODEL, "--export"]),
        (
            "HUP",
            "c.png",
            &["cam", MODEL, &picture, "--target", "1", "--out"],
        ),
        (
            "INT",
            "new/folder/",
            &["cam", MODEL, &picture, "--target", "1", "--out"],
        ),
        (
            "TERM",
            "d.npy",
            &[
                "gradient", MODEL, "--target", "1", "--input", &input, "--output",
            ],
        ),
    ] {
        let folder = sandbox.path(signal) + name;
        fs::create_dir_all(&folder).unwrap();
        let out = format!("{folder}/{name}");
        let mut child = begun(&[arguments, &[&out]].concat(), &folder);
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let ended = child.wait().unwrap();
        assert!(ended.signal().is_some(), "{name}: {ended}");
        let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn a_manual_that_cannot_be_written_says_why() {
    let sandbox = Sandbox::empty();
    let file = sandbox.put("file", "");
    let why = sandbox.complaint(1, &["man", "--dir", &file]);
    assert!(why.contains(&file) && why.contains("File exists"), "{why}");
    let folder = sandbox.path("man");
    fs::create_dir_all(format!("{folder}/ziggurat-run.1")).unwrap();
    let why = sandbox.complaint(1, &["man", "--dir", &folder]);
    assert!(
        why.contains("ziggurat-run.1: cannot be written: a folder"),
        "{why}"
    );
    // Not one page is there without the others.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn standard_output_that_cannot_be_written_is_an_error() {
    if !Path::new("/dev/full").exists() {
        println!("skipped: there is no /dev/full");
        return;
    }
    output(&["setup"]);
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["--version"],
        &["man"],
        &["completions", "bash"],
        &["schema", "config"],
        &["classes", MODEL],
        &["doctor", "--json"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let command = ziggurat(arguments);
        let mut child = std::process::Command::new(command.get_program());
        for (name, value) in command.get_envs() {
            child.env(name, value.unwrap());
        }
        let done = child.args(arguments).stdout(full).output().unwrap();
        let why = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {why}");
        assert!(
            why.contains("ziggurat: standard output cannot be written: No space left on device"),
            "{arguments:?}: {why}"
        );
    }
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

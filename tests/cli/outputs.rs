//! Output files: names, links, permissions, and what remains of interrupted commands.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A small classifier of pictures of 8 × 8 pixels.
pub fn small_model(sandbox: &Sandbox, name: &str) -> String {
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
pub fn small_input(sandbox: &Sandbox) -> String {
    let path = sandbox.path("input.npy");
    write_npy(&path, &Array4::<f32>::ones((1, 3, 8, 8))).unwrap();
    path
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
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
        // A command may have finished before the signal arrives.
        let is_interrupted = (0..20).any(|attempt| {
            let folder = format!("{}{name}-{attempt}", sandbox.path(signal));
            fs::create_dir_all(&folder).unwrap();
            let out = format!("{folder}/{name}");
            let mut child = begun(&[arguments, &[&out]].concat(), &folder);
            let sent = std::process::Command::new("kill")
                .args(["-s", signal, &child.id().to_string()])
                .status();
            assert!(sent.unwrap().success());
            let ended = child.wait().unwrap();
            let left = fs::read_dir(&folder).unwrap().count();
            assert_eq!(left == 0, ended.signal().is_some(), "{name}: {ended}");
            left == 0
        });
        assert!(is_interrupted, "{name} is always too early");
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

//! The program's use of providers, as far as a machine without a GPU can show it.

use crate::networks::{default_network, small_file};
use ziggurat::runtime::testing;

/// The program, with the data folder that all tests share.
fn ziggurat(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_ziggurat"));
    command.args(arguments).env("ZIGGURAT_HOME", root());
    command
}

/// The folder that tests share.
fn root() -> std::path::PathBuf {
    testing::library();
    let runtime = testing::home().runtime();
    runtime.ancestors().nth(2).unwrap().into()
}

#[test]
fn the_script_that_checks_a_gpu_passes_on_the_cpu() {
    default_network();
    let folder = tempfile::tempdir().unwrap();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu_check.sh");
    let done = std::process::Command::new("bash")
        .arg(script)
        .arg(folder.path())
        .env("ZIGGURAT", env!("CARGO_BIN_EXE_ziggurat"))
        .env("ZIGGURAT_HOME", root())
        .env("PROVIDER", "cpu")
        .envs([("QUICK", "1"), ("WARM", "4")])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&done.stdout);
    let message = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{report}\n{message}");
    assert!(!report.contains("FAIL"), "{report}");
    let checks = report
        .lines()
        .filter(|line| line.starts_with("ok "))
        .count();
    assert!(checks >= 14, "{checks} checks:\n{report}");
    assert!(report.contains("0 failed"), "{report}");

    // Every check is one that can fail: with a provider that is not there, most do.
    let done = std::process::Command::new("bash")
        .arg(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu_check.sh"))
        .arg(folder.path().join("other"))
        .env("ZIGGURAT", env!("CARGO_BIN_EXE_ziggurat"))
        .env("ZIGGURAT_HOME", root())
        .env("PROVIDER", "cuda:78")
        .envs([("QUICK", "1"), ("WARM", "1")])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&done.stdout);
    assert!(!done.status.success());
    let failures = report.lines().filter(|line| line.starts_with("FAIL"));
    assert!(failures.count() >= 6, "{report}");
}

#[test]
fn doctor_measures_a_provider_in_one_report() {
    let folder = tempfile::tempdir().unwrap();
    let model = small_file(folder.path());
    let arguments = ["doctor", &model, "--measure", "--provider", "cpu"];
    let text = ziggurat(&arguments).assert().success();
    let text = String::from_utf8_lossy(&text.get_output().stdout).into_owned();
    for words in [
        "measured      cpu",
        "batch 1 ",
        "batch 32",
        "steps/s",
        "all on the device",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let json = ziggurat(&[&arguments[..], &["--json"]].concat())
        .assert()
        .success();
    let found: serde_json::Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    let measured = &found["measured"];
    assert_eq!(measured["device"], "cpu");
    assert_eq!(measured["batches"].as_array().unwrap().len(), 3);
    assert_eq!(measured["gradient_error"], 0.0);
    assert_eq!(measured["picture_error"], 0);
    // The CPU records nothing.
    assert_eq!(measured["graph_capture"], serde_json::json!([]));
    assert_eq!(measured["graph_capture_error"], serde_json::Value::Null);
    assert!(measured["batches"][0]["steps_per_second"].as_f64().unwrap() > 1.0);
    // A provider is measured only if it is asked for.
    ziggurat(&["doctor", "--provider", "cpu"]).assert().code(2);
}

#[test]
fn setup_for_gpus_says_the_sum_first_and_fetches_nothing_in_a_dry_run() {
    let home = tempfile::tempdir().unwrap();
    let mut command = ziggurat(&["setup", "--gpu", "--webgpu", "--dry-run"]);
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        command.env_remove(variable);
    }
    let done = command.env("ZIGGURAT_HOME", home.path()).assert();
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        done.failure();
        return;
    }
    let done = done.success();
    let text = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    let sum = text
        .lines()
        .find(|line| line.starts_with("to download for CUDA"));
    let sum = sum.unwrap_or_else(|| panic!("{text}"));
    assert!(
        sum.contains("onnxruntime-gpu==1.") && sum.ends_with("in total"),
        "{sum}"
    );
    assert!(
        text.contains("onnxruntime-ep-webgpu==0.4.0: 7 MB"),
        "{text}"
    );
    assert!(
        text.contains("efficientnet-lite0: to be downloaded"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn auto_is_the_cpu_for_commands_shorter_than_opening_a_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let model = small_file(folder.path());
    let photo = folder.path().join("photo.png");
    image::RgbImage::from_pixel(40, 40, image::Rgb([200, 90, 40]))
        .save(&photo)
        .unwrap();
    let photo = photo.to_str().unwrap();
    let auto = ziggurat(&["classify", &model, photo, "--json"])
        .assert()
        .success();
    let cpu = ziggurat(&["classify", &model, photo, "--json", "--provider", "cpu"])
        .assert()
        .success();
    assert_eq!(auto.get_output().stdout, cpu.get_output().stdout);
}

//! Several devices: `--provider A,B` shares the runs out among them.

use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The file of each run's picture by id, and its bytes.
fn pictures(lines: &[Value]) -> BTreeMap<String, Vec<u8>> {
    let picture = |line: &Value| fs::read(line["image"].as_str().unwrap()).unwrap();
    let named = |line: &Value| (line["id"].as_str().unwrap().to_string(), picture(line));
    lines.iter().map(named).collect()
}

fn words<'a>(model: &'a str, provider: &'a str) -> Vec<&'a str> {
    let targets = ["flamingo", "tench", "crane"];
    let options = [
        "--set",
        "steps=6",
        "--set",
        "octaves=1",
        "--provider",
        provider,
    ];
    [&["run", "--json", "--model", model], &targets[..], &options].concat()
}

#[test]
fn two_devices_share_the_runs_and_make_the_same_pictures() {
    let sandbox = Sandbox::with_runtime();
    let [model, _] = two_models(&sandbox);
    let shared = sandbox.objects(&words(&model, "cpu,cpu"));
    assert_eq!(shared.len(), 3);
    assert!(shared.iter().all(|line| line["from_history"] == false));
    let again = sandbox.objects(&[&words(&model, "cpu")[..], &["--again"]].concat());
    assert_eq!(pictures(&shared), pictures(&again));
    let stored = sandbox.objects(&words(&model, "cpu,cpu"));
    assert!(stored.iter().all(|line| line["from_history"] == true));
    let claims = sandbox.home.history().join(".claims");
    assert_eq!(fs::read_dir(claims).unwrap().count(), 0);
}

#[test]
fn the_cores_of_an_automatic_cpu_share_the_runs_and_make_the_same_pictures() {
    let sandbox = Sandbox::with_runtime();
    let [model, _] = two_models(&sandbox);
    let shared = sandbox.objects(&words(&model, "auto"));
    assert_eq!(shared.len(), 3);
    let again = sandbox.objects(&[&words(&model, "cpu")[..], &["--again"]].concat());
    assert_eq!(pictures(&shared), pictures(&again));
}

#[test]
fn more_devices_than_runs_are_no_error() {
    let sandbox = Sandbox::with_runtime();
    let [model, _] = two_models(&sandbox);
    assert_eq!(
        sandbox.objects(&words(&model, "cpu,cpu,cpu,cpu,cpu")).len(),
        3
    );
}

#[test]
fn an_interrupt_stops_every_device_and_saves_its_runs() {
    let sandbox = Sandbox::with_models();
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_ziggurat"))
        .env("ZIGGURAT_HOME", sandbox.root())
        .args(["run", "flamingo", "goose", "--json", "--steps", "100000"])
        .args(["--provider", "cpu,cpu"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(6));
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    for line in lines {
        let record = PathBuf::from(line["image"].as_str().unwrap()).with_file_name("run.json");
        let record: Value = serde_json::from_str(&fs::read_to_string(record).unwrap()).unwrap();
        assert_eq!(record["ended"], "stopped");
    }
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.contains("stopped; unfinished runs are saved"), "{why}");
}

#[test]
fn a_picture_that_cannot_be_written_is_the_error_of_the_command() {
    let sandbox = Sandbox::with_runtime();
    let [model, _] = two_models(&sandbox);
    let out = sandbox.path("pictures");
    let mut all = words(&model, "cpu,cpu");
    all.extend(["--out", &out, "--again"]);
    let lines = sandbox.objects(&all);
    // Its place is taken by a folder.
    let file = lines[0]["image"].as_str().unwrap();
    fs::remove_file(file).unwrap();
    fs::create_dir(file).unwrap();
    let failed = sandbox.command(&all).assert().code(1);
    let why = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    let errors: Vec<&str> = why
        .lines()
        .filter(|line| line.starts_with("ziggurat: "))
        .collect();
    assert_eq!(errors.len(), 1, "{why}");
    assert!(errors[0].contains(file), "{why}");
}

#[test]
fn mistakes_in_lists_of_devices_are_named() {
    let sandbox = Sandbox::with_runtime();
    let [model, _] = two_models(&sandbox);
    for (provider, wanted) in [
        ("cpu,gpu", "unknown provider `gpu`"),
        ("auto,cpu", "auto chooses one device"),
        ("cpu,", "unknown provider ``"),
    ] {
        let why = sandbox.complaint(2, &words(&model, provider));
        assert!(why.contains(wanted), "{provider}: {why}");
    }
    let photo = sandbox.path("x.png");
    let words = ["classify", &model, &photo, "--provider", "cpu,cpu"];
    let why = sandbox.complaint(2, &words);
    assert!(why.contains("this command uses one device"), "{why}");
}

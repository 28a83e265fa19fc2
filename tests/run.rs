//! `ziggurat run` as a user meets it.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use ziggurat::onnx::shapes::{fixed, untyped};
use ziggurat::onnx::{Builder, Elem, file, proto::TensorProto};
use ziggurat::runs::export;

/// A home of the test's own, which shares library and models with all other tests of the checkout.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let shared = ziggurat::runtime::testing::home();
        ziggurat::runtime::testing::library();
        let source = ziggurat::model::Source::resolve(&shared, None).unwrap();
        source
            .open(&shared, &ziggurat::runtime::package::quiet)
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("home/data");
        fs::create_dir_all(&data).unwrap();
        for room in [shared.runtime(), shared.models()] {
            if room.exists() {
                std::os::unix::fs::symlink(&room, data.join(room.file_name().unwrap())).unwrap();
            }
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    fn ziggurat(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat"));
        command
            .env("ZIGGURAT_HOME", self.folder.path().join("home"))
            .args(arguments);
        command
    }

    fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        let done = self.ziggurat(arguments).assert().success();
        let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn complaint(&self, status: i32, arguments: &[&str]) -> String {
        let failed = self.ziggurat(arguments).assert().code(status);
        let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        assert!(failed.get_output().stdout.is_empty());
        text.lines().last().unwrap_or_default().to_string()
    }
}

#[test]
fn a_run_is_kept_answers_again_and_repeats_from_its_picture() {
    let desk = Desk::new();
    let out = desk.path("flamingo.png");
    let arguments = [
        "run",
        "flamingo",
        "--steps",
        "6",
        "--out",
        &out,
        "--json",
        "--provider",
        "cpu",
    ];
    let first = desk.objects(&arguments).remove(0);
    assert_eq!(first["target"], "flamingo");
    assert_eq!(first["steps"], 6);
    assert_eq!(first["from_history"], false);
    assert_eq!(first["provider"], "cpu");
    let bytes = fs::read(&out).unwrap();
    let record: Value =
        serde_json::from_str(&fs::read_to_string(desk.path("flamingo.json")).unwrap()).unwrap();
    assert_eq!(record["id"], first["id"]);
    assert_eq!(record["scores"].as_array().unwrap().len(), 6);

    let again = desk.objects(&arguments).remove(0);
    assert_eq!(again["from_history"], true);
    assert_eq!(fs::read(&out).unwrap(), bytes);

    let copy = desk.path("copy.png");
    let from = [
        "run",
        "--from",
        &out,
        "--again",
        "--out",
        &copy,
        "--json",
        "--provider",
        "cpu",
    ];
    assert_eq!(desk.objects(&from)[0]["from_history"], false);
    assert_eq!(fs::read(&copy).unwrap(), bytes);

    // A picture of an earlier method says so, and which of its settings no longer exist.
    let mut spec = serde_json::to_value(export::read_spec(Path::new(&out)).unwrap()).unwrap();
    spec["method"] = 3.into();
    spec["settings"] = serde_json::json!({"boost": 1.8, "jitter": 16.0, "steps": 6.0});
    let spec = serde_json::from_value(spec).unwrap();
    let picture = image::open(&out).unwrap().to_rgb8();
    let old = desk.path("old.png");
    fs::write(&old, export::png(&picture, &spec)).unwrap();
    let repeat = [
        "run",
        "--from",
        &old,
        "--steps",
        "2",
        "--json",
        "--provider",
        "cpu",
    ];
    let done = desk.ziggurat(&repeat).assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stderr).to_string();
    assert!(
        said.contains("method 3") && said.contains("jitter=16"),
        "{said}"
    );
    let line: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!(
        (&line["target"], &line["steps"]),
        (&"flamingo".into(), &2.into())
    );
}

#[test]
fn a_setting_that_was_removed_names_what_does_its_work_now() {
    let desk = Desk::new();
    let complaint = desk.complaint(2, &["run", "flamingo", "--set", "jitter=8"]);
    assert!(
        complaint.contains("jitter") && complaint.contains("view_min"),
        "{complaint}"
    );
}

/// A classifier of float64: a convolution, limits, and a product.
fn of_doubles(path: &str) {
    let mut b = Builder::empty(18, "g/");
    let mut doubles = |dims: &[i64]| {
        let count = dims.iter().product::<i64>();
        let value = |place: i64| ((place * 7 % 11) as f64 - 5.0) / 16.0;
        let values: Vec<f64> = (0..count).map(value).collect();
        b.constant(TensorProto::from_floats("", dims, Elem::F64, &values).unwrap())
    };
    let (kernel, head) = (doubles(&[6, 3, 3, 3]), doubles(&[6, 4]));
    let [low, high] = [0.0, 6.0].map(|bound| b.scalar(Elem::F64, bound).unwrap());
    b.input("image", Elem::F64, &fixed(&[1, 3, 32, 32]))
        .unwrap();
    let strides = [("strides", vec![2i64, 2].into())];
    let seen = b.emit("Conv", &["image", &kernel], &strides);
    let limited = b.emit("Clip", &[&seen, &low, &high], &[]);
    let axes = b.ints(&[2, 3]);
    let keep = [("keepdims", 0i64.into())];
    let pooled = b.emit("ReduceMean", &[&limited, &axes], &keep);
    b.emit_named("logits", "MatMul", &[&pooled, &head], &[])
        .unwrap();
    let model = b.graph().to_model(&[untyped("logits")]).unwrap();
    file::write(model, Path::new(path), None).unwrap();
}

#[test]
fn a_network_of_float64_is_shown_pictures_and_makes_them() {
    let desk = Desk::new();
    let (model, out) = (desk.path("doubles.onnx"), desk.path("two.png"));
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
    assert_eq!(desk.objects(&run)[0]["steps"], 4);
    let classify = ["classify", &model, &out, "--json", "--provider", "cpu"];
    let top = &desk.objects(&classify)[0]["top"];
    assert_eq!(top.as_array().unwrap().len(), 4);
    let probabilities = top.as_array().unwrap().iter();
    let sum: f64 = probabilities
        .map(|each| each["probability"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-4, "{top}");
}

#[test]
fn several_targets_share_a_call_and_each_gets_its_own_picture() {
    let desk = Desk::new();
    let out = desk.path("pictures");
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
    let lines = desk.objects(&arguments);
    assert_eq!(lines.len(), 3);
    for line in &lines {
        assert!(Path::new(line["image"].as_str().unwrap()).is_file());
    }
    assert!(lines.iter().any(|line| line["probability"].is_null()));
}

#[test]
fn one_target_may_go_into_a_folder_that_is_there_or_not() {
    let desk = Desk::new();
    for folder in ["new/", "new", "deeper/inside.png/"] {
        let out = desk.path(folder);
        let arguments = ["run", "flamingo", "--steps", "2", "--json", "--out", &out];
        let image = desk.objects(&arguments)[0]["image"].to_string();
        assert!(
            image.contains(&out) && image.contains("flamingo-"),
            "{image}"
        );
    }
    assert_eq!(fs::read_dir(desk.path("new")).unwrap().count(), 2);
    let said = desk.complaint(2, &["run", "flamingo", "--out", &desk.path("name")]);
    assert!(
        said.contains("in .png, or in / if it is a folder"),
        "{said}"
    );
}

#[test]
fn mistakes_are_told_in_one_line_and_write_nothing() {
    let desk = Desk::new();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["run", "flamigo"], 2, "flamingo"),
        (
            &["run", "blocks.3/expand/relu7:1"],
            2,
            "blocks.3/expand/relu6",
        ),
        (&["run", "blocks.3/expand/relu6:100000"], 2, "channels"),
        (
            &["run", "flamingo", "--set", "momentum=2"],
            2,
            "out of range",
        ),
        (&["run", "flamingo", "--set", "speed=2"], 2, "no setting"),
        (&["run", "flamingo", "--preset", "best"], 2, "draft"),
        (
            &["run", "flamingo", "--out", "/nowhere/at/all.png"],
            1,
            "/nowhere/at/all.png",
        ),
        (
            &["run", "flamingo", "--provider", "gpu"],
            2,
            "unknown provider",
        ),
    ];
    for (arguments, status, word) in cases {
        let complaint = desk.complaint(status, arguments);
        assert!(
            complaint.starts_with("ziggurat: ") && complaint.contains(word),
            "{complaint}"
        );
    }
    let text = desk.path("text.png");
    fs::write(&text, "no picture").unwrap();
    assert!(
        desk.complaint(1, &["run", "--from", &text])
            .contains("text.png")
    );
    assert!(!Path::new(&desk.path("home/data/history")).exists());
}

#[test]
fn an_interrupt_saves_what_there_is() {
    let desk = Desk::new();
    let out = desk.path("early.png");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ziggurat"))
        .env("ZIGGURAT_HOME", desk.folder.path().join("home"))
        .args([
            "run",
            "flamingo",
            "--steps",
            "100000",
            "--out",
            &out,
            "--provider",
            "cpu",
        ])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(4));
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupt.success());
    let asked = std::time::Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(asked.elapsed().as_secs() < 5, "{:?}", asked.elapsed());
    let record: Value =
        serde_json::from_str(&fs::read_to_string(desk.path("early.json")).unwrap()).unwrap();
    assert_eq!(record["ended"], "stopped");
    assert!(Path::new(&out).is_file());
}

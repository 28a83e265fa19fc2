//! `ziggurat run` as a user meets it.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use ziggurat::onnx::proto::{Dim, TensorProto};
use ziggurat::onnx::shapes::{fixed, untyped};
use ziggurat::onnx::{Builder, Elem, file};
use ziggurat::runs::picture_file;

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
    let mut spec = serde_json::to_value(picture_file::read_spec(Path::new(&out)).unwrap()).unwrap();
    spec["method"] = 3.into();
    spec["settings"] = serde_json::json!({"boost": 1.8, "jitter": 16.0, "steps": 6.0});
    let spec = serde_json::from_value(spec).unwrap();
    let picture = image::open(&out).unwrap().to_rgb8();
    let old = desk.path("old.png");
    fs::write(&old, picture_file::encode(&picture, &spec)).unwrap();
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

/// The command after `again` in what `history show` says of a run, as words.
fn again(desk: &Desk, id: &str) -> Vec<String> {
    let shown = printed(desk, &["history", "show", id]);
    let line = shown.lines().find_map(|line| line.strip_prefix("again"));
    let words = line.unwrap().split_whitespace().skip(1);
    words.map(str::to_string).collect()
}

#[test]
fn a_branch_is_a_run_of_its_own_that_its_id_its_picture_and_its_command_repeat() {
    let desk = Desk::new();
    let cpu = ["--steps", "8", "--json", "--provider", "cpu"];
    let plain = desk
        .objects(&[&["run", "flamingo"], &cpu[..]].concat())
        .remove(0);
    let id = plain["id"].as_str().unwrap();
    let out = desk.path("branch.png");
    let cpu = ["--json", "--provider", "cpu"];
    let then = ["run", "--from", &id[..6], "--then", "3:momentum=0.5,mask=0"];
    let branch = desk
        .objects(&[&then[..], &["--out", &out], &cpu].concat())
        .remove(0);
    assert_ne!(branch["id"], plain["id"]);
    assert_eq!(branch["steps"], 8);
    let bytes = fs::read(&out).unwrap();
    let record = &desk.objects(&["history", "show", branch["id"].as_str().unwrap(), "--json"])[0];
    let from = &record["spec"]["branched_from"][0];
    assert_eq!((&from["id"], &from["step"]), (&plain["id"], &3.into()));
    let shown = printed(&desk, &["history", "show", branch["id"].as_str().unwrap()]);
    let wanted = format!(
        "from {} at step 3: momentum 0.8 → 0.5, mask 0.4 → 0",
        &id[..8]
    );
    assert!(shown.contains(&wanted), "{shown}");

    // By id, by picture, and by the command, each from the first step.
    let command = again(&desk, branch["id"].as_str().unwrap());
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let copy = desk.path("copy.png");
    for from in [
        &["run", "--from", branch["id"].as_str().unwrap()][..],
        &["run", "--from", &out],
        &command,
    ] {
        let rest = ["--again", "--out", &copy, "--json", "--provider", "cpu"];
        let made = desk.objects(&[from, &rest].concat()).remove(0);
        assert_eq!(made["id"], branch["id"], "{from:?}");
        assert_eq!(made["from_history"], false);
        assert!(fs::read(&copy).unwrap() == bytes, "{from:?}");
        fs::remove_file(&copy).unwrap();
    }
    // A branch of the branch.
    let twice = [
        "run",
        "--from",
        branch["id"].as_str().unwrap(),
        "--then",
        "5:blur=1",
    ];
    let twice = desk.objects(&[&twice[..], &cpu].concat()).remove(0);
    let words = again(&desk, twice["id"].as_str().unwrap()).join(" ");
    assert!(
        words.ends_with("--then 3:momentum=0.5,mask=0 --then 5:blur=1"),
        "{words}"
    );

    for (status, arguments, why) in [
        (
            2,
            &["--then", "3:canvas=64"][..],
            "--then: canvas cannot change from 0 to 64",
        ),
        (2, &["--then", "8:blur=1"], "after step 1 to 7"),
        (2, &["--then", "blur=1"], "expected STEP:KEY=VALUE"),
        (2, &["--then", "2:blurr=1"], "blurr"),
        (2, &["--then", "-1:blur=1"], "expected STEP:KEY=VALUE"),
        (2, &["--then", "2:steps=8"], "no setting changes at step 2"),
    ] {
        let arguments = [&["run", "--from", id], arguments].concat();
        let told = desk.complaint(status, &arguments);
        assert!(told.contains(why), "{told}");
    }
    let told = desk.complaint(
        2,
        &[
            "run",
            "--from",
            twice["id"].as_str().unwrap(),
            "--steps",
            "9",
        ],
    );
    assert!(told.contains("steps cannot change from 8 to 9"), "{told}");
    let told = desk.complaint(2, &["run", "--from", "0123456789abcdef"]);
    assert!(
        told.contains("no run has an id that begins with 0123456789abcdef"),
        "{told}"
    );
}

#[test]
fn what_is_neither_a_run_nor_its_picture_is_no_start() {
    let desk = Desk::new();
    let told = desk.complaint(2, &["run", "--from", "zz"]);
    assert!(
        told.contains("zz is neither a run id nor a picture"),
        "{told}"
    );
    let page = desk.path("page.html");
    std::fs::write(&page, "<html>").unwrap();
    let told = desk.complaint(1, &["run", "--from", &page]);
    assert!(
        told.contains(
            "page.html: this is not a PNG file; give a PNG file that Ziggurat wrote, or a run id"
        ),
        "{told}"
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
    classifier(path, 7, false);
}

/// A classifier of four classes whose weights follow from a number; the score of its last class may be the same for every
/// picture.
fn classifier(path: &str, factor: i64, is_last_dead: bool) {
    let mut b = Builder::empty(18, "g/");
    let mut doubles = |dims: &[i64]| {
        let count = dims.iter().product::<i64>();
        let is_dead = |place: i64| is_last_dead && dims.len() == 2 && place % 4 == 3;
        let value = |place: i64| match is_dead(place) {
            true => 0.0,
            false => ((place * factor % 11) as f64 - 5.0) / 16.0,
        };
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

/// Two classifiers that share the classes flamingo, tench and crane, at different indices.
fn two_models(desk: &Desk) -> [String; 2] {
    let model = |name: &str, factor, names: [&str; 4]| {
        fs::create_dir_all(desk.path(name)).unwrap();
        fs::write(desk.path(&format!("{name}/labels.txt")), names.join("\n")).unwrap();
        let path = desk.path(&format!("{name}/{name}.onnx"));
        classifier(&path, factor, name == "first");
        path
    };
    [
        model("first", 7, ["flamingo", "goldfish", "tench", "crane"]),
        model("second", 4, ["crane", "tench", "flamingo", "pug"]),
    ]
}

/// Options that make a run short.
const SHORT: [&str; 7] = [
    "--steps",
    "3",
    "--set",
    "octaves=1",
    "--json",
    "--provider",
    "cpu",
];

/// A network whose channels are turned to the last axis, so that a picture may hang on those made with it.
fn channels_last(path: &str) {
    let mut b = Builder::empty(18, "g/");
    let mut weights = |dims: &[i64]| {
        let count = dims.iter().product::<i64>();
        let value = |place: i64| (place * 7919 % 1009) as f32 / 1009.0 - 0.5;
        let values: Vec<f32> = (0..count).map(value).collect();
        b.constant(TensorProto::from_f32("", dims, &values))
    };
    let (kernel, head) = (weights(&[24, 3, 4, 4]), weights(&[24, 5]));
    let runs = Dim::DimParam("n".into());
    let sides = [3, 25, 23].map(Dim::DimValue);
    let dims: Vec<Dim> = std::iter::once(runs).chain(sides).collect();
    b.input("image", Elem::F32, &dims).unwrap();
    let strides = [("strides", vec![4i64, 4].into())];
    let seen = b.emit("Conv", &["image", &kernel], &strides);
    let turned = [("perm", vec![0i64, 2, 3, 1].into())];
    let last = b.emit("Transpose", &[&seen], &turned);
    let bent = b.emit("Tanh", &[&last], &[]);
    let places = b.ints(&[1, 2]);
    let flat = [("keepdims", 0i64.into())];
    let pooled = b.emit("ReduceMean", &[&bent, &places], &flat);
    b.emit_named("logits", "MatMul", &[&pooled, &head], &[])
        .unwrap();
    let model = b.graph().to_model(&[untyped("logits")]).unwrap();
    file::write(model, Path::new(path), None).unwrap();
}

#[test]
fn a_run_that_hangs_on_its_companions_is_repeated_with_them() {
    let desk = Desk::new();
    let model = desk.path("last.onnx");
    channels_last(&model);
    let folder = desk.path("made/");
    let run = ["run", "0", "3", "4", "--model", &model, "--out", &folder];
    let made = desk.objects(&[&run[..], &SHORT].concat());
    let id = |place: usize| made[place]["id"].as_str().unwrap();
    let record = |id: &str| desk.objects(&["history", "show", id, "--json"]).remove(0);
    let first = record(id(1));
    assert_eq!(first["together"], 3);
    let companions: Vec<&Value> = first["companions"].as_array().unwrap().iter().collect();
    assert_eq!(companions, [&made[0]["id"], &made[1]["id"], &made[2]["id"]]);
    let picture = |id: &str| {
        let shown = record(id);
        fs::read(desk.path(&format!(
            "home/data/history/{}/image.png",
            shown["id"].as_str().unwrap()
        )))
        .unwrap()
    };
    let before = picture(id(1));

    let again = [
        "run",
        "--from",
        id(1),
        "--again",
        "--json",
        "--provider",
        "cpu",
    ];
    let repeated = desk.objects(&again);
    assert_eq!(repeated.len(), 1, "the companions are not delivered");
    assert_eq!(repeated[0]["id"], made[1]["id"]);
    assert!(picture(id(1)) == before);
    assert_eq!(record(id(1))["companions"], first["companions"]);

    // Another seed is another run, which no companion belongs to.
    let other = [&again[..], &["--seed", "5"]].concat();
    let other = desk.objects(&other).remove(0);
    assert!(record(other["id"].as_str().unwrap())["together"].is_null());

    desk.ziggurat(&["history", "remove", id(2)])
        .assert()
        .success();
    let done = desk.ziggurat(&again).assert().success();
    let said = String::from_utf8_lossy(&done.get_output().stderr).to_string();
    let wanted = format!(
        "stepped with 3 runs together, and {} is not in history",
        id(2)
    );
    assert!(said.contains(&wanted), "{said}");
}

#[test]
fn every_target_is_made_for_each_model_in_turn() {
    let desk = Desk::new();
    let [first, second] = two_models(&desk);
    let out = desk.path("out/");
    let models = ["--model", &first, "--model", &second, "--out", &out];
    let arguments = [&["run", "flamingo", "tench"][..], &models, &SHORT].concat();
    let lines = desk.objects(&arguments);
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
    let again = desk.objects(&arguments);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["from_history"], true);
}

#[test]
fn a_target_that_one_of_the_models_does_not_have_is_told_before_anything_is_made() {
    let desk = Desk::new();
    let [first, second] = two_models(&desk);
    let models = ["--model", &first, "--model", &second];
    let said = desk.complaint(2, &[&["run", "goldfish"][..], &models, &SHORT].concat());
    assert!(
        said.contains("second.onnx: no class is called `goldfish`"),
        "{said}"
    );
    let picture = ["--out", &desk.path("one.png")];
    let said = desk.complaint(
        2,
        &[&["run", "crane"][..], &models, &picture, &SHORT].concat(),
    );
    assert!(
        said.contains("several targets or models need a folder"),
        "{said}"
    );
    let missing = ["--model", &first, "--model", "efficientnet-lite00"];
    let said = desk.complaint(2, &[&["run", "crane"][..], &missing, &SHORT].concat());
    assert!(said.contains("efficientnet-lite00"), "{said}");
    assert!(!Path::new(&desk.path("home/data/history")).exists());
}

#[test]
fn what_fails_in_one_model_is_told_and_the_other_is_made() {
    let desk = Desk::new();
    let [first, second] = two_models(&desk);
    let models = ["--model", &first, "--model", &second];
    let logit = ["--set", "objective=logit", "--set", "mask=0"];
    let arguments = [&["run", "crane"][..], &models, &logit, &SHORT].concat();
    let done = desk.ziggurat(&arguments).assert().code(1);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_string();
    let (out, said) = (
        text(&done.get_output().stdout),
        text(&done.get_output().stderr),
    );
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1, "{out}{said}");
    assert_eq!(lines[0]["model"].as_str(), Some(second.as_str()));
    assert!(
        said.contains("first.onnx: crane: the gradient is exactly 0"),
        "{said}"
    );
}

/// The text that a command prints.
fn printed(desk: &Desk, arguments: &[&str]) -> String {
    let done = desk.ziggurat(arguments).assert().success();
    String::from_utf8(done.get_output().stdout.clone()).unwrap()
}

#[test]
fn other_models_judge_a_picture_and_their_verdicts_are_kept_and_shown() {
    let desk = Desk::new();
    let [first, second] = two_models(&desk);
    let run = ["run", "flamingo", "--model", &first];
    let plain = desk.objects(&[&run[..], &SHORT].concat()).remove(0);
    assert_eq!(plain["verdicts"].as_array().unwrap().len(), 0);

    // A run that history has is judged as well. A model does not judge its own pictures.
    let judges = ["--judge", &second, "--judge", &first];
    let line = desk
        .objects(&[&run[..], &judges, &SHORT].concat())
        .remove(0);
    assert_eq!(
        (&line["id"], &line["from_history"]),
        (&plain["id"], &true.into())
    );
    let verdicts = line["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0]["model"].as_str(), Some(second.as_str()));

    // The judge says what `classify` says.
    let image = line["image"].as_str().unwrap();
    let classify = ["classify", &second, image, "--json", "--provider", "cpu"];
    let top = desk.objects(&classify).remove(0)["top"].clone();
    let top = top.as_array().unwrap();
    let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-6;
    assert_eq!(verdicts[0]["class"], top[0]["name"]);
    assert!(near(&verdicts[0]["probability"], &top[0]["probability"]));
    let flamingo = top.iter().find(|one| one["name"] == "flamingo").unwrap();
    assert_eq!(flamingo["index"], 2);
    assert!(near(
        &verdicts[0]["target_probability"],
        &flamingo["probability"]
    ));

    // One that is made anew is judged before it is kept.
    let anew = [&run[..], &judges, &["--again"], &SHORT].concat();
    assert_eq!(&desk.objects(&anew)[0]["verdicts"], &line["verdicts"]);
    let id = line["id"].as_str().unwrap();
    let shown = printed(&desk, &["history", "show", id]);
    let class = top[0]["name"].as_str().unwrap();
    assert!(
        shown.contains(&format!("judge        second.onnx: {class} ")),
        "{shown}"
    );
    let text = printed(
        &desk,
        &[&run[..], &["--steps", "3", "--set", "octaves=1"]].concat(),
    );
    assert!(
        text.contains(&format!("\n  judged by second.onnx: {class} ")),
        "{text}"
    );

    let goldfish = ["run", "goldfish", "--model", &first];
    desk.objects(&[&goldfish[..], &SHORT].concat());
    let list =
        |filter: &[&str]| desk.objects(&[&["history", "list", "--json"][..], filter].concat());
    let sorted = list(&["--sort", "judge"]);
    assert_eq!((&sorted[0]["id"], sorted.len()), (&line["id"], 2));
    assert!(near(&sorted[0]["judge"], &flamingo["probability"]) && sorted[1]["judge"].is_null());
    assert_eq!(list(&["--judge-min", "0"]).len(), 1);
    assert_eq!(list(&["--judge-min", "1"]).len(), 0);
    let said = desk.complaint(2, &["history", "list", "--judge-max", "7"]);
    assert!(said.contains("a number from 0 to 1"), "{said}");
    assert!(printed(&desk, &["history", "verify"]).contains("2 runs checked, all intact"));
}

#[test]
fn judges_of_the_settings_file_judge_until_they_are_switched_off() {
    let desk = Desk::new();
    let [first, second] = two_models(&desk);
    let settings = desk.path("home/config/config.toml");
    fs::create_dir_all(Path::new(&settings).parent().unwrap()).unwrap();
    let broken = desk.path("broken.onnx");
    fs::write(&broken, "no model").unwrap();
    let judges = format!("judge = [{second:?}, \"no-such-card\", {broken:?}]\n");
    fs::write(&settings, judges).unwrap();

    let run = |target: &str, more: &[&str]| {
        let arguments = [&["run", target, "--model", &first][..], more, &SHORT].concat();
        let done = desk.ziggurat(&arguments).assert().success();
        let line: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        let said = String::from_utf8_lossy(&done.get_output().stderr).to_string();
        (line["verdicts"].as_array().unwrap().len(), said)
    };
    let (verdicts, said) = run("flamingo", &[]);
    assert_eq!(verdicts, 1, "{said}");
    assert!(
        said.contains("config.toml:1: judge: ") && said.contains("no-such-card"),
        "{said}"
    );
    let broken = said
        .lines()
        .filter(|line| line.starts_with("config.toml:1: judge: "))
        .filter(|line| line.contains("broken.onnx cannot judge: "));
    assert_eq!(broken.count(), 1, "{said}");
    let (verdicts, said) = run("tench", &["--judge", "none"]);
    assert_eq!((verdicts, said.contains("judge")), (0, false), "{said}");

    let refused = |more: &[&str]| {
        let run = ["run", "flamingo", "--model", &first];
        desk.complaint(2, &[&run[..], more, &SHORT].concat())
    };
    let said = refused(&["--judge", "no-such-card"]);
    assert!(
        said.contains("--judge: ") && said.contains("no-such-card"),
        "{said}"
    );
    assert!(refused(&["--judge", "none", "--judge", &second]).contains("no other --judge"));
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

/// A settings file with these lines.
fn configure(desk: &Desk, text: &str) {
    let settings = desk.path("home/config/config.toml");
    fs::create_dir_all(Path::new(&settings).parent().unwrap()).unwrap();
    fs::write(settings, text).unwrap();
}

#[test]
fn the_settings_file_sets_model_provider_and_presets_and_options_override_it() {
    let desk = Desk::new();
    let [first, second] = two_models(&desk);
    let settings = format!(
        "model = {first:?}\nprovider = \"cpu\"\ngraphics = \"sixel\"\n[presets.long]\nsteps = 3\nblur = 1.5\n"
    );
    configure(&desk, &settings);
    let run = desk
        .objects(&["run", "flamingo", "--preset", "long", "--json"])
        .remove(0);
    assert_eq!(
        (&run["steps"], &run["provider"]),
        (&3.into(), &"cpu".into())
    );
    assert_eq!(run["model"], first);
    let id = run["id"].as_str().unwrap();
    let record = desk.path(&format!("home/data/history/{id}/run.json"));
    let record: Value = serde_json::from_str(&fs::read_to_string(record).unwrap()).unwrap();
    assert_eq!(record["spec"]["settings"]["blur"], 1.5);

    let options = ["--preset", "long", "--steps", "2", "--model", &second];
    let run = [&["run", "flamingo", "--json"][..], &options].concat();
    let run = desk.objects(&run).remove(0);
    assert_eq!((&run["steps"], &run["model"]), (&2.into(), &second.into()));

    // The other commands use the same model.
    assert_eq!(
        printed(&desk, &["layers"]),
        printed(&desk, &["layers", &first])
    );
    assert_eq!(
        printed(&desk, &["classes"]),
        printed(&desk, &["classes", &first])
    );
}

#[test]
fn what_is_wrong_in_the_settings_file_is_named_with_its_line_where_it_is_used() {
    let desk = Desk::new();
    let [first, _] = two_models(&desk);
    configure(
        &desk,
        "model = \"no-such-card\"\nprovider = \"gpu\"\ngraphics = \"crayons\"\n[presets.bad]\nsteps = -1\n",
    );
    let refused = |more: &[&str]| desk.complaint(2, &[&["run", "flamingo"][..], more].concat());
    assert!(refused(&[]).starts_with("ziggurat: config.toml:2: provider: "));
    let cpu = ["--provider", "cpu"];
    assert!(refused(&cpu).starts_with("ziggurat: config.toml:3: graphics: "));
    let without = ["--provider", "cpu", "--graphics", "none"];
    assert!(refused(&without).starts_with("ziggurat: config.toml:1: model: "));
    let preset = [&without[..], &["--model", &first, "--preset", "bad"]].concat();
    assert!(refused(&preset).starts_with("ziggurat: config.toml:4: presets.bad: "));
    let unknown = [&without[..], &["--model", &first, "--preset", "worse"]].concat();
    assert!(refused(&unknown).contains("no preset is called \"worse\""));
    // What options replace is not read.
    let all = [&without[..], &["--model", &first, "--steps", "2"]].concat();
    let done = desk.ziggurat(&[&["run", "flamingo"][..], &all].concat());
    let done = { done }.assert().success();
    let notices = String::from_utf8_lossy(&done.get_output().stderr).to_string();
    assert!(!notices.contains("config.toml"), "{notices}");
}

//! Runs that are repeated, from the history and from pictures, and branches.

use super::*;

#[test]
fn a_run_is_stored_found_again_and_repeated_from_its_picture() {
    let sandbox = Sandbox::with_models();
    let out = sandbox.path("flamingo.png");
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
    let first = sandbox.objects(&arguments).remove(0);
    assert_eq!(first["target"], "flamingo");
    assert_eq!(first["steps"], 6);
    assert_eq!(first["from_history"], false);
    assert_eq!(first["provider"], "cpu");
    let bytes = fs::read(&out).unwrap();
    let record: Value =
        serde_json::from_str(&fs::read_to_string(sandbox.path("flamingo.json")).unwrap()).unwrap();
    assert_eq!(record["id"], first["id"]);
    assert_eq!(record["scores"].as_array().unwrap().len(), 6);

    let again = sandbox.objects(&arguments).remove(0);
    assert_eq!(again["from_history"], true);
    assert_eq!(fs::read(&out).unwrap(), bytes);

    let copy = sandbox.path("copy.png");
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
    assert_eq!(sandbox.objects(&from)[0]["from_history"], false);
    assert_eq!(fs::read(&copy).unwrap(), bytes);

    // A picture of an earlier method says so, and which of its settings no longer exist.
    let mut spec = serde_json::to_value(picture_file::read_spec(Path::new(&out)).unwrap()).unwrap();
    spec["method"] = 3.into();
    spec["settings"] = serde_json::json!({"boost": 1.8, "jitter": 16.0, "steps": 6.0});
    let spec = serde_json::from_value(spec).unwrap();
    let picture = image::open(&out).unwrap().to_rgb8();
    let old = sandbox.path("old.png");
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
    let done = sandbox.command(&repeat).assert().success();
    let message = String::from_utf8_lossy(&done.get_output().stderr).to_string();
    assert!(
        message.contains("method 3") && message.contains("jitter=16"),
        "{message}"
    );
    let line: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!(
        (&line["target"], &line["steps"]),
        (&"flamingo".into(), &2.into())
    );
}

/// The command after `again` in what `history show` says of a run, as words.
fn again(sandbox: &Sandbox, id: &str) -> Vec<String> {
    let shown = sandbox.output(&["history", "show", id]);
    let line = shown.lines().find_map(|line| line.strip_prefix("again"));
    let words = line.unwrap().split_whitespace().skip(1);
    words.map(str::to_string).collect()
}

#[test]
fn a_branch_is_a_run_of_its_own_that_its_id_its_picture_and_its_command_repeat() {
    let sandbox = Sandbox::with_models();
    let cpu = ["--steps", "8", "--json", "--provider", "cpu"];
    let plain = sandbox
        .objects(&[&["run", "flamingo"], &cpu[..]].concat())
        .remove(0);
    let id = plain["id"].as_str().unwrap();
    let out = sandbox.path("branch.png");
    let cpu = ["--json", "--provider", "cpu"];
    let then = ["run", "--from", &id[..6], "--then", "3:momentum=0.5,mask=0"];
    let branch = sandbox
        .objects(&[&then[..], &["--out", &out], &cpu].concat())
        .remove(0);
    assert_ne!(branch["id"], plain["id"]);
    assert_eq!(branch["steps"], 8);
    let bytes = fs::read(&out).unwrap();
    let record =
        &sandbox.objects(&["history", "show", branch["id"].as_str().unwrap(), "--json"])[0];
    let from = &record["spec"]["branched_from"][0];
    assert_eq!((&from["id"], &from["step"]), (&plain["id"], &3.into()));
    let shown = sandbox.output(&["history", "show", branch["id"].as_str().unwrap()]);
    let wanted = format!(
        "from {} at step 3: momentum 0.8 → 0.5, mask 0.4 → 0",
        &id[..8]
    );
    assert!(shown.contains(&wanted), "{shown}");

    // By id, by picture, and by the command, each from the first step.
    let command = again(&sandbox, branch["id"].as_str().unwrap());
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let copy = sandbox.path("copy.png");
    for from in [
        &["run", "--from", branch["id"].as_str().unwrap()][..],
        &["run", "--from", &out],
        &command,
    ] {
        let rest = ["--again", "--out", &copy, "--json", "--provider", "cpu"];
        let made = sandbox.objects(&[from, &rest].concat()).remove(0);
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
    let twice = sandbox.objects(&[&twice[..], &cpu].concat()).remove(0);
    let words = again(&sandbox, twice["id"].as_str().unwrap()).join(" ");
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
        let message = sandbox.complaint(status, &arguments);
        assert!(message.contains(why), "{message}");
    }
    let message = sandbox.complaint(
        2,
        &[
            "run",
            "--from",
            twice["id"].as_str().unwrap(),
            "--steps",
            "9",
        ],
    );
    assert!(
        message.contains("steps cannot change from 8 to 9"),
        "{message}"
    );
    let message = sandbox.complaint(2, &["run", "--from", "0123456789abcdef"]);
    assert!(
        message.contains("no run has an id that begins with 0123456789abcdef"),
        "{message}"
    );
}

#[test]
fn what_is_neither_a_run_nor_its_picture_is_no_start() {
    let sandbox = Sandbox::with_models();
    let message = sandbox.complaint(2, &["run", "--from", "zz"]);
    assert!(
        message.contains("zz is neither a run id nor a picture"),
        "{message}"
    );
    let page = sandbox.path("page.html");
    std::fs::write(&page, "<html>").unwrap();
    let message = sandbox.complaint(1, &["run", "--from", &page]);
    assert!(
        message.contains(
            "page.html: this is not a PNG file; give a PNG file that Ziggurat wrote, or a run id"
        ),
        "{message}"
    );
}

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
    b.input("image", ElementType::F32, &dims).unwrap();
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
    let model = b.graph().to_model(&[untyped_value("logits")]).unwrap();
    file::write(model, Path::new(path), None).unwrap();
}

#[test]
fn a_run_that_hangs_on_its_companions_is_repeated_with_them() {
    let sandbox = Sandbox::with_models();
    let model = sandbox.path("last.onnx");
    channels_last(&model);
    let folder = sandbox.path("made/");
    let run = ["run", "0", "3", "4", "--model", &model, "--out", &folder];
    let made = sandbox.objects(&[&run[..], &SHORT].concat());
    let id = |place: usize| made[place]["id"].as_str().unwrap();
    let record = |id: &str| {
        sandbox
            .objects(&["history", "show", id, "--json"])
            .remove(0)
    };
    let first = record(id(1));
    assert_eq!(first["together"], 3);
    let companions: Vec<&Value> = first["companions"].as_array().unwrap().iter().collect();
    assert_eq!(companions, [&made[0]["id"], &made[1]["id"], &made[2]["id"]]);
    let picture = |id: &str| {
        let shown = record(id);
        fs::read(sandbox.path(&format!(
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
    let repeated = sandbox.objects(&again);
    assert_eq!(repeated.len(), 1, "the companions are not delivered");
    assert_eq!(repeated[0]["id"], made[1]["id"]);
    assert!(picture(id(1)) == before);
    assert_eq!(record(id(1))["companions"], first["companions"]);

    // Another seed is another run, which no companion belongs to.
    let other = [&again[..], &["--seed", "5"]].concat();
    let other = sandbox.objects(&other).remove(0);
    assert!(record(other["id"].as_str().unwrap())["together"].is_null());

    sandbox
        .command(&["history", "remove", id(2)])
        .assert()
        .success();
    let done = sandbox.command(&again).assert().success();
    let message = String::from_utf8_lossy(&done.get_output().stderr).to_string();
    let wanted = format!(
        "stepped with 3 runs together, and {} is not in history",
        id(2)
    );
    assert!(message.contains(&wanted), "{message}");
}

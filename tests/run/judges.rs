//! Judges: other models that classify finished pictures.

use super::*;

#[test]
fn other_models_judge_a_picture_and_their_verdicts_are_kept_and_shown() {
    let sandbox = Sandbox::with_models();
    let [first, second] = two_models(&sandbox);
    let run = ["run", "flamingo", "--model", &first];
    let plain = sandbox.objects(&[&run[..], &SHORT].concat()).remove(0);
    assert_eq!(plain["verdicts"].as_array().unwrap().len(), 0);

    // A run that history has is judged as well. A model does not judge its own pictures.
    let judges = ["--judge", &second, "--judge", &first];
    let line = sandbox
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
    let top = sandbox.objects(&classify).remove(0)["top"].clone();
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

    // One that is made again is judged before it is stored.
    let again = [&run[..], &judges, &["--again"], &SHORT].concat();
    assert_eq!(&sandbox.objects(&again)[0]["verdicts"], &line["verdicts"]);
    let id = line["id"].as_str().unwrap();
    let shown = sandbox.output(&["history", "show", id]);
    let class = top[0]["name"].as_str().unwrap();
    assert!(
        shown.contains(&format!("judge        second.onnx: {class} ")),
        "{shown}"
    );
    let text = sandbox.output(&[&run[..], &["--steps", "3", "--set", "octaves=1"]].concat());
    assert!(
        text.contains(&format!("\n  judged by second.onnx: {class} ")),
        "{text}"
    );

    let goldfish = ["run", "goldfish", "--model", &first];
    sandbox.objects(&[&goldfish[..], &SHORT].concat());
    let list =
        |filter: &[&str]| sandbox.objects(&[&["history", "list", "--json"][..], filter].concat());
    let sorted = list(&["--sort", "judge"]);
    assert_eq!((&sorted[0]["id"], sorted.len()), (&line["id"], 2));
    assert!(near(&sorted[0]["judge"], &flamingo["probability"]) && sorted[1]["judge"].is_null());
    assert_eq!(list(&["--judge-min", "0"]).len(), 1);
    assert_eq!(list(&["--judge-min", "1"]).len(), 0);
    let message = sandbox.complaint(2, &["history", "list", "--judge-max", "7"]);
    assert!(message.contains("a number from 0 to 1"), "{message}");
    assert!(
        sandbox
            .output(&["history", "verify"])
            .contains("2 runs checked, all intact")
    );
}

#[test]
fn judges_of_the_settings_file_judge_until_they_are_switched_off() {
    let sandbox = Sandbox::with_models();
    let [first, second] = two_models(&sandbox);
    let settings = sandbox.path("home/config/config.toml");
    fs::create_dir_all(Path::new(&settings).parent().unwrap()).unwrap();
    let broken = sandbox.path("broken.onnx");
    fs::write(&broken, "no model").unwrap();
    let judges = format!("judge = [{second:?}, \"no-such-card\", {broken:?}]\n");
    fs::write(&settings, judges).unwrap();

    let run = |target: &str, more: &[&str]| {
        let arguments = [&["run", target, "--model", &first][..], more, &SHORT].concat();
        let done = sandbox.command(&arguments).assert().success();
        let line: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        let message = String::from_utf8_lossy(&done.get_output().stderr).to_string();
        (line["verdicts"].as_array().unwrap().len(), message)
    };
    let (verdicts, message) = run("flamingo", &[]);
    assert_eq!(verdicts, 1, "{message}");
    assert!(
        message.contains("config.toml:1: judge: ") && message.contains("no-such-card"),
        "{message}"
    );
    let broken = message
        .lines()
        .filter(|line| line.starts_with("config.toml:1: judge: "))
        .filter(|line| line.contains("broken.onnx cannot judge: "));
    assert_eq!(broken.count(), 1, "{message}");
    let (verdicts, message) = run("tench", &["--judge", "none"]);
    assert_eq!(
        (verdicts, message.contains("judge")),
        (0, false),
        "{message}"
    );

    let refused = |more: &[&str]| {
        let run = ["run", "flamingo", "--model", &first];
        sandbox.complaint(2, &[&run[..], more, &SHORT].concat())
    };
    let message = refused(&["--judge", "no-such-card"]);
    assert!(
        message.contains("--judge: ") && message.contains("no-such-card"),
        "{message}"
    );
    assert!(refused(&["--judge", "none", "--judge", &second]).contains("no other --judge"));
}

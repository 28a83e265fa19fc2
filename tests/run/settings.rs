//! Settings of options and of `config.toml`.

use super::*;

#[test]
fn a_setting_that_was_removed_names_what_does_its_work_now() {
    let sandbox = Sandbox::with_models();
    let complaint = sandbox.complaint(2, &["run", "flamingo", "--set", "jitter=8"]);
    assert!(
        complaint.contains("jitter") && complaint.contains("view_min"),
        "{complaint}"
    );
}

#[test]
fn the_settings_file_sets_model_provider_and_presets_and_options_override_it() {
    let sandbox = Sandbox::with_models();
    let [first, second] = two_models(&sandbox);
    let settings = format!(
        "model = {first:?}\nprovider = \"cpu\"\ngraphics = \"sixel\"\n[presets.long]\nsteps = 3\nblur = 1.5\n"
    );
    sandbox.configure(&settings);
    let run = sandbox
        .objects(&["run", "flamingo", "--preset", "long", "--json"])
        .remove(0);
    assert_eq!(
        (&run["steps"], &run["provider"]),
        (&3.into(), &"cpu".into())
    );
    assert_eq!(run["model"], first);
    let id = run["id"].as_str().unwrap();
    let record = sandbox.path(&format!("home/data/history/{id}/run.json"));
    let record: Value = serde_json::from_str(&fs::read_to_string(record).unwrap()).unwrap();
    assert_eq!(record["spec"]["settings"]["blur"], 1.5);

    let options = ["--preset", "long", "--steps", "2", "--model", &second];
    let run = [&["run", "flamingo", "--json"][..], &options].concat();
    let run = sandbox.objects(&run).remove(0);
    assert_eq!((&run["steps"], &run["model"]), (&2.into(), &second.into()));

    // The other commands use the same model.
    assert_eq!(
        sandbox.output(&["layers"]),
        sandbox.output(&["layers", &first])
    );
    assert_eq!(
        sandbox.output(&["classes"]),
        sandbox.output(&["classes", &first])
    );
}

#[test]
fn what_is_wrong_in_the_settings_file_is_named_with_its_line_where_it_is_used() {
    let sandbox = Sandbox::with_models();
    let [first, _] = two_models(&sandbox);
    sandbox.configure("model = \"no-such-card\"\nprovider = \"gpu\"\ngraphics = \"crayons\"\n[presets.bad]\nsteps = -1\n",
    );
    let refused = |more: &[&str]| sandbox.complaint(2, &[&["run", "flamingo"][..], more].concat());
    assert!(refused(&[]).starts_with("ziggurat: config.toml:2: provider: "));
    let cpu = ["--provider", "cpu"];
    assert!(refused(&cpu).starts_with("ziggurat: config.toml:3: graphics: "));
    let without = ["--provider", "cpu", "--graphics", "none"];
    assert!(refused(&without).starts_with("ziggurat: config.toml:1: model: "));
    let preset = [&without[..], &["--model", &first, "--preset", "bad"]].concat();
    assert!(refused(&preset).starts_with("ziggurat: config.toml:5: presets.bad.steps: "));
    let unknown = [&without[..], &["--model", &first, "--preset", "worse"]].concat();
    assert!(refused(&unknown).contains("no preset is called \"worse\""));
    // What options replace is not read.
    let all = [&without[..], &["--model", &first, "--steps", "2"]].concat();
    let done = sandbox.command(&[&["run", "flamingo"][..], &all].concat());
    let done = { done }.assert().success();
    let notices = String::from_utf8_lossy(&done.get_output().stderr).to_string();
    assert!(!notices.contains("config.toml"), "{notices}");
}

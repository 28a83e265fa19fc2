//! `ziggurat layers` and `ziggurat classes`.

use super::*;

#[test]
fn layers_and_classes_are_listed() {
    let layers = objects(&["layers", MODEL, "--json"]);
    let stem = &layers[0];
    assert_eq!(stem["name"], "stem/conv");
    assert_eq!(stem["op"], "Conv");
    assert_eq!(stem["shape"], serde_json::json!([1, 32, 112, 112]));
    assert_eq!(stem["channels"], 32);
    assert_eq!(stem["grid"], serde_json::json!([112, 112]));
    assert_eq!(stem["differentiable"], true);
    assert_eq!(stem["why"], Value::Null);
    assert_eq!(output(&["layers"]).lines().count(), layers.len());
    assert!(objects(&["layers", MODEL, "--all", "--json"]).len() > layers.len());

    assert_eq!(objects(&["classes", MODEL, "--json"]).len(), 1000);
    let flamingo = vec![serde_json::json!({"index": 130, "name": "flamingo"})];
    for wanted in [&[MODEL, "FLAMING"][..], &["flamingo"], &["130"]] {
        let arguments = [&["classes", "--json"], wanted].concat();
        assert_eq!(objects(&arguments), flamingo, "{wanted:?}");
    }
    assert_eq!(output(&["classes", "tigershark"]).trim(), "3  tiger shark");
}

#[test]
fn layers_ranks_the_channels_that_a_photo_activates_most() {
    let sandbox = with_picture();
    let picture = sandbox.path("picture.png");
    let of_all = objects(&["layers", MODEL, "--photo", &picture, "--json"]);
    let layers = objects(&["layers", MODEL, "--json"]);
    assert_eq!(of_all.len(), 3 * layers.len());
    let layer = "blocks.10/expand/relu6";
    let given = ["layers", MODEL, "--photo", &picture, "--layer", layer];
    let lines = objects(&[&given[..], &["--json", "--photo", &picture]].concat());
    assert_eq!(lines.len(), 20);
    assert_eq!(lines[..10], lines[10..]);
    // Sessions of other layers round otherwise.
    let channels = |lines: &[Value]| -> Vec<Value> {
        lines.iter().map(|line| line["channel"].clone()).collect()
    };
    let same: Vec<Value> = of_all
        .iter()
        .filter(|line| line["layer"] == layer)
        .cloned()
        .collect();
    assert_eq!(channels(&same), channels(&lines[..3]));
    assert_eq!(lines[0]["photo"], picture.as_str());
    let number = |line: &Value, key: &str| line[key].as_f64().unwrap();
    assert!(lines[..10].is_sorted_by(|a, b| number(a, "mean") >= number(b, "mean")));

    // What is printed is a target that can be run.
    let table = output(&[&given[..], &["--top", "2", "--rank", "maximum"]].concat());
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3);
    let (target, rest) = lines[1].trim().split_once(' ').unwrap();
    let (_, at) = rest.split_once(" at ").unwrap();
    let neuron = format!("{target}:{at}");
    let out = sandbox.path("neuron.png");
    output(&[
        "run",
        &neuron,
        "--steps",
        "1",
        "--out",
        &out,
        "--graphics",
        "none",
    ]);

    let logits = objects(&[
        "layers", "--photo", &picture, "--layer", "logits", "--top", "1", "--json",
    ]);
    assert_eq!(logits[0]["at"], Value::Null);
    assert_eq!(logits[0]["mean"], logits[0]["maximum"]);
    let top = &objects(&["classify", MODEL, &picture, "--json"])[0]["top"][0]["index"];
    assert_eq!(&logits[0]["channel"], top);

    for (arguments, words) in [
        (&["layers", MODEL, "--layer", layer][..], "--photo"),
        (
            &["layers", MODEL, "--photo", &picture, "--layer", "blocks.10"],
            "blocks.10",
        ),
        (
            &["layers", MODEL, "--photo", &picture, "--rank", "size"],
            "by mean or by maximum",
        ),
    ] {
        let message = complaint(2, arguments);
        assert!(message.contains(words), "{message}");
    }
    let message = complaint(1, &["layers", MODEL, "--photo", &sandbox.path("no.png")]);
    assert!(message.contains("no.png"), "{message}");
}

//! `ziggurat classify`.

use super::*;

#[test]
fn classify_ranks_the_classes_of_each_picture() {
    let sandbox = with_picture();
    let picture = sandbox.path("picture.png");
    let lines = objects(&["classify", MODEL, &picture, &picture, "--json"]);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], lines[1]);
    assert_eq!(lines[0]["image"], picture.as_str());
    let top = lines[0]["top"].as_array().unwrap();
    assert_eq!(top.len(), 5);
    let probabilities: Vec<f64> = top
        .iter()
        .map(|entry| entry["probability"].as_f64().unwrap())
        .collect();
    assert!(probabilities.is_sorted_by(|a, b| a >= b));
    assert!(probabilities.iter().sum::<f64>() <= 1.0);
    let keys: Vec<&String> = top[0].as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 3);
    let index = top[0]["index"].to_string();
    assert!(output(&["classes", MODEL]).lines().any(|line| {
        line.trim_start().starts_with(&index) && line.ends_with(top[0]["name"].as_str().unwrap())
    }));

    let all = objects(&[
        "classify",
        &picture,
        "--top",
        "5000",
        "--json",
        "--provider",
        "cpu",
    ]);
    let all = all[0]["top"].as_array().unwrap();
    assert_eq!(all.len(), 1000);
    let total: f64 = all
        .iter()
        .map(|entry| entry["probability"].as_f64().unwrap())
        .sum();
    assert!((total - 1.0).abs() < 1e-4);

    let table = output(&["classify", MODEL, &picture, "--top", "3"]);
    assert_eq!(table.lines().count(), 4);
    assert!(table.contains(top[2]["name"].as_str().unwrap()));
}

#[test]
fn a_bad_picture_among_several_does_not_keep_the_others_from_their_results() {
    let sandbox = with_picture();
    let [good, text, gone] = ["picture.png", "text.png", "gone.png"].map(|name| sandbox.path(name));
    fs::write(&text, "no picture").unwrap();
    let layer = ["--photo", &text, "--photo", &gone, "--photo", &good];
    for (arguments, lines) in [
        (
            vec!["classify", MODEL, &text, &good, &gone, &good, "--json"],
            2,
        ),
        (
            [
                &[
                    "layers",
                    MODEL,
                    "--layer",
                    "stem/conv",
                    "--top",
                    "3",
                    "--json",
                ],
                &layer[..],
            ]
            .concat(),
            3,
        ),
    ] {
        let failed = ziggurat(&arguments).assert().code(1);
        let out = failed.get_output();
        let text = String::from_utf8_lossy(&out.stdout);
        let shown: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(shown.len(), lines, "{text}");
        let text = String::from_utf8_lossy(&out.stderr);
        let message: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("ziggurat: "))
            .collect();
        assert_eq!(message.len(), 2, "{text}");
        assert!(message[0].contains("text.png") && message[0].contains("not a PNG, JPEG or WebP"));
        assert!(
            message[1].ends_with("gone.png: No such file or directory"),
            "{text}"
        );
    }
}

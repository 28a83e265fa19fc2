//! Cards, metadata and files beside a model.

use super::*;

/// What `doctor` found of a model.
fn examined(model: &str) -> Value {
    let found: Value = serde_json::from_str(&printed(&["doctor", model, "--json"]).result).unwrap();
    found["model"].clone()
}

#[test]
fn what_a_file_states_of_its_input_is_followed() {
    let sandbox = Sandbox::with_shared_home();
    let red = save_photo(&sandbox, "red.png", &solid([255, 0, 0]));
    let model = write_model(&sandbox, &[]);
    assert!(
        printed(&["layers", &model])
            .remarks
            .contains("no preprocessing is specified")
    );
    assert_eq!(examined(&model)["classes_source"], "nobody");

    for (format, range, expected, white) in [
        ("Rgb8", "NominalRange_0_255", "apple", 255.0),
        ("Bgr8", "NominalRange_0_255", "scab", 255.0),
        ("Bgra8", "Normalized_0_1", "scab", 1.0),
        ("Rgba8", "Normalized_1_1", "apple", 1.0),
        ("Bgr8", "NominalRange_16_235", "scab", 235.0),
    ] {
        let model = write_model(
            &sandbox,
            &[
                ("Image.BitmapPixelFormat", format),
                ("Image.NominalPixelRange", range),
                ("Image.ColorSpaceGamma", "SRGB"),
            ],
        );
        sandbox.put("labels.txt", "apple\r\nbruise\r\nscab\r\n");
        assert_eq!(first(&model, &red), expected, "{format}");
        assert!(!printed(&["layers", &model]).remarks.contains("nobody"));
        let found = examined(&model);
        assert_eq!(found["classes_source"], "labels.txt");
        assert_eq!(found["class_names"][1], "bruise");
        assert_eq!(found["size_source"], "the network itself");
        let top = found["black_and_white"][0][1].as_f64().unwrap();
        assert!((top - white).abs() < 1e-3, "{range}: {top}");
        let source = "Image.NominalPixelRange, order of colours Image.BitmapPixelFormat";
        assert_eq!(found["preprocessing_source"], source);
        let shown = printed(&["doctor", &model]).result;
        assert!(
            shown.contains(source) && shown.contains("names from labels.txt: apple; bruise; scab"),
            "{shown}"
        );
    }
}

#[test]
fn a_card_comes_before_all_that_is_stated_elsewhere() {
    let sandbox = Sandbox::with_shared_home();
    let red = save_photo(&sandbox, "red.png", &solid([255, 0, 0]));
    let model = write_model(
        &sandbox,
        &[
            ("Image.BitmapPixelFormat", "Bgr8"),
            ("character", "0\n90\n180"),
        ],
    );
    sandbox.put("labels.txt", "a\nb\nc");
    assert_eq!(first(&model, &red), "180");
    assert_eq!(examined(&model)["classes_source"], "character");
    sandbox.put(
        "model.toml",
        "[classes]\nnames = ['0: x', '1: y', '2: z']\n[preprocessing]\nmean = [0]\nstd = [1]\n[output]\nactivation = 'sigmoid'",
    );
    assert_eq!(first(&model, &red), "x");
    let found = examined(&model);
    for key in [
        "classes_source",
        "preprocessing_source",
        "activation_source",
    ] {
        assert_eq!(found[key], "its card", "{key}");
    }
    assert_eq!(found["activation"], "sigmoid");
}

#[test]
fn timm_and_hugging_face_leave_a_description() {
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(&sandbox, &[]);
    sandbox.put(
        "config.json",
        r#"{"architecture": "resnet18", "label_names": ["n1", "n2", "n3"], "label_descriptions": {"n1": "tench", "n2": "ray", "n3": "cock"},
            "pretrained_cfg": {"input_size": [3, 32, 32], "crop_pct": 0.95, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#,
    );
    let found = examined(&model);
    assert_eq!(
        found["class_names"],
        serde_json::json!(["tench", "ray", "cock"])
    );
    assert_eq!(found["preprocessing_source"], "config.json");
    assert_eq!(found["black_and_white"][0], serde_json::json!([-1.0, 1.0]));
    assert!((found["preprocessing"]["crop"].as_f64().unwrap() - 0.95).abs() < 1e-6);

    sandbox.put(
        "config.json",
        r#"{"problem_type": "multi_label_classification", "id2label": {"0": "person", "1": "dog", "2": "cat"}}"#,
    );
    let found = examined(&model);
    assert_eq!(found["class_names"][2], "cat");
    assert_eq!(
        (&found["activation"], &found["activation_source"]),
        (&"sigmoid".into(), &"config.json".into())
    );
    assert!(
        printed(&["doctor", &model])
            .result
            .contains("activation sigmoid (from config.json)")
    );
}

#[test]
fn lists_that_do_not_fit_are_ignored_with_a_notice() {
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(&sandbox, &[("Image.ColorSpaceGamma", "Linear")]);
    sandbox.put("labels.txt", "a\nb");
    let remarks = printed(&["layers", &model]).remarks;
    assert!(
        remarks.contains("model: labels.txt has 2 class names, but the model has 3 classes"),
        "{remarks}"
    );
    assert!(remarks.contains("linear light"), "{remarks}");
    // The next one fits.
    sandbox.put("yolo.names", "0 a\n1 b\n2 c\n");
    let found = examined(&model);
    assert_eq!(
        (&found["classes_source"], &found["class_names"][2]),
        (&"yolo.names".into(), &"c".into())
    );
}

#[test]
fn files_beside_a_model_that_are_ignored_are_named() {
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(&sandbox, &[]);
    sandbox.put("preprocessor_config.json", r#"{"rescale_factor": 1e39}"#);
    sandbox.put("config.json", r#"{"id2label": {"0": "a", "0": "b"}}"#);
    fs::create_dir(sandbox.path("labels.txt")).unwrap();
    let remarks = printed(&["layers", &model]).remarks;
    for expected in [
        "preprocessor_config.json is ignored: rescale_factor 1e39 is not from",
        "config.json: id2label is ignored",
        "labels.txt is ignored: a folder",
    ] {
        assert!(remarks.contains(expected), "{remarks}");
    }
}

//! `ziggurat setup` and `ziggurat doctor`.

use super::*;

#[test]
fn setup_lists_what_is_installed_and_where() {
    let first = output(&["setup"]);
    assert_eq!(first, output(&["setup", MODEL]));
    assert!(first.starts_with("ONNX Runtime 1."), "{first}");
    assert!(
        first
            .lines()
            .any(|line| line.starts_with("efficientnet-lite0: "))
    );
    assert!(
        complaint(2, &["setup", "efficientnet-lite9"]).contains("did you mean `efficientnet-lite")
    );
}

#[test]
fn doctor_reports_the_library_providers_and_models() {
    output(&["setup"]);
    let found = objects(&["doctor", MODEL, "--json"]);
    assert_eq!(found.len(), 1);
    let found = &found[0];
    assert!(Path::new(found["library"]["path"].as_str().unwrap()).is_file());
    assert_eq!(found["providers"][0]["name"], "cpu");
    assert_eq!(found["providers"][0]["starts"], true);
    assert_eq!(found["model"]["classes"], 1000);
    assert_eq!(found["models"][0]["fetched"], true);
}

#[test]
fn options_about_a_model_need_the_model() {
    for (option, value) in [
        ("--input-size", "99"),
        ("--feed", "a=1"),
        ("--image-input", "x"),
        ("--scores-output", "y"),
    ] {
        let why = complaint(2, &["doctor", option, value]);
        assert!(
            why.contains(&format!("{option} is about a model: name one")),
            "{why}"
        );
    }
}

#[test]
fn one_provider_is_measured() {
    for (provider, expected) in [
        (
            "cpu,cpu",
            "--provider cpu,cpu: this command uses one device; name one",
        ),
        (
            "cuda:all",
            "--provider cuda:all: this command uses one device; name one",
        ),
        (
            "gpu",
            "unknown provider `gpu`: use auto, cpu, cuda[:N], webgpu; experimental",
        ),
        ("auto,cpu", "auto chooses one device"),
    ] {
        let why = complaint(2, &["doctor", "--measure", "--provider", provider]);
        assert!(why.contains(expected), "{why}");
        assert!(!why.contains("several share the runs"), "{why}");
    }
}

#[test]
fn a_model_that_leaves_its_pictures_size_open() {
    let sandbox = with_picture();
    let path = sandbox.path("open.onnx");
    let mut builder = Builder::empty(18, "t/");
    let mut dims = fixed_dims(&[1, 3, 1, 1]);
    dims[2..].clone_from_slice(&["h", "w"].map(|side| Dim::DimParam(side.into())));
    builder.input("x", ElementType::F32, &dims).unwrap();
    builder.emit_named("relu", "Relu", &["x"], &[]).unwrap();
    builder
        .emit_named("scores", "GlobalAveragePool", &["relu"], &[])
        .unwrap();
    let model = builder
        .graph()
        .to_model(&[untyped_value("scores")])
        .unwrap();
    file::write(model, Path::new(&path), None).unwrap();

    let shape = |arguments: &[&str]| {
        let arguments = [&["layers", &path, "--json"], arguments].concat();
        objects(&arguments)[0]["shape"].clone()
    };
    assert_eq!(shape(&[]), serde_json::json!([1, 3, 224, 224]));
    assert_eq!(
        shape(&["--input-size", "6x8"]),
        serde_json::json!([1, 3, 6, 8])
    );
    let found = &objects(&["doctor", &path, "--json"])[0]["model"];
    assert_eq!(found["size_origin"], "nobody");
    assert!(output(&["doctor", &path]).contains("height and width assumed"));

    // An array of numbers says how large it is.
    let (input, gradient) = (sandbox.path("x.npy"), sandbox.path("g.npy"));
    write_npy(&input, &Array4::<f32>::ones((1, 3, 5, 4))).unwrap();
    output(&[
        "gradient", &path, "--target", "1", "--input", &input, "--output", &gradient,
    ]);
    let gradient: Array4<f32> = read_npy(gradient).unwrap();
    let expected = |channel| if channel == 1 { 1.0 / 20.0 } else { 0.0 };
    for ((_, channel, _, _), slope) in gradient.indexed_iter() {
        assert!(
            (slope - expected(channel)).abs() < 1e-6,
            "{channel}: {slope}"
        );
    }
    for wrong in ["0", "224x", "9000"] {
        ziggurat(&["layers", &path, "--input-size", wrong])
            .assert()
            .code(2);
    }
    let complaint = complaint(1, &["layers", MODEL, "--input-size", "96"]);
    assert!(
        complaint.contains("takes 224 × 224 pixels, not 96 × 96"),
        "{complaint}"
    );
}

#[test]
fn doctor_sums_a_model_up() {
    let sandbox = with_picture();
    let path = sandbox.path("half.onnx");
    let mut builder = Builder::empty(18, "t/");
    builder
        .input("x", ElementType::F32, &fixed_dims(&[1, 3, 8, 8]))
        .unwrap();
    builder.emit_named("relu", "Relu", &["x"], &[]).unwrap();
    builder.emit_named("odd", "Det", &["relu"], &[]).unwrap();
    builder
        .emit_named("scores\u{1b}[2J", "Identity", &["odd"], &[])
        .unwrap();
    let model = builder
        .graph()
        .to_model(&[untyped_value("scores\u{1b}[2J")])
        .unwrap();
    file::write(model, Path::new(&path), None).unwrap();

    let found = &objects(&["doctor", &path, "--json"])[0]["model"];
    assert_eq!(found["opsets"][0]["domain"], "ai.onnx");
    assert_eq!(found["opsets"][0]["version"], 18);
    assert_eq!(found["inputs"][0]["element"], "float32");
    assert_eq!(found["preprocessing_origin"], "nobody");
    assert_eq!(found["inputs"][0]["layout"], "NCHW");
    assert_eq!(found["operators"]["Det"], 1);
    assert_eq!(found["refused"], Value::Null);
    assert_eq!(found["classes"], 3);
    assert_eq!(found["layers"], 3);
    assert_eq!(found["differentiable"], 1);
    assert_eq!(found["last"], "relu");
    assert_eq!(found["blocks"][0]["op"], "Det");
    assert_eq!(found["blocks"][0]["opset"], 18);

    let text = output(&["doctor", &path]);
    for message in [
        "producer    ziggurat",
        "float32 [1, 3, 8, 8] NCHW",
        "RGB, black -2.118 -2.036 -1.804, white 2.249 2.429 2.64, crop 0.875; ImageNet's mean",
        "1 of 3 can be visualised, the last one relu",
        "(Det): no gradient rule",
    ] {
        assert!(text.contains(message), "{message} is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");

    // What cannot be visualised is reported as well.
    let tokens = sandbox.path("tokens.onnx");
    let mut builder = Builder::empty(18, "t/");
    builder
        .input("tokens", ElementType::I64, &fixed_dims(&[1, 8]))
        .unwrap();
    builder
        .emit_named("y", "Cast", &["tokens"], &[("to", 1i64.into())])
        .unwrap();
    let model = builder.graph().to_model(&[untyped_value("y")]).unwrap();
    file::write(model, Path::new(&tokens), None).unwrap();
    let text = output(&["doctor", &tokens]);
    assert!(
        text.contains("cannot be visualised: ") && text.contains("no image input"),
        "{text}"
    );
}

#[test]
fn doctor_fetches_nothing_and_succeeds_with_nothing() {
    let home = tempfile::tempdir().unwrap();
    let nowhere = |arguments: &[&str]| {
        let mut command = ziggurat(arguments);
        command
            .env("ZIGGURAT_HOME", home.path())
            .env_remove("ORT_DYLIB_PATH");
        command
    };
    let done = nowhere(&["doctor"]).assert().success();
    let text = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert!(text.contains("ziggurat setup"), "{text}");
    nowhere(&["doctor", MODEL]).assert().code(1);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);

    let broken = home.path().join("libonnxruntime.so");
    fs::write(&broken, "no library").unwrap();
    let done = nowhere(&["doctor"])
        .env("ORT_DYLIB_PATH", &broken)
        .assert()
        .success();
    assert!(
        String::from_utf8_lossy(&done.get_output().stdout)
            .contains("cannot be used as ONNX Runtime")
    );
}

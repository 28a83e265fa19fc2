//! `ziggurat cam`.

use super::*;

#[test]
fn cam_lays_a_map_over_the_entire_picture() {
    let sandbox = with_picture();
    let picture = sandbox.path("picture.png");
    let maps: Vec<RgbImage> = ["flamingo", "644", "blocks.10/expand/conv:7"]
        .iter()
        .enumerate()
        .map(|(number, target)| {
            let out = sandbox.path(&format!("map{number}.png"));
            output(&["cam", MODEL, &picture, "--target", target, "--out", &out]);
            image::open(out).unwrap().into_rgb8()
        })
        .collect();
    assert!(maps.iter().all(|map| map.dimensions() == (300, 260)));
    assert_ne!(maps[0], maps[1]);
    assert_ne!(maps[1], maps[2]);
    let why = complaint(
        2,
        &[
            "cam",
            MODEL,
            &picture,
            "--target",
            "stem/conv",
            "--out",
            &sandbox.path("no.png"),
        ],
    );
    assert!(
        why.contains("has no class activation map") && !sandbox.exists("no.png"),
        "{why}"
    );
}

#[test]
fn cam_takes_other_methods_and_other_layers() {
    let sandbox = with_picture();
    let (picture, out) = (sandbox.path("picture.png"), sandbox.path("map.png"));
    let map = |target: &str, more: &[&str]| {
        let arguments = ["cam", MODEL, &picture, "--target", target, "--out", &out];
        output(&[&arguments, more].concat());
        image::open(&out).unwrap().into_rgb8()
    };
    let plain = map("flamingo", &[]);
    // Behind pooling and one linear layer, CAM is Grad-CAM but for a scale, which the colours do not show.
    let cam = map("flamingo", &["--method", "cam"]);
    let rounding = |a: &u8, b: &u8| a.abs_diff(*b) <= 1;
    assert!(plain.iter().zip(cam.iter()).all(|(a, b)| rounding(a, b)));
    for method in ["grad-cam++", "layer-cam"] {
        assert_ne!(map("flamingo", &["--method", method]), plain, "{method}");
    }
    let layer = ["--layer", "blocks.10/expand/conv"];
    assert_ne!(map("flamingo", &layer), plain);
    // A neuron has a map at a layer before it.
    map("head/conv:5:2,2", &layer);

    let no = sandbox.path("no.png");
    let why = |more: &[&str]| {
        let arguments = ["cam", MODEL, &picture, "--target", "130", "--out", &no];
        complaint(2, &[&arguments, more].concat())
    };
    assert!(why(&["--method", "gradcam"]).contains("grad-cam, grad-cam++, layer-cam"));
    assert!(why(&["--layer", "blocks.10/expand/cov"]).contains("did you mean"));
    assert!(why(&["--layer", "logits"]).contains("no rows and columns"));
    let linear = why(&["--method", "cam", "--layer", "blocks.10/expand/conv"]);
    assert!(linear.contains("use grad-cam"), "{linear}");
    assert!(!sandbox.exists("no.png"));
}

#[test]
fn a_heat_map_is_written_only_as_png_and_into_a_folder_that_exists() {
    let sandbox = with_picture();
    let picture = sandbox.path("picture.png");
    let cam = |status, out: &str| {
        complaint(
            status,
            &[
                "cam",
                &picture,
                "--target",
                "1",
                "--out",
                &sandbox.path(out),
            ],
        )
    };
    assert!(cam(2, "map.jpg").contains("map.jpg: pictures are PNG files"));
    assert!(cam(2, "map").contains("let the name end in .png"));
    assert!(
        cam(1, "no/dir/map.png").ends_with(&format!("no such folder: {}", sandbox.path("no/dir")))
    );
    assert_eq!(sandbox.files().len(), 1);
}

/// A classifier of 32 × 32 pixels without preprocessing, and a picture of this size.
fn small(sandbox: &Sandbox) -> [String; 2] {
    let mut b = Builder::empty(18, "");
    let size = |size| Dim::DimValue(size);
    let dims = [Dim::DimParam("N".into()), size(3), size(32), size(32)];
    b.input("image", ElementType::F32, &dims).unwrap();
    let wave = |count: usize, frequency: f32| -> Vec<f32> {
        (0..count)
            .map(|place| (place as f32 * frequency).sin())
            .collect()
    };
    let filters = b.floats(&[6, 3, 4, 4], &wave(288, 1.7));
    let strides = [("strides", vec![4i64, 4].into())];
    let features = b.emit("Conv", &["image", &filters], &strides);
    b.emit_named("features", "Relu", &[&features], &[]).unwrap();
    let pooled = b.emit("GlobalAveragePool", &["features"], &[]);
    let pooled = b.emit("Flatten", &[&pooled], &[]);
    let weights = b.floats(&[5, 6], &wave(30, 2.3));
    b.emit_named(
        "logits",
        "Gemm",
        &[&pooled, &weights],
        &[("transB", 1i64.into())],
    )
    .unwrap();
    let model = b.graph().to_model(&[untyped_value("logits")]).unwrap();
    let path = sandbox.path("small.onnx");
    file::write(model, Path::new(&path), None).unwrap();
    let card = "[preprocessing]\nmean = [0, 0, 0]\nstd = [1, 1, 1]\ncrop = 1.0\n";
    fs::write(sandbox.path("small.toml"), card).unwrap();
    let picture = sandbox.path("small.png");
    let noise = |x: u32, y: u32| ((x * 7919 + y * 104_729) * 31 % 251) as u8;
    let pixels = RgbImage::from_fn(32, 32, |x, y| Rgb([noise(x, y), noise(y, x), noise(x, x)]));
    pixels.save(&picture).unwrap();
    [path, picture]
}

#[test]
fn the_exported_heat_map_of_a_model_equals_the_computed_one() {
    let sandbox = Sandbox::with_shared_home();
    let [model, picture] = small(&sandbox);
    let (array, export) = (sandbox.path("map.npy"), sandbox.path("m.onnx"));
    let pixels = image::open(&picture).unwrap().into_rgb8();
    let image = Array4::from_shape_fn((1, 3, 32, 32), |(_, channel, y, x)| {
        f32::from(pixels.get_pixel(x as u32, y as u32).0[channel]) / 255.0
    });
    for method in ["grad-cam", "grad-cam++", "layer-cam", "hires-cam", "cam"] {
        let choice = ["--method", method, "--layer", "features"];
        let computed = [
            "cam", &model, &picture, "--target", "class:3", "--out", &array,
        ];
        output(&[&computed[..], &choice].concat());
        let expected: ndarray::Array2<f32> = read_npy(&array).unwrap();
        let exported = ["cam", &model, "--export", &export, "--require-class"];
        let (printed, notices) = sandbox.printed(&[&exported[..], &choice].concat());
        assert_eq!((printed.as_str(), notices.as_str()), ("", ""));
        testing::library();
        let bytes = fs::read(&export).unwrap();
        let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
        let class = Tensor::from(ndarray::arr1(&[3i64]));
        let given = [("image", &Tensor::from(image.clone())), ("class", &class)];
        let found = session.run(&given, &["heatmap"]).unwrap().remove(0);
        let difference = found.as_f32().unwrap() - &expected.clone().insert_axis(ndarray::Axis(0));
        let most = difference.fold(0f32, |most, value| most.max(value.abs()));
        assert!(most < 1e-5, "{method}: {most:e}");
        let (least, most) = expected.iter().fold((1f32, 0f32), |(least, most), &value| {
            (least.min(value), most.max(value))
        });
        assert!(least < 0.5 && most == 1.0, "{method}: {least} to {most}");
    }
}

#[test]
fn mistakes_about_an_exported_heat_map_are_one_line() {
    let sandbox = with_picture();
    let out = sandbox.path("m.onnx");
    let picture = sandbox.path("picture.png");
    let export =
        |more: &[&str]| complaint(2, &[&["cam", MODEL, "--export", &out][..], more].concat());
    for (more, expected) in [
        (&["--layer", "blocks.10/expand/cov"][..], "did you mean"),
        (&["--layer", "logits"], "no rows and columns"),
        (&["--method", "gradcam"], "grad-cam, grad-cam++, layer-cam"),
        (
            &["--method", "cam", "--layer", "blocks.10/expand/conv"],
            "use grad-cam",
        ),
        (&[&picture], "--export takes a model and no picture"),
        (
            &["--target", "1"],
            "'--export <M.onnx>' cannot be used with",
        ),
        (
            &["--out", "x.png"],
            "'--export <M.onnx>' cannot be used with",
        ),
        (&["--batch", "0"], "invalid value '0' for '--batch <N>'"),
    ] {
        let why = export(more);
        assert!(
            why.contains(expected) && why.trim_end().lines().count() == 1,
            "{why}"
        );
    }
    let why = complaint(2, &["cam", MODEL, &picture, "--target", "1"]);
    assert!(why.contains("--out <PATH>"), "{why}");
    let why = complaint(2, &["cam", MODEL, &picture, "--require-class"]);
    assert!(why.contains("--export"), "{why}");
    let nowhere = sandbox.path("nowhere/m.onnx");
    let why = complaint(1, &["cam", MODEL, "--export", &nowhere]);
    assert!(why.contains("cannot be written"), "{why}");
    assert!(!sandbox.exists("m.onnx"));
}

#[test]
fn an_exported_model_keeps_the_activation_of_the_card() {
    let sandbox = Sandbox::with_shared_home();
    let [model, picture] = small(&sandbox);
    let card = sandbox.path("small.toml");
    let preprocessing = fs::read_to_string(&card).unwrap();
    let classified =
        |model: &str| objects(&["classify", model, &picture, "--json"])[0]["top"].clone();
    let (map, gradient) = (sandbox.path("m.onnx"), sandbox.path("g.onnx"));
    let mut results = Vec::new();
    for activation in ["sigmoid", "none", "softmax"] {
        let output_keys = format!("[output]\nactivation = \"{activation}\"\n");
        fs::write(&card, output_keys + &preprocessing).unwrap();
        output(&["cam", &model, "--layer", "features", "--export", &map]);
        output(&["gradient", &model, "--export", &gradient]);
        let expected = classified(&model);
        assert_eq!(classified(&map), expected, "{activation}");
        let found = objects(&["doctor", &map, "--json"])[0]["model"]["scores"].clone();
        assert_eq!(found["activation"], activation);
        assert_eq!(classified(&gradient), expected, "{activation}");
        results.push(expected);
    }
    assert!(results[0] != results[1] && results[1] != results[2]);
}

/// The model of [`small`] with another output of class scores, which comes first, and an input that scales both.
fn with_choices(sandbox: &Sandbox) -> [String; 2] {
    let [path, picture] = small(sandbox);
    let mut model = file::read(Path::new(&path)).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let node = |op: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: inputs.iter().map(|name| name.to_string()).collect(),
        output: vec![output.into()],
        ..Default::default()
    };
    graph.node.push(node("Mul", &["logits", "scale"], "scaled"));
    graph.node.push(node("Neg", &["scaled"], "negative"));
    graph.input.push(value_info("scale", ElementType::F32, &[]));
    graph.output = ["negative", "scaled"].map(untyped_value).into();
    file::write(model, Path::new(&path), None).unwrap();
    [path, picture]
}

#[test]
fn exported_models_keep_the_inputs_and_outputs_that_the_card_chooses() {
    let sandbox = Sandbox::with_shared_home();
    let [model, picture] = with_choices(&sandbox);
    let card = sandbox.path("small.toml");
    let chosen = "[feed]\nscale = 2.5\n[output]\nname = \"scaled\"\n";
    fs::write(&card, fs::read_to_string(&card).unwrap() + chosen).unwrap();
    let classified = |model: &str, more: &[&str]| {
        objects(&[&["classify", model, &picture, "--json"], more].concat())[0]["top"].clone()
    };
    let expected = classified(&model, &[]);
    let negative = ["--scores-output", "negative"];
    assert_ne!(classified(&model, &negative), expected);

    let (map, gradient, again) = (
        sandbox.path("m.onnx"),
        sandbox.path("g.onnx"),
        sandbox.path("again.onnx"),
    );
    output(&["cam", &model, "--layer", "features", "--export", &map]);
    output(&["gradient", &model, "--export", &gradient]);
    // The gradient has the input, whose value is recorded; the map does not have it.
    output(&["cam", &gradient, "--layer", "features", "--export", &again]);
    for export in [&map, &gradient, &again] {
        assert_eq!(classified(export, &[]), expected, "{export}");
        assert_ne!(classified(export, &negative), expected, "{export}");
        let (_, remarks) = sandbox.printed(&["layers", export]);
        assert!(!remarks.contains("ignored"), "{remarks}");
    }
    let other = classified(&gradient, &["--feed", "scale=0.5"]);
    assert_eq!(other, classified(&model, &["--feed", "scale=0.5"]));
    assert_ne!(other, expected);
    // Options count more than the card, also for what is exported.
    let options = [
        &["cam", &model, "--layer", "features", "--export", &map],
        &negative[..],
    ];
    output(&options.concat());
    assert_eq!(classified(&map, &[]), classified(&model, &negative));
}

#[test]
fn a_raised_opset_is_reported() {
    let sandbox = Sandbox::with_shared_home();
    let [path, _] = small(&sandbox);
    let (map, gradient) = (sandbox.path("m.onnx"), sandbox.path("g.onnx"));
    for opset in [17, 18] {
        let mut model = file::read(Path::new(&path)).unwrap();
        model.opset_import[0].version = opset;
        file::write(model, Path::new(&path), None).unwrap();
        for arguments in [
            &["cam", &path, "--layer", "features", "--export", &map][..],
            &["gradient", &path, "--export", &gradient],
        ] {
            let (_, remarks) = sandbox.printed(arguments);
            let note = "its opset is 18, that of the original is 17";
            assert_eq!(remarks.contains(note), opset == 17, "{remarks}");
        }
    }
}

#[test]
fn the_nodes_of_a_heat_map_are_no_layers() {
    let sandbox = Sandbox::with_shared_home();
    let [model, _] = small(&sandbox);
    let export = sandbox.path("m.onnx");
    output(&["cam", &model, "--layer", "features", "--export", &export]);
    let listed = |model: &str, more: &[&str]| {
        let layers = objects(&[&["layers", model, "--json"], more].concat());
        let name = |layer: &Value| layer["name"].as_str().unwrap().to_string();
        layers.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(listed(&export, &[]), listed(&model, &[]));
    let all = listed(&export, &["--all"]);
    let own = listed(&model, &["--all"]);
    assert!(all.len() <= own.len() + 1, "{all:?}");
}

#[test]
fn an_exported_heat_map_keeps_what_the_card_states_and_can_be_exported_again() {
    let sandbox = with_picture();
    let picture = sandbox.path("picture.png");
    let [once, twice] = ["once.onnx", "twice.onnx"].map(|name| sandbox.path(name));
    output(&["cam", MODEL, "--export", &once]);
    let scores = ["--scores-output", "logits"];
    output(&[&["cam", &once, "--export", &twice], &scores[..]].concat());
    // The file has no card: names and preprocessing are in its metadata.
    let classified = |model: &str, more: &[&str]| {
        objects(&[&["classify", model, &picture, "--json"], more].concat())[0]["top"].clone()
    };
    let expected = classified(MODEL, &[]);
    assert_eq!(classified(&once, &scores), expected);
    assert_eq!(classified(&twice, &scores), expected);

    testing::library();
    let bytes = fs::read(&twice).unwrap();
    let session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let outputs: Vec<_> = session
        .outputs()
        .iter()
        .map(|port| port.name.clone())
        .collect();
    assert_eq!(outputs, ["logits", "heatmap", "heatmap2"]);
}

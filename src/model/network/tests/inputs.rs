use super::*;

#[test]
fn bytes_with_their_channels_last_become_numbers_with_their_channels_first() {
    let network = opened(18, |b| {
        let dims = [
            Dim::DimParam("runs".into()),
            Dim::DimValue(6),
            Dim::DimValue(5),
            Dim::DimValue(3),
        ];
        b.input("x", ElementType::U8, &dims).unwrap();
        let numbers = b.emit("Cast", &["x"], &[("to", 1i64.into())]);
        let first = b.emit(
            "Transpose",
            &[&numbers],
            &[("perm", vec![0i64, 3, 1, 2].into())],
        );
        let pool = small(b, &first, ElementType::F32);
        vec![b.emit_named("y", "Flatten", &[&pool], &[]).unwrap()]
    })
    .unwrap();
    assert_eq!(
        (network.input.as_str(), network.input_dims(2)),
        ("x", [2, 3, 6, 5])
    );
    assert!(network.batchable && differentiable(&network));
    assert_eq!(network.preprocessing, Preprocessing::PIXELS);
    assert_eq!(network.preprocessing_origin, Origin::Network);
    // Rows of weights begin at -0.5, -0.125, 0.25, 0.625 and rise by an eighth; the picture is 2 everywhere.
    assert_eq!(scores(&network), [0.0, 0.0, 2.25, 4.5]);
}

#[test]
fn pictures_may_have_other_numbers_of_channels() {
    for (dims, expected) in [
        ([1, 4, 8, 8], [1, 4, 8, 8]),
        ([1, 12, 20, 16], [1, 12, 20, 16]),
        ([1, 20, 16, 12], [1, 12, 20, 16]),
        ([1, 3, 2, 2], [1, 3, 2, 2]),
    ] {
        let network = opened(18, |b| {
            b.input("x", ElementType::F32, &fixed_dims(&dims)).unwrap();
            vec![b.emit_named("y", "Flatten", &["x"], &[]).unwrap()]
        });
        assert_eq!(network.unwrap().input_dims(1), expected, "{dims:?}");
    }
}

#[test]
fn inputs_that_are_no_pictures_are_named() {
    let problem = opened(18, |b| {
        b.input("x", ElementType::F32, &fixed_dims(&[1, 12, 4, 4]))
            .unwrap();
        vec![b.emit_named("y", "GlobalAveragePool", &["x"], &[]).unwrap()]
    });
    let problem = problem.unwrap_err().to_string();
    assert!(
        problem.contains("(\"x\")") && problem.contains("(N, channels, height, width)"),
        "{problem}"
    );
}

/// The mean of each colour times a factor, plus 1 in training mode; and an unused second image input.
fn fed(b: &mut Builder) -> Vec<String> {
    let x = b
        .input("x", ElementType::F32, &fixed_dims(&[1, 3, 4, 4]))
        .unwrap();
    let factor = b
        .input("factor", ElementType::F32, &[Dim::DimParam("n".into())])
        .unwrap();
    let training = b.input("training", ElementType::Bool, &[]).unwrap();
    let pool = b.emit("GlobalAveragePool", &[&x], &[]);
    let flat = b.emit("Flatten", &[&pool], &[]);
    let times = b.emit("Mul", &[&flat, &factor], &[]);
    let number = b.emit("Cast", &[&training], &[("to", 1i64.into())]);
    let sum = b.emit_named("sum", "Add", &[&times, &number], &[]).unwrap();
    vec![sum, flat]
}

#[test]
fn further_inputs_hold_what_a_card_says() {
    let with = |card: &str| opened_with(card, 18, fed);
    let one = with("[feed]\nfactor = 3\ntraining = 0").unwrap();
    assert_eq!(scores(&one), [6.0; 3]);
    assert_eq!(one.graph.inputs().len(), 1);
    let other = with("[feed]\nfactor = 3\ntraining = 1").unwrap();
    assert_eq!(scores(&other), [7.0; 3]);
    assert_ne!(one.hash, other.hash);
    let prepared =
        with("[feed]\nfactor = 3\ntraining = 0\n[preprocessing]\nmean = [0.5]\nstd = [0.5]");
    assert_ne!(one.hash, prepared.unwrap().hash);
    for (card, expected) in [
        ("", "further input \"factor\": set its value with --feed"),
        ("[feed]\nfactor = 1", "further input \"training\""),
        ("[feed]\nfactor = 1\ntraining = 0.5", "cannot hold 0.5"),
        ("[feed]\nfactr = 1", "no further input called \"factr\""),
    ] {
        let problem = with(card).unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}");
        assert!(!problem.contains("no image input"), "{problem}");
    }
}

#[test]
fn an_input_that_nothing_reads_and_one_number_a_channel_are_no_pictures() {
    // As tf2onnx leaves them of constants that it could not see, or has folded.
    let leftover = |b: &mut Builder, is_read: bool| {
        let x = b
            .input("x", ElementType::F32, &fixed_dims(&[1, 4, 4, 3]))
            .unwrap();
        b.input("spare", ElementType::F32, &fixed_dims(&[1, 4, 4, 3]))
            .unwrap();
        b.input("number", ElementType::F32, &[]).unwrap();
        let mean = b
            .input("mean", ElementType::F32, &fixed_dims(&[1, 1, 1, 3]))
            .unwrap();
        let from = if is_read { &mean } else { &x };
        let difference = b.emit("Sub", &[&x, from], &[]);
        let axes = b.ints(&[1, 2]);
        let whole = [("keepdims", 0i64.into())];
        vec![
            b.emit_named("y", "ReduceMean", &[&difference, &axes], &whole)
                .unwrap(),
        ]
    };
    let network = opened(18, |b| leftover(b, false)).unwrap();
    assert_eq!(network.input, "x");
    assert_eq!(network.graph.inputs().len(), 1);
    let problem = opened(18, |b| leftover(b, true)).unwrap_err().to_string();
    assert!(problem.contains("further input \"mean\""), "{problem}");
}

#[test]
fn of_two_pictures_a_card_says_which() {
    let two = |b: &mut Builder| {
        let [left, right] = ["left", "right"].map(|name| {
            b.input(name, ElementType::F32, &fixed_dims(&[1, 3, 4, 4]))
                .unwrap()
        });
        let twice = b.emit("Add", &[&right, &right], &[]);
        let sum = b.emit("Add", &[&left, &twice], &[]);
        let pool = b.emit("GlobalAveragePool", &[&sum], &[]);
        vec![b.emit_named("y", "Flatten", &[&pool], &[]).unwrap()]
    };
    let problem = opened(18, two).unwrap_err().to_string();
    assert!(problem.contains("--image-input NAME"), "{problem}");
    let card = "[input]\nname = \"right\"\n[feed]\nleft = 10";
    let network = opened_with(card, 18, two).unwrap();
    assert_eq!(
        (network.input.as_str(), scores(&network)),
        ("right", vec![14.0; 3])
    );
}

#[test]
fn a_network_that_scales_pixels_itself_is_given_them() {
    let scaled = |b: &mut Builder| {
        let x = b
            .input("x", ElementType::F32, &fixed_dims(&[1, 4, 4, 3]))
            .unwrap();
        let number = b.floats(&[], &[1.0 / 255.0]);
        let scaled = b.emit_named("scaled", "Mul", &[&x, &number], &[]).unwrap();
        let first = b.emit(
            "Transpose",
            &[&scaled],
            &[("perm", vec![0i64, 3, 1, 2].into())],
        );
        let pool = small(b, &first, ElementType::F32);
        vec![b.emit_named("y", "Flatten", &[&pool], &[]).unwrap()]
    };
    let network = opened(18, scaled).unwrap();
    assert_eq!(network.preprocessing, Preprocessing::PIXELS);
    assert_eq!(network.preprocessing_origin, Origin::Network);
    let layers = network.layers();
    let first = layers.iter().find(|layer| layer.is_activation).unwrap();
    assert_eq!(first.name, "conv");
    let card = "[preprocessing]\nmean = [0.5]\nstd = [0.5]";
    let specified = opened_with(card, 18, scaled).unwrap();
    assert_ne!(specified.preprocessing, Preprocessing::PIXELS);
}

/// A network for pictures whose height and width are open where they are 0.
fn sized(card: &str, [height, width]: [i64; 2]) -> Result<Network, Error> {
    let open = |name: &str, side: i64| match side {
        0 => Dim::DimParam(name.into()),
        _ => Dim::DimValue(side),
    };
    let dims = [
        Dim::DimValue(1),
        Dim::DimValue(3),
        open("rows", height),
        open("columns", width),
    ];
    opened_with(card, 18, |b| {
        let x = b.input("x", ElementType::F32, &dims).unwrap();
        let pool = small(b, &x, ElementType::F32);
        vec![b.emit_named("y", "Flatten", &[&pool], &[]).unwrap()]
    })
}

#[test]
fn open_height_and_width_are_assumed_with_a_note() {
    const CARD: &str = "[input]\nsize = [5, 7]\n[preprocessing]\nmean = [0]\nstd = [1]";
    for (card, declared, expected, origin) in [
        ("", [0, 0], [224, 224], Origin::Assumed),
        ("", [6, 0], [6, 6], Origin::Assumed),
        ("", [0, 9], [9, 9], Origin::Assumed),
        (CARD, [0, 0], [5, 7], Origin::Card),
        (CARD, [5, 0], [5, 7], Origin::Card),
        (CARD, [5, 7], [5, 7], Origin::Network),
        ("", [8, 6], [8, 6], Origin::Network),
    ] {
        let network = sized(card, declared).unwrap();
        let [height, width] = expected;
        assert_eq!(network.input_dims(1), [1, 3, height, width], "{declared:?}");
        assert_eq!(network.size_origin, origin, "{declared:?}");
        let message = network.assumptions().join("\n");
        let assumed = format!("assuming {height} × {width} pixels (--input-size");
        assert_eq!(
            message.contains(&assumed),
            origin == Origin::Assumed,
            "{message}"
        );
        assert_eq!(
            message.contains("ImageNet's mean"),
            card.is_empty(),
            "{message}"
        );
    }
    let problem = sized(CARD, [5, 8]).unwrap_err().to_string();
    assert!(
        problem.contains("it takes 5 × 8 pixels, not 5 × 7"),
        "{problem}"
    );
}

#[test]
fn a_network_that_the_assumed_size_does_not_fit_says_what_was_assumed() {
    let dense = |b: &mut Builder| {
        let open = ["n", "h", "w"].map(|name| Dim::DimParam(name.into()));
        let [n, h, w] = open;
        let x = b
            .input("x", ElementType::F32, &[n, Dim::DimValue(3), h, w])
            .unwrap();
        let flat = b.emit("Flatten", &[&x], &[]);
        let weight = rising(b, &[48, 4], ElementType::F32, -0.5);
        vec![b.emit_named("y", "MatMul", &[&flat, &weight], &[]).unwrap()]
    };
    let problem = opened(18, dense).unwrap_err().to_string();
    assert!(
        problem.contains("224 × 224 pixels were assumed: set the size with --input-size"),
        "{problem}"
    );
    let network = opened_with("[input]\nsize = [4, 4]", 18, dense).unwrap();
    assert_eq!(network.input_dims(2), [2, 3, 4, 4]);
}

/// A network that leaves all axes of its input open, with a convolution of `filters` behind what `before` does.
fn all_open(
    before: impl FnOnce(&mut Builder) -> String,
    filters: &[i64],
    group: i64,
) -> Result<Network, Error> {
    let dims = ["n", "c", "h", "w"].map(|name| Dim::DimParam(name.into()));
    opened_with("[input]\nsize = [6, 5]", 18, |b| {
        b.input("x", ElementType::F32, &dims).unwrap();
        let ready = before(b);
        let weight = rising(b, filters, ElementType::F32, -0.5);
        let conv = b.emit("Conv", &[&ready, &weight], &[("group", group.into())]);
        let pool = b.emit("GlobalAveragePool", &[&conv], &[]);
        vec![b.emit_named("y", "Flatten", &[&pool], &[]).unwrap()]
    })
}

#[test]
fn an_open_number_of_channels_is_inferred_from_the_filters() {
    let as_it_is = |_: &mut Builder| "x".to_string();
    let network = all_open(as_it_is, &[4, 3, 1, 1], 1).unwrap();
    assert_eq!(network.input_dims(2), [2, 3, 6, 5]);
    assert!(network.batchable && differentiable(&network));
    let network = all_open(as_it_is, &[4, 2, 1, 1], 2).unwrap();
    assert_eq!(network.input_dims(1), [1, 4, 6, 5]);
    let turned = |b: &mut Builder| {
        let mean = b.floats(&[1], &[0.5]);
        let centred = b.emit("Sub", &["x", &mean], &[]);
        b.emit(
            "Transpose",
            &[&centred],
            &[("perm", vec![0i64, 3, 1, 2].into())],
        )
    };
    let network = all_open(turned, &[4, 1, 1, 1], 1).unwrap();
    assert_eq!(network.input_dims(1), [1, 1, 6, 5]);
    // As a picture with its channels first, whose channels the transposition puts last.
    assert_eq!(network.graph.nodes()[0].op_type, "Transpose");
    let hidden = |b: &mut Builder| b.emit("Relu", &["x"], &[]);
    for problem in [
        all_open(hidden, &[4, 3, 1, 1], 1),
        all_open(as_it_is, &[4, 65, 1, 1], 1),
        all_open(as_it_is, &[4, 3, 1, 1], i64::MAX),
    ] {
        let problem = problem.unwrap_err().to_string();
        assert!(problem.contains("takes pictures"), "{problem}");
    }
}

#[test]
fn metadata_of_exporters_is_used_unless_the_card_overrides_it() {
    testing::library();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let mut b = Builder::empty(18, "g/");
    let dims = ["n", "c", "h", "w"].map(|name| Dim::DimParam(name.into()));
    b.input("pixel_values", ElementType::F32, &dims).unwrap();
    let pool = small(&mut b, "pixel_values", ElementType::F32);
    b.emit_named("logits", "Flatten", &[&pool], &[]).unwrap();
    let model = b.graph().to_model(&[untyped_value("logits")]).unwrap();
    file::write(model, &path, None).unwrap();
    let home = Home::at(folder.path());
    let open = || {
        let source = ModelSource::resolve(&home, path.to_str()).unwrap();
        Network::open(&source.open(&home, &package::quiet).unwrap()).unwrap()
    };
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();

    let alone = open();
    assert_eq!(alone.classes.name(2), Some("class 2"));
    assert_eq!(alone.assumptions().len(), 2);
    write(
        "config.json",
        r#"{"id2label": {"0": "a", "1": "b", "2": "c", "3": "d"}}"#,
    );
    write(
        "preprocessor_config.json",
        r#"{"size": 8, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#,
    );
    let specified = open();
    assert_eq!(specified.classes.name(2), Some("c"));
    assert_eq!(specified.input_dims(1), [1, 3, 8, 8]);
    let origins = [
        specified.classes_origin,
        specified.size_origin,
        specified.preprocessing_origin,
    ];
    assert_eq!(origins, [Origin::Exporter; 3]);
    assert!(specified.assumptions().is_empty());
    assert_ne!(alone.hash, specified.hash);
    // Another number of names is another model's.
    write("config.json", r#"{"id2label": {"0": "a", "1": "b"}}"#);
    assert_eq!(open().classes_origin, Origin::Assumed);
    write(
        "model.toml",
        "[input]\nsize = [4, 6]\n[preprocessing]\nmean = [0]\nstd = [1]\n[classes]\nnames = ['w', 'x', 'y', 'z']",
    );
    let message = open();
    assert_eq!(message.classes.name(2), Some("y"));
    assert_eq!(message.input_dims(1), [1, 3, 4, 6]);
    assert_eq!(message.preprocessing_origin, Origin::Card);
}

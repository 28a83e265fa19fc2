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
        b.input("x", Elem::U8, &dims).unwrap();
        let numbers = b.emit("Cast", &["x"], &[("to", 1i64.into())]);
        let first = b.emit(
            "Transpose",
            &[&numbers],
            &[("perm", vec![0i64, 3, 1, 2].into())],
        );
        let pool = small(b, &first, Elem::F32);
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
            b.input("x", Elem::F32, &fixed(&dims)).unwrap();
            vec![b.emit_named("y", "Flatten", &["x"], &[]).unwrap()]
        });
        assert_eq!(network.unwrap().input_dims(1), expected, "{dims:?}");
    }
}

#[test]
fn inputs_that_are_no_pictures_are_named() {
    let problem = opened(18, |b| {
        b.input("x", Elem::F32, &fixed(&[1, 12, 4, 4])).unwrap();
        vec![b.emit_named("y", "GlobalAveragePool", &["x"], &[]).unwrap()]
    });
    let problem = problem.unwrap_err().to_string();
    assert!(
        problem.contains("(\"x\")") && problem.contains("(N, channels, height, width)"),
        "{problem}"
    );
}

/// The mean of each colour times a factor, plus one while training; and a second picture that nobody needs.
fn fed(b: &mut Builder) -> Vec<String> {
    let x = b.input("x", Elem::F32, &fixed(&[1, 3, 4, 4])).unwrap();
    let factor = b
        .input("factor", Elem::F32, &[Dim::DimParam("n".into())])
        .unwrap();
    let training = b.input("training", Elem::Bool, &[]).unwrap();
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
        (
            "",
            "further input \"factor\": say what that holds with --feed",
        ),
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
        let x = b.input("x", Elem::F32, &fixed(&[1, 4, 4, 3])).unwrap();
        b.input("spare", Elem::F32, &fixed(&[1, 4, 4, 3])).unwrap();
        b.input("number", Elem::F32, &[]).unwrap();
        let mean = b.input("mean", Elem::F32, &fixed(&[1, 1, 1, 3])).unwrap();
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
        let [left, right] =
            ["left", "right"].map(|name| b.input(name, Elem::F32, &fixed(&[1, 3, 4, 4])).unwrap());
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
        let x = b.input("x", Elem::F32, &fixed(&[1, 4, 4, 3])).unwrap();
        let number = b.floats(&[], &[1.0 / 255.0]);
        let scaled = b.emit_named("scaled", "Mul", &[&x, &number], &[]).unwrap();
        let first = b.emit(
            "Transpose",
            &[&scaled],
            &[("perm", vec![0i64, 3, 1, 2].into())],
        );
        let pool = small(b, &first, Elem::F32);
        vec![b.emit_named("y", "Flatten", &[&pool], &[]).unwrap()]
    };
    let network = opened(18, scaled).unwrap();
    assert_eq!(network.preprocessing, Preprocessing::PIXELS);
    assert_eq!(network.preprocessing_origin, Origin::Network);
    let layers = network.layers();
    let first = layers.iter().find(|layer| layer.is_activation).unwrap();
    assert_eq!(first.name, "conv");
    let card = "[preprocessing]\nmean = [0.5]\nstd = [0.5]";
    let told = opened_with(card, 18, scaled).unwrap();
    assert_ne!(told.preprocessing, Preprocessing::PIXELS);
}

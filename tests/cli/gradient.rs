//! `ziggurat gradient`.

use super::*;

/// Along its own direction a gradient is as steep as it is long.
#[test]
fn gradient_is_the_slope_of_the_logit() {
    let sandbox = with_picture();
    let (input, gradient) = (sandbox.path("x.npy"), sandbox.path("g.npy"));
    let x = inputs();
    write_npy(&input, &x).unwrap();
    output(&[
        "gradient",
        MODEL,
        "--target",
        "flamingo",
        "--input",
        &input,
        "--output",
        &gradient,
        "--provider",
        "cpu",
    ]);
    let g: Array4<f32> = read_npy(&gradient).unwrap();
    assert_eq!(g.dim(), x.dim());

    testing::library();
    let bytes = fs::read(model_file().path).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let mut logit = |image: Array4<f32>| {
        let image = Tensor::from(image);
        let logits = session
            .run(&[("image", &image)], &["logits"])
            .unwrap()
            .remove(0);
        f64::from(logits.as_f32().unwrap()[[0, 130]])
    };
    for run in 0..2 {
        let one = x.slice(s![run..run + 1, .., .., ..]).to_owned();
        let slope = g.slice(s![run..run + 1, .., .., ..]).to_owned();
        let length = slope
            .iter()
            .map(|&value| f64::from(value).powi(2))
            .sum::<f64>()
            .sqrt();
        assert!(length > 0.0);
        let step = &slope * (0.02 / length) as f32;
        let measured = (logit(&one + &step) - logit(&one - &step)) / 0.04;
        assert!(
            (measured / length - 1.0).abs() < 0.05,
            "{measured} along it, {length} long"
        );
    }
    let files = sandbox.files();
    assert_eq!(files.len(), 3, "{files:?}");
}

#[test]
fn gradient_of_a_neuron_is_local() {
    let sandbox = with_picture();
    let (input, gradient) = (sandbox.path("x.npy"), sandbox.path("g.npy"));
    write_npy(&input, &inputs().slice(s![..1, .., .., ..]).to_owned()).unwrap();
    output(&[
        "gradient",
        MODEL,
        "--target",
        "stem/conv:3:10,20",
        "--input",
        &input,
        "--output",
        &gradient,
    ]);
    let g: Array4<f32> = read_npy(&gradient).unwrap();
    // A 3 × 3 convolution of stride 2 sees rows 20 to 22 and columns 40 to 42, or one less.
    for ((_, _, y, x), value) in g.indexed_iter() {
        let near = (19..=22).contains(&y) && (39..=42).contains(&x);
        assert!(near || *value == 0.0, "{y},{x}: {value}");
    }
    assert!(g.iter().any(|value| *value != 0.0));
}

#[test]
fn a_provider_that_cannot_start_is_an_error_and_nothing_is_written() {
    let sandbox = with_picture();
    let (picture, out) = (sandbox.path("picture.png"), sandbox.path("out.png"));
    for arguments in [
        &["classify", MODEL, &picture][..],
        &["cam", MODEL, &picture, "--target", "1", "--out", &out],
    ] {
        let arguments = [arguments, &["--provider", "cuda:99"]].concat();
        let why = complaint(1, &arguments);
        assert!(why.contains("cuda:99 cannot start: "), "{why}");
    }
    assert_eq!(sandbox.files().len(), 1);
}

#[test]
fn inputs_and_outputs_that_do_not_fit_are_named() {
    let sandbox = with_picture();
    let [input, doubles, small, text, cut, out] = [
        "x.npy",
        "f64.npy",
        "small.npy",
        "text.npy",
        "cut.npy",
        "g.npy",
    ]
    .map(|name| sandbox.path(name));
    write_npy(&input, &inputs()).unwrap();
    write_npy(&doubles, &Array4::<f64>::zeros((1, 3, 224, 224))).unwrap();
    write_npy(&small, &Array4::<f32>::zeros((1, 3, 200, 224))).unwrap();
    fs::write(&text, "1 2 3").unwrap();
    let whole = fs::read(&input).unwrap();
    fs::write(&cut, &whole[..whole.len() - 4]).unwrap();
    let before = sandbox.files();
    let gradient = |input: &str, out: &str| {
        complaint(
            1,
            &[
                "gradient", MODEL, "--target", "1", "--input", input, "--output", out,
            ],
        )
    };
    for (input, why) in [
        (&doubles, "must be float32"),
        (&small, "takes [N, 3, 224, 224]"),
        (&text, "no .npy file"),
        (&cut, "cut off"),
        (&sandbox.path("none.npy"), "cannot be read"),
    ] {
        let message = gradient(input, &out);
        assert!(
            message.contains(why) && message.contains(input),
            "{message}"
        );
    }
    let folder = sandbox.path("folder.npy");
    fs::create_dir(&folder).unwrap();
    for (unwritable, status) in [(&sandbox.path("nowhere/g.npy"), 1), (&folder, 2)] {
        let message = complaint(
            status,
            &[
                "gradient", MODEL, "--target", "1", "--input", &input, "--output", unwritable,
            ],
        );
        assert!(message.contains(unwritable), "{message}");
    }
    fs::remove_dir(&folder).unwrap();
    let cam = |picture: &str, out: &str| {
        complaint(1, &["cam", MODEL, picture, "--target", "1", "--out", out])
    };
    assert!(
        cam(&sandbox.path("picture.png"), &sandbox.path("nowhere/m.png"))
            .contains("cannot be written")
    );
    assert!(cam(&text, &sandbox.path("map.png")).contains("not a PNG, JPEG or WebP"));
    assert!(complaint(1, &["classify", MODEL, &sandbox.path("none.png")]).contains("none.png"));
    assert_eq!(sandbox.files(), before);
}

#[test]
fn the_exported_gradient_of_a_model_equals_the_computed_one() {
    let sandbox = with_picture();
    let [input, gradient, model] = ["x.npy", "g.npy", "g.onnx"].map(|name| sandbox.path(name));
    write_npy(&input, &inputs()).unwrap();
    let of_target = [
        "gradient",
        MODEL,
        "--target",
        "class:130",
        "--input",
        &input,
    ];
    output(&[&of_target[..], &["--output", &gradient]].concat());
    let expected: Array4<f32> = read_npy(&gradient).unwrap();

    let (printed, notices) = sandbox.printed(&[
        "gradient",
        MODEL,
        "--export",
        &model,
        "--of",
        "logits",
        "--seed-input",
    ]);
    assert_eq!((printed.as_str(), notices.as_str()), ("", ""));
    testing::library();
    let bytes = fs::read(&model).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let mut seed = ndarray::Array2::<f32>::zeros((2, 1000));
    seed.column_mut(130).fill(1.0);
    let given = [
        ("image", &Tensor::from(inputs())),
        ("seed/logits", &Tensor::from(seed)),
    ];
    let found = session.run(&given, &["grad/image"]).unwrap().remove(0);
    let difference = found.as_f32().unwrap() - &expected.into_dyn();
    let most =
        |values: &ndarray::ArrayD<f32>| values.iter().fold(0f32, |most, v| most.max(v.abs()));
    assert!(most(&difference) < 1e-5 * most(found.as_f32().unwrap()));
}

#[test]
fn mistakes_about_an_exported_gradient_are_one_line() {
    let sandbox = with_picture();
    let out = sandbox.path("g.onnx");
    let export = |more: &[&str]| {
        complaint(
            2,
            &[&["gradient", MODEL, "--export", &out][..], more].concat(),
        )
    };
    for (more, expected) in [
        (
            &["--of", "nothing"][..],
            "--of: the model has no value \"nothing\"; its outputs are \"logits\"",
        ),
        (
            &["--wrt", "nothing"],
            "--wrt: the model has no value \"nothing\"; its inputs are \"image\"",
        ),
        (&["--dim", "x"], "--dim \"x\": expected NAME=SIZE"),
        (
            &["--dim", "x=3"],
            "--dim \"x\": no input has an open dimension \"x\"",
        ),
        (
            &["--target", "1"],
            "'--export <G.onnx>' cannot be used with",
        ),
        (
            &["--input-size", "64"],
            "'--export <G.onnx>' cannot be used with",
        ),
        (&["--batch", "0"], "invalid value '0' for '--batch <N>'"),
        (
            &["--batch", "3", "--dim", "image:0=4"],
            "the size of dimension \"image:0\" is the batch size: it is given twice; \
             leave out --batch, or --dim \"image:0\"",
        ),
    ] {
        let why = export(more);
        assert!(
            why.contains(expected) && why.trim_end().lines().count() == 1,
            "{why}"
        );
    }
    let why = complaint(2, &["gradient", MODEL, "--target", "1"]);
    assert!(why.contains("--input <X.npy>"), "{why}");
    let why = complaint(2, &["gradient", MODEL, "--of", "logits"]);
    assert!(why.contains("--export"), "{why}");
    let nowhere = sandbox.path("nowhere/g.onnx");
    let why = complaint(1, &["gradient", MODEL, "--export", &nowhere]);
    assert!(why.contains("cannot be written"), "{why}");
    assert!(!sandbox.exists("g.onnx"));
}

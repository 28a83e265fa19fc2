use super::*;
use crate::autodiff::reach::Reach;
use crate::home::Home;
use crate::model::Source;
use crate::onnx::proto::{Dim, NodeProto, OperatorSetIdProto, TensorProto};
use crate::onnx::shapes::{fixed, untyped};
use crate::onnx::{Attribute, Builder, file};
use crate::runtime::{Options, Provider, Session, Tensor, package, testing};
use ndarray::Array4;

/// A network whose file holds the graph that `build` makes; it returns the outputs' names.
fn opened(opset: i64, build: impl FnOnce(&mut Builder) -> Vec<String>) -> Result<Network, Error> {
    opened_with("", opset, build)
}

/// As [`opened`], with a card beside the file.
fn opened_with(
    card: &str,
    opset: i64,
    build: impl FnOnce(&mut Builder) -> Vec<String>,
) -> Result<Network, Error> {
    testing::library();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    let mut builder = Builder::empty(opset, "g/");
    let outputs: Vec<_> = build(&mut builder)
        .iter()
        .map(|name| untyped(name))
        .collect();
    let mut model = builder.graph().to_model(&outputs).unwrap();
    model.opset_import.push(OperatorSetIdProto {
        domain: "com.microsoft".into(),
        version: 1,
    });
    file::write(model, &path, None).unwrap();
    std::fs::write(path.with_extension("toml"), card).unwrap();
    let home = Home::at(folder.path());
    let source = Source::resolve(&home, path.to_str()).unwrap();
    Network::open(&source.open(&home, &package::quiet).unwrap())
}

/// A constant whose elements rise from `first` in eighths, which every type holds exactly.
fn rising(b: &mut Builder, dims: &[i64], elem: Elem, first: f64) -> String {
    let count = dims.iter().product::<i64>();
    let values: Vec<f64> = (0..count)
        .map(|index| first + (index % 16) as f64 / 8.0)
        .collect();
    b.constant(TensorProto::from_floats("", dims, elem, &values).unwrap())
}

/// The class scores of a picture all of whose elements are 2.
fn scores(network: &Network) -> Vec<f32> {
    let model = network.graph.to_model(&[untyped(&network.logits)]).unwrap();
    let bytes = file::encode(&model).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &Options::default()).unwrap();
    let [n, c, h, w] = network.input_dims(1);
    let picture = Tensor::from(Array4::from_elem((n, c, h, w), 2f32));
    let found = session
        .run(&[(&network.input, &picture)], &[&network.logits])
        .unwrap();
    found[0].as_f32().unwrap().iter().copied().collect()
}

/// Convolution, rectifier and mean, with weights of the type `elem`.
fn small(b: &mut Builder, picture: &str, elem: Elem) -> String {
    let weight = rising(b, &[4, 3, 1, 1], elem, -0.5);
    let conv = b
        .emit_named("conv", "Conv", &[picture, &weight], &[])
        .unwrap();
    let relu = b.emit_named("relu", "Relu", &[&conv], &[]).unwrap();
    b.emit_named("pool", "GlobalAveragePool", &[&relu], &[])
        .unwrap()
}

fn differentiable(network: &Network) -> bool {
    network
        .layers()
        .iter()
        .all(|layer| layer.reach == Reach::Differentiable)
}

#[test]
fn other_precisions_are_read_as_single_precision() {
    let open = |elem: Elem| {
        opened(18, |b| {
            let dims = [1, 3, 4, 4].map(Dim::DimValue);
            b.input("x", elem, &dims).unwrap();
            let pool = small(b, "x", elem);
            let code = i64::from(elem.code());
            let cast = b.emit("Cast", &[&pool], &[("to", code.into())]);
            vec![b.emit_named("y", "Flatten", &[&cast], &[]).unwrap()]
        })
        .unwrap()
    };
    let single = open(Elem::F32);
    for elem in [Elem::F16, Elem::BF16, Elem::F64] {
        let other = open(elem);
        assert!(differentiable(&other));
        assert_eq!(other.shapes.get("relu").unwrap().elem, Elem::F32);
        assert_eq!(scores(&other), scores(&single), "{elem:?}");
    }
}

#[test]
fn double_precision_within_a_model_of_another_stays() {
    let network = opened(18, |b| {
        b.input("x", Elem::F32, &fixed(&[1, 3, 4, 4])).unwrap();
        let wide = b.emit(
            "Cast",
            &["x"],
            &[("to", i64::from(Elem::F64.code()).into())],
        );
        let lowest = b.scalar(Elem::F64, f64::MIN).unwrap();
        let whole = b
            .emit_named("largest", "Max", &[&wide, &lowest], &[])
            .unwrap();
        let narrow = b.emit(
            "Cast",
            &[&whole],
            &[("to", i64::from(Elem::F32.code()).into())],
        );
        vec![
            b.emit_named("y", "GlobalAveragePool", &[&narrow], &[])
                .unwrap(),
        ]
    });
    let network = network.unwrap();
    assert_eq!(network.shapes.get("largest").unwrap().elem, Elem::F64);
    assert!(differentiable(&network));
}

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
    assert!(!network.preprocessing_assumed);
    // Rows of weights begin at -0.5, -0.125, 0.25, 0.625 and rise by an eighth; the picture is 2 everywhere.
    assert_eq!(scores(&network), [0.0, 0.0, 2.25, 4.5]);
}

#[test]
fn scores_are_taken_before_a_softmax_of_any_age_and_shape() {
    let picture = |b: &mut Builder| b.input("x", Elem::F32, &fixed(&[1, 3, 4, 4])).unwrap();
    let old = opened(9, |b| {
        let x = picture(b);
        let pool = small(b, &x, Elem::F32);
        let flat = b.emit_named("fc", "Flatten", &[&pool], &[]).unwrap();
        vec![
            b.emit_named("probabilities", "Softmax", &[&flat], &[])
                .unwrap(),
        ]
    });
    let old = old.unwrap();
    assert_eq!((old.logits.as_str(), old.classes.len()), ("fc", 4));
    let planes = opened(9, |b| {
        let x = picture(b);
        let pool = small(b, &x, Elem::F32);
        vec![
            b.emit_named("probabilities", "Softmax", &[&pool], &[])
                .unwrap(),
        ]
    });
    let planes = planes.unwrap();
    assert_eq!(scores(&planes), scores(&old));
    let without = opened(18, |b| {
        let x = picture(b);
        vec![small(b, &x, Elem::F32)]
    });
    let without = without.unwrap();
    assert_eq!(
        (without.logits.as_str(), without.classes.len()),
        ("pool/flat", 4)
    );
    assert_eq!(scores(&without), scores(&old));
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
fn operators_that_an_exporter_left_as_they_were_are_translated() {
    let two = 2f64;
    let erf = 0.995_322_265_019f64;
    let inner = 0.797_884_560_8 * (two + 0.044_715 * two.powi(3));
    for (op, attribute, expected) in [
        ("Erfc", None, 1.0 - erf),
        ("Expm1", None, two.exp() - 1.0),
        ("TFL_GELU", Some(0i64), 1.954_499_736_104),
        ("TFL_GELU", Some(1), 1.0 + inner.tanh()),
    ] {
        let network = opened(18, |b| {
            b.input("x", Elem::F32, &fixed(&[1, 3, 4, 4])).unwrap();
            let attributes = attribute.map(|flag| ("approximate", flag.into()));
            let made = b.emit(op, &["x"], attributes.as_slice());
            let pool = b.emit("GlobalAveragePool", &[&made], &[]);
            vec![b.emit_named("y", "Flatten", &[&pool], &[]).unwrap()]
        })
        .unwrap();
        assert!(differentiable(&network), "{op}");
        for score in scores(&network) {
            assert!((f64::from(score) - expected).abs() < 1e-5, "{op}: {score}");
        }
    }
}

/// A pipeline of scikit-learn's as skl2onnx writes it, behind the picture's pixels in a row: three classes of 12 pixels.
fn pipeline(b: &mut Builder, post_transform: &str, norm: &str) -> Vec<String> {
    let learning = |b: &mut Builder, op: &str, made: &[&str], attributes: &[(&str, Attribute)]| {
        let node = NodeProto {
            op_type: op.into(),
            domain: "ai.onnx.ml".into(),
            input: vec![
                b.graph()
                    .nodes()
                    .last()
                    .unwrap()
                    .output
                    .last()
                    .unwrap()
                    .clone(),
            ],
            output: made.iter().map(|&name| name.into()).collect(),
            attribute: attributes
                .iter()
                .map(|(name, value)| value.clone().named(name))
                .collect(),
            ..Default::default()
        };
        b.append(node).unwrap();
    };
    b.input("x", Elem::F32, &fixed(&[1, 3, 2, 2])).unwrap();
    b.emit("Flatten", &["x"], &[]);
    let (offset, scale) = (vec![1f32; 12], vec![0.5f32; 12]);
    let scaler = [("offset", offset.into()), ("scale", scale.into())];
    learning(b, "Scaler", &["scaled"], &scaler);
    let rows = [0.5f32, 0.0, -0.5].map(|weight| [weight; 12]);
    let classifier = [
        ("coefficients", rows.as_flattened().into()),
        ("intercepts", [1f32, 2.0, 3.0].as_slice().into()),
        ("classlabels_ints", vec![7i64, 8, 9].into()),
        ("post_transform", post_transform.into()),
    ];
    learning(b, "LinearClassifier", &["label", "given"], &classifier);
    learning(b, "Normalizer", &["y"], &[("norm", norm.into())]);
    vec!["label".into(), "y".into()]
}

#[test]
fn pipelines_of_scikit_learn_are_differentiable() {
    // All pixels are 2, scaled to 0.5: the scores are 4, 2 and 0.
    let half = |x: f32| 1.0 / (1.0 + (-x).exp());
    let sum = half(4.0) + half(2.0) + half(0.0);
    for (post_transform, norm, expected) in [
        ("SOFTMAX", "L1", [4.0, 2.0, 0.0]),
        ("NONE", "L1", [4.0 / 6.0, 2.0 / 6.0, 0.0]),
        ("NONE", "L2", [4.0, 2.0, 0.0].map(|x: f32| x / 20f32.sqrt())),
        ("LOGISTIC", "L1", [4.0, 2.0, 0.0].map(|x| half(x) / sum)),
    ] {
        let network = opened(18, |b| pipeline(b, post_transform, norm)).unwrap();
        assert!(differentiable(&network), "{post_transform}");
        for (score, expected) in scores(&network).iter().zip(expected) {
            assert!(
                (score - expected).abs() < 1e-5,
                "{post_transform} {norm}: {score}"
            );
        }
    }
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
fn an_operator_that_is_taken_apart_is_the_layer_that_the_file_has() {
    let network = opened(18, |b| {
        b.input("x", Elem::F32, &fixed(&[1, 3, 8, 8])).unwrap();
        let weight = rising(b, &[6, 3, 4, 4], Elem::F32, -0.5);
        let strides = [("strides", vec![4i64, 4].into())];
        let patches = b.emit_named("patches", "Conv", &["x", &weight], &strides);
        let dims = b.ints(&[1, 6, 4]);
        let flat = b.emit("Reshape", &[&patches.unwrap(), &dims], &[]);
        let tokens = b.emit("Transpose", &[&flat], &[("perm", vec![0i64, 2, 1].into())]);
        let (weight, bias) = (
            rising(b, &[6, 18], Elem::F32, -0.5),
            rising(b, &[18], Elem::F32, 0.0),
        );
        b.append(NodeProto {
            name: "attention".into(),
            domain: "com.microsoft".into(),
            op_type: "Attention".into(),
            input: vec![tokens, weight, bias],
            output: vec!["attended".into()],
            attribute: vec![Attribute::Int(2).named("num_heads")],
            ..Default::default()
        })
        .unwrap();
        let axis = b.ints(&[1]);
        let keep = [("keepdims", 0i64.into())];
        vec![
            b.emit_named("y", "ReduceMean", &["attended", &axis], &keep)
                .unwrap(),
        ]
    })
    .unwrap();
    let layers = network.layers();
    let shown: Vec<_> = layers.iter().filter(|layer| layer.is_activation).collect();
    let told: Vec<_> = shown
        .iter()
        .map(|layer| (layer.name.as_str(), layer.op.as_str(), layer.parameters))
        .collect();
    assert_eq!(
        told,
        [
            ("patches", "Conv", 288),
            ("attended", "Attention", 126),
            ("y", "ReduceMean", 0)
        ]
    );
    assert!(differentiable(&network));
}

#[test]
fn layers_of_a_normalisation_written_out_are_what_comes_of_it() {
    // tf2onnx takes means over channels that come last with a global pool, and turns axes within a function.
    let network = opened(18, |b| {
        let x = b.input("x", Elem::F32, &fixed(&[1, 8, 8, 3])).unwrap();
        let first = b.emit("Transpose", &[&x], &[("perm", vec![0i64, 3, 1, 2].into())]);
        let weight = rising(b, &[6, 3, 4, 4], Elem::F32, -0.5);
        let strides = [("strides", vec![4i64, 4].into())];
        let conv = b
            .emit_named("conv", "Conv", &[&first, &weight], &strides)
            .unwrap();
        let last = b.emit(
            "Transpose",
            &[&conv],
            &[("perm", vec![0i64, 2, 3, 1].into())],
        );
        let shape = b.ints(&[1, 4, 6]);
        let tokens = b.emit("Reshape", &[&last, &shape], &[]);
        let mean = b
            .emit_named("mean", "GlobalAveragePool", &[&tokens], &[])
            .unwrap();
        let centred = b
            .emit_named("centred", "Sub", &[&tokens, &mean], &[])
            .unwrap();
        let square = b
            .emit_named("square", "Mul", &[&centred, &centred], &[])
            .unwrap();
        let variance = b
            .emit_named("variance", "GlobalAveragePool", &[&square], &[])
            .unwrap();
        let root = b.emit_named("root", "Sqrt", &[&variance], &[]).unwrap();
        let norm = b
            .emit_named("norm", "Div", &[&centred, &root], &[])
            .unwrap();
        let weight = rising(b, &[6, 6], Elem::F32, -0.5);
        let dense = b
            .emit_named("dense", "MatMul", &[&norm, &weight], &[])
            .unwrap();
        let turned = b.emit("Transpose", &[&dense], &[("perm", vec![0i64, 2, 1].into())]);
        let half = b.emit_named("half", "Sigmoid", &[&turned], &[]).unwrap();
        let back = b.emit("Transpose", &[&half], &[("perm", vec![0i64, 2, 1].into())]);
        let silu = b.emit_named("silu", "Mul", &[&dense, &back], &[]).unwrap();
        let axis = b.ints(&[1]);
        let whole = [("keepdims", 0i64.into())];
        vec![
            b.emit_named("y", "ReduceMean", &[&silu, &axis], &whole)
                .unwrap(),
        ]
    })
    .unwrap();
    let layers = network.layers();
    let seen = layers.iter().filter(|layer| layer.is_activation);
    let seen: Vec<&str> = seen.map(|layer| layer.name.as_str()).collect();
    assert_eq!(seen, ["conv", "norm", "dense", "silu", "y"]);
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
    assert!(!network.preprocessing_assumed);
    let layers = network.layers();
    let first = layers.iter().find(|layer| layer.is_activation).unwrap();
    assert_eq!(first.name, "conv");
    let card = "[preprocessing]\nmean = [0.5]\nstd = [0.5]";
    let told = opened_with(card, 18, scaled).unwrap();
    assert_ne!(told.preprocessing, Preprocessing::PIXELS);
}

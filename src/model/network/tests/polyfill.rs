use super::*;

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
            b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 4, 4]))
                .unwrap();
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

/// A pipeline of scikit-learn's as skl2onnx writes it, behind the picture's pixels in a row: three classes of 12
/// pixels.
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
    b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 2, 2]))
        .unwrap();
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
        // Of probabilities that sum to 1, the logarithm is maximized.
        (
            "LOGISTIC",
            "L1",
            [4.0, 2.0, 0.0].map(|x: f32| (half(x) / sum).ln()),
        ),
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

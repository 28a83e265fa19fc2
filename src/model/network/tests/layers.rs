use super::*;

#[test]
fn a_decomposed_operator_is_one_layer_as_in_the_file() {
    let network = opened(18, |b| {
        b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 8, 8]))
            .unwrap();
        let weight = rising(b, &[6, 3, 4, 4], ElementType::F32, -0.5);
        let strides = [("strides", vec![4i64, 4].into())];
        let patches = b.emit_named("patches", "Conv", &["x", &weight], &strides);
        let dims = b.ints(&[1, 6, 4]);
        let flat = b.emit("Reshape", &[&patches.unwrap(), &dims], &[]);
        let tokens = b.emit("Transpose", &[&flat], &[("perm", vec![0i64, 2, 1].into())]);
        let (weight, bias) = (
            rising(b, &[6, 18], ElementType::F32, -0.5),
            rising(b, &[18], ElementType::F32, 0.0),
        );
        let attention = NodeProto::new("Attention", &[tokens, weight, bias], &["attended"])
            .in_domain("com.microsoft")
            .with_name("attention")
            .attr("num_heads", 2i64);
        b.append(attention).unwrap();
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
    let reported: Vec<_> = shown
        .iter()
        .map(|layer| (layer.name.as_str(), layer.op.as_str(), layer.parameters))
        .collect();
    assert_eq!(
        reported,
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
        let x = b
            .input("x", ElementType::F32, &fixed_dims(&[1, 8, 8, 3]))
            .unwrap();
        let first = b.emit("Transpose", &[&x], &[("perm", vec![0i64, 3, 1, 2].into())]);
        let weight = rising(b, &[6, 3, 4, 4], ElementType::F32, -0.5);
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
        let weight = rising(b, &[6, 6], ElementType::F32, -0.5);
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

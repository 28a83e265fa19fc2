mod class_scores;
mod inputs;
mod layers;
mod passes;
mod polyfill;
mod score_outputs;

use super::*;
use crate::autodiff::differentiability::Differentiability;
use crate::home::Home;
use crate::model::ModelSource;
use crate::onnx::proto::{Dim, NodeProto, OperatorSetIdProto, TensorProto};
use crate::onnx::types::{fixed_dims, untyped_value};
use crate::onnx::{Attribute, Builder, file};
use crate::runtime::{Provider, Session, SessionOptions, Tensor, package, testing};
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
        .map(|name| untyped_value(name))
        .collect();
    let mut model = builder.graph().to_model(&outputs).unwrap();
    model.opset_import.push(OperatorSetIdProto {
        domain: "com.microsoft".into(),
        version: 1,
    });
    file::write(model, &path, None).unwrap();
    std::fs::write(path.with_extension("toml"), card).unwrap();
    let home = Home::at(folder.path());
    let source = ModelSource::resolve(&home, path.to_str()).unwrap();
    Network::open(&source.open(&home, &package::quiet).unwrap())
}

/// A constant whose elements rise from `first` in eighths, which every type holds exactly.
fn rising(b: &mut Builder, dims: &[i64], elem: ElementType, first: f64) -> String {
    let count = dims.iter().product::<i64>();
    let values: Vec<f64> = (0..count)
        .map(|index| first + (index % 16) as f64 / 8.0)
        .collect();
    b.constant(TensorProto::from_floats("", dims, elem, &values).unwrap())
}

/// The class scores of a picture all of whose elements are 2.
fn scores(network: &Network) -> Vec<f32> {
    let logits = network.logits().unwrap();
    let model = network.graph.to_model(&[untyped_value(logits)]).unwrap();
    let bytes = file::encode(&model).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let [n, c, h, w] = network.input_dims(1);
    let picture = Tensor::from(Array4::from_elem((n, c, h, w), 2f32));
    let found = session
        .run(&[(&network.input, &picture)], &[logits])
        .unwrap();
    found[0].as_f32().unwrap().iter().copied().collect()
}

/// Convolution, rectifier and mean, with weights of the type `elem`.
fn small(b: &mut Builder, picture: &str, elem: ElementType) -> String {
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
        .all(|layer| layer.differentiability == Differentiability::Differentiable)
}

#[test]
fn other_precisions_are_read_as_single_precision() {
    let open = |elem: ElementType| {
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
    let single = open(ElementType::F32);
    for elem in [ElementType::F16, ElementType::BF16, ElementType::F64] {
        let other = open(elem);
        assert!(differentiable(&other));
        assert_eq!(other.shapes.get("relu").unwrap().elem, ElementType::F32);
        assert_eq!(scores(&other), scores(&single), "{elem:?}");
    }
}

#[test]
fn double_precision_within_a_model_of_another_stays() {
    let network = opened(18, |b| {
        b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 4, 4]))
            .unwrap();
        let wide = b.emit(
            "Cast",
            &["x"],
            &[("to", i64::from(ElementType::F64.code()).into())],
        );
        let lowest = b.scalar(ElementType::F64, f64::MIN).unwrap();
        let whole = b
            .emit_named("largest", "Max", &[&wide, &lowest], &[])
            .unwrap();
        let narrow = b.emit(
            "Cast",
            &[&whole],
            &[("to", i64::from(ElementType::F32.code()).into())],
        );
        vec![
            b.emit_named("y", "GlobalAveragePool", &[&narrow], &[])
                .unwrap(),
        ]
    });
    let network = network.unwrap();
    assert_eq!(
        network.shapes.get("largest").unwrap().elem,
        ElementType::F64
    );
    assert!(differentiable(&network));
}

#[test]
fn scores_are_taken_before_a_softmax_of_any_age_and_shape() {
    let picture = |b: &mut Builder| {
        b.input("x", ElementType::F32, &fixed_dims(&[1, 3, 4, 4]))
            .unwrap()
    };
    let old = opened(9, |b| {
        let x = picture(b);
        let pool = small(b, &x, ElementType::F32);
        let flat = b.emit_named("fc", "Flatten", &[&pool], &[]).unwrap();
        vec![
            b.emit_named("probabilities", "Softmax", &[&flat], &[])
                .unwrap(),
        ]
    });
    let old = old.unwrap();
    assert_eq!((old.logits().unwrap(), old.classes.len()), ("fc", 4));
    let planes = opened(9, |b| {
        let x = picture(b);
        let pool = small(b, &x, ElementType::F32);
        vec![
            b.emit_named("probabilities", "Softmax", &[&pool], &[])
                .unwrap(),
        ]
    });
    let planes = planes.unwrap();
    assert_eq!(scores(&planes), scores(&old));
    let without = opened(18, |b| {
        let x = picture(b);
        vec![small(b, &x, ElementType::F32)]
    });
    let without = without.unwrap();
    assert_eq!(
        (without.logits().unwrap(), without.classes.len()),
        ("pool/flat", 4)
    );
    assert_eq!(scores(&without), scores(&old));
}

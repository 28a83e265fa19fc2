//! Classifiers with their class activation map as an output: the same map as the program computes itself, in a plain
//! session.

use super::*;
use ndarray::{Array1, ArrayD, s};
use std::num::NonZeroUsize;
use ziggurat::ascent::cam::METHODS;
use ziggurat::ascent::resampling::resize_picture;
use ziggurat::ascent::{CamModel, CamRequest, cam_model};
use ziggurat::onnx::graph::declared_dims;
use ziggurat::onnx::proto::{ModelProto, StringStringEntryProto, ValueInfoProto};
use ziggurat::onnx::types::{fixed_dims, value_info};

/// Pictures without a pattern, in model-input units.
fn pictures(network: &Network, count: usize) -> Array4<f32> {
    let mut place = 0f32;
    Array4::from_shape_simple_fn(network.input_dims(count), || {
        place += 1.0;
        (place * 0.013).sin() + (place * 0.7).cos() * 0.5
    })
}

/// The map of one picture as `ziggurat cam` computes it, at the picture's size and scaled to its maximum.
fn expected(
    network: &Network,
    class: usize,
    picture: Array4<f32>,
    choice: CamOptions,
) -> Result<Array2<f32>, Error> {
    let target = Objective {
        kind: Kind::Class,
        value: network.logits().unwrap().into(),
    };
    let unit = Unit {
        index: class,
        ..Unit::default()
    };
    let [.., height, width] = network.input_dims(1);
    let map = evaluate::class_activation(network, &target, unit, picture, choice, Device::Cpu)?;
    let map = resize_picture(&map.insert_axis(Axis(0)), height, width);
    let map = map.index_axis_move(Axis(0), 0);
    let largest = map.fold(0.0, |most: f32, &value| most.max(value));
    Ok(map / largest.max(f32::MIN_POSITIVE))
}

fn session(model: &ModelProto) -> Session {
    let bytes = file::encode(model).unwrap();
    Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap()
}

fn run_model(model: &ModelProto, inputs: &[(&str, Tensor)], output: &str) -> ArrayD<f32> {
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, value)| (*name, value)).collect();
    let found = session(model).run(&inputs, &[output]).unwrap();
    found[0].as_f32().unwrap().clone()
}

fn required(method: Method) -> CamRequest<'static> {
    CamRequest {
        map: CamOptions {
            method,
            layer: None,
        },
        class_required: true,
        ..CamRequest::default()
    }
}

/// The class with the highest score of each picture.
fn top(network: &Network, pictures: &Array4<f32>) -> Vec<usize> {
    let outputs = [untyped_value(network.logits().unwrap())];
    let model = network.graph.to_model(&outputs).unwrap();
    let inputs = [(network.input.as_str(), Tensor::from(pictures.clone()))];
    let scores = run_model(&model, &inputs, &outputs[0].name);
    let best = |scores: ndarray::ArrayViewD<f32>| evaluate::largest(scores.iter().copied(), 1)[0].0;
    scores.outer_iter().map(best).collect()
}

fn farthest(found: &ArrayD<f32>, expected: &ArrayD<f32>) -> f32 {
    assert_eq!(found.shape(), expected.shape());
    let difference = found - expected;
    difference.fold(0.0, |most, value| most.max(value.abs()))
}

#[test]
fn an_exported_map_equals_that_of_the_command_line() {
    let [residual, dense, transformer] = networks::architectures();
    let mut maps = 0;
    for network in [
        networks::small(),
        &residual,
        &dense,
        &transformer,
        network(),
    ] {
        let pictures = pictures(network, 3);
        let classes = network.classes.len();
        let top = top(network, &pictures);
        let chosen = [classes / 3, top[1], 0];
        let given = Tensor::from(Array1::from(vec![chosen[0] as i64, -1, 0]));
        for &(name, method) in METHODS {
            let result = cam_model(network, &required(method));
            let picture = pictures.slice(s![..1, .., .., ..]).to_owned();
            let choice = required(method).map;
            let result = match expected(network, chosen[0], picture, choice) {
                Ok(_) => result.unwrap(),
                Err(why) => {
                    assert_eq!(result.unwrap_err().to_string(), why.to_string());
                    assert_eq!(method, Method::Cam);
                    continue;
                }
            };
            assert!(
                result.notes.is_empty(),
                "{}: {:?}",
                network.name,
                result.notes
            );
            let nodes = &result.model.graph.as_ref().unwrap().node;
            assert!(nodes.iter().all(|node| node.domain.is_empty()));
            let inputs = [
                (network.input.as_str(), Tensor::from(pictures.clone())),
                (result.class.as_str(), given.clone()),
            ];
            let found = run_model(&result.model, &inputs, &result.heatmap);
            for (index, &class) in chosen.iter().enumerate() {
                let picture = pictures.slice(s![index..=index, .., .., ..]).to_owned();
                let expected = expected(network, class, picture, choice).unwrap();
                let found = found.index_axis(Axis(0), index).to_owned();
                let distance = farthest(&found, &expected.into_dyn());
                println!("{}, {name}, class {class}: {distance:.1e}", network.name);
                // Before a normalization, the sum over channels of gradient times activation is a small difference of
                // large numbers.
                let tolerance = match method {
                    Method::HiResCam => 1e-3,
                    _ => 1e-5,
                };
                assert!(
                    distance < tolerance,
                    "{}, {name}: {distance:e}",
                    network.name
                );
                let range = found
                    .iter()
                    .fold((f32::MAX, f32::MIN), |(least, most), &value| {
                        (least.min(value), most.max(value))
                    });
                assert!(range.0 >= 0.0 && (range.1 == 1.0 || range == (0.0, 0.0)));
                maps += usize::from(range.1 == 1.0);
            }
        }
    }
    assert!(maps > 40, "{maps} maps are not zero everywhere");
}

#[test]
fn without_a_class_the_map_is_that_of_the_highest_score() {
    let [residual, _, transformer] = networks::architectures();
    for network in [&residual, &transformer] {
        let optional = CamRequest::default();
        let result = cam_model(network, &optional).unwrap();
        let model = &result.model;
        for count in [1, 4] {
            let pictures = pictures(network, count);
            let images = (network.input.as_str(), Tensor::from(pictures.clone()));
            let found = run_model(model, &[images], "heatmap");
            for (index, class) in top(network, &pictures).into_iter().enumerate() {
                let picture = pictures.slice(s![index..=index, .., .., ..]).to_owned();
                let expected = expected(network, class, picture, optional.map).unwrap();
                let found = found.index_axis(Axis(0), index).to_owned();
                assert!(farthest(&found, &expected.into_dyn()) < 1e-5);
            }
        }
        let graph = model.graph.as_ref().unwrap();
        let default = graph.initializer.iter().find(|known| known.name == "class");
        assert_eq!(default.unwrap().to_i64().unwrap(), [-1]);
    }
}

#[test]
fn one_class_holds_for_all_pictures_and_an_unknown_one_is_an_error() {
    let [residual, ..] = networks::architectures();
    let result = cam_model(&residual, &required(Method::GradCam)).unwrap();
    let images = Tensor::from(pictures(&residual, 2));
    let run = |classes: &[i64]| {
        let classes = Tensor::from(Array1::from(classes.to_vec()));
        let inputs = [(residual.input.as_str(), &images), ("class", &classes)];
        session(&result.model).run(&inputs, &["heatmap"])
    };
    let both = run(&[7, 7]).unwrap();
    assert_eq!(run(&[7]).unwrap()[0].as_f32(), both[0].as_f32());
    let why = run(&[7, 10]).unwrap_err().to_string();
    assert!(why.contains("out of data bounds"), "{why}");
}

/// A classifier of pixels (N, rows, columns, channels) with an output for the best class, and metadata.
fn pixels(batch: Dim) -> ModelProto {
    let mut b = Builder::empty(18, "");
    let dims = [
        batch.clone(),
        Dim::DimValue(16),
        Dim::DimValue(24),
        Dim::DimValue(3),
    ];
    b.input("pixels", ElementType::U8, &dims).unwrap();
    let to = i64::from(ElementType::F32.code());
    let image = b.emit("Cast", &["pixels"], &[("to", to.into())]);
    let image = b.emit(
        "Transpose",
        &[&image],
        &[("perm", vec![0i64, 3, 1, 2].into())],
    );
    let filters: Vec<f32> = (0..4 * 3 * 9)
        .map(|place| (place as f32 * 1.7).sin() / 255.0)
        .collect();
    let filters = b.floats(&[4, 3, 3, 3], &filters);
    let strides = [
        ("strides", vec![2i64, 2].into()),
        ("pads", vec![1i64; 4].into()),
    ];
    let features = b.emit("Conv", &[&image, &filters], &strides);
    let features = b.emit("Relu", &[&features], &[]);
    let pooled = b.emit("GlobalAveragePool", &[&features], &[]);
    let pooled = b.emit("Flatten", &[&pooled], &[]);
    let weights: Vec<f32> = (0..20).map(|place| (place as f32 * 2.3).cos()).collect();
    let weights = b.floats(&[5, 4], &weights);
    // The names that the new input and output would have.
    b.emit_named(
        "class",
        "Gemm",
        &[&pooled, &weights],
        &[("transB", 1i64.into())],
    )
    .unwrap();
    b.emit_named("heatmap", "Softmax", &["class"], &[]).unwrap();
    let flat = [("axis", 1i64.into()), ("keepdims", 0i64.into())];
    b.emit_named("best", "ArgMax", &["heatmap"], &flat).unwrap();
    let outputs = [
        value_info("best", ElementType::I64, std::slice::from_ref(&batch)),
        value_info("heatmap", ElementType::F32, &[batch, Dim::DimValue(5)]),
    ];
    let mut model = b.graph().to_model(&outputs).unwrap();
    model.metadata_props = vec![StringStringEntryProto {
        key: "license".into(),
        value: "free".into(),
    }];
    model
}

fn opened(model: ModelProto) -> Network {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    file::write(model, &path, None).unwrap();
    networks::open(path.to_str())
}

fn exported(network: &Network, batch: Option<usize>) -> CamModel {
    let request = CamRequest {
        batch: batch.and_then(NonZeroUsize::new),
        ..required(Method::GradCamPlusPlus)
    };
    cam_model(network, &request).unwrap()
}

fn dims(values: &[ValueInfoProto], name: &str) -> Vec<Option<Dim>> {
    let value = values.iter().find(|value| value.name == name).unwrap();
    declared_dims(value).unwrap().1
}

#[test]
fn the_interface_of_the_file_is_kept() {
    ziggurat::runtime::testing::library();
    let original = pixels(Dim::DimParam("count".into()));
    let network = opened(original.clone());
    let result = exported(&network, None);
    assert!(result.notes.is_empty(), "{:?}", result.notes);
    assert_eq!((&*result.class, &*result.heatmap), ("class2", "heatmap2"));
    let model = &result.model;
    assert_eq!(model.metadata_props, original.metadata_props);
    let (before, after) = (original.graph.unwrap(), model.graph.as_ref().unwrap());
    assert_eq!(before.input, after.input[..1]);
    assert_eq!(before.output, after.output[..2]);
    let count = Some(Dim::DimParam("count".into()));
    let size = |size| Some(Dim::DimValue(size));
    assert_eq!(dims(&after.input, "class2"), std::slice::from_ref(&count));
    assert_eq!(dims(&after.output, "heatmap2"), [count, size(16), size(24)]);

    let mut state = 1u32;
    let bytes = Array4::from_shape_simple_fn((2, 16, 24, 3), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let given = Tensor::from(Array1::from(vec![2i64, 4]));
    let inputs = [("pixels", &Tensor::from(bytes.clone())), ("class2", &given)];
    let outputs = ["best", "heatmap", "heatmap2"];
    let found = session(model).run(&inputs, &outputs).unwrap();
    let scores = found[1].as_f32().unwrap();
    let best: ArrayD<i64> = found[0].clone().try_into().unwrap();
    for (index, class) in [2, 4].into_iter().enumerate() {
        let own = scores.index_axis(Axis(0), index);
        assert_eq!(
            best[[index]] as usize,
            evaluate::largest(own.iter().copied(), 1)[0].0
        );
        let picture = bytes.slice(s![index..=index, .., .., ..]).mapv(f32::from);
        let picture = picture
            .permuted_axes([0, 3, 1, 2])
            .as_standard_layout()
            .into_owned();
        let expected = expected(
            &network,
            class,
            picture,
            required(Method::GradCamPlusPlus).map,
        );
        let map = found[2]
            .as_f32()
            .unwrap()
            .index_axis(Axis(0), index)
            .to_owned();
        assert!(map.iter().any(|&value| value == 1.0));
        assert!(farthest(&map, &expected.unwrap().into_dyn()) < 1e-5);
    }
}

#[test]
fn a_batch_size_is_fixed_on_request_only() {
    let open = opened(pixels(Dim::DimParam("count".into())));
    let fixed = opened(pixels(Dim::DimValue(1)));
    for (network, batch, count) in [(&open, Some(3), 3), (&fixed, None, 1)] {
        let result = exported(network, batch);
        let graph = result.model.graph.as_ref().unwrap();
        let size = |size| Some(Dim::DimValue(size));
        assert_eq!(
            dims(&graph.output, "heatmap2"),
            [size(count), size(16), size(24)]
        );
        assert_eq!(dims(&graph.output, "best"), [size(count)]);
        assert_eq!(dims(&graph.input, "pixels")[0], size(count));
        assert_eq!(dims(&graph.input, "class2"), [size(count)]);
    }
    let request = CamRequest {
        batch: NonZeroUsize::new(2),
        ..CamRequest::default()
    };
    let why = cam_model(&fixed, &request).unwrap_err().to_string();
    assert_eq!(
        why,
        "the model's batch size is fixed: no other one can be set"
    );
}

/// A model whose further input is set, and whose scores are divided by their mean over the batch.
#[test]
fn what_is_not_kept_is_noted() {
    let mut b = Builder::empty(18, "");
    let side = || Dim::DimParam("side".into());
    let dims = [Dim::DimParam("N".into()), Dim::DimValue(3), side(), side()];
    b.input("x", ElementType::F16, &dims).unwrap();
    b.input("scale", ElementType::F32, &fixed_dims(&[1]))
        .unwrap();
    let filters: Vec<f32> = (0..4 * 3 * 4)
        .map(|place| (place as f32 * 1.7).sin())
        .collect();
    let filters = b.floats(&[4, 3, 2, 2], &filters);
    let to = i64::from(ElementType::F32.code());
    let x = b.emit("Cast", &["x"], &[("to", to.into())]);
    let strides = [("strides", vec![2i64, 2].into())];
    let features = b.emit("Conv", &[&x, &filters], &strides);
    let features = b.emit("Relu", &[&features], &[]);
    let pooled = b.emit("GlobalAveragePool", &[&features], &[]);
    let pooled = b.emit("Flatten", &[&pooled], &[]);
    let over = b.ints(&[0]);
    let mean = b.emit("ReduceMean", &[&pooled, &over], &[]);
    let mean = b.emit("Add", &[&mean, "scale"], &[]);
    b.emit_named("scores", "Div", &[&pooled, &mean], &[])
        .unwrap();
    let model = b.graph().to_model(&[untyped_value("scores")]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    file::write(model, &path, None).unwrap();
    let home = ziggurat::runtime::testing::home();
    ziggurat::runtime::testing::library();
    let source = ziggurat::model::ModelSource::resolve(&home, path.to_str()).unwrap();
    let mut opened = source.open(&home, &|_| {}).unwrap();
    opened.card.feed.insert("scale".into(), 1.5);
    let network = Network::open(&opened).unwrap();
    let result = cam_model(&network, &CamRequest::default()).unwrap();
    let [precision, further, batch] = result.notes.as_slice() else {
        panic!("{:?}", result.notes);
    };
    assert_eq!(
        precision,
        "the model computes in float32: so does its input \"x\""
    );
    assert_eq!(
        further,
        "its further input \"scale\" has the given value and is no input any more"
    );
    let sides = result.fixed_size.unwrap();
    assert_eq!((sides.height, sides.width), (224, 224));
    assert!(
        batch.starts_with("the batch size is fixed at 1: constant "),
        "{batch}"
    );
    let inputs = &result.model.graph.as_ref().unwrap().input;
    let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["x", "class"]);
}

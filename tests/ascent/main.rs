//! The ascent on a real network: what it promises its callers.

mod batching;
mod cam_model;
mod class_activation_maps;
mod layers;
// Those of the tests on GPUs, which use more of them.
#[allow(dead_code, unused_imports)]
#[path = "../gpu/networks.rs"]
mod networks;
mod positions;
mod rescue;
mod stages;
mod step;
mod tokens;

use ndarray::{Array2, Array4, Axis, Ix4};
use networks::built;
use std::sync::OnceLock;
use ziggurat::ascent::cam::Method;
use ziggurat::ascent::evaluate;
use ziggurat::ascent::{
    Ascent, CamOptions, ClassScore, Error, Kind, Objective, Outcome, Run, Settings, Unit,
};
use ziggurat::model::Network;
use ziggurat::onnx::proto::{Dim, TensorProto};
use ziggurat::onnx::types::untyped_value;
use ziggurat::onnx::{Attribute, Builder, ElementType, file};
use ziggurat::runtime::{CancelHandle, Device, Provider, Session, SessionOptions, Tensor};

const FLAMINGO: usize = 130;

fn network() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| networks::open(None))
}

fn class_objective() -> Objective {
    Objective::class(network()).unwrap()
}

fn run(index: usize, seed: u64, steps: u32) -> Run {
    let settings = Settings {
        steps,
        ..Settings::default()
    };
    Run::new(Unit::new(index), seed, settings)
}

/// The pictures of a batch, as bytes, and the outcomes.
fn ascend(objective: &Objective, runs: &[Run]) -> (Vec<Vec<u8>>, Vec<Outcome>) {
    let mut ascent = Ascent::new(
        network(),
        objective,
        runs,
        Device::Cpu,
        &CancelHandle::default(),
    )
    .unwrap();
    while ascent.step().unwrap().is_some() {}
    let outcomes = ascent.outcomes().unwrap();
    let pictures = ascent.pictures().unwrap();
    (
        pictures
            .into_iter()
            .map(image::RgbImage::into_raw)
            .collect(),
        outcomes,
    )
}

/// The mean difference of two pictures, in steps of 1/255.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    let sum: f64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum();
    sum / a.len() as f64
}

#[test]
fn a_draft_convinces_the_network_of_the_class() {
    let mut draft = run(FLAMINGO, 0, 1);
    draft.settings = Settings::preset("draft").unwrap();
    let (_, outcomes) = ascend(&class_objective(), &[draft]);
    let probability = outcomes[0].probability.unwrap();
    assert!(probability > 0.5, "{probability}");
    assert!(!outcomes[0].dead);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_another_picture() {
    let (first, _) = ascend(&class_objective(), &[run(FLAMINGO, 3, 6)]);
    let (again, _) = ascend(&class_objective(), &[run(FLAMINGO, 3, 6)]);
    let (other, _) = ascend(&class_objective(), &[run(FLAMINGO, 4, 6)]);
    assert_eq!(first, again);
    assert!(difference(&first[0], &other[0]) > 1.0);
}

/// Noise starts once the class is recognised, and changes nothing before.
#[test]
fn views_are_clear_until_the_class_is_recognised() {
    let picture = |steps, view_noise| {
        let mut one = run(FLAMINGO, 3, 192);
        one.settings.view_noise = view_noise;
        let mut ascent = Ascent::new(
            network(),
            &class_objective(),
            &[one],
            Device::Cpu,
            &CancelHandle::default(),
        )
        .unwrap();
        while ascent.step_count() < steps {
            ascent.step().unwrap();
        }
        let recognition = ascent.save().unwrap().at.runs[0].recognition;
        (recognition, ascent.pictures().unwrap().remove(0).into_raw())
    };
    let (recognition, early) = picture(2, 1.0);
    assert_eq!(recognition, 0.0);
    assert_eq!(early, picture(2, 0.0).1);
    let (recognition, later) = picture(60, 0.2);
    assert!(recognition > 0.0);
    assert_ne!(later, picture(60, 0.0).1);
}

/// An ascent that continues from a saved state, including its noise, ends in the same picture, bit for bit.
#[test]
fn a_saved_ascent_continues_to_the_same_picture() {
    let runs = [run(FLAMINGO, 3, 96)];
    let objective = class_objective();
    let stop = CancelHandle::default();
    let mut ascent = Ascent::new(network(), &objective, &runs, Device::Cpu, &stop).unwrap();
    let mut saved = None;
    while ascent.step().unwrap().is_some() {
        if ascent.step_count() == 72 {
            saved = Some(ascent.save().unwrap());
        }
    }
    let saved = saved.unwrap();
    assert!(saved.at.runs[0].recognition > 0.0);
    let mut resumed =
        Ascent::resume(network(), &objective, &runs, Device::Cpu, &stop, saved).unwrap();
    while resumed.step().unwrap().is_some() {}
    assert_eq!(resumed.pictures().unwrap(), ascent.pictures().unwrap());
}

#[test]
fn channels_neurons_and_layers_rise_too() {
    let value = "blocks.5/expand/relu6".to_string();
    for (kind, position) in [
        (Kind::Channel, (0, 0)),
        (Kind::Neuron, (10, 10)),
        (Kind::Layer, (0, 0)),
    ] {
        let objective = Objective {
            kind,
            value: value.clone(),
        };
        // A neuron may be blocked where it starts: leave the rescue its steps.
        let mut one = run(5, 0, 30);
        one.unit.position = position;
        let mut ascent = Ascent::new(
            network(),
            &objective,
            &[one],
            Device::Cpu,
            &CancelHandle::default(),
        )
        .unwrap();
        let first = ascent.step().unwrap().unwrap().scores[0];
        while ascent.step().unwrap().is_some() {}
        let last = &ascent.outcomes().unwrap()[0];
        assert!(
            last.score > first && !last.dead,
            "{kind:?}: {first} to {}",
            last.score
        );
        assert!(last.probability.is_none());
    }
}

#[test]
fn every_optional_term_takes_part() {
    let plain = ascend(&class_objective(), &[run(FLAMINGO, 0, 6)])
        .0
        .remove(0);
    for (key, value) in [
        ("decay", 0.1),
        ("damping", 0.5),
        ("total_variation", 0.01),
        ("mask", 0.0),
        ("stochastic_depth", 0.0),
        ("view_min", 1.3),
        ("view_max", 0.6),
        ("blur", 0.0),
        ("blur_share", 1.0),
        ("chroma", 0.5),
        ("tilt", 1.5),
        ("contrast", 0.05),
        ("noise", 0.5),
        ("objective", f64::NAN),
    ] {
        let mut changed = run(FLAMINGO, 0, 6);
        let value = if value.is_nan() {
            "logit".into()
        } else {
            value.into()
        };
        changed.settings.set(key, value).unwrap();
        let picture = ascend(&class_objective(), &[changed]).0.remove(0);
        assert!(difference(&plain, &picture) > 0.1, "{key}");
    }
}

/// Decay reduces contrast; damping and total variation reduce fine detail.
#[test]
fn regularizers_reduce_contrast_and_detail() {
    let picture = |changes: &[(&str, f64)]| {
        let mut one = run(FLAMINGO, 0, 24);
        for (key, value) in changes {
            one.settings.set(key, (*value).into()).unwrap();
        }
        ascend(&class_objective(), &[one]).0.remove(0)
    };
    let contrast = |picture: &[u8]| {
        let mean = picture.iter().map(|&v| f64::from(v)).sum::<f64>() / picture.len() as f64;
        let square = |v: &u8| (f64::from(*v) - mean).powi(2);
        (picture.iter().map(square).sum::<f64>() / picture.len() as f64).sqrt()
    };
    // Horizontal neighbours are three bytes apart.
    let detail = |picture: &[u8]| difference(&picture[3..], &picture[..picture.len() - 3]);
    let plain = picture(&[]);
    assert!(contrast(&picture(&[("decay", 0.2)])) < 0.8 * contrast(&plain));
    assert!(detail(&picture(&[("damping", 0.5)])) < 0.8 * detail(&plain));
    assert!(detail(&picture(&[("total_variation", 0.5)])) < 0.8 * detail(&plain));
}

/// No colour axis exceeds the limit, for any objective.
#[test]
fn contrast_stays_within_its_limit() {
    let objective = Objective {
        kind: Kind::Channel,
        value: "blocks.1/expand/relu6".into(),
    };
    let mut one = run(70, 0, 60);
    let spread = |picture: &[u8]| {
        let square = |v: &u8| (f64::from(*v) - 127.5).powi(2);
        (picture.iter().map(square).sum::<f64>() / picture.len() as f64).sqrt()
    };
    one.settings.contrast = 0.0;
    let free = spread(&ascend(&objective, &[one.clone()]).0[0]);
    one.settings.contrast = 0.5;
    let limited = spread(&ascend(&objective, &[one]).0[0]);
    // Half of what photographs have: 0.27 of the range in luminance, and chroma.
    assert!(
        limited < 0.5 * 0.3 * 255.0 && free > 2.0 * limited,
        "{free} {limited}"
    );
}

/// Grad-CAM at the last activations is the default. Another method or layer gives another picture; a layer without a
/// map is an error before anything is computed.
#[test]
fn the_mask_follows_the_requested_method_and_layer() {
    let with = |changes: &[(&str, &str)]| {
        let mut changed = run(FLAMINGO, 0, 6);
        changed.settings.mask = 1.0;
        for (key, value) in changes {
            changed.settings.set_text(key, value).unwrap();
        }
        changed
    };
    let picture = |run| ascend(&class_objective(), &[run]).0.remove(0);
    let plain = picture(with(&[]));
    let layers = network().layers();
    let spatial = |layer: &&ziggurat::model::Layer| layer.plane().is_some_and(|plane| plane.0 > 1);
    let maps: Vec<_> = layers.iter().filter(spatial).collect();
    let (early, last) = (&maps[maps.len() / 2].name, &maps[maps.len() - 1].name);
    assert_eq!(picture(with(&[("mask_layer", last)])), plain);
    for changes in [
        [("mask_method", "layer-cam"), ("mask_layer", "")],
        [("mask_method", "hires-cam"), ("mask_layer", early)],
        [("mask_method", "grad-cam"), ("mask_layer", early)],
    ] {
        let other = difference(&plain, &picture(with(&changes)));
        assert!(other > 0.1, "{changes:?}: {other}");
    }

    let refused = |run| {
        let stop = CancelHandle::default();
        let begun = Ascent::new(network(), &class_objective(), &[run], Device::Cpu, &stop);
        begun.err().unwrap().to_string()
    };
    let flat = network().logits().unwrap();
    assert!(refused(with(&[("mask_layer", flat)])).contains("no rows and columns"));
    assert!(refused(with(&[("mask_layer", "nowhere")])).contains("no layer is called"));
    let cam = [("mask_method", "cam"), ("mask_layer", early)];
    assert!(refused(with(&cam)).contains("plain CAM"));
    // Without a mask none of this matters.
    let mut unmasked = with(&[("mask_layer", "nowhere")]);
    unmasked.settings.mask = 0.0;
    picture(unmasked);
}

/// A run without stochastic depth draws the same views, whether another run of its batch drops branches or not.
#[test]
fn stochastic_depth_is_independent_per_run() {
    let mut whole = run(FLAMINGO, 1, 3);
    whole.settings.stochastic_depth = 0.0;
    let alone = ascend(&class_objective(), &[whole.clone()]).0.remove(0);
    let thinned = run(FLAMINGO, 1, 3);
    let pictures = ascend(&class_objective(), &[whole, thinned]).0;
    let mean = difference(&alone, &pictures[0]);
    assert!(mean < 0.5, "{mean}");
    assert!(difference(&pictures[0], &pictures[1]) > 1.0);
}

#[test]
fn a_cancelled_ascent_keeps_its_picture_and_continues_to_the_same_end() {
    let objective = class_objective();
    let whole = ascend(&objective, &[run(FLAMINGO, 2, 6)]).0;
    let stop = CancelHandle::default();
    let mut ascent = Ascent::new(
        network(),
        &objective,
        &[run(FLAMINGO, 2, 6)],
        Device::Cpu,
        &stop,
    )
    .unwrap();
    ascent.step().unwrap();
    stop.stop();
    assert!(ascent.step().unwrap_err().is_stop());
    assert_eq!(ascent.pictures().unwrap().len(), 1);
    stop.reset();
    while ascent.step().unwrap().is_some() {}
    assert_eq!(ascent.pictures().unwrap()[0].as_raw(), &whole[0]);
}

#[test]
fn units_that_do_not_exist_are_an_error() {
    let objective = class_objective();
    let problem = Ascent::new(
        network(),
        &objective,
        &[run(1000, 0, 1)],
        Device::Cpu,
        &CancelHandle::default(),
    );
    assert!(matches!(problem, Err(Error::NoSuchUnit(_))));
}

/// CAM (Zhou et al. 2016) weights the last activations by the classifier's weights. After global average pooling
/// and one linear layer, the weights of Grad-CAM are those divided by the area.
#[test]
fn grad_cam_equals_cam_up_to_a_scale() {
    let network = network();
    let activations = "head/relu6";
    let size = network.size;
    let picture = Array4::from_shape_fn(
        (1, 3, size.height as usize, size.width as usize),
        |(_, c, y, x)| ((x * (c + 1)) as f32 / 17.0).sin() * ((y + 3 * c) as f32 / 23.0).cos(),
    );
    let model = network
        .graph
        .to_model(&[untyped_value(activations)])
        .unwrap();
    let bytes = file::encode(&model).unwrap();
    let mut session = Session::open(&bytes, Provider::Cpu, &SessionOptions::default()).unwrap();
    let input = Tensor::from(picture.clone());
    let output = session
        .run(&[(&network.input, &input)], &[activations])
        .unwrap()
        .remove(0);
    let maps = output
        .as_f32()
        .unwrap()
        .clone()
        .into_dimensionality::<Ix4>()
        .unwrap();
    let gemm = network
        .graph
        .nodes()
        .iter()
        .find(|node| node.op_type == "Gemm")
        .unwrap();
    let weights = network
        .graph
        .constant(&gemm.input[1])
        .unwrap()
        .to_f32()
        .unwrap();
    let channels = maps.dim().1;
    let weights = &weights[FLAMINGO * channels..][..channels];
    let mut cam = Array2::<f32>::zeros((maps.dim().2, maps.dim().3));
    for (map, weight) in maps.index_axis(Axis(0), 0).outer_iter().zip(weights) {
        cam.scaled_add(*weight, &map);
    }
    cam.mapv_inplace(|value| value.max(0.0));
    let unit = Unit {
        index: FLAMINGO,
        position: (0, 0),
    };
    let map = |method| {
        let choice = CamOptions {
            method,
            layer: None,
        };
        let (objective, picture) = (class_objective(), picture.clone());
        evaluate::class_activation(network, &objective, unit, picture, choice, Device::Cpu).unwrap()
    };
    // CAM itself, not only up to a scale.
    let worst = (&cam - &map(Method::Cam))
        .mapv(f32::abs)
        .fold(0.0, |a: f32, &b| a.max(b));
    assert!(
        worst <= 1e-4 * cam.fold(0.0, |a: f32, &b| a.max(b)),
        "{worst}"
    );
    let ours = map(Method::GradCam);
    let dot = (&cam * &ours).sum();
    let cosine = dot / ((&cam * &cam).sum() * (&ours * &ours).sum()).sqrt();
    assert!(cam.sum() > 0.0 && cosine > 0.9999, "{cosine}");
}

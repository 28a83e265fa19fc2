//! Checks that need a GPU. Without one, each says so and passes: nothing was checked.

use ndarray::Array4;
use ziggurat::ascent::{Ascent, Kind, Objective, Run, Settings, Unit, probe};
use ziggurat::model::{Network, Source};
use ziggurat::onnx::file;
use ziggurat::onnx::shapes::untyped;
use ziggurat::runtime::{Device, Options, Provider, Session, Stop, package, testing};

const GPU: Device = Device::Cuda(0);

/// The default network, if there is a GPU to run it on.
fn network() -> Option<Network> {
    testing::library();
    if let Err(problem) = Provider::Cuda(0).resolve() {
        println!("skipped: no GPU ({problem})");
        return None;
    }
    let home = testing::home();
    let source = Source::resolve(&home, None).unwrap();
    Some(Network::open(&source.open(&home, &package::quiet).unwrap()).unwrap())
}

fn objective(network: &Network) -> Objective {
    Objective {
        kind: Kind::Class,
        value: network.logits().unwrap().into(),
    }
}

#[test]
fn gradients_agree_with_the_cpus() {
    let Some(network) = network() else { return };
    let [_, channels, height, width] = network.input_dims(1);
    let picture = Array4::from_shape_fn((1, channels, height, width), |(_, c, y, x)| {
        ((x * (c + 1)) as f32 / 13.0).sin() * (y as f32 / 29.0).cos()
    });
    let unit = Unit {
        index: 130,
        position: (0, 0),
    };
    let on = |device| {
        probe::input_gradient(
            &network,
            &objective(&network),
            unit,
            picture.clone(),
            device,
        )
        .unwrap()
    };
    let (cpu, gpu) = (on(Device::Cpu), on(GPU));
    let norm = |array: &Array4<f32>| array.mapv(|value| value * value).sum().sqrt();
    let error = norm(&(&cpu - &gpu)) / norm(&cpu);
    println!("relative L2 error of the gradient: {error:.2e}");
    assert!(error < 5e-3, "{error}");
}

#[test]
fn pictures_convince_the_network_as_on_the_cpu() {
    let Some(network) = network() else { return };
    let settings = Settings {
        steps: 48,
        ..Settings::default()
    };
    let run = Run {
        unit: Unit {
            index: 130,
            position: (0, 0),
        },
        seed: 0,
        settings,
        earlier: Vec::new(),
    };
    let probability = |device| {
        let runs = std::slice::from_ref(&run);
        let mut ascent = Ascent::new(
            &network,
            &objective(&network),
            runs,
            device,
            &Stop::default(),
        )
        .unwrap();
        let start = std::time::Instant::now();
        while ascent.step().unwrap().is_some() {}
        let seconds = start.elapsed().as_secs_f64();
        println!("{device}: {:.1} steps a second", 48.0 / seconds);
        ascent.outcomes().unwrap()[0].probability.unwrap()
    };
    let (cpu, gpu) = (probability(Device::Cpu), probability(GPU));
    assert!((cpu - gpu).abs() < 0.1, "{cpu} and {gpu}");
}

#[test]
fn every_node_of_the_network_runs_on_the_gpu() {
    let Some(network) = network() else { return };
    let model = network
        .graph
        .to_model(&[untyped(network.logits().unwrap())])
        .unwrap();
    let options = Options {
        record_assignment: true,
        ..Options::default()
    };
    let bytes = file::encode(&model).unwrap();
    let session = Session::open(&bytes, Provider::Cuda(0), &options).unwrap();
    for node in session.assignment().unwrap() {
        assert!(node.provider.contains("CUDA"), "{node:?}");
    }
}

//! Tests on every working device other than the CPU: CUDA, and WebGPU, which needs no GPU with SwiftShader as the
//! Vulkan driver (`.ci/run` installs it). Without any device, each test says so and passes, unless
//! `ZIGGURAT_REQUIRE_GPU` is set.

mod networks;
mod program;
mod recorded;
mod stubbed;

use ndarray::{Array1, ArrayView3, Axis, Ix1, arr1};
use networks::{architectures, default_network, open, small};
use ziggurat::ascent::measurement::noise;
use ziggurat::ascent::{
    Ascent, ClassScore, Kind, Objective, Outcome, Overlay, Run, Settings, Unit, evaluate,
};
use ziggurat::model::Network;
use ziggurat::onnx::types::{fixed_dims, untyped_value};
use ziggurat::onnx::{Builder, ElementType, file};
use ziggurat::runtime::testing::{device_turn, devices};
use ziggurat::runtime::{
    CancelHandle, Device, DeviceLoop, Provider, Session, SessionOptions, Tensor,
};

/// Largest relative error (L2) of a gradient compared with the CPU's.
const GRADIENT: f32 = 1e-4;
/// The same where inputs of rectifiers are at a kink.
const AT_KINKS: f32 = 1e-2;
/// Largest difference of two pictures that a few steps made, of 255.
const PICTURE: u8 = 2;
/// Runs `check` on every device, one test at a time.
fn on_every_device(check: impl Fn(Device)) {
    let devices = devices();
    let _turn = device_turn();
    for &device in devices {
        println!("on {device}");
        check(device);
    }
}

fn objective(network: &Network) -> Objective {
    Objective {
        kind: Kind::Class,
        value: network.logits().unwrap().into(),
    }
}

fn unit(index: usize) -> Unit {
    Unit {
        index,
        position: (0, 0),
    }
}

fn run(index: usize, seed: u64, steps: u32) -> Run {
    let settings = Settings {
        steps,
        octaves: 2,
        objective: ClassScore::Logit,
        ..Settings::default()
    };
    Run {
        unit: unit(index),
        seed,
        settings,
        earlier: Vec::new(),
    }
}

fn ascent<'n>(network: &'n Network, runs: &[Run], device: Device) -> Ascent<'n> {
    Ascent::new(
        network,
        &objective(network),
        runs,
        device,
        &CancelHandle::default(),
    )
    .unwrap()
}

/// The finished pictures' bytes, and how the runs ended.
fn finish(mut ascent: Ascent) -> (Vec<Vec<u8>>, Vec<Outcome>) {
    while ascent.step().unwrap().is_some() {}
    let outcomes = ascent.outcomes().unwrap();
    let pictures = ascent.pictures().unwrap().into_iter();
    (
        pictures.map(|picture| picture.into_raw()).collect(),
        outcomes,
    )
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    differences.max().unwrap_or(0)
}

/// The relative errors (L2) of the device's gradients of a class for a few pictures compared with the CPU's, the
/// smallest first. In some of them inputs of rectifiers are at a kink, where rounding decides, on any device.
fn gradient_errors(network: &Network, class: usize, device: Device) -> Vec<f32> {
    let contrasts = [0.25, 0.5, 1.0, 1.5, 2.0];
    let pictures: Vec<_> = contrasts
        .iter()
        .map(|contrast| noise(network) * *contrast)
        .collect();
    let pictures: Vec<_> = pictures.iter().map(|picture| picture.view()).collect();
    let pictures = ndarray::concatenate(Axis(0), &pictures).unwrap();
    let on = |device| {
        let objective = objective(network);
        evaluate::input_gradient(network, &objective, unit(class), pictures.clone(), device)
            .unwrap()
    };
    let (cpu, gpu) = (on(Device::Cpu), on(device));
    let norm = |array: ArrayView3<f32>| array.mapv(|value| value * value).sum().sqrt();
    let pairs = cpu.outer_iter().zip(gpu.outer_iter());
    let mut errors: Vec<f32> = pairs
        .map(|(cpu, gpu)| {
            assert!(norm(cpu) > 0.0);
            norm((&cpu - &gpu).view()) / norm(cpu)
        })
        .collect();
    let name = &network.name;
    println!("{name}: relative L2 errors {errors:?} at contrasts {contrasts:?}");
    errors.sort_by(f32::total_cmp);
    errors
}

#[test]
fn gradients_agree_with_the_cpus() {
    on_every_device(|device| {
        let architectures = architectures();
        let built = architectures.iter().map(|network| (network, 3));
        for (network, class) in [(small(), 3), (default_network(), 130)]
            .into_iter()
            .chain(built)
        {
            let errors = gradient_errors(network, class, device);
            let median = errors[errors.len() / 2];
            assert!(median < GRADIENT, "{errors:?}");
            assert!(errors.iter().all(|error| *error < AT_KINKS), "{errors:?}");
        }
    });
}

/// Through an octave change, with a mask, alone and two at once.
#[test]
fn a_whole_ascent_makes_the_cpus_picture() {
    on_every_device(|device| {
        let runs = [run(3, 1, 8), run(7, 2, 8)];
        for runs in [&runs[..1], &runs[..]] {
            let (expected, before) = finish(ascent(small(), runs, Device::Cpu));
            let (found, after) = finish(ascent(small(), runs, device));
            for (expected, found) in expected.iter().zip(&found) {
                let difference = largest_difference(expected, found);
                println!("{} runs: largest difference {difference}", runs.len());
                assert!(difference <= PICTURE, "{difference}");
            }
            for (before, after) in before.iter().zip(&after) {
                let (before, after) = (before.score, after.score);
                assert!(
                    (before - after).abs() < 0.01 * before.abs().max(1.0),
                    "{before} {after}"
                );
            }
        }
    });
}

#[test]
fn the_default_network_climbs_as_on_the_cpu() {
    on_every_device(|device| {
        // As many steps as a picture needs where they are fast.
        let steps = match device {
            Device::Cuda(_) => 48,
            _ => 2,
        };
        let runs = [run(130, 0, steps)];
        let start = std::time::Instant::now();
        let (found, after) = finish(ascent(default_network(), &runs, device));
        println!("{steps} steps in {:.1} s", start.elapsed().as_secs_f64());
        let (expected, before) = finish(ascent(default_network(), &runs, Device::Cpu));
        let (before, after) = (before[0].score, after[0].score);
        assert!(
            (before - after).abs() < 0.1 * before.abs().max(1.0),
            "{before} {after}"
        );
        if steps == 2 {
            let difference = largest_difference(&expected[0], &found[0]);
            assert!(difference <= PICTURE, "{difference}");
        }
    });
}

/// Further model files whose step graphs must be on the device: paths between commas.
const MODELS: &str = "ZIGGURAT_PLACED_MODELS";

#[test]
fn every_node_of_the_step_graphs_is_on_the_device() {
    let architectures = architectures();
    let paths = std::env::var(MODELS).unwrap_or_default();
    let paths = paths.split(',').filter(|path| !path.is_empty());
    let files: Vec<Network> = paths.map(|path| open(Some(path))).collect();
    on_every_device(|device| {
        let networks = [small(), default_network()].into_iter();
        let mut left = Vec::new();
        for network in networks.chain(&architectures).chain(&files) {
            for (count, objective) in [
                (1, ClassScore::Logit),
                (1, Settings::default().objective),
                (2, ClassScore::Logit),
            ] {
                let mut runs: Vec<Run> = (0..count).map(|seed| run(3, seed, 4)).collect();
                runs.iter_mut()
                    .for_each(|run| run.settings.objective = objective);
                let nodes = ascent(network, &runs, device).placement().unwrap();
                println!("{}, {count} runs: {} nodes", network.name, nodes.len());
                assert!(nodes.len() > 50);
                let nodes = nodes.into_iter();
                left.extend(nodes.filter(|node| node.provider.starts_with("CPU")));
            }
        }
        assert!(left.is_empty(), "{left:#?}");
    });
}

/// `position' = position + speed`, `speed' = speed * drag + push`, `total` = the sum of the new positions.
fn recurrence() -> Vec<u8> {
    let mut b = Builder::empty(18, "");
    let four = fixed_dims(&[4]);
    for name in ["position", "speed", "push"] {
        b.input(name, ElementType::F32, &four).unwrap();
    }
    b.input("drag", ElementType::F32, &fixed_dims(&[1]))
        .unwrap();
    b.emit_named("position'", "Add", &["position", "speed"], &[])
        .unwrap();
    let slowed = b.emit("Mul", &["speed", "drag"], &[]);
    b.emit_named("speed'", "Add", &[&slowed, "push"], &[])
        .unwrap();
    b.emit_named("total", "ReduceSum", &["position'"], &[])
        .unwrap();
    let outputs = ["position'", "speed'", "total"].map(untyped_value);
    file::encode(&b.graph().to_model(&outputs).unwrap()).unwrap()
}

#[test]
fn state_stays_on_the_device_and_can_be_read_replaced_and_looked_back_at() {
    on_every_device(|device| {
        let model = recurrence();
        let mut session = Session::open(&model, device.into(), &SessionOptions::default()).unwrap();
        let position = Tensor::from(arr1(&[0.0_f32, 1.0, 2.0, 3.0]));
        let speed = Tensor::from(arr1(&[1.0_f32; 4]));
        let state = [
            ("position", "position'", &position),
            ("speed", "speed'", &speed),
        ];
        let mut looped = DeviceLoop::new(&session, &state).unwrap();
        looped
            .set(&session, "drag", &arr1(&[0.5_f32]).into())
            .unwrap();
        let numbers = |tensor: Tensor| -> Array1<f32> {
            let array = tensor.as_f32().unwrap().clone();
            array.into_dimensionality::<Ix1>().unwrap()
        };
        let (mut x, mut v) = (arr1(&[0.0_f32, 1.0, 2.0, 3.0]), arr1(&[1.0_f32; 4]));
        for step in 1..=5 {
            let push = Array1::from_elem(4, step as f32);
            let before = x.clone();
            x += &v;
            v = v * 0.5 + &push;
            let push = Tensor::from(push);
            let read = looped
                .step(&mut session, &[("push", &push)], &["total", "position'"])
                .unwrap();
            assert_eq!(
                read[0].as_f32().map(|total| total.sum()),
                Some(x.sum()),
                "step {step}"
            );
            assert_eq!(numbers(read[1].clone()), x, "step {step}");
            assert_eq!(numbers(looped.state("speed").unwrap()), v, "step {step}");
            assert_eq!(numbers(looped.previous("position").unwrap()), before);
        }
        x = arr1(&[9.0, 8.0, 7.0, 6.0]);
        looped.reset("position", &x.clone().into()).unwrap();
        let push = Tensor::from(Array1::<f32>::zeros(4));
        looped.step(&mut session, &[("push", &push)], &[]).unwrap();
        x += &v;
        assert_eq!(numbers(looped.state("position").unwrap()), x);
    });
}

#[test]
fn a_snapshot_shows_what_the_cpu_shows_and_changes_nothing() {
    on_every_device(|device| {
        let runs = [run(3, 5, 8)];
        let (mut cpu, mut gpu) = (
            ascent(small(), &runs, Device::Cpu),
            ascent(small(), &runs, device),
        );
        for _ in 0..3 {
            cpu.step().unwrap();
            gpu.step().unwrap();
            let views = [&cpu, &gpu].map(|ascent| {
                let view = ascent.view(0, Overlay::Plain).unwrap();
                view.unwrap().into_raw()
            });
            let difference = largest_difference(&views[0], &views[1]);
            assert!(difference <= PICTURE, "{difference}");
        }
        let (looked_at, _) = finish(gpu);
        let (alone, _) = finish(ascent(small(), &runs, device));
        assert!(largest_difference(&looked_at[0], &alone[0]) <= PICTURE);
    });
}

#[test]
fn a_stopped_ascent_goes_on_as_if_nothing_had_been() {
    on_every_device(|device| {
        let runs = [run(4, 6, 6)];
        let stop = CancelHandle::default();
        let network = small();
        let mut ascent = Ascent::new(network, &objective(network), &runs, device, &stop).unwrap();
        ascent.step().unwrap();
        stop.stop();
        let problem = ascent.step().unwrap_err();
        assert!(problem.is_stop(), "{problem}");
        assert_eq!(ascent.step_count(), 1);
        stop.reset();
        let (stopped, _) = finish(ascent);
        let (through, _) = finish(self::ascent(network, &runs, device));
        assert!(largest_difference(&stopped[0], &through[0]) <= PICTURE);
    });
}

#[test]
fn a_checkpoint_of_the_device_is_resumed_there_and_on_the_cpu() {
    on_every_device(|device| {
        let runs = [run(2, 7, 8)];
        let network = small();
        let (through, _) = finish(ascent(network, &runs, device));
        for second in [device, Device::Cpu] {
            let mut first = ascent(network, &runs, device);
            for _ in 0..3 {
                first.step().unwrap();
            }
            let saved = first.save().unwrap();
            let stop = CancelHandle::default();
            let objective = objective(network);
            let resumed = Ascent::resume(network, &objective, &runs, second, &stop, saved).unwrap();
            assert_eq!(resumed.step_count(), 3);
            let (found, _) = finish(resumed);
            let difference = largest_difference(&through[0], &found[0]);
            assert!(difference <= PICTURE, "{difference} on {second}");
        }
    });
}

/// As `classify` computes them.
#[test]
fn probabilities_agree_with_the_cpus() {
    on_every_device(|device| {
        let on = |device| {
            let mut classifier = evaluate::Classifier::open(small(), device).unwrap();
            classifier.probabilities(noise(small())).unwrap()
        };
        for (expected, found) in on(Device::Cpu).iter().zip(on(device)) {
            assert!((expected - found).abs() < 1e-4, "{expected} {found}");
        }
    });
}

#[test]
fn a_provider_that_is_asked_for_by_name_is_the_one_that_runs() {
    on_every_device(|device| {
        let asked: Provider = device.to_string().parse().unwrap();
        assert_eq!(asked.resolve().unwrap().device, device);
        let session = Session::open(&recurrence(), asked, &SessionOptions::default()).unwrap();
        assert_eq!(session.device(), device);
    });
}

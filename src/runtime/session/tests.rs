use std::time::{Duration, Instant};

use ndarray::{Array2, arr1, arr2};

use super::*;
use crate::onnx::ElementType;
use crate::runtime::test_models::{busy, model, model_with_external};
use crate::runtime::{Provider, nvidia, providers, testing};

/// `sum = a + b`, `product = a * b` over [?, 2], and `shape` of the sum.
fn arithmetic() -> Vec<u8> {
    let open: &[i64] = &[0, 2];
    model(
        &[("a", ElementType::F32, open), ("b", ElementType::F32, open)],
        &[
            ("sum", ElementType::F32, open),
            ("product", ElementType::F32, open),
            ("shape", ElementType::I64, &[2]),
        ],
        &[
            ("Add", &["a", "b"], &["sum"]),
            ("Mul", &["a", "b"], &["product"]),
            ("Shape", &["sum"], &["shape"]),
        ],
    )
}

fn open(model: &[u8]) -> Session {
    open_with(model, &SessionOptions::default())
}

fn open_with(model: &[u8], options: &SessionOptions) -> Session {
    testing::library();
    Session::open(model, Provider::Cpu, options).unwrap()
}

fn ab() -> (Tensor, Tensor) {
    (
        arr2(&[[1.0_f32, 2.0]]).into(),
        arr2(&[[3.0_f32, 4.0]]).into(),
    )
}

#[test]
fn a_session_knows_its_inputs_and_outputs() {
    let session = open(&arithmetic());
    let reported = |ports: &[Port]| -> Vec<String> {
        ports
            .iter()
            .map(|port| format!("{}: {port}", port.name))
            .collect()
    };
    assert_eq!(
        reported(session.inputs()),
        ["a: float32 [?, 2]", "b: float32 [?, 2]"]
    );
    assert_eq!(
        reported(session.outputs()),
        [
            "sum: float32 [?, 2]",
            "product: float32 [?, 2]",
            "shape: int64 [2]"
        ]
    );
    assert_eq!(session.device(), Device::Cpu);
}

#[test]
fn a_run_gives_the_outputs_that_are_asked_for_in_that_order() {
    let mut session = open(&arithmetic());
    let (a, b) = ab();
    let results = session
        .run(&[("b", &b), ("a", &a)], &["shape", "product"])
        .unwrap();
    assert_eq!(
        results,
        [
            Tensor::from(arr1(&[1_i64, 2])),
            arr2(&[[3.0_f32, 8.0]]).into()
        ]
    );
}

#[test]
fn every_level_of_optimisation_computes_the_same() {
    let (a, b) = ab();
    for optimisation in [
        Optimisation::None,
        Optimisation::Basic,
        Optimisation::Extended,
        Optimisation::All,
    ] {
        let options = SessionOptions {
            optimisation,
            threads: Some(1),
            ..SessionOptions::default()
        };
        let mut session = open_with(&arithmetic(), &options);
        let results = session.run(&[("a", &a), ("b", &b)], &["sum"]).unwrap();
        assert_eq!(results, [arr2(&[[4.0_f32, 6.0]]).into()]);
    }
}

#[test]
fn an_array_in_another_memory_order_is_read_by_its_indices() {
    let mut session = open(&arithmetic());
    let a = arr2(&[[1.0_f32, 3.0], [2.0, 4.0]]).reversed_axes();
    let b = Array2::<f32>::zeros((2, 2));
    let results = session
        .run(&[("a", &a.into()), ("b", &b.into())], &["sum"])
        .unwrap();
    assert_eq!(results, [arr2(&[[1.0_f32, 2.0], [3.0, 4.0]]).into()]);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut session = open(&arithmetic());
    let (a, b) = ab();
    let mut reported = |inputs: &[(&str, &Tensor)], outputs: &[&str]| {
        session.run(inputs, outputs).unwrap_err().to_string()
    };
    let wide = Tensor::from(arr2(&[[1.0_f32, 2.0, 3.0]]));
    let whole = Tensor::from(arr2(&[[1_i64, 2]]));
    assert_eq!(
        reported(&[("a", &a)], &["sum"]),
        "input `b` of the model was given no value"
    );
    assert_eq!(
        reported(&[("a", &a), ("c", &b)], &["sum"]),
        "the model has no input `c`: it has a, b"
    );
    assert_eq!(
        reported(&[("a", &a), ("b", &b)], &["difference"]),
        "the model has no output `difference`: it has sum, product, shape"
    );
    assert_eq!(
        reported(&[("a", &a), ("b", &wide)], &["sum"]),
        "`b` takes float32 [?, 2], but was given float32 [1, 3]"
    );
    assert_eq!(
        reported(&[("a", &whole), ("b", &b)], &["sum"]),
        "`a` takes float32 [?, 2], but was given int64 [1, 2]"
    );
}

#[test]
fn bytes_that_are_no_model_are_refused_in_one_line() {
    testing::library();
    let error = Session::open(b"no model", Provider::Cpu, &SessionOptions::default()).unwrap_err();
    let reported = error.to_string();
    assert!(
        reported.starts_with("ONNX Runtime refuses the model: "),
        "{reported}"
    );
    assert!(!reported.contains('\n'));
}

#[test]
fn external_weights_are_read_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let weights: Vec<u8> = [10.0_f32, 20.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    std::fs::write(folder.path().join("weights.bin"), weights).unwrap();
    let model = model_with_external(
        &[("a", ElementType::F32, &[2])],
        &[("sum", ElementType::F32, &[2])],
        &[("Add", &["a", "w"], &["sum"])],
        ("w", 2, "weights.bin"),
    );
    let options = SessionOptions {
        folder: Some(folder.path().into()),
        ..SessionOptions::default()
    };
    let results = open_with(&model, &options)
        .run(&[("a", &arr1(&[1.0_f32, 2.0]).into())], &["sum"])
        .unwrap();
    assert_eq!(results, [arr1(&[11.0_f32, 22.0]).into()]);
}

#[test]
fn a_recorded_assignment_names_every_node_and_its_provider() {
    let options = SessionOptions {
        record_placement: true,
        optimisation: Optimisation::None,
        ..SessionOptions::default()
    };
    let mut nodes = open_with(&arithmetic(), &options).placement().unwrap();
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    let reported: Vec<_> = nodes
        .iter()
        .map(|node| (node.node.as_str(), node.operator.as_str()))
        .collect();
    assert_eq!(
        reported,
        [("product", "Mul"), ("shape", "Shape"), ("sum", "Add")]
    );
    assert!(
        nodes
            .iter()
            .all(|node| node.provider == "CPUExecutionProvider")
    );
    assert!(open(&arithmetic()).placement().is_err());
}

#[test]
fn the_cpu_starts_and_every_provider_that_does_not_says_why() {
    testing::library();
    let statuses = providers::probe().unwrap();
    assert_eq!(
        (statuses[0].device, &statuses[0].why_not),
        (Device::Cpu, &None)
    );
    let names: Vec<String> = statuses.iter().map(|one| one.device.to_string()).collect();
    for name in ["cuda:0", "webgpu"] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    for why in statuses.iter().filter_map(|status| status.why_not.as_ref()) {
        assert!(!why.is_empty() && !why.contains('\n'), "{why}");
    }
}

#[test]
fn auto_runs_where_it_can_and_keeps_the_reason_for_the_cpu() {
    testing::library();
    let mut session =
        Session::open(&arithmetic(), Provider::Auto, &SessionOptions::default()).unwrap();
    let active = Provider::Auto.resolve().unwrap();
    assert_eq!(session.device(), active.device);
    match active.device {
        Device::Cpu => assert_eq!(active.why.is_some(), nvidia::is_expected()),
        device => assert!(matches!(device, Device::Cuda(_)) && active.why.is_none()),
    }
    let (a, b) = ab();
    let results = session.run(&[("a", &a), ("b", &b)], &["sum"]).unwrap();
    assert_eq!(results, [arr2(&[[4.0_f32, 6.0]]).into()]);
}

#[test]
fn a_run_is_stopped_from_another_thread_at_once() {
    // One product is a fraction of a millisecond, all of them are many seconds.
    const SIZE: usize = 256;
    let mut session = open(&busy(SIZE as i64, 20_000));
    let matrix = Tensor::from(Array2::<f32>::eye(SIZE));
    let inputs = [("v0", &matrix), ("w", &matrix)];
    let stop = session.stop.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        let asked = Instant::now();
        stop.stop();
        asked
    });
    let result = session.run(&inputs, &["v20000"]);
    let ended = Instant::now();
    let asked = stopper.join().unwrap();
    assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
    assert!(ended > asked, "the run ended before it was stopped");
    let delay = ended - asked;
    println!("stopped after {delay:?}");
    assert!(delay < Duration::from_secs(1), "{delay:?}");

    assert!(matches!(
        session.run(&inputs, &["v20000"]),
        Err(Error::Stopped)
    ));
}

#[test]
fn a_stopped_session_runs_again_after_a_reset() {
    let stop = CancelHandle::default();
    let options = SessionOptions {
        stop: stop.clone(),
        ..SessionOptions::default()
    };
    let mut session = open_with(&arithmetic(), &options);
    let (a, b) = ab();
    stop.stop();
    assert!(matches!(
        session.run(&[("a", &a), ("b", &b)], &["sum"]),
        Err(Error::Stopped)
    ));
    let opened = Session::open(&arithmetic(), Provider::Auto, &options);
    assert!(matches!(opened, Err(Error::Stopped)));
    stop.reset();
    session.run(&[("a", &a), ("b", &b)], &["sum"]).unwrap();
}

#[test]
fn subnormal_numbers_are_flushed_on_every_thread_and_only_where_this_is_wanted() {
    let dims: &[i64] = &[64, 4096];
    let ports = ["x", "y", "z"].map(|name| (name, ElementType::F32, dims));
    let nodes: [(&str, &[&str], &[&str]); 2] =
        [("Mul", &["x", "x"], &["y"]), ("Div", &["y", "x"], &["z"])];
    let model = model(&ports[..1], &ports[1..], &nodes);
    let tiny: Tensor = Array2::from_elem((64, 4096), 1e-20_f32).into();
    for flush_subnormals in [false, true] {
        let options = SessionOptions {
            flush_subnormals,
            optimisation: Optimisation::None,
            threads: Some(2),
            ..SessionOptions::default()
        };
        let mut session = open_with(&model, &options);
        let results = session.run(&[("x", &tiny)], &["z"]).unwrap();
        let Tensor::F32(z) = &results[0] else {
            panic!("float32")
        };
        assert!(z.iter().all(|z| (*z == 0.0) == flush_subnormals));
        // Not on this thread, after the run.
        let below = std::hint::black_box(f32::MIN_POSITIVE) / 2.0;
        assert!(below > 0.0);
    }
}

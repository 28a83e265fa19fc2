//! Devices of runs, and messages when they change.

use crate::support::{Driver, network};
use std::sync::Arc;
use ziggurat::runs::worker::WorkerEvent;
use ziggurat::terminal::Protocol;

#[test]
fn the_reason_for_the_cpu_is_said_when_a_model_opens() {
    let mut explorer = Driver::new(Protocol::Blocks, 120, 40);
    let mut opened = network();
    opened.why_cpu = Some("cuda:0: not found: libcudnn.so.9".into());
    explorer.report(WorkerEvent::Opened(Arc::new(opened)));
    let screen = explorer.screen();
    assert!(
        screen.contains("running on the CPU: cuda:0: not found: libcudnn.so.9"),
        "{screen}"
    );
}

#[test]
fn a_device_that_fails_gives_way_and_the_header_says_where_runs_are_made() {
    let mut explorer = Driver::new(Protocol::Blocks, 120, 40);
    let mut opened = network();
    opened.provider = "cuda:3".into();
    explorer.report(WorkerEvent::Opened(Arc::new(opened)));
    assert!(explorer.screen().contains("cuda:3"));
    let moved = |model: &str| WorkerEvent::Moved {
        model: model.into(),
        provider: "cpu".into(),
        why: "the run failed on cuda:3: CUDNN_STATUS_INTERNAL_ERROR".into(),
    };
    // Runs of another model do not concern this one.
    explorer.report(moved("/models/other.onnx"));
    let screen = explorer.screen();
    assert!(
        screen.lines().next().unwrap().contains("cuda:3")
            && screen.contains("running on the CPU: other.onnx: the run failed"),
        "{screen}"
    );
    explorer.now += std::time::Duration::from_secs(5);
    explorer.report(moved("toy"));
    let screen = explorer.screen();
    let header = screen.lines().next().unwrap();
    assert!(
        header.contains("cpu") && !header.contains("cuda:3"),
        "{header}"
    );
    assert!(
        screen.contains("running on the CPU: the run failed on cuda:3"),
        "{screen}"
    );
}

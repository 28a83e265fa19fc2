//! The driver of runs, which the command line and the worker share: what an observer decides, and what is tried after a
//! failure.

use crate::networks;
use ziggurat::ascent::{self, Settings, StepReport};
use ziggurat::model::Network;
use ziggurat::runs::batch::{Batch, EndedRun};
use ziggurat::runs::driver::{self, Next, Observer, Retry};
use ziggurat::runs::{EndReason, Error, Spec, target};
use ziggurat::runtime::{self, CancelHandle, Device};

const STEPS: u32 = 5;

/// Answers with `next` once a number of steps is taken.
struct After {
    steps: usize,
    next: Next,
    /// Interrupts the device in this step, as a second Ctrl-C does.
    interrupts: Option<(usize, CancelHandle)>,
    taken: usize,
    asked: usize,
}

impl Observer for After {
    fn notice(&mut self, text: String) {
        panic!("{text}");
    }

    fn before_step(&mut self, batch: &Batch) -> Result<Next, Error> {
        self.asked += 1;
        if let Some((at, stop)) = &self.interrupts {
            if self.taken == *at && !stop.is_stopped() {
                stop.stop();
            } else {
                stop.reset();
            }
        }
        assert_eq!(batch.ascent().step_count(), self.taken);
        Ok(if self.taken < self.steps {
            Next::Step
        } else {
            self.next
        })
    }

    fn after_step(&mut self, _: &Batch, report: &StepReport) -> Result<(), Error> {
        self.taken += 1;
        assert_eq!(report.step, self.taken);
        Ok(())
    }
}

fn network() -> Network {
    networks::open(None)
}

fn spec(network: &Network) -> Spec {
    let mut settings = Settings::preset("draft").unwrap();
    settings.set("steps", f64::from(STEPS).into()).unwrap();
    let target = target::read(network, "flamingo").unwrap();
    let what = (target.title.as_str(), target.objective, target.unit);
    Spec::new(("efficientnet-lite0", &network.hash), what, 0, settings)
}

/// The ended runs of a batch of one, driven by an observer.
fn drive(observer: &mut After) -> Option<Vec<EndedRun>> {
    let network = network();
    let stop = observer
        .interrupts
        .as_ref()
        .map_or_else(CancelHandle::default, |(_, stop)| stop.clone());
    let specs = [spec(&network)];
    let mut batch = Batch::begin(&network, &specs, Device::Cpu, &stop).unwrap();
    let ended = driver::drive(&mut batch, observer).unwrap();
    ended.map(|runs| runs.into_iter().map(Result::unwrap).collect())
}

fn after(steps: usize, next: Next) -> After {
    After {
        steps,
        next,
        interrupts: None,
        taken: 0,
        asked: 0,
    }
}

#[test]
fn all_steps_make_a_finished_run_even_if_it_is_to_end_then() {
    for next in [Next::Step, Next::End] {
        let runs = drive(&mut after(STEPS as usize, next)).unwrap();
        assert_eq!(runs[0].record.ended, EndReason::Finished);
        assert_eq!(runs[0].record.scores.len(), STEPS as usize);
    }
}

#[test]
fn a_run_that_ends_early_is_stopped_and_keeps_its_picture() {
    let runs = drive(&mut after(2, Next::End)).unwrap();
    assert_eq!(runs[0].record.ended, EndReason::Stopped);
    assert_eq!(runs[0].record.scores.len(), 2);
    assert!(runs[0].picture.width() > 0);
}

#[test]
fn a_batch_that_is_left_ends_no_run() {
    assert!(drive(&mut after(2, Next::Leave)).is_none());
}

#[test]
fn an_interrupted_device_is_no_failure_and_the_step_is_taken_again() {
    let mut interrupted = after(STEPS as usize, Next::Step);
    interrupted.interrupts = Some((1, CancelHandle::default()));
    let mut plain = after(STEPS as usize, Next::Step);
    let pictures = [&mut interrupted, &mut plain].map(|observer| drive(observer).unwrap());
    assert_eq!(pictures[0][0].picture, pictures[1][0].picture);
    // The observer is asked once more for the step that was interrupted.
    assert_eq!(interrupted.asked, plain.asked + 1);
}

#[test]
fn fewer_runs_or_another_device_are_tried_after_a_failure_that_they_may_help() {
    let on_device = |problem: runtime::Error| Error::from(ascent::Error::Runtime(problem));
    let device = Device::Cuda(0);
    let full = on_device(runtime::Error::NoMemory {
        device,
        reason: "CUDA failure 2: out of memory".into(),
    });
    assert!(matches!(
        driver::retry(&full, 8, true),
        Some(Retry::Fewer(4))
    ));
    assert!(matches!(
        driver::retry(&full, 1, true),
        Some(Retry::Elsewhere(_))
    ));
    assert!(driver::retry(&full, 1, false).is_none());
    let failed = on_device(runtime::Error::OnDevice {
        device,
        reason: "CUDNN_STATUS_EXECUTION_FAILED".into(),
    });
    assert!(matches!(
        driver::retry(&failed, 8, true),
        Some(Retry::Elsewhere(_))
    ));
    assert!(driver::retry(&failed, 8, false).is_none());
    let notice = driver::fewer_notice(&full, 4);
    assert!(
        notice.ends_with("; continuing with 4 at a time"),
        "{notice}"
    );
}

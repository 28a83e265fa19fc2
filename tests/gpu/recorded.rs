//! Graph capture: steps that a device records and replays.

use crate::networks::{small, with_selu};
use crate::{
    PICTURE, ascent, finish, largest_difference, objective, on_every_device, recurrence, run,
};
use ndarray::{Array1, arr1};
use ziggurat::ascent::{Ascent, Overlay, Settings};
use ziggurat::runtime::{CancelHandle, Device, DeviceLoop, Session, SessionOptions, Tensor};

/// The same numbers when the device replays its steps, also after an input or what is read has changed.
#[test]
fn recorded_steps_read_what_is_in_their_inputs() {
    on_every_device(|device| {
        let options = SessionOptions {
            graph_capture: true,
            ..SessionOptions::default()
        };
        let mut session = Session::open(&recurrence(), device.into(), &options).unwrap();
        let (mut x, mut v) = (arr1(&[0.0_f32, 1.0, 2.0, 3.0]), arr1(&[1.0_f32; 4]));
        let (position, speed) = (Tensor::from(x.clone()), Tensor::from(v.clone()));
        let state = [
            ("position", "position'", &position),
            ("speed", "speed'", &speed),
        ];
        let mut looped = DeviceLoop::new(&session, &state).unwrap();
        for step in 1..=12 {
            let drag = if step < 9 { 0.5 } else { 0.25 };
            if step % 8 == 1 {
                let drag = arr1(&[drag]).into();
                looped.set(&session, "drag", &drag).unwrap();
            }
            let push = Array1::from_elem(4, step as f32);
            x += &v;
            v = v * drag + &push;
            let read: &[&str] = if step == 6 { &[] } else { &["total"] };
            let push = Tensor::from(push);
            let found = looped.step(&mut session, &[("push", &push)], read);
            let found = found.unwrap();
            let total = found.first().and_then(Tensor::as_f32);
            let total = total.map(|total| total.sum());
            let expected = (!read.is_empty()).then_some(x.sum());
            assert_eq!(total, expected, "step {step}");
            let numbers = |name| looped.state(name).unwrap();
            assert_eq!(numbers("position"), x.clone().into(), "step {step}");
            assert_eq!(numbers("speed"), v.clone().into(), "step {step}");
        }
    });
}

/// Through an octave change, a stop, a snapshot and a checkpoint, alone and two at once.
#[test]
fn recorded_steps_make_the_same_picture() {
    on_every_device(|device| {
        let mut runs = [run(3, 1, 12), run(7, 2, 12)];
        let class_score = Settings::default().objective;
        runs.iter_mut()
            .for_each(|run| run.settings.objective = class_score);
        for runs in [&runs[..1], &runs[..]] {
            let network = small();
            let (expected, _) = finish(ascent(network, runs, device));
            let stop = CancelHandle::default();
            let objective = objective(network);
            let new = Ascent::with_graph_capture;
            let mut recorded = new(network, &objective, runs, device, &stop, true).unwrap();
            assert!(recorded.is_captured(), "{:?}", recorded.take_notice());
            let mut saved = None;
            while let Some(report) = recorded.step().unwrap() {
                recorded.view(0, Overlay::Plain).unwrap();
                if report.step == 4 {
                    saved = Some(recorded.save().unwrap());
                    stop.stop();
                    assert!(recorded.step().unwrap_err().is_stop());
                    stop.reset();
                }
            }
            assert!(recorded.is_captured(), "{:?}", recorded.take_notice());
            let saved = saved.unwrap();
            let resumed = Ascent::resume(network, &objective, runs, Device::Cpu, &stop, saved);
            for ascent in [recorded, resumed.unwrap()] {
                let place = ascent.device();
                for (expected, found) in expected.iter().zip(finish(ascent).0) {
                    let difference = largest_difference(expected, &found);
                    println!(
                        "{} runs: largest difference {difference}, {place}",
                        runs.len()
                    );
                    assert!(difference <= PICTURE, "{difference}");
                }
            }
        }
    });
}

/// A device that cannot record all nodes says so and goes on without.
#[test]
fn steps_that_cannot_be_recorded_are_taken_nevertheless() {
    on_every_device(|device| {
        let network = with_selu();
        let runs = [run(3, 1, 4)];
        let (expected, _) = finish(ascent(&network, &runs, device));
        let (objective, stop) = (objective(&network), CancelHandle::default());
        let new = Ascent::with_graph_capture;
        let mut asked = new(&network, &objective, &runs, device, &stop, true).unwrap();
        let notice = asked.take_notice();
        println!("{notice:?}");
        assert_eq!(notice.is_none(), asked.is_captured());
        if let Device::Plugin(_) = device {
            let notice = notice.unwrap();
            let words = "graph capture is off: This session cannot use the graph capture feature";
            assert!(
                notice.starts_with(words) && !notice.contains('\n'),
                "{notice}"
            );
        }
        assert_eq!(asked.take_notice(), None);
        let (found, _) = finish(asked);
        assert!(largest_difference(&expected[0], &found[0]) <= PICTURE);
    });
}

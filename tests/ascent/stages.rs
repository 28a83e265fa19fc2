//! A run whose settings change at a step: from its first step, from the middle of another run, and after an
//! interruption, the same bytes.

use super::{FLAMINGO, class_objective, difference, network, run};
use ziggurat::ascent::{Ascent, AscentState, Run, Settings, Stage};
use ziggurat::runtime::{CancelHandle, Device};

const STEPS: u32 = 12;

/// A run with two octaves, the second from step 7 on, and these settings.
fn with(changes: &[(&str, f64)]) -> Run {
    let mut run = run(FLAMINGO, 5, STEPS);
    for (key, value) in [("octaves", 2.0)].iter().chain(changes) {
        run.settings.set(key, (*value).into()).unwrap();
    }
    run
}

/// The run that takes other settings after `step` steps.
fn branch(parent: &Run, step: usize, settings: &Settings) -> Run {
    let mut branch = parent.clone();
    branch.earlier.push(Stage {
        until: step,
        settings: parent.settings.clone(),
    });
    branch.settings = settings.clone();
    branch
}

fn begin(runs: &[Run]) -> Ascent<'static> {
    let stop = CancelHandle::default();
    Ascent::new(network(), &class_objective(), runs, Device::Cpu, &stop).unwrap()
}

fn resume(run: &Run, saved: AscentState) -> Ascent<'static> {
    let stop = CancelHandle::default();
    let runs = std::slice::from_ref(run);
    let (objective, device) = (class_objective(), Device::Cpu);
    Ascent::resume(network(), &objective, runs, device, &stop, saved).unwrap()
}

fn ascend(ascent: &mut Ascent, until: usize) {
    while ascent.step_count() < until && ascent.step().unwrap().is_some() {}
}

fn picture(mut ascent: Ascent) -> Vec<u8> {
    ascend(&mut ascent, usize::MAX);
    ascent.outcomes().unwrap();
    ascent.pictures().unwrap().remove(0).into_raw()
}

#[test]
fn a_branch_with_the_same_settings_is_the_same_picture() {
    let parent = with(&[]);
    let whole = picture(begin(std::slice::from_ref(&parent)));
    let same = branch(&parent, 5, &parent.settings);
    assert_eq!(picture(begin(std::slice::from_ref(&same))), whole);
    let mut ascent = begin(std::slice::from_ref(&parent));
    ascend(&mut ascent, 5);
    assert_eq!(picture(resume(&same, ascent.save().unwrap())), whole);
}

/// What a run goes on with: what it had, and what takes its place.
type Change<'a> = (&'a [(&'a str, f64)], &'a [(&'a str, f64)]);

#[test]
fn a_branch_is_the_same_from_its_first_step_and_from_a_batch_and_after_an_interruption() {
    let changes: [Change; 3] = [
        (&[], &[("momentum", 0.5), ("chroma", 3.0), ("blur", 0.0)]),
        // Each needs another step graph.
        (
            &[("mask", 0.0), ("view_noise", 0.0), ("contrast", 0.0)],
            &[("damping", 0.1), ("stochastic_depth", 0.0)],
        ),
        (
            &[("decay", 0.1)],
            &[("mask", 0.0), ("total_variation", 0.2)],
        ),
    ];
    for (before, since) in changes {
        let parent = with(before);
        // What is not named in `since` has its default again.
        let settings = with(since).settings;
        let octave = begin(std::slice::from_ref(&parent)).octave_steps()[0];
        for step in [octave, octave + 2] {
            let branch = branch(&parent, step, &settings);
            let mut whole = begin(std::slice::from_ref(&branch));
            ascend(&mut whole, step);
            let at_change = whole.save().unwrap();
            ascend(&mut whole, step + 1);
            let later = whole.save().unwrap();
            let whole = picture(whole);
            assert!(difference(&whole, &picture(begin(std::slice::from_ref(&parent)))) > 0.1);
            for (at, saved) in [(step, at_change), (step + 1, later)] {
                assert!(
                    picture(resume(&branch, saved)) == whole,
                    "{step}, resumed at {at}"
                );
            }
            // A companion whose settings need what the parent's do not.
            let mut batch = begin(&[with(&[]), parent.clone()]);
            ascend(&mut batch, step);
            let saved = batch.save().unwrap().alone(1);
            assert!(
                picture(resume(&branch, saved)) == whole,
                "{step}, from a batch"
            );
        }
    }
}

#[test]
fn settings_change_several_times() {
    let parent = with(&[]);
    let first = branch(&parent, 3, &with(&[("tilt", 1.5)]).settings);
    let second = branch(&first, 8, &with(&[("mask", 0.0)]).settings);
    let whole = picture(begin(std::slice::from_ref(&second)));
    let mut ascent = begin(std::slice::from_ref(&first));
    ascend(&mut ascent, 8);
    assert_eq!(picture(resume(&second, ascent.save().unwrap())), whole);
}

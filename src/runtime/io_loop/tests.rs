//! Step graphs that run again and again, of a small recurrence.

use super::*;
use crate::onnx::ElementType;
use crate::runtime::test_models::model;
use crate::runtime::{Provider, SessionOptions, testing};
use ndarray::{Array1, arr1};

/// One step of a small recurrence over vectors of 4: `position' = position + speed`, `speed' = speed * drag + push`,
/// and `total`, the sum of the new positions (a product with ones).
fn recurrence() -> Session {
    testing::library();
    let four: &[i64] = &[4];
    let model = model(
        &[
            ("position", ElementType::F32, four),
            ("speed", ElementType::F32, four),
            ("drag", ElementType::F32, &[]),
            ("push", ElementType::F32, four),
        ],
        &[
            ("position'", ElementType::F32, four),
            ("speed'", ElementType::F32, four),
            ("total", ElementType::F32, &[1]),
        ],
        &[
            ("Add", &["position", "speed"], &["position'"]),
            ("Mul", &["speed", "drag"], &["slowed"]),
            ("Add", &["slowed", "push"], &["speed'"]),
            ("ReduceSum", &["position'"], &["total"]),
        ],
    );
    Session::open(&model, Provider::Cpu, &SessionOptions::default()).unwrap()
}

fn start() -> (Tensor, Tensor) {
    (
        arr1(&[0.0_f32, 1.0, 2.0, 3.0]).into(),
        arr1(&[1.0_f32; 4]).into(),
    )
}

fn looped(session: &Session) -> DeviceLoop {
    let (position, speed) = start();
    let state = [
        ("position", "position'", &position),
        ("speed", "speed'", &speed),
    ];
    let mut looped = DeviceLoop::new(session, &state).unwrap();
    looped.set(session, "drag", &0.5_f32.into()).unwrap();
    looped
}

/// The same on the host: the state after each of `steps`, pushed by 1, 2, 3, ...
fn expected(steps: usize) -> Vec<(Array1<f32>, Array1<f32>)> {
    let mut position = arr1(&[0.0_f32, 1.0, 2.0, 3.0]);
    let mut speed = arr1(&[1.0_f32; 4]);
    let mut all = Vec::new();
    for step in 1..=steps {
        position += &speed;
        speed = speed * 0.5 + step as f32;
        all.push((position.clone(), speed.clone()));
    }
    all
}

fn push(step: usize) -> Tensor {
    Array1::from_elem(4, step as f32).into()
}

/// The addresses of the current state and of the next one.
fn places(looped: &DeviceLoop) -> Vec<[usize; 2]> {
    let place = |tensor: &DynTensor| tensor.data_ptr() as usize;
    let phase = looped.phase;
    looped
        .carried
        .iter()
        .map(|carried| {
            [
                place(&carried.buffers[phase]),
                place(&carried.buffers[1 - phase]),
            ]
        })
        .collect()
}

/// The element of a float32 tensor that has one.
fn number(tensor: &Tensor) -> Option<f32> {
    let array = tensor.as_f32().filter(|array| array.len() == 1)?;
    array.first().copied()
}

#[test]
fn steps_follow_each_other_and_the_state_is_the_last_ones() {
    let mut session = recurrence();
    let mut looped = looped(&session);
    for (index, (position, speed)) in expected(5).into_iter().enumerate() {
        let read = looped
            .step(&mut session, &[("push", &push(index + 1))], &["total"])
            .unwrap();
        assert_eq!(number(&read[0]), Some(position.sum()));
        assert_eq!(looped.state("position").unwrap(), position.into());
        assert_eq!(looped.state("speed").unwrap(), speed.into());
    }
}

#[test]
fn the_state_is_never_copied_its_two_tensors_swap_roles() {
    let mut session = recurrence();
    let mut looped = looped(&session);
    for step in 1..=4 {
        let before = places(&looped);
        // What ONNX Runtime hands out as the state is the very memory that the next step reads.
        looped.write(&session, &[("push", &push(step))]).unwrap();
        let phase = &looped.phases[looped.phase];
        let results = session.run_bound(&phase.binding, None).unwrap();
        for (carried, [_, next]) in looped.carried.iter().zip(&before) {
            let value = results.get(&carried.output).unwrap().view();
            let tensor = value.downcast::<ort::value::DynTensorValueType>().unwrap();
            assert_eq!(tensor.data_ptr() as usize, *next);
        }
        drop(results);
        looped
            .step(&mut session, &[("push", &push(step))], &[])
            .unwrap();
        let swapped: Vec<_> = before.iter().map(|[now, next]| [*next, *now]).collect();
        assert_eq!(places(&looped), swapped);
    }
}

#[test]
fn what_is_read_may_change_from_step_to_step_and_may_be_the_state_itself() {
    let mut session = recurrence();
    let mut looped = looped(&session);
    let expected = expected(3);
    let reads: [&[&str]; 3] = [&[], &["speed'", "total", "position'"], &["total"]];
    let mut last = Vec::new();
    for (index, read) in reads.iter().enumerate() {
        let results = looped
            .step(&mut session, &[("push", &push(index + 1))], read)
            .unwrap();
        assert_eq!(results.len(), read.len());
        if index == 1 {
            let (position, speed) = &expected[1];
            assert_eq!(results[0], speed.clone().into());
            assert_eq!(number(&results[1]), Some(position.sum()));
            assert_eq!(results[2], position.clone().into());
        }
        last = results;
    }
    assert_eq!(number(&last[0]), Some(expected[2].0.sum()));
}

#[test]
fn a_replaced_state_is_what_the_next_step_reads() {
    let mut session = recurrence();
    let mut looped = looped(&session);
    looped
        .step(&mut session, &[("push", &push(1))], &[])
        .unwrap();
    looped
        .reset("position", &Array1::<f32>::zeros(4).into())
        .unwrap();
    looped.reset("speed", &arr1(&[7.0_f32; 4]).into()).unwrap();
    let read = looped
        .step(&mut session, &[("push", &push(1))], &["total"])
        .unwrap();
    assert_eq!(number(&read[0]), Some(28.0));
    let error = looped
        .reset("speed", &arr1(&[1.0_f32; 3]).into())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`speed` takes float32 [4], but was given float32 [3]"
    );
}

#[test]
fn a_constant_input_can_be_changed() {
    let mut session = recurrence();
    let mut looped = looped(&session);
    looped.set(&session, "push", &push(0)).unwrap();
    looped.step(&mut session, &[], &[]).unwrap();
    looped.set(&session, "drag", &0.0_f32.into()).unwrap();
    looped.step(&mut session, &[], &[]).unwrap();
    assert_eq!(
        looped.state("speed").unwrap(),
        Array1::<f32>::zeros(4).into()
    );
}

#[test]
fn a_step_that_fails_or_is_stopped_leaves_the_state() {
    let mut session = recurrence();
    let mut looped = looped(&session);
    let reported = |result: Result<Vec<Tensor>, Error>| result.unwrap_err().to_string();
    assert_eq!(
        reported(looped.step(&mut session, &[], &[])),
        "input `push` of the model was given no value"
    );
    let short = Tensor::from(arr1(&[1.0_f32]));
    assert_eq!(
        reported(looped.step(&mut session, &[("push", &short)], &[])),
        "`push` takes float32 [4], but was given float32 [1]"
    );
    assert_eq!(
        reported(looped.step(
            &mut session,
            &[("push", &push(1)), ("speed", &push(1))],
            &[]
        )),
        "the run failed: input `speed` is a state: use reset to replace it"
    );
    assert_eq!(
        reported(looped.step(&mut session, &[("push", &push(1))], &["slowed"])),
        "the model has no output `slowed`: it has position', speed', total"
    );
    session.stop.stop();
    assert_eq!(
        reported(looped.step(&mut session, &[("push", &push(1))], &["total"])),
        "stopped"
    );
    session.stop.reset();
    assert_eq!(looped.state("position").unwrap(), start().0);
    let read = looped
        .step(&mut session, &[("push", &push(1))], &["total"])
        .unwrap();
    assert_eq!(number(&read[0]), Some(10.0));
}

#[test]
fn a_loop_runs_in_its_own_session_only() {
    let session = recurrence();
    let mut looped = looped(&session);
    let mut other = recurrence();
    let error = looped
        .step(&mut other, &[("push", &push(1))], &[])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run failed: the device loop belongs to another session"
    );
}

#[test]
fn a_state_must_fit_both_its_input_and_its_output() {
    let session = recurrence();
    let vector = Tensor::from(arr1(&[1.0_f32; 4]));
    let error = DeviceLoop::new(&session, &[("position", "total", &vector)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`total` takes float32 [1], but was given float32 [4]"
    );
    let error = looped(&session).state("push").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model has no state `push`: it has position, speed"
    );
}

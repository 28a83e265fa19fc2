//! Checkpoints: runs that continue in another process.

use super::*;

#[test]
fn a_run_continues_in_another_process_to_the_same_picture_bit_for_bit() {
    let sandbox = Sandbox::with_models();
    let targets = ["flamingo", "goldfish"];
    let whole: Vec<_> = {
        let mut seat = worker(&sandbox);
        let opened = seat.open();
        seat.send(WorkerCommand::Run(jobs(specs(&opened, &targets, 12))));
        (0..2).map(|job| seat.finished(job)).collect()
    };
    std::fs::remove_dir_all(sandbox.home.history()).unwrap();

    let mut seat = worker(&sandbox);
    let opened = seat.open();
    let batch = jobs(specs(&opened, &targets, 12));
    seat.send(WorkerCommand::Run(batch.clone()));
    // Into the second octave, so that the way there counts too.
    seat.stepped(7);
    let start = Instant::now();
    assert!(seat.worker.shut_down(Duration::from_secs(5)));
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    let wanted: Vec<Spec> = batch.iter().map(|job| job.spec.clone()).collect();
    assert!(checkpoint::find(&sandbox.home, &wanted, "cpu").is_some());

    let mut seat = worker(&sandbox);
    // One of the two was cancelled meanwhile: the other is made in the same company.
    seat.send(WorkerCommand::Run(vec![batch[1].clone()]));
    let resumed_at = seat.wait_for(|report| match report {
        WorkerEvent::Started(started) => {
            assert_eq!(
                (started.jobs.as_slice(), started.scores.len()),
                (&[1][..], 1)
            );
            assert_eq!(started.scores[0].len(), started.resumed_at);
            Some(started.resumed_at)
        }
        _ => None,
    });
    assert!(resumed_at >= 7, "{resumed_at}");
    let (picture, scores, _) = seat.finished(1);
    assert_eq!(scores, whole[1].1);
    assert_eq!(picture, whole[1].0);
    expect_no_checkpoint(&sandbox, &mut seat);
}

#[test]
fn a_checkpoint_of_another_version_is_not_resumed_and_a_notice_says_so() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    let batch = jobs(specs(&opened, &["flamingo"], 6));
    seat.send(WorkerCommand::Run(batch.clone()));
    seat.stepped(3);
    assert!(seat.worker.shut_down(Duration::from_secs(5)));
    let runs = [batch[0].spec.clone()];
    let mut written = checkpoint::find(&sandbox.home, &runs, "cpu").unwrap();
    written.versions[1] = "1.0.0".into();
    checkpoint::write(&sandbox.home, &written).unwrap();

    let mut seat = worker(&sandbox);
    seat.send(WorkerCommand::Run(batch));
    let notice = seat.wait_for(|report| match report {
        WorkerEvent::Notice(text) => Some(text.clone()),
        WorkerEvent::Started(_) => panic!("it began without a notice"),
        _ => None,
    });
    let expected =
        "flamingo: starting from the beginning, because the checkpoint was written by Ziggurat ";
    assert!(notice.starts_with(expected), "{notice}");
    assert!(notice.ends_with("with ONNX Runtime 1.0.0"), "{notice}");
    let resumed_at = seat.wait_for(|report| match report {
        WorkerEvent::Started(started) => Some(started.resumed_at),
        _ => None,
    });
    assert_eq!(resumed_at, 0);
    assert_eq!(seat.finished(0).1.len(), 6);
    expect_no_checkpoint(&sandbox, &mut seat);
}

#[test]
fn a_damaged_checkpoint_is_not_resumed_and_a_notice_says_so() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    let batch = jobs(specs(&opened, &["flamingo"], 6));
    seat.send(WorkerCommand::Run(batch.clone()));
    seat.stepped(3);
    assert!(seat.worker.shut_down(Duration::from_secs(5)));
    let files = std::fs::read_dir(sandbox.home.checkpoints()).unwrap();
    let paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(paths.len(), 1);
    let bytes = std::fs::read(&paths[0]).unwrap();
    std::fs::write(&paths[0], &bytes[..bytes.len() / 2]).unwrap();

    let mut seat = worker(&sandbox);
    seat.send(WorkerCommand::Run(batch));
    let notice = seat.wait_for(|report| match report {
        WorkerEvent::Notice(text) => Some(text.clone()),
        WorkerEvent::Started(_) => panic!("it began without a notice"),
        _ => None,
    });
    let expected = "flamingo: starting from the beginning, because the checkpoint is damaged";
    assert_eq!(notice, expected);
    assert_eq!(seat.finished(0).1.len(), 6);
    expect_no_checkpoint(&sandbox, &mut seat);
}

#[test]
fn a_branch_and_its_parent_both_continue_from_the_checkpoint_of_the_pause() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    let parents = specs(&opened, &["flamingo", "goldfish"], 12);
    let mut settings = parents[1].settings.clone();
    settings.set("momentum", 0.5.into()).unwrap();
    settings.set("mask", 0.0.into()).unwrap();
    let batch = jobs(parents.clone());
    seat.send(WorkerCommand::Run(batch.clone()));
    let mut step = seat.stepped(3);
    seat.send(WorkerCommand::Pause);
    seat.wait_for(|event| match event {
        WorkerEvent::Stepped(progress) => {
            step = progress.step;
            None
        }
        WorkerEvent::Paused(true) => Some(()),
        _ => None,
    });
    // It is written a moment after the event. On a slow machine there is one of an earlier step already.
    let until = Instant::now() + Duration::from_secs(20);
    let is_written = || {
        let found = checkpoint::find(&sandbox.home, &parents, "cpu");
        found.is_some_and(|paused| paused.saved.at.step == step)
    };
    while !is_written() {
        assert!(Instant::now() < until, "no checkpoint at the pause");
        std::thread::sleep(Duration::from_millis(20));
    }
    let branch = parents[1].branched(step, &settings).unwrap();
    let mut job = jobs(vec![branch.clone()]);
    job[0].id = 7;

    // The worker goes away in the middle of the branch, and another one goes on with it.
    seat.send(WorkerCommand::SetAside(1));
    seat.send(WorkerCommand::Resume);
    seat.send(WorkerCommand::Run(job.clone()));
    let start = |report: &WorkerEvent| match report {
        WorkerEvent::Started(started) => Some((started.jobs.clone(), started.resumed_at)),
        _ => None,
    };
    assert_eq!(seat.wait_for(start), (vec![7], step));
    seat.stepped(step + 2);
    assert!(seat.worker.shut_down(Duration::from_secs(5)));
    let mut seat = worker(&sandbox);
    seat.send(WorkerCommand::Run(job));
    let (ids, resumed_at) = seat.wait_for(start);
    assert!(ids == [7] && resumed_at >= step + 2, "{resumed_at}");
    let (picture, scores, _) = seat.finished(7);
    assert_eq!(scores.len(), 12);
    seat.send(WorkerCommand::Run(batch));
    assert_eq!(seat.wait_for(start), (vec![0, 1], step));
    let parent = seat.finished(1);
    assert_ne!(parent.0, picture);
    let record = history::read(&sandbox.home, &branch.id()).unwrap();
    assert_eq!(record.spec, branch);

    // From the first step, without what the run before left.
    std::fs::remove_dir_all(sandbox.home.history()).unwrap();
    seat.send(WorkerCommand::Run(jobs(vec![branch])));
    let (again, scored, from_history) = seat.finished(0);
    assert!(again == picture && scored == scores && !from_history);
    seat.send(WorkerCommand::Run(jobs(vec![parents[1].clone()])));
    assert!(seat.finished(0).0 == parent.0);
}

//! Runs from their start to their end.

use super::*;

#[test]
fn a_run_is_watched_finished_kept_and_answered_at_once_the_second_time() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    assert_eq!((opened.provider.as_str(), opened.input.0), ("cpu", 3));
    assert!(opened.batchable && opened.parameters > 4_000_000);
    let batch = jobs(specs(&opened, &["flamingo", "goldfish"], 8));
    seat.send(WorkerCommand::Watch(Watched::One(1), Overlay::Heat));
    seat.send(WorkerCommand::Run(batch.clone()));
    let (mut steps, mut shown, mut done) = (Vec::new(), 0, HashSet::new());
    while done.len() < 2 {
        match seat.next() {
            WorkerEvent::Started(started) => {
                assert_eq!((started.jobs.len(), started.steps), (2, 8));
                assert!(started.has_map && started.bands > 1 && started.resumed_at == 0);
            }
            WorkerEvent::Stepped(progress) => {
                assert_eq!(progress.jobs, [0, 1]);
                assert_eq!((progress.top.len(), progress.top[0].len()), (2, 5));
                let probabilities = progress.probabilities.unwrap();
                assert!(progress.top[0][0].1 >= probabilities[0]);
                steps.extend(progress.unread.iter().map(|(step, _)| *step));
            }
            WorkerEvent::Snapshot { job, overlay, .. } => {
                assert_eq!((job, overlay), (1, Overlay::Heat));
                shown += 1;
            }
            WorkerEvent::Finished {
                job,
                record,
                from_history,
                ..
            } => {
                assert!(!from_history && record.scores.len() == 8);
                assert!(history::find(&sandbox.home, &record.spec, "cpu").is_some());
                done.insert(job);
            }
            WorkerEvent::Failed { why, .. } => panic!("{why}"),
            _ => {}
        }
    }
    assert_eq!(steps, (1..=8).collect::<Vec<_>>());
    assert!(shown > 0);
    let start = Instant::now();
    seat.send(WorkerCommand::Run(batch));
    assert!(seat.finished(0).2 && seat.finished(1).2);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    expect_no_checkpoint(&sandbox, &mut seat);
}

#[test]
fn a_job_is_cancelled_at_once_and_the_rest_of_its_batch_continues() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    seat.send(WorkerCommand::Run(jobs(specs(
        &opened,
        &["flamingo", "goldfish"],
        10,
    ))));
    seat.stepped(2);
    seat.send(WorkerCommand::Cancel(0));
    seat.cancelled(0);
    seat.wait_for(|report| match report {
        WorkerEvent::Finished { job, .. } => {
            assert_eq!(*job, 1);
            Some(())
        }
        _ => None,
    });

    let mut many = jobs(specs(&opened, &["tench"], 100_000));
    many[0].id = 7;
    seat.send(WorkerCommand::Run(many));
    seat.stepped(3);
    let start = Instant::now();
    seat.send(WorkerCommand::Cancel(7));
    seat.cancelled(7);
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    expect_no_checkpoint(&sandbox, &mut seat);
}

#[test]
fn failed_runs_and_models_are_errors_of_one_line_and_the_worker_continues() {
    let sandbox = Sandbox::with_models();
    let mut seat = worker(&sandbox);
    seat.send(WorkerCommand::Open(Some("efficientnet-lite00".into())));
    let why = loop {
        if let WorkerEvent::OpenFailed { why, .. } = seat.next() {
            break why;
        }
    };
    assert!(
        why.contains("efficientnet-lite0") && !why.contains('\n'),
        "{why}"
    );
    // What the command line says of a model's inputs and outputs holds for this model, and for no other.
    let options = |model: &str| OpenOptions {
        model: model.into(),
        ports: ModelOverrides {
            scores_output: Some("nowhere".into()),
            ..ModelOverrides::default()
        },
    };
    let mut misled = worker_with(&sandbox, options("efficientnet-lite0"));
    misled.send(WorkerCommand::Open(None));
    let why = loop {
        if let WorkerEvent::OpenFailed { why, .. } = misled.next() {
            break why;
        }
    };
    assert!(why.contains("nowhere"), "{why}");
    worker_with(&sandbox, options("another.onnx")).open();
    let garbage = PathBuf::from(sandbox.path("garbage.onnx"));
    std::fs::write(&garbage, "no model").unwrap();
    let opened = seat.open();
    let mut batch = jobs(specs(&opened, &["flamingo", "goldfish", "tench"], 3));
    batch[0].spec.unit.index = 5000;
    batch[1].spec.model_hash = "another".into();
    batch[2].spec.model = garbage.to_str().unwrap().into();
    for job in &batch {
        seat.send(WorkerCommand::Run(vec![job.clone()]));
    }
    let mut failures = Vec::new();
    while failures.len() < 3 {
        if let WorkerEvent::Failed { why, .. } = seat.next() {
            failures.push(why);
        }
    }
    for (why, word) in failures
        .iter()
        .zip(["5000", "not the model", "garbage.onnx"])
    {
        assert!(why.contains(word) && !why.contains('\n'), "{why}");
    }
    // One that is impossible does not keep its companion from being made.
    let mut pair = jobs(specs(&opened, &["flamingo", "goldfish"], 3));
    pair[0].spec.unit.index = 5000;
    seat.send(WorkerCommand::Run(pair));
    let failed = loop {
        if let WorkerEvent::Failed { job, .. } = seat.next() {
            break job;
        }
    };
    assert_eq!(failed, 0);
    assert_eq!(seat.finished(1).1.len(), 3);
}

#[test]
fn runs_are_transferred_to_another_model_made_there_and_judged() {
    let sandbox = Sandbox::with_models();
    let small = small_model(&sandbox);
    let mut seat = worker(&sandbox);
    let opened = seat.open();
    seat.send(WorkerCommand::Judges(vec![opened.model.clone()]));
    let chosen = specs(
        &opened,
        &["flamingo", "goldfish", "blocks.3/expand/relu6:2"],
        3,
    );
    let runs = chosen
        .iter()
        .map(|spec| TransferSource::Spec(Box::new(spec.clone())))
        .collect();
    seat.send(WorkerCommand::Transfer {
        model: small.clone(),
        runs,
    });
    let (found, problems) = seat.wait_for(|report| match report {
        WorkerEvent::Transferred {
            model,
            specs,
            problems,
            ..
        } if model == "small" => Some((specs.clone(), problems.clone())),
        _ => None,
    });
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].target, found[0].unit.index), ("flamingo", 2));
    assert_eq!((&found[0].model, found[0].seed), (&small, chosen[0].seed));
    assert_eq!(found[0].settings, chosen[0].settings);
    assert!(
        problems[0].starts_with("goldfish: no class is called `goldfish`"),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("blocks.3/expand/relu6"),
        "{problems:?}"
    );

    // The network that is looked at has judged it, and that is kept.
    let kept = found[0].id();
    seat.send(WorkerCommand::Run(jobs(found)));
    seat.finished(0);
    let verdicts = history::read(&sandbox.home, &kept).unwrap().verdicts;
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0].model_hash, opened.hash);
    assert!(
        verdicts[0]
            .target_probability
            .is_some_and(|found| (0.0..=1.0).contains(&found))
    );

    // A finished run goes back to where its class has the other index.
    let runs = vec![
        TransferSource::Stored(kept),
        TransferSource::Stored("00000000000000ff".into()),
    ];
    let model = opened.model.clone();
    seat.send(WorkerCommand::Transfer { model, runs });
    let (back, problems) = seat.wait_for(|report| match report {
        WorkerEvent::Transferred {
            specs, problems, ..
        } => Some((specs.clone(), problems.clone())),
        _ => None,
    });
    assert_eq!(back, chosen[..1]);
    assert!(
        problems.len() == 1 && problems[0].contains("00000000000000ff"),
        "{problems:?}"
    );

    let missing = sandbox.path("gone.onnx");
    let runs = vec![TransferSource::Spec(Box::new(chosen[0].clone()))];
    seat.send(WorkerCommand::Transfer {
        model: missing.clone(),
        runs,
    });
    let why = seat.wait_for(|report| match report {
        WorkerEvent::Transferred {
            model, problems, ..
        } if *model == missing => problems.first().cloned(),
        _ => None,
    });
    assert!(why.contains("gone.onnx"), "{why}");
}

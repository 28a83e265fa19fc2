//! Workers of several devices that share the runs out.

use super::*;
use std::sync::mpsc::Receiver;

struct Pool {
    workers: WorkerPool,
    rung: Receiver<()>,
}

impl Pool {
    fn new(sandbox: &Sandbox, providers: &[Provider]) -> Self {
        let (bell, rung) = std::sync::mpsc::channel();
        let wake = move || {
            let _ = bell.send(());
        };
        let options = OpenOptions::default();
        let workers = WorkerPool::spawn(&sandbox.home, providers, &options, wake).unwrap();
        Self { workers, rung }
    }

    /// Waits until `is_over` says so of one of the events; returns all so far.
    fn until(&mut self, mut is_over: impl FnMut(&WorkerEvent) -> bool) -> Vec<WorkerEvent> {
        let mut seen = Vec::new();
        loop {
            let events = self.workers.events();
            let ends = events.iter().any(&mut is_over);
            seen.extend(events);
            if ends {
                return seen;
            }
            let wait = self.rung.recv_timeout(Duration::from_secs(120));
            wait.expect("the workers are silent");
        }
    }

    fn open(&mut self, model: &str) -> Arc<ModelInfo> {
        self.workers.send(WorkerCommand::Open(Some(model.into())));
        let seen = self.until(|event| matches!(event, WorkerEvent::Opened(_)));
        let opened = seen.into_iter().find_map(|event| match event {
            WorkerEvent::Opened(opened) => Some(opened),
            _ => None,
        });
        opened.unwrap()
    }
}

/// One batch per job.
fn batches(opened: &ModelInfo, targets: &[&str], steps: u32) -> Vec<Vec<Job>> {
    let all = jobs(specs(opened, targets, steps));
    all.into_iter().map(|job| vec![job]).collect()
}

fn finished(events: &[WorkerEvent]) -> usize {
    let is_finished = |event: &&WorkerEvent| matches!(event, WorkerEvent::Finished { .. });
    events.iter().filter(is_finished).count()
}

fn stepped(event: &WorkerEvent, job: JobId) -> bool {
    matches!(event, WorkerEvent::Stepped(progress) if progress.jobs == [job])
}

#[test]
fn two_workers_make_two_batches_at_the_same_time() {
    let sandbox = Sandbox::with_runtime();
    let model = small_model(&sandbox);
    let mut pool = Pool::new(&sandbox, &[Provider::Cpu, Provider::Cpu]);
    let opened = pool.open(&model);
    for batch in batches(&opened, &["pug", "tench"], 100_000) {
        pool.workers.send(WorkerCommand::Run(batch));
    }
    // Neither waits for the other.
    pool.until(|event| stepped(event, 0));
    pool.until(|event| stepped(event, 1));
    // A command reaches the worker that has the job.
    pool.workers.send(WorkerCommand::Cancel(1));
    pool.until(|event| matches!(event, WorkerEvent::Cancelled { job: 1 }));
    pool.until(|event| stepped(event, 0));
    // Both pause, and say so once.
    pool.workers.send(WorkerCommand::Pause);
    pool.until(|event| matches!(event, WorkerEvent::Paused(true)));
    assert!(pool.workers.shut_down(Duration::from_secs(5)));
    let rest = pool.workers.events();
    assert!(
        !rest
            .iter()
            .any(|event| matches!(event, WorkerEvent::Paused(_)))
    );
}

#[test]
fn a_batch_goes_to_the_worker_with_the_least_to_do_and_is_answered_from_history_by_any() {
    let sandbox = Sandbox::with_runtime();
    let model = small_model(&sandbox);
    let mut pool = Pool::new(&sandbox, &[Provider::Cpu, Provider::Cpu]);
    let opened = pool.open(&model);
    let all = batches(&opened, &["pug", "tench", "flamingo", "crane"], 4);
    for batch in &all {
        pool.workers.send(WorkerCommand::Run(batch.clone()));
    }
    let mut done = 0;
    while done < 4 {
        done += finished(&pool.until(|event| matches!(event, WorkerEvent::Finished { .. })));
    }
    for batch in all.iter().rev() {
        pool.workers.send(WorkerCommand::Run(batch.clone()));
    }
    let mut again = 0;
    while again < 4 {
        let seen = pool.until(|event| matches!(event, WorkerEvent::Finished { .. }));
        again += seen
            .iter()
            .filter(|event| {
                matches!(
                    event,
                    WorkerEvent::Finished {
                        from_history: true,
                        ..
                    }
                )
            })
            .count();
    }
}

#[test]
fn a_device_that_does_not_work_leaves_its_runs_to_the_others() {
    let sandbox = Sandbox::with_runtime();
    let model = small_model(&sandbox);
    let missing = "plugin:/nowhere/libx.so".parse().unwrap();
    let mut pool = Pool::new(&sandbox, &[Provider::Cpu, missing]);
    let opened = pool.open(&model);
    for batch in batches(&opened, &["pug", "tench", "flamingo"], 4) {
        pool.workers.send(WorkerCommand::Run(batch));
    }
    let mut seen = Vec::new();
    while finished(&seen) < 3 {
        seen.extend(pool.until(|event| matches!(event, WorkerEvent::Finished { .. })));
    }
    let retired: Vec<_> = seen
        .iter()
        .filter_map(|event| match event {
            WorkerEvent::Retired { jobs, why, workers } => Some((jobs.len(), why, *workers)),
            _ => None,
        })
        .collect();
    assert_eq!(retired.len(), 1);
    let (jobs, why, workers) = retired[0];
    assert_eq!((jobs, workers), (0, 1));
    assert!(why.contains("/nowhere/libx.so"), "{why}");
}

#[test]
fn runs_of_the_explorer_are_claimed_unless_they_are_paused() {
    let sandbox = Sandbox::with_runtime();
    let model = small_model(&sandbox);
    let mut pool = Pool::new(&sandbox, &[Provider::Cpu]);
    let opened = pool.open(&model);
    let batch = batches(&opened, &["pug"], 100_000).remove(0);
    let id = batch[0].run.clone();
    pool.workers.send(WorkerCommand::Run(batch));
    pool.until(|event| stepped(event, 0));
    assert!(history::Claim::take(&sandbox.home, &id).is_none());
    pool.workers.send(WorkerCommand::Pause);
    pool.until(|event| matches!(event, WorkerEvent::Paused(true)));
    let until = Instant::now() + Duration::from_secs(10);
    while history::Claim::take(&sandbox.home, &id).is_none() {
        assert!(Instant::now() < until, "a paused run stays claimed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

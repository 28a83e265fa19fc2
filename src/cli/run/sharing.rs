//! Makes the runs of a model: those in the history are reused, the rest is shared out among the devices.

use super::device_worker::DeviceWorker;
use super::open_runs::OpenRuns;
use super::session::{Outcome, Session, note};
use crate::cli::{Failure, output};
use ziggurat::model::Network;
use ziggurat::runs::Spec;

/// Delivers the runs of the history, and lets the workers make the rest. A failed batch does not stop the others.
///
/// # Errors
/// If a picture cannot be stored or delivered, which would fail for the others, too.
pub fn share_out(
    session: &Session,
    workers: &mut [DeviceWorker],
    network: &Network,
    specs: &[Spec],
) -> Result<Outcome, Failure> {
    let providers: Vec<String> = workers.iter().map(DeviceWorker::provider).collect();
    let Some(stop) = workers.first().map(|worker| worker.stop().clone()) else {
        return Ok(Outcome::All);
    };
    let mut open: Vec<&Spec> = Vec::new();
    for spec in specs {
        if stop.is_stopped() {
            return Ok(Outcome::Interrupted);
        }
        let is_open =
            session.arguments.again || !session.deliver_stored(spec, &providers, &stop)?;
        open.extend(is_open.then_some(spec));
    }
    let runs = OpenRuns::new(open, providers.len());
    let outcomes = match workers {
        [worker] => vec![worker.work(session, network, &runs)],
        workers => std::thread::scope(|scope| {
            let start =
                |worker| scope.spawn(|| DeviceWorker::work(worker, session, network, &runs));
            let threads: Vec<_> = workers.iter_mut().map(start).collect();
            let join = |thread: std::thread::ScopedJoinHandle<_>| match thread.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            threads.into_iter().map(join).collect()
        }),
    };
    let (mut is_interrupted, mut failed) = (false, None);
    for outcome in outcomes {
        match outcome? {
            Outcome::All => {}
            Outcome::SomeFailed(problem) => note(&mut failed, problem),
            Outcome::Interrupted => is_interrupted = true,
        }
    }
    Ok(match (is_interrupted, failed) {
        (true, failed) => {
            if let Some(problem) = failed {
                output::notice(&problem.to_string());
            }
            Outcome::Interrupted
        }
        (false, failed) => failed.map_or(Outcome::All, Outcome::SomeFailed),
    })
}

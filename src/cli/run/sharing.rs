//! Makes the runs of a model: those in the history are reused, the rest is shared out among the devices.

use super::context::{Outcome, RunContext, note};
use super::device_worker::DeviceWorker;
use super::open_runs::OpenRuns;
use crate::cli::{Failure, output};
use ziggurat::model::Network;
use ziggurat::runs::Spec;
use ziggurat::runtime::session::share_cores;

/// Maximum size of the weights of all sessions that cores of one CPU have open, in bytes.
const MAX_WEIGHTS: usize = 512 << 20;

/// Delivers the runs of the history, and lets the workers make the rest. A failed batch does not stop the others.
///
/// # Errors
/// If a picture cannot be stored or delivered, which would fail for the others, too.
pub fn share_out(
    context: &RunContext,
    mut workers: &mut [DeviceWorker],
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
            context.arguments.again || !context.deliver_stored(spec, &providers, &stop)?;
        open.extend(is_open.then_some(spec));
    }
    if context.is_divided {
        let most = cores_for(network, open.len()).min(workers.len());
        workers = &mut workers[..most];
        share_cores(most);
    }
    let is_usable = |worker: &&mut DeviceWorker| !worker.is_retired();
    let runs = OpenRuns::new(open, workers.iter_mut().filter(is_usable).count());
    let (mut is_interrupted, mut failed) = (false, None);
    loop {
        let usable = workers.iter_mut().filter(is_usable).collect();
        for outcome in work(usable, context, network, &runs) {
            match outcome? {
                Outcome::All => {}
                Outcome::SomeFailed(problem) => note(&mut failed, problem),
                Outcome::Interrupted => is_interrupted = true,
            }
        }
        // The last worker may have failed when the others had nothing left to do.
        if is_interrupted || runs.is_empty() {
            break;
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

/// How many cores make runs of a model at the same time: as many as there are runs, within [`MAX_WEIGHTS`].
fn cores_for(network: &Network, runs: usize) -> usize {
    let bytes = network.parameters().saturating_mul(size_of::<f32>());
    (MAX_WEIGHTS / bytes.max(1)).min(runs).max(1)
}

/// Lets these workers make the open runs, at the same time.
fn work(
    workers: Vec<&mut DeviceWorker>,
    context: &RunContext,
    network: &Network,
    runs: &OpenRuns,
) -> Vec<Result<Outcome, Failure>> {
    std::thread::scope(|scope| {
        let workers = workers.into_iter();
        let threads = workers.map(|worker| scope.spawn(|| worker.work(context, network, runs)));
        let threads: Vec<_> = threads.collect();
        let join = |thread: std::thread::ScopedJoinHandle<_>| match thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}

//! One device's part of the runs of a command: takes batches from the open runs and makes them.

use super::context::{Outcome, RunContext, note};
use super::open_runs::{Choice, NextBatch, OpenRuns};
use super::progress::ProgressObserver;
use crate::cli::{Failure, startup};
use std::sync::atomic::Ordering;
use std::time::Duration;
use ziggurat::model::Network;
use ziggurat::runs::batch::{Batch, EndedRun, provider_name};
use ziggurat::runs::driver::{self, Retry};
use ziggurat::runs::history::Claim;
use ziggurat::runs::{Error, Spec};
use ziggurat::runtime::{CancelHandle, ResolvedProvider};

/// How long to wait before the runs of other processes are looked for again.
const PAUSE: Duration = Duration::from_millis(250);

/// Makes runs on one device.
pub struct DeviceWorker {
    /// The device; another one once this one fails, if the provider is `auto`.
    active: ResolvedProvider,
    /// Maximum number of runs that step together; less once the device had no memory for more.
    most_together: usize,
    stop: CancelHandle,
    /// All runs of the batch of the run to repeat, if its picture depends on them; otherwise empty.
    companions: Vec<Spec>,
    /// Whether the device failed, and other workers make the runs.
    is_retired: bool,
}

/// How a batch ended.
enum BatchOutcome {
    Ended(Outcome),
    /// It can be retried, on another device or with fewer runs at once.
    Retry,
}

/// Why a batch failed.
struct Failed {
    problem: Error,
    /// Whether nothing was computed yet.
    is_first_step: bool,
}

impl DeviceWorker {
    /// A worker for a device. `stop` interrupts it.
    pub fn new(active: ResolvedProvider, most_together: usize, stop: CancelHandle) -> Self {
        Self {
            active,
            most_together,
            stop,
            companions: Vec::new(),
            is_retired: false,
        }
    }

    /// Lets these runs step along with the next batch.
    pub fn with_companions(self, companions: Vec<Spec>) -> Self {
        Self { companions, ..self }
    }

    /// The device's name in records.
    pub fn provider(&self) -> String {
        provider_name(self.active.device)
    }

    /// The handle that interrupts it.
    pub fn stop(&self) -> &CancelHandle {
        &self.stop
    }

    /// Whether its device failed, and other workers make the runs.
    pub fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Makes open runs until none is left. A failed batch does not stop the others. Runs that another process is making
    /// are left to it, and delivered when it has made them.
    ///
    /// # Errors
    /// If a picture cannot be stored or delivered, which would fail for the others, too: nothing is left open then.
    pub fn work(
        &mut self,
        context: &RunContext,
        network: &Network,
        runs: &OpenRuns,
    ) -> Result<Outcome, Failure> {
        let outcome = self.work_until_failure(context, network, runs);
        if matches!(outcome, Err(_) | Ok(Outcome::Interrupted)) {
            runs.clear();
        }
        outcome
    }

    fn work_until_failure(
        &mut self,
        context: &RunContext,
        network: &Network,
        runs: &OpenRuns,
    ) -> Result<Outcome, Failure> {
        let mut failed = None;
        loop {
            let (batch, claims) = match self.next_batch(context, network, runs)? {
                NextBatch::Take(batch, claims) => (batch, claims),
                NextBatch::Wait(count) => {
                    if !self.wait(context, count) {
                        return Ok(Outcome::Interrupted);
                    }
                    runs.look_again();
                    continue;
                }
                NextBatch::Nothing => break,
            };
            match self.run_batch(context, network, &batch, runs)? {
                BatchOutcome::Retry => {
                    runs.put_back(batch);
                    if self.is_retired {
                        break;
                    }
                }
                BatchOutcome::Ended(Outcome::All) => {}
                BatchOutcome::Ended(Outcome::SomeFailed(problem)) => note(&mut failed, problem),
                BatchOutcome::Ended(Outcome::Interrupted) => return Ok(Outcome::Interrupted),
            }
            drop(claims);
        }
        Ok(failed.map_or(Outcome::All, Outcome::SomeFailed))
    }

    /// Takes the next batch: runs of one objective, claimed for this process. Those that another process has finished
    /// meanwhile are delivered.
    fn next_batch<'s>(
        &self,
        context: &RunContext,
        network: &Network,
        runs: &OpenRuns<'s>,
    ) -> Result<NextBatch<'s>, Failure> {
        let most = if network.batchable {
            self.most_together
        } else {
            1
        };
        let providers = [self.provider()];
        runs.next_batch(most, |spec| {
            // A run that is wanted again is not left to others.
            if context.arguments.again {
                return Ok(Choice::Take(None));
            }
            let Some(claim) = Claim::take(context.home, &spec.id()) else {
                return Ok(Choice::IsElsewhere);
            };
            let is_stored = context.deliver_stored(spec, &providers, &self.stop)?;
            Ok(if is_stored {
                Choice::Skip
            } else {
                Choice::Take(Some(claim))
            })
        })
    }

    /// Waits a moment for runs that other processes are making; returns whether the user has not interrupted.
    fn wait(&self, context: &RunContext, count: usize) -> bool {
        if !context.has_waited.swap(true, Ordering::Relaxed) {
            let count = ziggurat::text::counted(count, "run");
            context.notice(&format!("waiting for {count} of another process"));
        }
        std::thread::sleep(PAUSE);
        !self.stop.is_stopped()
    }

    /// Computes one batch.
    fn run_batch(
        &mut self,
        context: &RunContext,
        network: &Network,
        batch: &[&Spec],
        runs: &OpenRuns,
    ) -> Result<BatchOutcome, Failure> {
        let together: Vec<&Spec> = if self.companions.is_empty() {
            batch.to_vec()
        } else {
            self.companions.iter().collect()
        };
        let mut was_interrupted = false;
        let endings = match self.steps(context, network, &together, &mut was_interrupted) {
            Ok(Some(endings)) => endings,
            Ok(None) => return Ok(BatchOutcome::Ended(Outcome::Interrupted)),
            Err(failed) => {
                return Ok(
                    if self.can_go_on_otherwise(context, &failed, batch.len(), runs) {
                        BatchOutcome::Retry
                    } else {
                        BatchOutcome::Ended(Outcome::SomeFailed(failed.problem))
                    },
                );
            }
        };
        let is_asked = |id: &str| batch.iter().any(|spec| spec.id() == id);
        // A failed run does not stop the others.
        let mut failed = None;
        let mut finished: Vec<EndedRun> = Vec::new();
        for ending in endings {
            match ending {
                // Companions only step along.
                Ok(ending) if !is_asked(&ending.record.id) => {}
                Ok(ending) => finished.push(ending),
                Err(problem) => note(&mut failed, problem),
            }
        }
        if !was_interrupted {
            let runs = finished.iter_mut();
            let mut runs: Vec<_> = runs.map(|one| (&mut one.record, &one.picture)).collect();
            context.judge(&mut runs, &self.stop);
            was_interrupted = self.stop.is_stopped();
        }
        context.keep(finished, &self.provider())?;
        Ok(BatchOutcome::Ended(match (was_interrupted, failed) {
            (true, failed) => {
                if let Some(problem) = failed {
                    context.notice(&problem.to_string());
                }
                Outcome::Interrupted
            }
            (false, failed) => failed.map_or(Outcome::All, Outcome::SomeFailed),
        }))
    }

    /// Whether a failed batch can be retried with fewer runs at once, on another device, or by another worker; prints a
    /// notice.
    fn can_go_on_otherwise(
        &mut self,
        context: &RunContext,
        failed: &Failed,
        count: usize,
        runs: &OpenRuns,
    ) -> bool {
        let problem = &failed.problem;
        // Only the same batch on the same device repeats a run exactly.
        let companions = std::mem::take(&mut self.companions);
        match driver::retry(problem, count.max(companions.len()), failed.is_first_step) {
            Some(Retry::Fewer(fewer)) => {
                let fewer = fewer.min(count.max(1));
                self.most_together = fewer;
                context.notice(&driver::fewer_notice(problem, fewer));
                true
            }
            Some(Retry::Elsewhere(problem)) => match self.active.after(problem) {
                Some(next) => {
                    self.active = next;
                    context
                        .bars
                        .suspend(|| startup::explain_provider(&self.active));
                    true
                }
                None if problem.is_of_device() && runs.retire() => {
                    self.is_retired = true;
                    context.notice(&format!("{problem}; its runs go to the other devices"));
                    true
                }
                None => false,
            },
            None => false,
        }
    }

    /// Takes the steps of a batch; `None` if it was interrupted before the first.
    fn steps(
        &self,
        context: &RunContext,
        network: &Network,
        batch: &[&Spec],
        was_interrupted: &mut bool,
    ) -> Result<Option<Vec<Result<EndedRun, Error>>>, Failed> {
        let specs: Vec<Spec> = batch.iter().copied().cloned().collect();
        let mut runs = match Batch::begin(network, &specs, self.active.device, &self.stop) {
            Ok(runs) => runs,
            Err(problem) if problem.is_stop() => return Ok(None),
            Err(problem) => {
                return Err(Failed {
                    problem,
                    is_first_step: true,
                });
            }
        };
        let several = context.delivery.several_models;
        let model = several.then_some(specs[0].model.as_str());
        let steps = runs.ascent().steps();
        let mut progress = ProgressObserver::new(&context.bars, &self.stop, steps, model, batch);
        let endings = driver::drive(&mut runs, &mut progress);
        progress.clear();
        *was_interrupted = progress.was_interrupted;
        endings.map_err(|problem| Failed {
            problem,
            is_first_step: runs.ascent().step_count() == 0,
        })
    }
}

//! Runs one batch, from its first step or its checkpoint to its records; commands are handled between the steps.

use super::autosave::Autosave;
use super::batch_steps::Steps;
use super::job_index::JobIndex;
use super::load_model::LoadedModel;
use super::restart::Restart;
use super::thread::WorkerThread;
use super::{Started, WorkerEvent};
use crate::ascent;
use crate::runs::batch::{Batch, EndedRun, versions};
use crate::runs::checkpoint;
use crate::runs::driver::{self, Retry};
use crate::runs::queue::Job;
use crate::runs::{Error, Spec};
use std::sync::Arc;

/// Whether all finished runs are in the history.
enum Stored {
    All,
    NotAll,
}

impl WorkerThread {
    /// Runs `jobs`, which share an objective. The error, one line, is that of all remaining jobs.
    pub fn run_batch(&mut self, loaded: &LoadedModel, jobs: &[Job]) -> Result<(), String> {
        let (mut batch, resumed_at) = match self.begin(loaded, jobs) {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(()),
            Err(problem) if self.goes_on_otherwise(loaded, &problem, (jobs.len(), jobs), true) => {
                return Ok(());
            }
            // Perhaps only one of them fails.
            Err(_) if jobs.len() > 1 => {
                let wanted = self.wanted(jobs);
                self.split(wanted);
                return Ok(());
            }
            Err(problem) => return Err(problem.to_string()),
        };
        let members = JobIndex::new(batch.specs(), jobs);
        self.mailbox
            .post(WorkerEvent::Started(started(&batch, &members, resumed_at)));
        let mut steps = Steps::new(
            self,
            loaded,
            &members,
            Autosave::new(&self.home, resumed_at > 0),
        );
        steps.claim(&batch);
        let driven = driver::drive(&mut batch, &mut steps);
        // Until the runs are stored.
        let (mut autosave, _claims) = (steps.autosave, steps.claims);
        let result = match driven {
            Ok(Some(endings)) => Ok(self.finish(endings, &members)),
            Ok(None) => Ok(Stored::All),
            Err(problem) => {
                let is_first = batch.ascent().step_count() == resumed_at;
                if self.goes_on_otherwise(loaded, &problem, (batch.specs().len(), jobs), is_first) {
                    // To resume the batch that failed would fail again.
                    autosave.discard(&batch);
                    return Ok(());
                }
                Err(problem.to_string())
            }
        };
        match result {
            Ok(Stored::All) if self.is_left() && !self.current.is_empty() => {
                if let Err(problem) = autosave.write_now(&batch) {
                    tracing::warn!(%problem, "no checkpoint could be written on leaving");
                }
            }
            // Once the disk has space again, the runs continue from the checkpoint. If this one cannot be written, an
            // earlier one stays.
            Ok(Stored::NotAll) => {
                if let Err(problem) = autosave.write_now(&batch) {
                    tracing::warn!(%problem, "no checkpoint could be written of runs that could not be stored");
                }
            }
            Ok(Stored::All) | Err(_) => autosave.discard(&batch),
        }
        result.map(drop)
    }

    /// Whether failed jobs are retried, fewer at once or on another device; posts a notice.
    fn goes_on_otherwise(
        &mut self,
        loaded: &LoadedModel,
        problem: &Error,
        (runs, jobs): (usize, &[Job]),
        is_first_step: bool,
    ) -> bool {
        let wanted = self.wanted(jobs);
        match driver::retry(problem, runs, is_first_step) {
            Some(Retry::Fewer(fewer)) => {
                let text = driver::fewer_notice(problem, fewer);
                self.mailbox.post(WorkerEvent::Notice(text));
                self.queue_next(wanted, fewer);
                true
            }
            Some(Retry::Elsewhere(problem)) => match loaded.go_on_after(problem) {
                Some(note) => {
                    self.moved(loaded, &note);
                    self.queue_next(wanted, jobs.len());
                    true
                }
                None if problem.is_of_device() => self.retire(wanted, problem),
                None => false,
            },
            None => false,
        }
    }

    /// The jobs that were not cancelled.
    fn wanted(&self, jobs: &[Job]) -> Vec<Job> {
        let wanted = jobs.iter().filter(|job| self.is_wanted(job.id));
        wanted.cloned().collect()
    }

    /// Prepares a batch, from its checkpoint if it has one; `None` if it was cancelled meanwhile.
    fn begin<'n>(
        &mut self,
        loaded: &'n LoadedModel,
        jobs: &[Job],
    ) -> Result<Option<(Batch<'n>, usize)>, Error> {
        let specs: Vec<Spec> = jobs.iter().map(|job| job.spec.clone()).collect();
        let (network, device) = (&loaded.network, loaded.device());
        let text = match jobs {
            [job] => format!("preparing {}", job.spec.target),
            _ => format!("preparing {} runs", jobs.len()),
        };
        self.mailbox.post(WorkerEvent::Stage {
            model: loaded.asked.clone(),
            text,
            bytes: None,
        });
        let provider = &crate::runs::batch::provider_name(device);
        let mut is_afresh = false;
        while !self.is_useless() {
            let found = match (is_afresh, specs.as_slice()) {
                (true, _) => None,
                (false, [spec]) => checkpoint::find(&self.home, &specs, provider)
                    .or_else(|| checkpoint::find_parent(&self.home, spec, provider)),
                (false, _) => checkpoint::find(&self.home, &specs, provider),
            };
            if found.is_none() && checkpoint::exists(&self.home, &specs, provider) {
                let notice = Restart::Damaged.notice(jobs);
                self.mailbox.post(WorkerEvent::Notice(notice));
                checkpoint::remove(&self.home, &specs, provider);
            }
            let other_version = found.as_ref().filter(|found| found.versions != versions());
            if let Some(found) = other_version {
                let why = Restart::OtherVersions(&found.versions);
                self.mailbox.post(WorkerEvent::Notice(why.notice(jobs)));
                checkpoint::remove(&self.home, &found.specs, provider);
                is_afresh = true;
                continue;
            }
            let begun = match found {
                Some(found) => {
                    let (step, held) = (found.saved.at.step, found.specs.clone());
                    let resumed = Batch::resume(network, found, device, &self.stop);
                    if let Err(Error::Ascent(ascent::Error::StateMismatch(what))) = &resumed {
                        tracing::warn!(what, "a checkpoint does not fit and is removed");
                        let notice = Restart::Unfit.notice(jobs);
                        self.mailbox.post(WorkerEvent::Notice(notice));
                        checkpoint::remove(&self.home, &held, provider);
                        is_afresh = true;
                        continue;
                    }
                    resumed.map(|batch| (batch, step))
                }
                None => {
                    let begun = Batch::begin(network, &specs, device, &self.stop);
                    begun.map(|batch| (batch, 0))
                }
            };
            match begun {
                Err(problem) if problem.is_stop() => self.handle_all(),
                begun => return begun.map(Some),
            }
        }
        Ok(None)
    }

    /// Judges the finished pictures, stores them and posts them.
    fn finish(&mut self, mut endings: Vec<Result<EndedRun, Error>>, members: &JobIndex) -> Stored {
        let runs = endings.iter_mut().flatten();
        let mut runs: Vec<_> = runs.map(|one| (&mut one.record, &one.picture)).collect();
        self.judge(&mut runs);
        let mut result = Stored::All;
        for (run, ending) in endings.into_iter().enumerate() {
            let job = members.job_of(run).filter(|job| self.is_wanted(*job));
            let Some(job) = job else { continue };
            self.current.retain(|id| *id != job);
            let kept = ending.and_then(|ending| match ending.keep(&self.home) {
                Ok(_) => Ok(ending),
                Err(problem) => {
                    result = Stored::NotAll;
                    Err(problem)
                }
            });
            self.mailbox.post(match kept {
                Ok(ending) => WorkerEvent::Finished {
                    job,
                    record: Box::new(ending.record),
                    picture: Arc::new(ending.picture),
                    from_history: false,
                },
                Err(problem) => {
                    let why = problem.to_string();
                    WorkerEvent::Failed { job, why }
                }
            });
        }
        result
    }
}

fn started(batch: &Batch, members: &JobIndex, resumed_at: usize) -> Started {
    let ascent = batch.ascent();
    let runs = members.0.iter();
    Started {
        jobs: runs.clone().map(|(job, _)| *job).collect(),
        steps: ascent.steps(),
        octaves: ascent.octave_steps(),
        resumed_at,
        scores: runs.map(|(_, run)| batch.scores()[*run].clone()).collect(),
        size: ascent.finished_size(),
        has_map: ascent.has_map(),
        bands: ascent.bands(),
    }
}

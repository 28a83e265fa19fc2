//! Runs one batch, from its first step or its checkpoint to its records; commands are handled between the steps.

use super::autosave::Autosave;
use super::live_classifier::LiveClassifier;
use super::load_model::LoadedModel;
use super::progress::{BatchProgress, Speed};
use super::restart::Restart;
use super::thread::WorkerThread;
use super::{Started, Watched, WorkerEvent};
use crate::ascent::{self, Overlay};
use crate::runs::batch::{Batch, EndedRun, versions};
use crate::runs::checkpoint;
use crate::runs::driver::{self, Next, Observer, Retry};
use crate::runs::history::Claim;
use crate::runs::queue::{Job, JobId};
use crate::runs::{Error, Spec};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Minimum time between two snapshots.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(50);

/// Snapshots take at most one part in this many of the total time.
const SNAPSHOT_SHARE: u32 = 50;

/// The run of each job in a batch. A batch from a checkpoint may have runs without a job.
struct JobIndex(Vec<(JobId, usize)>);

/// Whether all finished runs are in the history.
enum Stored {
    All,
    NotAll,
}

/// The classes that rank first and their probabilities, one list per job.
type TopClasses = Vec<Vec<(usize, f32)>>;

/// What the worker does between the steps of a batch: it handles commands, sends pictures and progress, and writes
/// checkpoints.
struct Steps<'a> {
    thread: &'a mut WorkerThread,
    members: &'a JobIndex,
    autosave: Autosave,
    classifier: LiveClassifier<'a>,
    speed: Speed,
    /// When the next snapshot is due.
    snapshot_due: Instant,
    /// When the step under way began.
    step_began: Instant,
    /// Whether a problem with checkpoints was reported.
    was_warned: bool,
    /// What keeps other processes from making these runs, too. A run that another one is making already is made
    /// nevertheless: the user watches it.
    claims: Vec<Claim>,
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

impl<'a> Steps<'a> {
    fn new(
        thread: &'a mut WorkerThread,
        loaded: &'a LoadedModel,
        members: &'a JobIndex,
        autosave: Autosave,
    ) -> Self {
        let now = Instant::now();
        Self {
            thread,
            members,
            autosave,
            classifier: LiveClassifier::new(&loaded.network, loaded.device()),
            speed: Speed::default(),
            snapshot_due: now,
            step_began: now,
            was_warned: false,
            claims: Vec::new(),
        }
    }

    /// Claims the runs of a batch.
    fn claim(&mut self, batch: &Batch) {
        let home = &self.thread.home;
        let ids = batch.specs().iter().map(Spec::id);
        self.claims = ids.filter_map(|id| Claim::take(home, &id)).collect();
    }

    /// Pauses until resumed. A changed overlay is shown meanwhile.
    fn wait_while_paused(&mut self, batch: &Batch) -> Result<(), Error> {
        if let Err(problem) = self.autosave.write_now(batch) {
            tracing::warn!(%problem, "no checkpoint could be written at the pause");
        }
        // Nobody waits for a run that is paused.
        self.claims.clear();
        while self.thread.is_paused && !self.thread.is_useless() {
            self.thread.wait();
            self.show_new_overlay(batch)?;
        }
        self.claim(batch);
        Ok(())
    }

    /// Sends pictures at once if the watched jobs or their overlay have changed.
    fn show_new_overlay(&mut self, batch: &Batch) -> Result<(), Error> {
        if !self.thread.is_watch_new {
            return Ok(());
        }
        self.snapshot_due = Instant::now();
        self.snapshot(batch)
    }

    /// Sends a picture of each watched job, if it is time.
    fn snapshot(&mut self, batch: &Batch) -> Result<(), Error> {
        let start = Instant::now();
        let watch = self.thread.watch;
        let Some((watched, wanted)) = watch.filter(|_| start >= self.snapshot_due) else {
            return Ok(());
        };
        let mut runs = self.members.wanted(self.thread);
        if let Watched::One(job) = watched {
            runs.retain(|(id, _)| *id == job);
        }
        if runs.is_empty() {
            return Ok(());
        }
        self.thread.is_watch_new = false;
        let ascent = batch.ascent();
        for (job, run) in runs {
            let (overlay, picture) = match ascent.view(run, wanted)? {
                Some(picture) => (wanted, Some(picture)),
                None => (Overlay::Plain, ascent.view(run, Overlay::Plain)?),
            };
            if let Some(picture) = picture {
                self.thread.mailbox.post(WorkerEvent::Snapshot {
                    job,
                    step: ascent.step_count(),
                    overlay,
                    picture: Arc::new(picture),
                });
            }
        }
        let pause = SNAPSHOT_PAUSE.max(start.elapsed() * SNAPSHOT_SHARE);
        self.snapshot_due = start + pause;
        Ok(())
    }

    /// The classes of the watched job's picture, where the objective itself is no class: one list per job.
    fn top_of_watched(&mut self, batch: &Batch, jobs: &[(JobId, usize)]) -> Option<TopClasses> {
        let Some((Watched::One(job), _)) = self.thread.watch else {
            return None;
        };
        let run = self.members.run_of(job)?;
        let (run, top) = self.classifier.of(batch, run)?;
        let of = |(_, member): &(JobId, usize)| {
            if *member == run {
                top.to_vec()
            } else {
                Vec::new()
            }
        };
        Some(jobs.iter().map(of).collect())
    }
}

impl Observer for Steps<'_> {
    fn before_step(&mut self, batch: &Batch) -> Result<Next, Error> {
        self.thread.handle_all();
        self.show_new_overlay(batch)?;
        if self.thread.is_paused && !self.thread.is_useless() {
            self.wait_while_paused(batch)?;
        }
        self.step_began = Instant::now();
        Ok(if self.thread.is_useless() {
            Next::Leave
        } else {
            Next::Step
        })
    }

    fn after_step(&mut self, batch: &Batch, report: &ascent::StepReport) -> Result<(), Error> {
        self.snapshot(batch)?;
        let kept = self.autosave.tick(batch);
        let steps = batch.ascent().steps();
        let pace = self.speed.step(self.step_began.elapsed());
        let wanted = self.members.wanted(self.thread);
        let mut progress = progress(report, steps, pace, &wanted);
        if report.classes.is_none()
            && let Some(top) = self.top_of_watched(batch, &wanted)
        {
            progress.top = top;
        }
        self.thread.mailbox.post(WorkerEvent::Stepped(progress));
        if let Err(problem) = kept
            && !std::mem::replace(&mut self.was_warned, true)
        {
            let text = format!("{problem}: if this process is killed, the run starts anew");
            self.thread.mailbox.post(WorkerEvent::Notice(text));
        }
        Ok(())
    }
}

impl JobIndex {
    fn new(specs: &[Spec], jobs: &[Job]) -> Self {
        let place = |job: &Job| specs.iter().position(|spec| spec.id() == job.run);
        let members = jobs.iter().filter_map(|job| Some((job.id, place(job)?)));
        Self(members.collect())
    }

    fn run_of(&self, job: JobId) -> Option<usize> {
        let member = self.0.iter().find(|(id, _)| *id == job);
        member.map(|(_, run)| *run)
    }

    fn job_of(&self, run: usize) -> Option<JobId> {
        let member = self.0.iter().find(|(_, place)| *place == run);
        member.map(|(id, _)| *id)
    }

    /// Those that were not cancelled.
    fn wanted(&self, thread: &WorkerThread) -> Vec<(JobId, usize)> {
        let wanted = self.0.iter().filter(|(id, _)| thread.is_wanted(*id));
        wanted.copied().collect()
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

fn progress(
    report: &ascent::StepReport,
    steps: usize,
    steps_per_second: f64,
    members: &[(JobId, usize)],
) -> BatchProgress {
    let runs = || members.iter().map(|(_, run)| *run);
    let scores: Vec<f32> = runs().map(|run| report.scores[run]).collect();
    let classes = report.classes.as_ref();
    BatchProgress {
        jobs: members.iter().map(|(job, _)| *job).collect(),
        step: report.step,
        steps,
        octave: report.octave,
        unread: vec![(report.step, scores.clone())],
        scores,
        probabilities: classes.map(|seen| runs().map(|run| seen[run].probability).collect()),
        top: classes.map_or_else(Vec::new, |seen| {
            runs().map(|run| seen[run].top.clone()).collect()
        }),
        steps_per_second,
    }
}

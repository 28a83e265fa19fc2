//! One batch, from its first step (or its checkpoint) to its records, with an ear for commands between the steps.

use super::bench::Bench;
use super::opening::Loaded;
use super::opinion::Opinion;
use super::progress::{Progress, Speed};
use super::{Report, Started, Watched};
use crate::ascent::{self, Overlay};
use crate::runs::batch::Batch;
use crate::runs::checkpoint::{self, Keeper};
use crate::runs::queue::{Job, JobId};
use crate::runs::{Ended, Error, Spec};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// At least this long between two snapshots.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(50);

/// Snapshots take at most one part in this many of the time.
const SNAPSHOT_SHARE: u32 = 50;

/// The jobs of a batch: which of its runs each one is. A batch from a checkpoint may hold runs that no job wants.
struct Members(Vec<(JobId, usize)>);

/// How a batch's steps ended.
enum Steps {
    Taken,
    /// Nobody wants the rest.
    Unwanted,
}

/// Whether finished runs are in history.
enum Kept {
    All,
    NotAll,
}

/// When the next snapshot is due.
struct Snapshots {
    due: Instant,
}

impl Bench {
    /// Makes the pictures of `jobs`, which share an objective. The error, one line, is for all that are left.
    pub fn climb(&mut self, loaded: &Loaded, jobs: &[Job]) -> Result<(), String> {
        let (mut batch, resumed_at) = match self.begin(loaded, jobs) {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(()),
            Err(problem) if self.goes_on_otherwise(loaded, &problem, jobs, true) => return Ok(()),
            // Perhaps only one of them is impossible.
            Err(_) if jobs.len() > 1 => {
                let wanted = self.wanted(jobs);
                self.split(wanted);
                return Ok(());
            }
            Err(problem) => return Err(problem.to_string()),
        };
        let members = Members::new(batch.specs(), jobs);
        self.mailbox
            .post(Report::Started(started(&batch, &members, resumed_at)));
        let mut keeper = Keeper::new(&self.home, resumed_at > 0);
        let made = match self.steps(loaded, &mut batch, &members, &mut keeper) {
            Ok(Steps::Taken) => self.finish(&mut batch, &members),
            Ok(Steps::Unwanted) => Ok(Kept::All),
            Err(problem) => {
                let is_first = batch.ascent().step_count() == resumed_at;
                if self.goes_on_otherwise(loaded, &problem, jobs, is_first) {
                    return Ok(());
                }
                Err(problem.to_string())
            }
        };
        match made {
            Ok(Kept::All) if self.is_left() && !self.current.is_empty() => {
                if let Err(problem) = keeper.write_now(&batch) {
                    tracing::warn!(%problem, "no checkpoint could be written on leaving");
                }
            }
            // Once there is room again, the pictures are made from what the checkpoint has.
            Ok(Kept::NotAll) => {}
            Ok(Kept::All) | Err(_) => keeper.discard(&batch),
        }
        made.map(drop)
    }

    /// Whether jobs that failed are made once more, by fewer at once or on another device; tells of it.
    fn goes_on_otherwise(
        &mut self,
        loaded: &Loaded,
        problem: &Error,
        jobs: &[Job],
        is_first_step: bool,
    ) -> bool {
        let wanted = self.wanted(jobs);
        if let Some(fewer) = problem.fewer_that_may_fit(jobs.len()) {
            let text = format!("{problem}; going on with {fewer} at once");
            self.mailbox.post(Report::Remark(text));
            self.make_next(wanted, fewer);
            return true;
        }
        let problem = problem.of_runtime().filter(|_| is_first_step);
        let Some(why) = problem.and_then(|problem| loaded.go_on_after(problem)) else {
            return false;
        };
        self.moved(loaded, &why);
        self.make_next(wanted, jobs.len());
        true
    }

    /// Those of the jobs that are still wanted.
    fn wanted(&self, jobs: &[Job]) -> Vec<Job> {
        let wanted = jobs.iter().filter(|job| self.is_wanted(job.id));
        wanted.cloned().collect()
    }

    /// Prepares a batch, from its checkpoint if it has one; `None` if nobody wants it any more.
    fn begin<'n>(
        &mut self,
        loaded: &'n Loaded,
        jobs: &[Job],
    ) -> Result<Option<(Batch<'n>, usize)>, Error> {
        let specs: Vec<Spec> = jobs.iter().map(|job| job.spec.clone()).collect();
        let (network, device) = (&loaded.network, loaded.device());
        let text = match jobs {
            [job] => format!("preparing {}", job.spec.target),
            _ => format!("preparing {} runs", jobs.len()),
        };
        self.mailbox.post(Report::Stage { text, bytes: None });
        let provider = &crate::runs::batch::provider_name(device);
        let mut is_afresh = false;
        while !self.is_useless() {
            let found = match (is_afresh, specs.as_slice()) {
                (true, _) => None,
                (false, [spec]) => checkpoint::find(&self.home, &specs, provider)
                    .or_else(|| checkpoint::find_parent(&self.home, spec, provider)),
                (false, _) => checkpoint::find(&self.home, &specs, provider),
            };
            let begun = match found {
                Some(found) => {
                    let (step, held) = (found.saved.at.step, found.specs.clone());
                    let resumed = Batch::resume(network, found, device, &self.stop);
                    if let Err(Error::Ascent(ascent::Error::Foreign(what))) = &resumed {
                        tracing::warn!(what, "a checkpoint does not fit and is removed");
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
                Err(problem) if problem.is_stop() => self.obey_all(),
                begun => return begun.map(Some),
            }
        }
        Ok(None)
    }

    /// Takes all steps, as long as somebody wants them.
    fn steps(
        &mut self,
        loaded: &Loaded,
        batch: &mut Batch,
        members: &Members,
        keeper: &mut Keeper,
    ) -> Result<Steps, Error> {
        let mut opinion = Opinion::new(&loaded.network, loaded.device());
        let mut speed = Speed::default();
        let mut snapshots = Snapshots {
            due: Instant::now(),
        };
        let mut was_warned = false;
        loop {
            self.obey_all();
            if self.is_watch_new {
                snapshots.due = Instant::now();
                self.snapshot(batch, members, &mut snapshots)?;
            }
            if self.is_paused && !self.is_useless() {
                self.rest(batch, members, keeper, &mut snapshots)?;
            }
            if self.is_useless() {
                return Ok(Steps::Unwanted);
            }
            let start = Instant::now();
            let report = match batch.step() {
                Ok(Some(report)) => report,
                Ok(None) => return Ok(Steps::Taken),
                Err(problem) if problem.is_stop() => continue,
                Err(problem) => return Err(problem),
            };
            self.snapshot(batch, members, &mut snapshots)?;
            let kept = keeper.tick(batch);
            let steps = batch.ascent().steps();
            let pace = speed.step(start.elapsed());
            let wanted = members.wanted(self);
            let mut progress = progress(&report, steps, pace, &wanted);
            let watched = match self.watch {
                Some((Watched::One(job), _)) => members.run_of(job),
                Some((Watched::All, _)) | None => None,
            };
            if report.classes.is_none()
                && let Some((run, top)) = watched.and_then(|run| opinion.of(batch, run))
            {
                let of = |(_, member): &(JobId, usize)| match *member == run {
                    true => top.to_vec(),
                    false => Vec::new(),
                };
                progress.top = wanted.iter().map(of).collect();
            }
            self.mailbox.post(Report::Stepped(progress));
            if let Err(problem) = kept
                && !std::mem::replace(&mut was_warned, true)
            {
                let text = format!("{problem}: should this process be killed, the run starts anew");
                self.mailbox.post(Report::Remark(text));
            }
        }
    }

    /// Pauses until resumed. A changed overlay is shown meanwhile.
    fn rest(
        &mut self,
        batch: &Batch,
        members: &Members,
        keeper: &mut Keeper,
        snapshots: &mut Snapshots,
    ) -> Result<(), Error> {
        if let Err(problem) = keeper.write_now(batch) {
            tracing::warn!(%problem, "no checkpoint could be written at the pause");
        }
        while self.is_paused && !self.is_useless() {
            self.wait();
            if self.is_watch_new {
                snapshots.due = Instant::now();
                self.snapshot(batch, members, snapshots)?;
            }
        }
        Ok(())
    }

    /// Sends a picture of each watched job, if it is time.
    fn snapshot(
        &mut self,
        batch: &Batch,
        members: &Members,
        snapshots: &mut Snapshots,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let Some((watched, wanted)) = self.watch.filter(|_| start >= snapshots.due) else {
            return Ok(());
        };
        let mut runs = members.wanted(self);
        if let Watched::One(job) = watched {
            runs.retain(|(id, _)| *id == job);
        }
        if runs.is_empty() {
            return Ok(());
        }
        self.is_watch_new = false;
        let ascent = batch.ascent();
        for (job, run) in runs {
            let (overlay, picture) = match ascent.view(run, wanted)? {
                Some(picture) => (wanted, Some(picture)),
                None => (Overlay::Plain, ascent.view(run, Overlay::Plain)?),
            };
            if let Some(picture) = picture {
                self.mailbox.post(Report::Snapshot {
                    job,
                    step: ascent.step_count(),
                    overlay,
                    picture: Arc::new(picture),
                });
            }
        }
        let pause = SNAPSHOT_PAUSE.max(start.elapsed() * SNAPSHOT_SHARE);
        snapshots.due = start + pause;
        Ok(())
    }

    /// Judges the finished pictures, keeps them and tells of them.
    fn finish(&mut self, batch: &mut Batch, members: &Members) -> Result<Kept, String> {
        let endings = loop {
            match batch.end(Ended::Finished) {
                Ok(endings) => break endings,
                Err(problem) if problem.is_stop() => {
                    self.obey_all();
                    if self.is_useless() {
                        return Ok(Kept::All);
                    }
                }
                Err(problem) => return Err(problem.to_string()),
            }
        };
        let mut endings = endings;
        let runs = endings.iter_mut().flatten();
        let mut runs: Vec<_> = runs.map(|one| (&mut one.record, &one.picture)).collect();
        self.judge(&mut runs);
        let mut result = Kept::All;
        for (run, ending) in endings.into_iter().enumerate() {
            let job = members.job_of(run).filter(|job| self.is_wanted(*job));
            let Some(job) = job else { continue };
            self.current.retain(|id| *id != job);
            let kept = ending.and_then(|ending| ending.keep(&self.home).map(|_| ending));
            self.mailbox.post(match kept {
                Ok(ending) => Report::Finished {
                    job,
                    record: Box::new(ending.record),
                    picture: Arc::new(ending.picture),
                    from_history: false,
                },
                Err(problem) => {
                    if matches!(problem, Error::File { .. }) {
                        result = Kept::NotAll;
                    }
                    let why = problem.to_string();
                    Report::Failed { job, why }
                }
            });
        }
        Ok(result)
    }
}

impl Members {
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

    /// Those that are still wanted.
    fn wanted(&self, bench: &Bench) -> Vec<(JobId, usize)> {
        let wanted = self.0.iter().filter(|(id, _)| bench.is_wanted(*id));
        wanted.copied().collect()
    }
}

fn started(batch: &Batch, members: &Members, resumed_at: usize) -> Started {
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
    report: &ascent::Report,
    steps: usize,
    steps_per_second: f64,
    members: &[(JobId, usize)],
) -> Progress {
    let runs = || members.iter().map(|(_, run)| *run);
    let scores: Vec<f32> = runs().map(|run| report.scores[run]).collect();
    let classes = report.classes.as_ref();
    Progress {
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

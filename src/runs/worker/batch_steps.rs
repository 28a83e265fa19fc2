//! What the worker does between the steps of a batch.

use super::autosave::Autosave;
use super::job_index::JobIndex;
use super::live_classifier::LiveClassifier;
use super::load_model::LoadedModel;
use super::progress::{BatchProgress, Speed};
use super::thread::WorkerThread;
use super::{Watched, WorkerEvent};
use crate::ascent::{self, Overlay};
use crate::runs::batch::Batch;
use crate::runs::driver::{Next, Observer};
use crate::runs::history::Claim;
use crate::runs::queue::JobId;
use crate::runs::{Error, Spec};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Minimum time between two snapshots.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(50);

/// Snapshots take at most one part in this many of the total time.
const SNAPSHOT_SHARE: u32 = 50;

/// The classes that rank first and their probabilities, one list per job.
type TopClasses = Vec<Vec<(usize, f32)>>;

/// What the worker does between the steps of a batch: it handles commands, sends pictures and progress, and writes
/// checkpoints.
pub struct Steps<'a> {
    thread: &'a mut WorkerThread,
    members: &'a JobIndex,
    pub autosave: Autosave,
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
    pub claims: Vec<Claim>,
}

impl<'a> Steps<'a> {
    /// For a batch of a model, with the runs of its jobs.
    pub fn new(
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
    pub fn claim(&mut self, batch: &Batch) {
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

    fn notice(&mut self, text: String) {
        self.thread.mailbox.post(WorkerEvent::Notice(text));
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
            let text =
                format!("{problem}: if this process is killed, the run starts from the beginning");
            self.thread.mailbox.post(WorkerEvent::Notice(text));
        }
        Ok(())
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

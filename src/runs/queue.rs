//! The queue of runs, in order, and which of them step together.
//!
//! Pure data: the owner of a queue gives its [next batch](Queue::next_batch) to a worker, records the results, and
//! stores the queue on disk with a [`QueueFile`].

mod file;

pub use file::{Orphan, QueueFile, orphans, others_hold, queued_runs};

use super::Spec;
use super::target::safe_title;
use crate::ascent;
use serde::{Deserialize, Serialize};

/// Names a job; unique in its queue.
pub type JobId = u64;

/// Maximum number of jobs in a queue: more than anyone waits for, few enough to write at every change.
pub const MAX_JOBS: usize = 10_000;

/// Maximum number of runs that step together: beyond this the memory grows, but not the speed.
pub const MAX_TOGETHER: usize = 8;

/// A queued run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub id: JobId,
    pub spec: Spec,
    /// The run's id, [`Spec::id`].
    #[serde(skip)]
    pub run: String,
    pub state: JobState,
    /// Shared by jobs that started together; they continue together, so that their pictures are the same.
    #[serde(default)]
    #[serde(rename = "begun")]
    batch_id: Option<JobId>,
}

/// The state of a job. Finished and cancelled jobs leave the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Waiting,
    /// A worker has it.
    Running,
    /// Paused after so many steps, until [`Queue::resume`].
    Paused(usize),
    /// Why it failed, one line. It waits for [`Queue::retry`] or [`Queue::cancel`].
    Failed(String),
}

/// The queue takes no more than [`MAX_JOBS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full: {MAX_JOBS} runs wait; cancel some, or let them finish")]
pub struct Full;

/// Jobs in the order in which they run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queue {
    jobs: Vec<Job>,
    next: JobId,
}

impl Queue {
    /// All jobs in their order.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The job called `id`.
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// The job that makes the same picture as `spec`.
    pub fn find(&self, spec: &Spec) -> Option<&Job> {
        let id = spec.id();
        self.jobs.iter().find(|job| job.run == id)
    }

    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        let waiting = |job: &&Job| job.state == JobState::Waiting;
        self.jobs.iter().filter(waiting).count()
    }

    /// How many jobs failed.
    pub fn failed_count(&self) -> usize {
        let failed = |job: &&Job| matches!(job.state, JobState::Failed(_));
        self.jobs.iter().filter(failed).count()
    }

    /// Whether a worker has jobs of this queue.
    pub fn is_running(&self) -> bool {
        self.jobs.iter().any(|job| job.state == JobState::Running)
    }

    /// Whether there is nothing to keep: no job at all.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Adds a run at the end; returns its job. A run that is queued already is not added twice; if it had failed, it
    /// waits again.
    ///
    /// # Errors
    /// [`Full`].
    pub fn push(&mut self, spec: Spec) -> Result<JobId, Full> {
        let run = spec.id();
        if let Some(id) = self
            .jobs
            .iter()
            .find(|job| job.run == run)
            .map(|job| job.id)
        {
            self.retry(id);
            return Ok(id);
        }
        if self.jobs.len() >= MAX_JOBS {
            return Err(Full);
        }
        let id = self.next;
        self.next += 1;
        self.jobs.push(Job {
            id,
            spec,
            run,
            state: JobState::Waiting,
            batch_id: None,
        });
        Ok(id)
    }

    /// Adds jobs that were removed from a queue again, at the end, with new ids, in their order. Those that are queued
    /// already are left out, and so are those that exceed [`MAX_JOBS`]. Returns how many exceed it.
    pub fn restore(&mut self, jobs: impl IntoIterator<Item = Job>) -> usize {
        let mut renamed: Vec<(JobId, JobId)> = Vec::new();
        let mut jobs = jobs.into_iter();
        while self.jobs.len() < MAX_JOBS {
            let Some(job) = jobs.next() else { return 0 };
            if self.find(&job.spec).is_some() {
                continue;
            }
            let Ok(id) = self.push(job.spec) else {
                return 1 + jobs.filter(|job| self.find(&job.spec).is_none()).count();
            };
            let Some(new) = self.jobs.last_mut() else {
                break;
            };
            if matches!(job.state, JobState::Failed(_) | JobState::Paused(_)) {
                new.state = job.state;
            }
            if let Some(begun) = job.batch_id {
                let known = renamed.iter().find(|(old, _)| *old == begun);
                let name = known.map_or(id, |(_, name)| *name);
                new.batch_id = Some(name);
                renamed.push((begun, name));
            }
        }
        jobs.filter(|job| self.find(&job.spec).is_none()).count()
    }

    /// Removes a job, whatever its state, and returns it. The caller must cancel it in the worker.
    pub fn cancel(&mut self, id: JobId) -> Option<Job> {
        let place = self.place(id)?;
        Some(self.jobs.remove(place))
    }

    /// Lets a failed job wait again. Returns whether it had failed.
    pub fn retry(&mut self, id: JobId) -> bool {
        let failed = |job: &&mut Job| job.id == id && matches!(job.state, JobState::Failed(_));
        match self.jobs.iter_mut().find(failed) {
            Some(job) => {
                job.state = JobState::Waiting;
                true
            }
            None => false,
        }
    }

    /// Pauses running jobs; `steps` is how many each has taken, `None` for one that goes on.
    pub fn pause(&mut self, steps: impl Fn(JobId) -> Option<usize>) {
        let running = |job: &&mut Job| job.state == JobState::Running;
        for job in self.jobs.iter_mut().filter(running) {
            if let Some(steps) = steps(job.id) {
                job.state = JobState::Paused(steps);
            }
        }
    }

    /// Lets a paused job wait again, and those that started with it. Returns how many.
    pub fn resume(&mut self, id: JobId) -> usize {
        let Some(begun) = self.get(id).map(|job| job.batch_id) else {
            return 0;
        };
        let rests = |job: &&mut Job| {
            let belongs = job.id == id || begun.is_some() && job.batch_id == begun;
            belongs && matches!(job.state, JobState::Paused(_))
        };
        let resting = self.jobs.iter_mut().filter(rests);
        resting.map(|job| job.state = JobState::Waiting).count()
    }

    /// The first paused job.
    pub fn paused(&self) -> Option<&Job> {
        let rests = |job: &&Job| matches!(job.state, JobState::Paused(_));
        self.jobs.iter().find(rests)
    }

    /// Moves a job that waits to the front, behind running jobs there.
    pub fn move_to_front(&mut self, id: JobId) {
        let running = |job: &&Job| job.state == JobState::Running;
        let first = self.jobs.iter().take_while(running).count();
        if let Some(place) = self.place(id).filter(|place| *place >= first) {
            self.jobs[first..=place].rotate_right(1);
        }
    }

    /// Moves the last `count` jobs to the front, in their order. None may be running.
    pub fn move_last_to_front(&mut self, count: usize) {
        let count = count.min(self.jobs.len());
        self.jobs.rotate_right(count);
    }

    /// Swaps a job with the one before it, unless one of them is running. Returns whether it moved.
    pub fn move_up(&mut self, id: JobId) -> bool {
        let place = self.place(id).filter(|place| *place > 0);
        place.is_some_and(|place| self.swap(place - 1, place))
    }

    /// Swaps a job with the one after it, unless one of them is running. Returns whether it moved.
    pub fn move_down(&mut self, id: JobId) -> bool {
        let last = self.jobs.len().saturating_sub(1);
        let place = self.place(id).filter(|place| *place < last);
        place.is_some_and(|place| self.swap(place, place + 1))
    }

    /// Removes all jobs that are not running, and returns them (for an undo with [`Queue::restore`]).
    pub fn clear(&mut self) -> Vec<Job> {
        let idle = |job: &mut Job| job.state != JobState::Running;
        self.jobs.extract_if(.., idle).collect()
    }

    /// The jobs to run next, at most `most` of them: the first that waits, and those after it that can
    /// share its steps, up to the first that cannot. Jobs that started together stay together. Of
    /// others, at most `part`: what is left is for other workers.
    pub fn next_batch(&self, most: usize, part: usize) -> Vec<Job> {
        let waiting = |job: &&Job| job.state == JobState::Waiting;
        let mut waiting = self.jobs.iter().filter(waiting);
        let Some(first) = waiting.next() else {
            return Vec::new();
        };
        let alike =
            |job: &&Job| job.batch_id == first.batch_id && shares_steps(&job.spec, &first.spec);
        let (rest, most): (Vec<&Job>, usize) = match first.batch_id {
            // Others may have been moved in between since.
            Some(_) => (waiting.filter(alike).collect(), most),
            None => (waiting.take_while(alike).collect(), most.min(part)),
        };
        let batch = std::iter::once(first).chain(rest);
        batch.take(most.max(1)).cloned().collect()
    }

    /// Marks these jobs as running together.
    pub fn started(&mut self, ids: &[JobId]) {
        let together = ids.first().copied();
        for job in self.jobs.iter_mut().filter(|job| ids.contains(&job.id)) {
            job.state = JobState::Running;
            job.batch_id = together;
        }
    }

    /// Marks a job as failed.
    pub fn failed(&mut self, id: JobId, why: String) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.state = JobState::Failed(why);
            job.batch_id = None;
        }
    }

    /// Removes a finished job, and returns it.
    pub fn finished(&mut self, id: JobId) -> Option<Job> {
        self.cancel(id)
    }

    fn place(&self, id: JobId) -> Option<usize> {
        self.jobs.iter().position(|job| job.id == id)
    }

    fn swap(&mut self, a: usize, b: usize) -> bool {
        let idle = [a, b]
            .iter()
            .all(|&place| self.jobs[place].state != JobState::Running);
        if idle {
            self.jobs.swap(a, b);
        }
        idle
    }

    /// A queue of jobs from a file: none of them is running, their ids are unique, their texts safe to show. Also
    /// returns how many exceed [`MAX_JOBS`].
    fn from_jobs(jobs: Vec<Job>) -> (Self, usize) {
        let mut queue = Self::default();
        let safe = jobs.into_iter().map(|mut job| {
            job.spec.target = safe_title(&job.spec.target);
            match &mut job.state {
                JobState::Failed(why) => *why = safe_title(why),
                JobState::Waiting | JobState::Running | JobState::Paused(_) => {}
            }
            job
        });
        let surplus = queue.restore(safe);
        (queue, surplus)
    }
}

/// Whether two runs can share a batch: of one model, one objective, and alike in all that [`ascent::BATCH_SETTINGS`]
/// names. A branch steps alone.
pub fn shares_steps(a: &Spec, b: &Spec) -> bool {
    (a.method, &a.model, &a.model_hash, &a.objective)
        == (b.method, &b.model, &b.model_hash, &b.objective)
        && ascent::difference(&a.settings, &b.settings).is_none()
        && (a == b || a.earlier().is_empty() && b.earlier().is_empty())
}

#[cfg(test)]
mod tests;

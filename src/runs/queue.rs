//! The runs that are to be made, in order, and which of them go together.
//!
//! Pure data: the owner of a queue gives its [next batch](Queue::next_batch) to a worker, notes what becomes of it, and
//! keeps it on disk with a [`QueueFile`].

mod file;

pub use file::{Orphan, QueueFile, orphans, others_hold, queued_runs};

use super::Spec;
use super::target::readable;
use crate::ascent;
use serde::{Deserialize, Serialize};

/// Names a job; unique in its queue.
pub type JobId = u64;

/// Most jobs that a queue takes: more than anybody waits for, and few enough to write at every change.
pub const MOST_JOBS: usize = 10_000;

/// Most runs that step together: beyond this the memory grows, but not the speed.
pub const MOST_TOGETHER: usize = 8;

/// A run to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub id: JobId,
    pub spec: Spec,
    /// The run's id, [`Spec::id`].
    #[serde(skip)]
    pub run: String,
    pub state: JobState,
    /// Jobs that were begun together share this; they go on together, so that the pictures come out the same.
    #[serde(default)]
    #[serde(rename = "begun")]
    batch_id: Option<JobId>,
}

/// How far a job is. Finished and cancelled jobs leave the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Waiting,
    /// A worker has it.
    Running,
    /// It rests after so many steps, until [`Queue::resume`].
    Paused(usize),
    /// Why it failed, one line. It waits for [`Queue::retry`] or [`Queue::cancel`].
    Failed(String),
}

/// The queue takes no more than [`MOST_JOBS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full: {MOST_JOBS} runs wait; cancel some, or let them finish")]
pub struct Full;

/// Jobs in the order in which they will be made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queue {
    jobs: Vec<Job>,
    next: JobId,
}

impl Queue {
    /// All jobs, first the one that is made first.
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

    /// Whether a worker has jobs of this queue.
    pub fn is_running(&self) -> bool {
        self.jobs.iter().any(|job| job.state == JobState::Running)
    }

    /// Whether there is nothing to keep: no job at all.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Adds a run at the end and tells its job. A run that is in the queue already is not added twice; one that had failed
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
        if self.jobs.len() >= MOST_JOBS {
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

    /// Puts jobs that were taken out back in at the end, under new names, in their order. Those that this queue holds
    /// already, and those for which there is no room, are left out. Returns for how many there is none.
    pub fn restore(&mut self, jobs: impl IntoIterator<Item = Job>) -> usize {
        let mut renamed: Vec<(JobId, JobId)> = Vec::new();
        let mut jobs = jobs.into_iter();
        while self.jobs.len() < MOST_JOBS {
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

    /// Takes a job out, whatever its state, and returns it. The caller must cancel it in the worker.
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

    /// Takes the jobs that a worker has from it: they rest after `step` steps.
    pub fn pause(&mut self, step: usize) {
        let running = |job: &&mut Job| job.state == JobState::Running;
        for job in self.jobs.iter_mut().filter(running) {
            job.state = JobState::Paused(step);
        }
    }

    /// Lets a job that rests wait again, and those that were begun with it. Returns how many.
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

    /// The first job that rests.
    pub fn paused(&self) -> Option<&Job> {
        let rests = |job: &&Job| matches!(job.state, JobState::Paused(_));
        self.jobs.iter().find(rests)
    }

    /// Puts a job before all others. The caller must have stopped the running jobs.
    pub fn move_to_front(&mut self, id: JobId) {
        if let Some(place) = self.place(id) {
            self.jobs[..=place].rotate_right(1);
        }
    }

    /// Lets a job change places with the one before it, unless a worker has that one or itself. Returns whether it moved.
    pub fn move_up(&mut self, id: JobId) -> bool {
        let place = self.place(id).filter(|place| *place > 0);
        place.is_some_and(|place| self.swap(place - 1, place))
    }

    /// Lets a job change places with the one after it, unless a worker has that one or itself. Returns whether it moved.
    pub fn move_down(&mut self, id: JobId) -> bool {
        let last = self.jobs.len().saturating_sub(1);
        let place = self.place(id).filter(|place| *place < last);
        place.is_some_and(|place| self.swap(place, place + 1))
    }

    /// Takes out all jobs that no worker has, and returns them (for an undo with [`Queue::restore`]).
    pub fn clear(&mut self) -> Vec<Job> {
        let idle = |job: &mut Job| job.state != JobState::Running;
        self.jobs.extract_if(.., idle).collect()
    }

    /// The jobs to be made next, at most `most` of them: the first that waits, and those behind it that can share its
    /// steps, up to the first that cannot. Jobs that were begun together come together. Empty while a worker has jobs.
    pub fn next_batch(&self, most: usize) -> Vec<Job> {
        let waiting = |job: &&Job| job.state == JobState::Waiting;
        let mut waiting = self.jobs.iter().filter(waiting);
        let Some(first) = waiting.next().filter(|_| !self.is_running()) else {
            return Vec::new();
        };
        let alike =
            |job: &&Job| job.batch_id == first.batch_id && shares_steps(&job.spec, &first.spec);
        let rest: Vec<&Job> = match first.batch_id {
            // Others may have been moved in between since.
            Some(_) => waiting.filter(alike).collect(),
            None => waiting.take_while(alike).collect(),
        };
        let batch = std::iter::once(first).chain(rest);
        batch.take(most.max(1)).cloned().collect()
    }

    /// Notes that a worker has begun these jobs together.
    pub fn started(&mut self, ids: &[JobId]) {
        let together = ids.first().copied();
        for job in self.jobs.iter_mut().filter(|job| ids.contains(&job.id)) {
            job.state = JobState::Running;
            job.batch_id = together;
        }
    }

    /// Notes that a worker could not make a job.
    pub fn failed(&mut self, id: JobId, why: String) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.state = JobState::Failed(why);
            job.batch_id = None;
        }
    }

    /// Takes out a job that is done, and returns it.
    pub fn finished(&mut self, id: JobId) -> Option<Job> {
        self.cancel(id)
    }

    /// Notes that no worker has any job any more: those that one had wait again.
    pub fn interrupted(&mut self) {
        let running = |job: &&mut Job| job.state == JobState::Running;
        for job in self.jobs.iter_mut().filter(running) {
            job.state = JobState::Waiting;
        }
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

    /// A queue of jobs from a file: nobody runs them, their names are unique, their texts harmless, their number bounded. Also
    /// tells for how many there is no room.
    fn from_jobs(jobs: Vec<Job>) -> (Self, usize) {
        let mut queue = Self::default();
        let harmless = jobs.into_iter().map(|mut job| {
            job.spec.target = readable(&job.spec.target);
            match &mut job.state {
                JobState::Failed(why) => *why = readable(why),
                JobState::Waiting | JobState::Running | JobState::Paused(_) => {}
            }
            job
        });
        let surplus = queue.restore(harmless);
        (queue, surplus)
    }
}

/// Whether two runs can share a batch: of one model, one objective, and alike in all that [`ascent::SHARED`] names. A branch
/// steps alone.
pub fn shares_steps(a: &Spec, b: &Spec) -> bool {
    (a.method, &a.model, &a.model_hash, &a.objective)
        == (b.method, &b.model, &b.model_hash, &b.objective)
        && ascent::difference(&a.settings, &b.settings).is_none()
        && (a == b || a.earlier().is_empty() && b.earlier().is_empty())
}

#[cfg(test)]
mod tests;

//! Which run of a batch makes the picture of a job.

use super::thread::WorkerThread;
use crate::runs::Spec;
use crate::runs::queue::{Job, JobId};

/// The run of each job in a batch. A batch from a checkpoint may have runs without a job.
pub struct JobIndex(pub Vec<(JobId, usize)>);

impl JobIndex {
    pub fn new(specs: &[Spec], jobs: &[Job]) -> Self {
        let place = |job: &Job| specs.iter().position(|spec| spec.id() == job.run);
        let members = jobs.iter().filter_map(|job| Some((job.id, place(job)?)));
        Self(members.collect())
    }

    pub fn run_of(&self, job: JobId) -> Option<usize> {
        let member = self.0.iter().find(|(id, _)| *id == job);
        member.map(|(_, run)| *run)
    }

    pub fn job_of(&self, run: usize) -> Option<JobId> {
        let member = self.0.iter().find(|(_, place)| *place == run);
        member.map(|(id, _)| *id)
    }

    /// Those that were not cancelled.
    pub fn wanted(&self, thread: &WorkerThread) -> Vec<(JobId, usize)> {
        let wanted = self.0.iter().filter(|(id, _)| thread.is_wanted(*id));
        wanted.copied().collect()
    }
}

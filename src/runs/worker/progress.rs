//! What a step tells of a batch, and how fast it goes.

use super::JobId;
use std::time::Duration;

/// What a step told, one entry a job.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchProgress {
    /// The jobs that are still wanted. All lists below are in this order.
    pub jobs: Vec<JobId>,
    /// Steps taken.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Which octave the step was in, from 0.
    pub octave: usize,
    /// The objective before the step.
    pub scores: Vec<f32>,
    /// The scores of all steps since the last report that was read, this one last: (step, one score a job).
    pub unread: Vec<(usize, Vec<f32>)>,
    /// The probability of each job's class; only where the objective is a class.
    pub probabilities: Option<Vec<f32>>,
    /// The five most probable classes of each job's picture and their probabilities, the largest first. Where the
    /// objective is no class, only those of the job that is watched are known.
    pub top: Vec<Vec<(usize, f32)>>,
    /// How fast it goes at the moment.
    pub steps_per_second: f64,
}

impl BatchProgress {
    /// Takes over what an older report of the same jobs would have told of scores.
    pub(super) fn replace(&mut self, older: BatchProgress) {
        if older.jobs == self.jobs && older.step < self.step {
            let newer = std::mem::replace(&mut self.unread, older.unread);
            self.unread.extend(newer);
        }
    }
}

/// The speed of the last few steps.
#[derive(Debug, Default)]
pub(super) struct Speed {
    /// Seconds a step.
    average: Option<f64>,
}

/// How much the last step counts.
const SHARE: f64 = 0.15;

impl Speed {
    /// Notes a step and tells the steps a second.
    pub fn step(&mut self, took: Duration) -> f64 {
        let took = took.as_secs_f64();
        let average = match self.average {
            Some(average) => average + SHARE * (took - average),
            None => took,
        };
        self.average = Some(average);
        1.0 / average.max(1e-9)
    }
}

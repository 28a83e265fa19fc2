//! The progress of a batch, and its speed.

use super::JobId;
use std::time::Duration;

/// The progress after a step, one entry per job.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchProgress {
    /// The jobs that were not cancelled. All lists below are in this order.
    pub jobs: Vec<JobId>,
    /// Steps taken.
    pub step: usize,
    /// Total number of steps.
    pub steps: usize,
    /// Which octave the step was in, from 0.
    pub octave: usize,
    /// The objective before the step.
    pub scores: Vec<f32>,
    /// The scores of all steps since the last event that was read, this one last: (step, one score per job).
    pub unread: Vec<(usize, Vec<f32>)>,
    /// The probability of each job's class; only where the objective is a class.
    pub probabilities: Option<Vec<f32>>,
    /// The five most probable classes of each job's picture and their probabilities, the largest first. Where the
    /// objective is no class, only those of the job that is watched are known.
    pub top: Vec<Vec<(usize, f32)>>,
    /// The current speed.
    pub steps_per_second: f64,
}

impl BatchProgress {
    /// Takes over the scores of an older, unread event of the same jobs.
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
    /// Seconds per step.
    average: Option<f64>,
}

/// Weight of the last step in the average.
const SHARE: f64 = 0.15;

impl Speed {
    /// Adds a step; returns the steps per second.
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

//! What all runs of one command share, whatever device makes them: the history, judges, and the delivery of pictures.

use super::Arguments;
use super::delivery::Delivery;
use super::judges::JudgeSource;
use crate::cli::{Failure, output};
use image::RgbImage;
use indicatif::MultiProgress;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use ziggurat::home::Home;
use ziggurat::runs::batch::EndedRun;
use ziggurat::runs::driver::{self, StoredRun};
use ziggurat::runs::judging::Judges;
use ziggurat::runs::{EndReason, Error, Record, Spec, history};
use ziggurat::runtime::CancelHandle;

/// What all runs of one command share, whatever device makes them.
pub struct RunContext<'a> {
    pub home: &'a Home,
    pub arguments: &'a Arguments,
    /// Whether the workers are cores of one CPU, of which each model takes as many as it needs.
    pub is_divided: bool,
    pub judges: Mutex<Judges>,
    pub origin: JudgeSource<'a>,
    pub delivery: Delivery<'a>,
    /// The progress bars, one per batch.
    pub bars: MultiProgress,
    /// Whether an unfinished run was saved.
    pub has_saved_part: AtomicBool,
    /// Whether runs of other processes were waited for.
    pub has_waited: AtomicBool,
}

/// How the runs of a model, or of a batch, ended.
pub enum Outcome {
    All,
    /// Some failed; the last error is not printed yet.
    SomeFailed(Error),
    /// Interrupted by the user.
    Interrupted,
}

impl RunContext<'_> {
    /// Delivers a run if the history has it from one of these providers. Judges see it first, until stopped.
    pub fn deliver_stored(
        &self,
        spec: &Spec,
        providers: &[String],
        stop: &CancelHandle,
    ) -> Result<bool, Failure> {
        let mut providers = providers.iter();
        let stored = providers.find_map(|provider| driver::find_stored(self.home, spec, provider));
        let Some(mut stored) = stored else {
            return Ok(false);
        };
        let record = &mut stored.record;
        if self.judge(&mut [(record, &stored.picture)], stop) {
            history::add_verdicts(self.home, &record.id, &record.verdicts)?;
        }
        let StoredRun {
            record,
            picture,
            image,
        } = stored;
        let deliver = || self.delivery.deliver(&record, &picture, image, true);
        self.bars.suspend(deliver)?;
        Ok(true)
    }

    /// Lets the judges see the pictures of these runs, until stopped; returns whether there are new verdicts.
    pub fn judge(&self, runs: &mut [(&mut Record, &RgbImage)], stop: &CancelHandle) -> bool {
        let mut goes_on = || !stop.is_stopped();
        let mut warn = |text: String| self.bars.suspend(|| self.origin.notice(text));
        let mut judges = self.judges.lock().unwrap_or_else(PoisonError::into_inner);
        driver::judge(self.home, &mut judges, runs, &mut goes_on, &mut warn)
    }

    /// Stores the runs of a batch that `provider` has made, and delivers them. All are stored
    /// first: a delivery that fails loses none.
    pub fn keep(&self, endings: Vec<EndedRun>, provider: &str) -> Result<(), Failure> {
        let mut stored = Vec::new();
        for ending in endings {
            let is_stopped = ending.record.ended == EndReason::Stopped;
            let is_whole = history::find(self.home, &ending.record.spec, provider);
            let image = ending.keep(self.home)?;
            if is_stopped && is_whole.is_some() && self.arguments.out.is_none() {
                self.notice("the history has this run already, finished");
                continue;
            }
            if is_stopped {
                self.has_saved_part.store(true, Ordering::Relaxed);
            }
            stored.push((ending, image));
        }
        for (ending, image) in stored {
            let EndedRun {
                record, picture, ..
            } = &ending;
            let deliver = || self.delivery.deliver(record, picture, image, false);
            self.bars.suspend(deliver)?;
        }
        Ok(())
    }

    /// Prints a notice above the progress bars.
    pub fn notice(&self, text: &str) {
        self.bars.suspend(|| output::notice(text));
    }
}

/// Keeps an error for the end, and prints the one kept before.
pub fn note<E: std::fmt::Display>(failed: &mut Option<E>, problem: E) {
    if let Some(earlier) = failed.replace(problem) {
        output::notice(&earlier.to_string());
    }
}

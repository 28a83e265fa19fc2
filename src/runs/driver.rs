//! The driver of runs: takes a batch to finished runs. The command line and the explorer's [worker](super::worker)
//! share it.
//!
//! Both look runs up in the history ([`find_stored`]), take the steps of a batch ([`drive`]), let judges classify the
//! pictures ([`judge`]) and decide what to try after a failure ([`retry`]). They differ in their [`Observer`]: the
//! command line shows a progress bar and ends the runs early on Ctrl-C; the worker handles commands between the steps,
//! sends pictures and writes checkpoints. They also choose differently which runs form a batch: a queue keeps its
//! order, a command line does not.

use super::batch::{Batch, EndedRun};
use super::judging::{Case, Judges};
use super::{EndReason, Error, Record, Spec, history, picture_file};
use crate::ascent;
use crate::home::Home;
use crate::runtime;
use image::RgbImage;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Follows the steps of a batch and decides how it continues.
pub trait Observer {
    /// Called before every step, and after an interruption of the device. Returns what to do next.
    ///
    /// # Errors
    /// Any error ends the batch.
    fn before_step(&mut self, batch: &Batch) -> Result<Next, Error>;

    /// Called with what the user should know, one line.
    fn notice(&mut self, text: String);

    /// Called after every step.
    ///
    /// # Errors
    /// Any error ends the batch.
    fn after_step(&mut self, batch: &Batch, report: &ascent::StepReport) -> Result<(), Error>;
}

/// How a batch continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Take the next step.
    Step,
    /// End the runs here; their pictures are kept as they are.
    End,
    /// Leave the batch: no run ends.
    Leave,
}

/// Takes all steps of a batch and ends its runs; `None` if the observer left it.
///
/// # Errors
/// As [`Batch::step`] and [`Batch::end`], and those of the observer. An interrupted device is no error: the observer is
/// asked what to do next.
pub fn drive(
    batch: &mut Batch,
    observer: &mut impl Observer,
) -> Result<Option<Vec<Result<EndedRun, Error>>>, Error> {
    let ended = loop {
        match observer.before_step(batch)? {
            Next::Step => {}
            // All steps are taken: the runs are finished, not stopped.
            Next::End if batch.ascent().step_count() == batch.ascent().steps() => {
                break EndReason::Finished;
            }
            Next::End => break EndReason::Stopped,
            Next::Leave => return Ok(None),
        }
        let stepped = batch.step();
        if let Some(text) = batch.take_notice().filter(|text| is_new(text)) {
            observer.notice(text);
        }
        match stepped {
            Ok(Some(report)) => observer.after_step(batch, &report)?,
            Ok(None) => break EndReason::Finished,
            Err(problem) if problem.is_stop() => {}
            Err(problem) => return Err(problem),
        }
    };
    loop {
        match batch.end(ended) {
            Err(problem) if problem.is_stop() => {
                if observer.before_step(batch)? == Next::Leave {
                    return Ok(None);
                }
            }
            endings => return endings.map(Some),
        }
    }
}

/// Whether a notice was not given before in this process. It concerns every batch of a model alike.
fn is_new(notice: &str) -> bool {
    static GIVEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    given.insert(notice.to_string())
}

/// What may help after a batch failed.
#[derive(Debug)]
pub enum Retry<'e> {
    /// At most this many runs at a time: the device's memory was too small for all, or one of them diverged.
    Fewer(usize),
    /// Another device, if there is one: this one failed before it had taken a step.
    Elsewhere(&'e runtime::Error),
}

/// What may help after a batch of `runs` runs failed; `None` if nothing does. `is_first_step`: it had not
/// completed a step.
pub fn retry(problem: &Error, runs: usize, is_first_step: bool) -> Option<Retry<'_>> {
    let fewer = problem.fewer_that_may_succeed(runs).map(Retry::Fewer);
    let elsewhere = || {
        let problem = problem.of_runtime().filter(|_| is_first_step);
        problem.map(Retry::Elsewhere)
    };
    fewer.or_else(elsewhere)
}

/// The notice that a batch continues with fewer runs.
pub fn fewer_notice(problem: &Error, fewer: usize) -> String {
    format!("{problem}; continuing with {fewer} at a time")
}

/// A run of the history.
pub struct StoredRun {
    pub record: Record,
    pub picture: RgbImage,
    /// Where its picture is.
    pub image: PathBuf,
}

/// The finished run of a spec on a provider, if it is in the history and its picture can be read.
pub fn find_stored(home: &Home, spec: &Spec, provider: &str) -> Option<StoredRun> {
    let (record, image) = history::find(home, spec, provider)?;
    match picture_file::read_picture(&image) {
        Ok(picture) => Some(StoredRun {
            record,
            picture,
            image,
        }),
        Err(problem) => {
            tracing::warn!(%problem, "a stored picture cannot be read; the run is made again");
            None
        }
    }
}

/// Adds the verdicts of judges on the pictures of finished runs, and returns whether any is new. `goes_on` is called
/// before every picture and returns whether to continue; `warn` is called once for each judge that cannot be opened.
pub fn judge(
    home: &Home,
    judges: &mut Judges,
    runs: &mut [(&mut Record, &RgbImage)],
    goes_on: &mut dyn FnMut() -> bool,
    warn: &mut dyn FnMut(String),
) -> bool {
    let count = |runs: &[(&mut Record, &RgbImage)]| -> usize {
        let verdicts = runs.iter().map(|(record, _)| record.verdicts.len());
        verdicts.sum()
    };
    let before = count(runs);
    let cases = runs.iter_mut().map(|(record, picture)| Case {
        spec: &record.spec,
        picture,
        verdicts: &mut record.verdicts,
    });
    let mut cases: Vec<Case> = cases.collect();
    judges.judge(home, &mut cases, goes_on, warn);
    count(runs) > before
}

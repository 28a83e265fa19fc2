//! Makes the runs of a model: those in the history are reused, the rest is computed in batches.

use super::Arguments;
use super::delivery::Delivery;
use super::judges::Origin;
use crate::cli::{Failure, output, startup};
use image::RgbImage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use ziggurat::ascent::StepReport;
use ziggurat::home::Home;
use ziggurat::model::Network;
use ziggurat::runs::batch::{Batch, EndedRun, provider_name};
use ziggurat::runs::driver::{self, Next, Observer, Retry, StoredRun};
use ziggurat::runs::judging::Judges;
use ziggurat::runs::queue::shares_steps;
use ziggurat::runs::{EndReason, Error, Record, Spec, format, history};
use ziggurat::runtime::{CancelHandle, ResolvedProvider};

/// What all runs of one command share.
pub struct Session<'a> {
    pub home: &'a Home,
    /// The device; another one once this one fails, if the provider is `auto`.
    pub active: ResolvedProvider,
    /// Maximum number of runs that step together; less once the device had no memory for more.
    pub most_together: usize,
    pub stop: CancelHandle,
    pub arguments: &'a Arguments,
    /// All runs of the batch of the run to repeat, if its picture depends on them; otherwise empty.
    pub companions: Vec<Spec>,
    pub judges: Judges,
    pub origin: Origin<'a>,
    /// Whether an unfinished run was saved.
    pub has_saved_part: bool,
    pub delivery: Delivery<'a>,
}

/// How the runs of a model, or of a batch, ended.
pub enum Outcome {
    All,
    /// Some failed; the last error is not printed yet.
    SomeFailed(Error),
    /// Interrupted by the user.
    Interrupted,
    /// The batch failed, but can be retried on another device or with fewer runs at once.
    Retry,
}

impl Session<'_> {
    /// Delivers the runs of the history, and computes the rest in batches of one objective each. A failed batch does
    /// not stop the others.
    ///
    /// # Errors
    /// If a picture cannot be stored or delivered, which would fail for the others, too.
    pub fn run(&mut self, network: &Network, specs: &[Spec]) -> Result<Outcome, Failure> {
        let provider = self.provider();
        let mut open: Vec<&Spec> = Vec::new();
        for spec in specs {
            let stored = match self.arguments.again {
                true => None,
                false => driver::find_stored(self.home, spec, &provider),
            };
            match stored {
                None => open.push(spec),
                Some(mut stored) => {
                    let record = &mut stored.record;
                    if self.judge(&mut [(record, &stored.picture)]) {
                        history::add_verdicts(self.home, &record.id, &record.verdicts)?;
                    }
                    let StoredRun {
                        record,
                        picture,
                        image,
                    } = stored;
                    self.delivery.deliver(&record, &picture, image, true)?;
                }
            }
        }
        let mut failed = None;
        while let Some(first) = open.first().copied() {
            let most = match network.batchable {
                true => self.most_together,
                false => 1,
            };
            let alike = |spec: &&Spec| shares_steps(spec, first);
            let batch: Vec<&Spec> = open.iter().copied().filter(alike).take(most).collect();
            open.retain(|spec| !batch.iter().any(|taken| std::ptr::eq(*taken, *spec)));
            match self.run_batch(network, &batch)? {
                Outcome::Retry => open.splice(0..0, batch).for_each(drop),
                Outcome::All => {}
                Outcome::SomeFailed(problem) => note(&mut failed, problem),
                Outcome::Interrupted => return Ok(Outcome::Interrupted),
            }
        }
        Ok(failed.map_or(Outcome::All, Outcome::SomeFailed))
    }

    /// Computes one batch.
    fn run_batch(&mut self, network: &Network, batch: &[&Spec]) -> Result<Outcome, Failure> {
        let together: Vec<&Spec> = match self.companions.is_empty() {
            true => batch.to_vec(),
            false => self.companions.iter().collect(),
        };
        let mut was_interrupted = false;
        let endings = match self.steps(network, &together, &mut was_interrupted) {
            Ok(Some(endings)) => endings,
            Ok(None) => return Ok(Outcome::Interrupted),
            Err(failed) => {
                return Ok(match self.can_go_on_otherwise(&failed, batch.len()) {
                    true => Outcome::Retry,
                    false => Outcome::SomeFailed(failed.problem),
                });
            }
        };
        let is_asked = |id: &str| batch.iter().any(|spec| spec.id() == id);
        // A failed run does not stop the others.
        let mut failed = None;
        let mut finished: Vec<EndedRun> = Vec::new();
        for ending in endings {
            match ending {
                // Companions only step along.
                Ok(ending) if !is_asked(&ending.record.id) => {}
                Ok(ending) => finished.push(ending),
                Err(problem) => note(&mut failed, problem),
            }
        }
        if !was_interrupted {
            let runs = finished.iter_mut();
            let mut runs: Vec<_> = runs.map(|one| (&mut one.record, &one.picture)).collect();
            self.judge(&mut runs);
            was_interrupted = self.stop.is_stopped();
        }
        for ending in finished {
            self.keep(ending)?;
        }
        match (was_interrupted, failed) {
            (true, Some(problem)) => {
                output::notice(&problem.to_string());
                Ok(Outcome::Interrupted)
            }
            (true, None) => Ok(Outcome::Interrupted),
            (false, failed) => Ok(failed.map_or(Outcome::All, Outcome::SomeFailed)),
        }
    }

    /// Whether a failed batch can be retried with fewer runs at once or on another device; prints a notice.
    fn can_go_on_otherwise(&mut self, failed: &Failed, runs: usize) -> bool {
        let problem = &failed.problem;
        // Only the same batch on the same device repeats a run exactly.
        let companions = std::mem::take(&mut self.companions);
        match driver::retry(problem, runs.max(companions.len()), failed.is_first_step) {
            Some(Retry::Fewer(fewer)) => {
                let fewer = fewer.min(runs.max(1));
                self.most_together = fewer;
                output::notice(&driver::fewer_notice(problem, fewer));
                true
            }
            Some(Retry::Elsewhere(problem)) => match self.active.after(problem) {
                Some(next) => {
                    self.active = next;
                    startup::explain_cpu(&self.active);
                    true
                }
                None => false,
            },
            None => false,
        }
    }

    /// Takes the steps of a batch; `None` if it was interrupted before the first.
    fn steps(
        &self,
        network: &Network,
        batch: &[&Spec],
        was_interrupted: &mut bool,
    ) -> Result<Option<Vec<Result<EndedRun, Error>>>, Failed> {
        let specs: Vec<Spec> = batch.iter().copied().cloned().collect();
        let mut runs = match Batch::begin(network, &specs, self.active.device, &self.stop) {
            Ok(runs) => runs,
            Err(problem) if problem.is_stop() => return Ok(None),
            Err(problem) => {
                return Err(Failed {
                    problem,
                    is_first_step: true,
                });
            }
        };
        let model = match self.delivery.several_models {
            true => format!("{}:", format::model(&specs[0].model)),
            false => String::new(),
        };
        let mut progress = Progress {
            bar: progress_bar(runs.ascent().steps(), &model, batch),
            stop: &self.stop,
            was_interrupted: false,
        };
        let endings = driver::drive(&mut runs, &mut progress);
        progress.bar.finish_and_clear();
        *was_interrupted = progress.was_interrupted;
        endings.map_err(|problem| Failed {
            problem,
            is_first_step: runs.ascent().step_count() == 0,
        })
    }

    /// Lets the judges see the pictures of these runs, until interrupted; returns whether there are new verdicts.
    fn judge(&mut self, runs: &mut [(&mut Record, &RgbImage)]) -> bool {
        let stop = self.stop.clone();
        let mut goes_on = || !stop.is_stopped();
        let origin = &self.origin;
        let mut warn = |text: String| origin.notice(text);
        driver::judge(self.home, &mut self.judges, runs, &mut goes_on, &mut warn)
    }

    fn keep(&mut self, ending: EndedRun) -> Result<(), Failure> {
        let is_stopped = ending.record.ended == EndReason::Stopped;
        let is_whole = history::find(self.home, &ending.record.spec, &self.provider());
        let image = ending.keep(self.home)?;
        if is_stopped && is_whole.is_some() && self.arguments.out.is_none() {
            output::notice("the history has this run already, finished");
            return Ok(());
        }
        self.has_saved_part |= is_stopped;
        let delivery = &self.delivery;
        delivery.deliver(&ending.record, &ending.picture, image, false)
    }

    fn provider(&self) -> String {
        provider_name(self.active.device)
    }
}

/// Why a batch failed.
struct Failed {
    problem: Error,
    /// Whether nothing was computed yet.
    is_first_step: bool,
}

/// Shows the steps of a batch as a progress bar. The first interrupt ends the runs where they are, the second leaves
/// them.
struct Progress<'a> {
    bar: ProgressBar,
    stop: &'a CancelHandle,
    was_interrupted: bool,
}

impl Observer for Progress<'_> {
    fn before_step(&mut self, batch: &Batch) -> Result<Next, Error> {
        if !self.stop.is_stopped() {
            return Ok(Next::Step);
        }
        // The device is needed once more, for the pictures.
        self.stop.reset();
        let is_second = std::mem::replace(&mut self.was_interrupted, true);
        match is_second || batch.ascent().step_count() == 0 {
            true => Ok(Next::Leave),
            false => Ok(Next::End),
        }
    }

    fn after_step(&mut self, _: &Batch, report: &StepReport) -> Result<(), Error> {
        let score = format::score(mean(&report.scores));
        self.bar.set_message(format!("score {score}"));
        self.bar.set_position(report.step as u64);
        Ok(())
    }
}

/// Keeps an error for the end, and prints the one kept before.
pub fn note<E: std::fmt::Display>(failed: &mut Option<E>, problem: E) {
    if let Some(earlier) = failed.replace(problem) {
        output::notice(&earlier.to_string());
    }
}

fn progress_bar(steps: usize, model: &str, batch: &[&Spec]) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    let template = "{prefix} {wide_bar} {pos}/{len} {msg} {pace} {eta} left";
    bar.set_style(
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("pace", |state: &ProgressState, text: &mut dyn Write| {
                // If it cannot be written, the bar lacks it.
                let _ = write!(text, "{:.1} steps/s", state.per_sec());
            }),
    );
    let names: Vec<String> = batch
        .iter()
        .take(3)
        .map(|spec| output::one_line(&spec.target))
        .collect();
    let more = if batch.len() > 3 { ", …" } else { "" };
    let model = output::one_line(model);
    bar.set_prefix(
        format!("{model} {}{more}", names.join(", "))
            .trim_start()
            .to_string(),
    );
    bar
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

//! From the runs of a model to pictures: what history holds, and the rest in batches.

use super::Arguments;
use super::delivery::Delivery;
use super::judges::Origin;
use crate::cli::{Failure, opening, output};
use image::RgbImage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use ziggurat::home::Home;
use ziggurat::model::Network;
use ziggurat::runs::batch::{Batch, Ending, provider_name};
use ziggurat::runs::export::png;
use ziggurat::runs::judging::{Case, Judges};
use ziggurat::runs::queue::shares_steps;
use ziggurat::runs::{Ended, Error, Record, Spec, history, words};
use ziggurat::runtime::{CancelHandle, ResolvedProvider};

/// All that the runs of one command share.
pub struct Session<'a> {
    pub home: &'a Home,
    /// Where it computes; another device once this one fails, if the user left it to `auto`.
    pub active: ResolvedProvider,
    /// The most runs that step together, less once the device had no memory for more.
    pub most_together: usize,
    pub stop: CancelHandle,
    pub arguments: &'a Arguments,
    /// All runs of the batch in which the run that is repeated was made, if its picture hangs on that; otherwise empty.
    pub companions: Vec<Spec>,
    pub judges: Judges,
    pub origin: Origin,
    pub delivery: Delivery<'a>,
}

/// How the runs of a model, or those of a batch, ended.
pub enum Made {
    All,
    /// All but those for which something stood in the way; the last of these is not yet said.
    Some(Error),
    /// The user stopped it; what there was is saved.
    Stopped,
    /// Nothing was made of a batch, but it can be tried on another device, or by fewer runs at once.
    Not,
}

/// Why the steps of a batch were not taken.
struct Failed {
    problem: Error,
    /// Whether nothing was computed yet.
    at_the_first_step: bool,
}

impl Session<'_> {
    /// Answers what history holds, and computes the rest in batches of like objectives. A batch that fails does not keep the
    /// others from being made.
    ///
    /// # Errors
    /// If a picture cannot be kept or delivered: so it would be with the others.
    pub fn make(&mut self, network: &Network, specs: &[Spec]) -> Result<Made, Failure> {
        let provider = self.provider();
        let mut open: Vec<&Spec> = Vec::new();
        for spec in specs {
            let known = match self.arguments.again {
                true => None,
                false => history::find(self.home, spec, &provider),
            };
            match known {
                None => open.push(spec),
                Some((mut record, image)) => {
                    let picture = png::read_picture(&image)?;
                    if self.judge(&mut [(&mut record, &picture)]) {
                        history::add_verdicts(self.home, &record.id, &record.verdicts)?;
                    }
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
            match self.climb(network, &batch)? {
                // Once more, otherwise.
                Made::Not => open.splice(0..0, batch).for_each(drop),
                Made::All => {}
                Made::Some(problem) => note(&mut failed, problem),
                Made::Stopped => return Ok(Made::Stopped),
            }
        }
        Ok(failed.map_or(Made::All, Made::Some))
    }

    /// Computes one batch.
    fn climb(&mut self, network: &Network, batch: &[&Spec]) -> Result<Made, Failure> {
        let together: Vec<&Spec> = match self.companions.is_empty() {
            true => batch.to_vec(),
            false => self.companions.iter().collect(),
        };
        let endings = match self.steps(network, &together) {
            Ok(Some(endings)) => endings,
            Ok(None) => return Ok(Made::Stopped),
            Err(Failed { problem, .. }) if problem.is_stop() => return Ok(Made::Stopped),
            Err(failed) => {
                return Ok(match self.can_go_on_otherwise(&failed, batch.len()) {
                    true => Made::Not,
                    false => Made::Some(failed.problem),
                });
            }
        };
        let is_asked = |id: &str| batch.iter().any(|spec| spec.id() == id);
        // One that failed does not keep the others from their pictures.
        let mut failed = None;
        let mut finished: Vec<Ending> = Vec::new();
        for ending in endings {
            match ending {
                // Companions only step along.
                Ok(ending) if !is_asked(&ending.record.id) => {}
                Ok(ending) => finished.push(ending),
                Err(problem) => note(&mut failed, problem),
            }
        }
        let is_stopped = |ending: &Ending| ending.record.ended == Ended::Stopped;
        let mut was_stopped = finished.iter().any(is_stopped);
        if !was_stopped {
            let runs = finished.iter_mut();
            let mut runs: Vec<_> = runs.map(|one| (&mut one.record, &one.picture)).collect();
            self.judge(&mut runs);
            was_stopped = self.stop.is_stopped();
        }
        for ending in finished {
            self.keep(ending)?;
        }
        match (was_stopped, failed) {
            (true, Some(problem)) => {
                output::remark(&problem.to_string());
                Ok(Made::Stopped)
            }
            (true, None) => Ok(Made::Stopped),
            (false, failed) => Ok(failed.map_or(Made::All, Made::Some)),
        }
    }

    /// Whether a batch that failed can be made by fewer runs at once or on another device; says so.
    fn can_go_on_otherwise(&mut self, failed: &Failed, runs: usize) -> bool {
        let problem = &failed.problem;
        // Only the same batch on the same device repeats a run exactly.
        let companions = std::mem::take(&mut self.companions);
        if let Some(fewer) = problem.fewer_that_may_fit(runs.max(companions.len())) {
            let fewer = fewer.min(runs.max(1));
            self.most_together = fewer;
            output::remark(&problem.with_smaller_batch(fewer));
            return true;
        }
        let next = problem
            .of_runtime()
            .filter(|_| failed.at_the_first_step)
            .and_then(|problem| self.active.after(problem));
        let Some(next) = next else { return false };
        self.active = next;
        opening::on_the_cpu(&self.active);
        true
    }

    /// Takes the steps of a batch; `None` if it was stopped before the first.
    fn steps(
        &self,
        network: &Network,
        batch: &[&Spec],
    ) -> Result<Option<Vec<Result<Ending, Error>>>, Failed> {
        let specs: Vec<Spec> = batch.iter().copied().cloned().collect();
        let failed = |at_the_first_step| {
            move |problem| Failed {
                problem,
                at_the_first_step,
            }
        };
        let begun = Batch::begin(network, &specs, self.active.device, &self.stop);
        let mut runs = begun.map_err(failed(true))?;
        let model = match self.delivery.several_models {
            true => format!("{}:", words::model(&specs[0].model)),
            false => String::new(),
        };
        let bar = progress_bar(runs.ascent().steps(), &model, batch);
        let ended = loop {
            match runs.step() {
                Ok(None) => break Ended::Finished,
                Ok(Some(report)) => {
                    bar.set_message(format!("score {}", words::score(mean(&report.scores))));
                    bar.set_position(report.step as u64);
                }
                Err(problem) if problem.is_stop() => break Ended::Stopped,
                Err(problem) => return Err(failed(runs.ascent().step_count() == 0)(problem)),
            }
        };
        bar.finish_and_clear();
        self.stop.reset();
        match ended == Ended::Stopped && runs.ascent().step_count() == 0 {
            true => Ok(None),
            false => runs.end(ended).map(Some).map_err(failed(false)),
        }
    }

    /// Lets the judges see the pictures of these runs, until the user stops it; returns whether there is anything new.
    fn judge(&mut self, runs: &mut [(&mut Record, &RgbImage)]) -> bool {
        let count = |runs: &[(&mut Record, &RgbImage)]| -> usize {
            runs.iter().map(|(record, _)| record.verdicts.len()).sum()
        };
        let before = count(runs);
        let cases = runs.iter_mut().map(|(record, picture)| Case {
            spec: &record.spec,
            picture,
            verdicts: &mut record.verdicts,
        });
        let mut cases: Vec<Case> = cases.collect();
        let stop = self.stop.clone();
        let mut goes_on = || !stop.is_stopped();
        let origin = &self.origin;
        let mut warn = |text: String| origin.remark(text);
        self.judges
            .judge(self.home, &mut cases, &mut goes_on, &mut warn);
        count(runs) > before
    }

    fn keep(&mut self, ending: Ending) -> Result<(), Failure> {
        let is_stopped = ending.record.ended == Ended::Stopped;
        let is_whole = history::find(self.home, &ending.record.spec, &self.provider());
        let image = ending.keep(self.home)?;
        if is_stopped && is_whole.is_some() && self.arguments.out.is_none() {
            output::remark("history keeps the run as it was finished before");
            return Ok(());
        }
        let delivery = &self.delivery;
        delivery.deliver(&ending.record, &ending.picture, image, false)
    }

    fn provider(&self) -> String {
        provider_name(self.active.device)
    }
}

/// Keeps a problem for the end, and says the one that was kept before.
pub fn note<E: std::fmt::Display>(failed: &mut Option<E>, problem: E) {
    if let Some(earlier) = failed.replace(problem) {
        output::remark(&earlier.to_string());
    }
}

fn progress_bar(steps: usize, model: &str, batch: &[&Spec]) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    let template = "{prefix} {wide_bar} {pos}/{len} {msg} {pace} {eta} left";
    bar.set_style(
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("pace", |state: &ProgressState, text: &mut dyn Write| {
                // A text that cannot be written is missing from the bar, which is no failure.
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

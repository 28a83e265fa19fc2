//! The progress bar of a batch, and what Ctrl-C does to its runs.

use crate::cli::output;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;
use ziggurat::ascent::StepReport;
use ziggurat::runs::batch::Batch;
use ziggurat::runs::driver::{Next, Observer};
use ziggurat::runs::{Error, Spec, format};
use ziggurat::runtime::CancelHandle;

/// Shows the steps of a batch as a progress bar. The first interrupt ends the runs where they are, the second leaves
/// them.
pub struct ProgressObserver<'a> {
    bar: ProgressBar,
    stop: &'a CancelHandle,
    pub was_interrupted: bool,
}

impl<'a> ProgressObserver<'a> {
    /// For a batch of so many steps. `model` is written before the targets if there are several models.
    pub fn new(
        bars: &MultiProgress,
        stop: &'a CancelHandle,
        steps: usize,
        model: Option<&str>,
        batch: &[&Spec],
    ) -> Self {
        let model = model.map_or_else(String::new, |model| format!("{}:", format::model(model)));
        Self {
            bar: progress_bar(bars, steps, &model, batch),
            stop,
            was_interrupted: false,
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for ProgressObserver<'_> {
    fn before_step(&mut self, batch: &Batch) -> Result<Next, Error> {
        if !self.stop.is_stopped() {
            return Ok(Next::Step);
        }
        // The device is needed once more, for the pictures.
        self.stop.reset();
        let is_second = std::mem::replace(&mut self.was_interrupted, true);
        if is_second || batch.ascent().step_count() == 0 {
            Ok(Next::Leave)
        } else {
            Ok(Next::End)
        }
    }

    fn notice(&mut self, text: String) {
        self.bar.suspend(|| output::notice(&text));
    }

    fn after_step(&mut self, _: &Batch, report: &StepReport) -> Result<(), Error> {
        let score = format::score(mean(&report.scores));
        self.bar.set_message(format!("score {score}"));
        self.bar.set_position(report.step as u64);
        Ok(())
    }
}

/// A bar for the steps of a batch, below those of other devices.
fn progress_bar(bars: &MultiProgress, steps: usize, model: &str, batch: &[&Spec]) -> ProgressBar {
    let bar = bars.add(ProgressBar::new(steps as u64));
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

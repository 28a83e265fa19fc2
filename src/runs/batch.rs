//! Runs that step together: from their specs to their records.
//!
//! The [driver](super::driver) takes its steps, for the command line and the [worker](super::worker).

use super::checkpoint::Checkpoint;
use super::frames::{FRAME_SIDE, MAX_FRAMES};
use super::history::REACHED;
use super::{EndReason, Error, Record, Spec, format, history};
use crate::ascent::{self, Ascent, Run, StepReport};
use crate::home::Home;
use crate::model::Network;
use crate::runtime::{CancelHandle, Device, Library, Provider, registration};
use image::RgbImage;
use std::path::PathBuf;
use std::time::Instant;

/// Runs that step together.
pub struct Batch<'a> {
    specs: Vec<Spec>,
    ascent: Ascent<'a>,
    /// The objective before each step, one list per run.
    scores: Vec<Vec<f32>>,
    /// The frames of the animations, one list per run.
    frames: Vec<Vec<RgbImage>>,
    /// The time that the steps took so far.
    seconds: f64,
    /// The runs that it stepped with before it was branched, see [`Record::companions`].
    companions: Vec<String>,
}

/// A run that ended.
#[derive(Debug, Clone)]
pub struct EndedRun {
    pub record: Record,
    pub picture: RgbImage,
    /// At most [`MAX_FRAMES`] small pictures of one size, evenly distributed over the steps.
    pub frames: Vec<RgbImage>,
}

impl<'a> Batch<'a> {
    /// Begins runs of one objective and of settings that [agree](super::queue::shares_steps).
    ///
    /// # Errors
    /// As [`Ascent::new`].
    pub fn begin(
        network: &'a Network,
        specs: &[Spec],
        device: Device,
        stop: &CancelHandle,
    ) -> Result<Self, Error> {
        let first = specs
            .first()
            .ok_or(ascent::Error::Mismatch("nothing: there are none"))?;
        let ascent = Ascent::new(network, &first.objective, &runs(specs)?, device, stop)?;
        Ok(Self {
            specs: specs.to_vec(),
            ascent,
            scores: vec![Vec::new(); specs.len()],
            frames: vec![Vec::new(); specs.len()],
            seconds: 0.0,
            companions: Vec::new(),
        })
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// As [`Ascent::resume`].
    pub fn resume(
        network: &'a Network,
        checkpoint: Checkpoint,
        device: Device,
        stop: &CancelHandle,
    ) -> Result<Self, Error> {
        let Checkpoint {
            specs,
            saved,
            scores,
            frames,
            seconds,
            companions,
            ..
        } = checkpoint;
        let first = specs
            .first()
            .ok_or(ascent::Error::StateMismatch("number of runs"))?;
        let runs = runs(&specs)?;
        let ascent = Ascent::resume(network, &first.objective, &runs, device, stop, saved)?;
        Ok(Self {
            specs,
            ascent,
            scores,
            frames,
            seconds,
            companions,
        })
    }

    /// The state of the batch, from which another process can continue.
    ///
    /// # Errors
    /// [`Error::Ascent`] if the device fails.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        Ok(Checkpoint {
            specs: self.specs.clone(),
            provider: self.provider(),
            saved: self.ascent.save()?,
            scores: self.scores.clone(),
            frames: self.frames.clone(),
            seconds: self.seconds,
            companions: self.companions(),
            versions: versions(),
        })
    }

    /// The ids of the runs that step or stepped together, if their pictures may depend on that; otherwise empty.
    fn companions(&self) -> Vec<String> {
        if self.specs.len() > 1 && !self.ascent.is_exact() {
            self.specs.iter().map(Spec::id).collect()
        } else {
            self.companions.clone()
        }
    }

    /// Takes one step; `None` if there are no more. If it fails or is interrupted, the state is unchanged.
    ///
    /// # Errors
    /// [`Error::Diverged`] for the run whose numbers stop being finite, otherwise as [`Ascent::step`].
    pub fn step(&mut self) -> Result<Option<StepReport>, Error> {
        let start = Instant::now();
        let report = self.ascent.step().map_err(|problem| self.named(problem))?;
        let Some(report) = report else {
            return Ok(None);
        };
        for (all, score) in self.scores.iter_mut().zip(&report.scores) {
            all.push(*score);
        }
        if is_framed(report.step, self.ascent.steps()) {
            let pictures = self.ascent.small_pictures(FRAME_SIDE)?;
            for (frames, picture) in self.frames.iter_mut().zip(pictures) {
                frames.push(picture);
            }
        }
        self.seconds += start.elapsed().as_secs_f64();
        Ok(Some(report))
    }

    /// The error with the target of its run.
    fn named(&self, problem: ascent::Error) -> Error {
        match problem {
            ascent::Error::Diverged { run, .. } => Error::Diverged {
                target: self.specs[run].target.clone(),
                problem: problem.into(),
            },
            other => other.into(),
        }
    }

    /// Ends all runs: the record and picture of each, or [`Error::Dead`].
    ///
    /// # Errors
    /// [`Error::Ascent`] if the device fails or is interrupted; it can be called again.
    pub fn end(&mut self, ended: EndReason) -> Result<Vec<Result<EndedRun, Error>>, Error> {
        let outcomes = self.ascent.outcomes()?;
        let pictures = self.ascent.pictures()?;
        let time = format::unix_now();
        let companions = self.companions();
        let versions = versions();
        let ending = |(index, (outcome, picture)): (usize, (ascent::Outcome, RgbImage))| {
            let spec = &self.specs[index];
            if outcome.dead {
                return Err(Error::Dead(spec.target.clone()));
            }
            let record = Record {
                id: spec.id(),
                spec: spec.clone(),
                provider: self.provider(),
                versions: versions.clone(),
                score: outcome.score,
                probability: outcome.probability,
                reached: outcome.probability.map(|found| found >= REACHED),
                top: outcome.top,
                verdicts: Vec::new(),
                octaves: self.ascent.octave_steps(),
                scores: self.scores[index].clone(),
                seconds: self.seconds,
                batch: self.specs.len(),
                together: (!companions.is_empty()).then_some(companions.len()),
                companions: companions.clone(),
                ended,
                time,
            };
            let frames = self.frames[index].clone();
            Ok(EndedRun {
                record,
                picture,
                frames,
            })
        };
        let results = outcomes.into_iter().zip(pictures).enumerate();
        Ok(results.map(ending).collect())
    }

    /// The runs, in their order.
    pub fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// See [`Ascent::take_notice`].
    pub fn take_notice(&mut self) -> Option<String> {
        self.ascent.take_notice()
    }

    /// The ascent, for reading.
    pub fn ascent(&self) -> &Ascent<'a> {
        &self.ascent
    }

    /// The objective before each step so far, one list per run.
    pub fn scores(&self) -> &[Vec<f32>] {
        &self.scores
    }

    /// The name of the device in its records.
    pub fn provider(&self) -> String {
        provider_name(self.ascent.device())
    }
}

impl EndedRun {
    /// Stores the run in the history; returns the path of its picture.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn keep(&self, home: &Home) -> Result<PathBuf, Error> {
        history::save(home, &self.record, &self.picture, &self.frames)
    }
}

/// What ends the name of a provider that computes with TF32, see `ZIGGURAT_TF32`.
const TF32: &str = " tf32";

/// The name of a device in records and checkpoints: `cpu`, `cuda:0`, or `cuda:0 tf32` where products are rounded to
/// TF32. Runs of different names do not stand for each other: their pictures differ.
pub fn provider_name(device: Device) -> String {
    named(Provider::from(device))
}

/// As [`provider_name`], of a provider that need not work here; `None` for `auto`, which may be any.
pub fn recorded_name(provider: Provider) -> Option<String> {
    (provider != Provider::Auto).then(|| named(provider))
}

fn named(provider: Provider) -> String {
    let name = provider.to_string();
    match provider {
        Provider::Cuda(_) | Provider::TensorRt(_) if registration::is_tf32_allowed() => name + TF32,
        _ => name,
    }
}

/// Whether a recorded provider computed with TF32.
pub fn used_tf32(provider: &str) -> bool {
    provider.ends_with(TF32)
}

/// An error for a run that an earlier version queued: this one does not make it in the same way.
///
/// # Errors
/// [`Error::Former`].
pub fn check_method(spec: &Spec) -> Result<(), Error> {
    if spec.is_current() {
        return Ok(());
    }
    let target = crate::text::safe(&spec.target);
    let method = spec.method;
    Err(Error::Former { target, method })
}

/// The runs of specs that share an objective.
fn runs(specs: &[Spec]) -> Result<Vec<Run>, Error> {
    let same = |pair: &[Spec]| pair[0].objective == pair[1].objective;
    if !specs.windows(2).all(same) {
        return Err(ascent::Error::Mismatch("the objective").into());
    }
    specs.iter().try_for_each(check_method)?;
    let run = |spec: &Spec| Run {
        unit: spec.unit,
        seed: spec.seed,
        settings: spec.settings.clone(),
        earlier: spec.earlier().to_vec(),
    };
    Ok(specs.iter().map(run).collect())
}

/// Whether the picture after `step` of `steps` is a frame: the last one is, and the others are evenly distributed
/// before it.
fn is_framed(step: usize, steps: usize) -> bool {
    let frames = |step: usize| step * MAX_FRAMES.min(steps) / steps.max(1);
    frames(step) > frames(step.saturating_sub(1))
}

/// The versions of Ziggurat and ONNX Runtime. Which method makes a picture is part of its [`Spec`].
pub fn versions() -> [String; 2] {
    let library = Library::loaded();
    let runtime = library.map_or_else(|_| String::new(), |library| library.found().version.clone());
    [env!("CARGO_PKG_VERSION").into(), runtime]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_evenly_spread_and_end_with_the_last_step() {
        for steps in [1, 7, 48, 49, 192, 100_000] {
            let framed: Vec<usize> = (1..=steps).filter(|&step| is_framed(step, steps)).collect();
            assert_eq!(framed.len(), steps.min(MAX_FRAMES));
            assert_eq!(framed.last(), Some(&steps));
            let gaps: Vec<usize> = framed.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (least, most) = (gaps.iter().min(), gaps.iter().max());
            assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1);
        }
    }
}

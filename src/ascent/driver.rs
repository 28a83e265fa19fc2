//! Drives the step graph: octaves, random views, and the rescue of runs whose gradient is zero.
//!
//! All runs of one [`Ascent`] share a session and step together. Each draws its randomness from its own seed, and on
//! the CPU its picture is independent of the other runs, bit for bit (see [`super::batch_invariance`] and
//! [`Ascent::is_exact`]).

mod outcome;
mod transitions;

pub use outcome::{Outcome, Prediction, TOP_CLASSES};

use super::octaves::Octave;
use super::preparation::{after, prepare};
use super::random::Random;
use super::run::{RunState, check_batchable};
use super::state::{AscentProgress, AscentState, RunProgress};
use super::step_graph::names;
use super::step_randomness::{self, StepRandomness};
use super::step_session::{self, StateTensors, StepPlan, StepSession};
use super::unit::anchor;
use super::views::Frame;
use super::{Error, Objective, Run, Settings, Unit, canvas, octave_inputs};
use crate::model::{Activation, Network};
use crate::runtime::{CancelHandle, Device, DeviceLoop, NodePlacement, Tensor, capture};
use std::time::Duration;

/// A gradient whose root mean square is below this does not move the canvas: the network is dead for this picture.
const DEAD_GRADIENT_RMS: f32 = 1e-20;

/// The results of a step, one entry per run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Steps taken, including this one.
    pub step: usize,
    /// The octave of the step, from 0.
    pub octave: usize,
    /// The objective before the step, for the step's random view and the branches that stochastic depth kept.
    pub scores: Vec<f32>,
    /// The prediction before the step, likewise; `None` if the objective is not a class.
    pub classes: Option<Vec<Prediction>>,
}

/// A batch of runs in progress.
pub struct Ascent<'a> {
    pub(super) network: &'a Network,
    device: Device,
    stop: CancelHandle,
    pub(super) plan: StepPlan,
    /// The runs with all their stages.
    requested: Vec<Run>,
    /// The runs with their current settings.
    pub(super) runs: Vec<RunState>,
    octaves: Vec<Octave>,
    step_session: StepSession,
    /// The state on the device, for the current octave.
    pub(super) state: DeviceLoop,
    octave: usize,
    step_in_octave: usize,
    step: usize,
    /// Whether the state before the last step is still on the device.
    pub(super) has_previous: bool,
}

impl<'a> Ascent<'a> {
    /// Prepares runs that share `objective`: opens the session, but takes no step.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the runs differ in a setting that shapes the step graph or the plan,
    /// [`Error::NoSuchUnit`] if the network lacks the unit of a run, [`Error::NotDifferentiable`].
    pub fn new(
        network: &'a Network,
        objective: &Objective,
        runs: &[Run],
        device: Device,
        stop: &CancelHandle,
    ) -> Result<Self, Error> {
        let graph_capture = capture::is_wanted();
        Self::with_graph_capture(network, objective, runs, device, stop, graph_capture)
    }

    /// As [`Ascent::new`]. `graph_capture`: whether the device is to record its steps, if it can, instead of the
    /// user's setting (see [`crate::runtime::capture`]).
    ///
    /// # Errors
    /// As [`Ascent::new`].
    pub fn with_graph_capture(
        network: &'a Network,
        objective: &Objective,
        runs: &[Run],
        device: Device,
        stop: &CancelHandle,
        graph_capture: bool,
    ) -> Result<Self, Error> {
        check_batchable(runs)?;
        let (mut plan, octaves) = prepare(network, objective, &after(runs, 0))?;
        plan.graph_capture = graph_capture;
        let has_class = objective.kind.is_of_class() && network.activation() != Activation::None;
        let mut running: Vec<RunState> = runs
            .iter()
            .map(|run| RunState::new(run, has_class))
            .collect();
        let channels = network.size.channels().count();
        let start = canvas::start(&mut running, channels, octaves[0], plan.map.is_some());
        let mut ascent = Self::start(
            network,
            (plan, octaves),
            (runs, running),
            device,
            stop,
            &start,
        )?;
        ascent.bind_octave_inputs()?;
        Ok(ascent)
    }

    /// Prepares runs that continue from a state of [`Ascent::save`]. On the CPU they end in the same pictures, bit for
    /// bit, as without the interruption. If a run's settings change right after the saved step, the state may also come
    /// from the run that kept the former settings.
    ///
    /// # Errors
    /// As [`Ascent::new`], and [`Error::StateMismatch`] if `saved` does not belong to these runs.
    pub fn resume(
        network: &'a Network,
        objective: &Objective,
        runs: &[Run],
        device: Device,
        stop: &CancelHandle,
        saved: AscentState,
    ) -> Result<Self, Error> {
        check_batchable(runs)?;
        let current = after(runs, saved.at.step);
        let (mut plan, octaves) = prepare(network, objective, &current)?;
        let channels = network.size.channels().count();
        let before: Vec<&Settings> = (runs.iter())
            .map(|run| run.settings_of(saved.at.step))
            .collect();
        let is_same = |(before, run): (&&Settings, &Run)| **before == run.settings;
        let is_between = !before.iter().zip(&current).all(is_same);
        let has_mask = plan.map.is_some();
        saved.check(runs, &octaves, channels, has_mask, is_between)?;
        plan.terms.rescue = saved.at.rescue;
        let at = saved.at.clone();
        let mut state = saved.into_state();
        if is_between {
            state = canvas::with_new_settings(state, &before, &current, has_mask);
        }
        let running = at
            .runs
            .iter()
            .zip(&current)
            .map(|(at, run)| at.restore(run));
        let running = running.collect();
        let mut ascent = Self::start(
            network,
            (plan, octaves),
            (runs, running),
            device,
            stop,
            &state,
        )?;
        ascent.octave = at.octave;
        ascent.step_in_octave = at.step_in_octave;
        ascent.step = at.step;
        ascent.bind_octave_inputs()?;
        Ok(ascent)
    }

    /// Opens the session of a plan with this state on the device, at the first step of the first octave, whose inputs
    /// are not bound yet. `requested` are the runs as asked for, `running` their states.
    fn start(
        network: &'a Network,
        (plan, octaves): (StepPlan, Vec<Octave>),
        (requested, running): (&[Run], Vec<RunState>),
        device: Device,
        stop: &CancelHandle,
        state: &StateTensors,
    ) -> Result<Self, Error> {
        let step_session = StepSession::new(network, &plan, device, stop)?;
        let state = step_session.start(state)?;
        Ok(Self {
            network,
            device,
            stop: stop.clone(),
            plan,
            requested: requested.to_vec(),
            runs: running,
            octaves,
            step_session,
            state,
            octave: 0,
            step_in_octave: 0,
            step: 0,
            has_previous: false,
        })
    }

    /// The state from which [`Ascent::resume`] continues.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn save(&self) -> Result<AscentState, Error> {
        let at = AscentProgress {
            step: self.step,
            octave: self.octave,
            step_in_octave: self.step_in_octave,
            rescue: self.plan.terms.rescue,
            runs: self.runs.iter().map(RunProgress::from_run).collect(),
        };
        Ok(AscentState::new(at, self.read_state()?))
    }

    /// Total number of steps.
    pub fn steps(&self) -> usize {
        self.octaves.iter().map(|octave| octave.steps).sum()
    }

    /// Steps of each octave, coarse to fine.
    pub fn octave_steps(&self) -> Vec<usize> {
        self.octaves.iter().map(|octave| octave.steps).collect()
    }

    /// Steps taken.
    pub fn step_count(&self) -> usize {
        self.step
    }

    /// Height and width of the finished pictures.
    pub fn finished_size(&self) -> (usize, usize) {
        self.octaves
            .last()
            .map_or((0, 0), |octave| (octave.height, octave.width))
    }

    /// Whether the pictures are guaranteed to equal those of separate runs, bit for bit: on the CPU, except for some
    /// networks.
    pub fn is_exact(&self) -> bool {
        self.step_session.is_exact
    }

    /// The provider of each node of the step graph. Opens a separate session.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device cannot run the step graph.
    pub fn placement(&self) -> Result<Vec<NodePlacement>, Error> {
        step_session::placement(self.network, &self.plan, self.device)
    }

    /// Time that the device spent on steps since the session was opened.
    pub fn busy(&self) -> Duration {
        self.step_session.session.busy()
    }

    /// Whether the device records its steps and replays them.
    pub fn is_captured(&self) -> bool {
        self.step_session.captures
    }

    /// What the user should know of the steps from here on, one line; once.
    pub fn take_notice(&mut self) -> Option<String> {
        self.step_session.notice.take()
    }

    /// The device.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Takes one step; `None` after the last. If it fails or is cancelled, the pictures do not change.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails or is cancelled (see [`Error::is_stop`]); [`Error::Diverged`].
    pub fn step(&mut self) -> Result<Option<StepReport>, Error> {
        self.next_stage()?;
        if self.octave + 1 < self.octaves.len()
            && self.step_in_octave == self.octaves[self.octave].steps
        {
            self.next_octave()?;
        }
        let octave = self.octaves[self.octave];
        if self.step_in_octave == octave.steps {
            return Ok(None);
        }
        if self.runs.iter().any(RunState::is_rescued) {
            self.open_rectifiers()?;
        }
        // A step that fails must be repeated with the same random numbers.
        let mut drawn: Vec<Random> = self.runs.iter().map(|run| run.random.clone()).collect();
        // Noise in the view favours large shapes. It starts once the class is recognised, since it would prevent that,
        // and fades towards the end of the run, since detail needs a clear view.
        let left = 1.0 - self.step as f64 / self.steps() as f64;
        let draw = |(run, random): (&RunState, &mut Random)| {
            let place = (self.frame(run.run.unit), self.network.size);
            let what = (left * run.recognition, self.step_session.branches);
            StepRandomness::random(&run.run.settings, place, what, random)
        };
        let draws: Vec<StepRandomness> = self.runs.iter().zip(&mut drawn).map(draw).collect();
        let progress = self.step_in_octave as f64 / octave.steps as f64;
        // A cancelled step may have overwritten the previous state.
        self.has_previous = false;
        let rescued: Vec<bool> = self.runs.iter().map(RunState::is_rescued).collect();
        let mut results = self.run_step(&draws, progress, &rescued);
        if let Err(problem) = &results
            && self.step_session.captures
            && !problem.is_stop()
        {
            self.stop_graph_capture(problem)?;
            results = self.run_step(&draws, progress, &rescued);
        }
        let results = results?;
        self.has_previous = true;
        for (run, random) in self.runs.iter_mut().zip(drawn) {
            run.random = random;
        }
        let rms = floats(&results[1]);
        self.check_finite("score", self.step + 1, &floats(&results[0]))?;
        self.check_finite("gradient", self.step + 1, &rms)?;
        for (run, rms) in self.runs.iter_mut().zip(rms) {
            if run.is_rescued() {
                // The gradient through opened rectifiers is not the true one.
                run.rescue_left -= 1;
                continue;
            }
            run.dead = rms < DEAD_GRADIENT_RMS;
            run.moved |= !run.dead;
        }
        let classes = results.get(2).and_then(|logits| self.predictions(logits));
        for (run, prediction) in self.runs.iter_mut().zip(classes.iter().flatten()) {
            run.recognise(prediction.probability);
        }
        self.step_in_octave += 1;
        self.step += 1;
        Ok(Some(StepReport {
            step: self.step,
            octave: self.octave,
            scores: floats(&results[0]),
            classes,
        }))
    }

    /// Runs the step graph, with opened rectifiers for the runs that are `rescued`. Returns score, gradient rms and, if
    /// the objective reads them, logits.
    fn run_step(
        &mut self,
        draws: &[StepRandomness],
        progress: f64,
        rescued: &[bool],
    ) -> Result<Vec<Tensor>, Error> {
        let drawn = step_randomness::inputs(draws, self.network.size, self.plan.terms.noise);
        let step_size = octave_inputs::scalars(&self.runs, |run| {
            let settings = &run.run.settings;
            settings.step_size * (1.0 - (1.0 - settings.step_decay) * progress)
        });
        let mut inputs = vec![(names::STEP_SIZE, &step_size)];
        inputs.extend(drawn.iter().map(|(name, tensor)| (*name, tensor)));
        let redirect: Vec<f32> = rescued.iter().map(|&on| f32::from(u8::from(on))).collect();
        let redirect = octave_inputs::per_run(redirect);
        if self.step_session.redirects {
            inputs.push((names::REDIRECT, &redirect));
        }
        let mut read = vec![names::SCORE, names::GRADIENT_RMS];
        if self.network.logits() == Some(&self.plan.objective.value) {
            read.push(names::LOGITS);
        }
        Ok(self
            .state
            .step(&mut self.step_session.session, &inputs, &read)?)
    }

    /// The geometry of canvas and network input, for the views of a run.
    fn frame(&self, unit: Unit) -> Frame {
        let octave = self.octaves[self.octave];
        let size = self.network.size;
        Frame {
            canvas: (octave.height, octave.width),
            input: (size.height as usize, size.width as usize),
            share: self.network.preprocessing.crop(),
            anchor: anchor(self.network, &self.plan.objective, unit),
        }
    }
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor
        .as_f32()
        .map(|array| array.iter().copied().collect())
        .unwrap_or_default()
}

//! Drives the step graph: octaves, views, the rescue of dead starts.
//!
//! All runs of one [`Ascent`] share a session and step together. Each draws its randomness from its own seed, and on the
//! CPU its picture does not depend on its companions, bit for bit (see [`super::alike`] and [`Ascent::is_exact`]).

use super::draw::{self, Draw};
use super::machine::{self, Machine, Plan, State};
use super::octaves::Octave;
use super::preparation::{after, prepare};
use super::random::Random;
use super::run::{Running, agree};
use super::saved::{At, RunAt, Saved};
use super::step_graph::names;
use super::target::anchor;
use super::views::Frame;
use super::{Error, Kind, Objective, Run, Settings, Unit, canvas, constants, probe};
use crate::model::{Activation, Network};
use crate::runtime::{CancelHandle, Device, DeviceLoop, NodePlacement, Tensor};
use ndarray::ArrayViewD;
use std::time::Duration;

/// A gradient whose root mean square is below this moves nothing: the network is dead where the picture is.
const DEAD: f32 = 1e-20;

/// How many classes a report names.
pub const TOP: usize = 5;

/// What a step told, one entry a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Steps taken, this one included.
    pub step: usize,
    /// Which octave the step was in, from 0.
    pub octave: usize,
    /// The objective before the step, as the step saw it: a random view, before the network that stochastic depth left.
    pub scores: Vec<f32>,
    /// What the network said before the step, likewise; only where the objective is a class.
    pub classes: Option<Vec<Seen>>,
}

/// What the network says of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The probability of the run's class.
    pub probability: f32,
    /// The five most probable classes and their probabilities, the largest first.
    pub top: Vec<(usize, f32)>,
}

/// How a run stands at the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The objective of the picture itself: its centre crop, by the whole network.
    pub score: f32,
    /// The probability of the run's class; only where the objective is a class.
    pub probability: Option<f32>,
    /// The five most probable classes and their probabilities, the largest first; empty where the objective is no class.
    pub top: Vec<(usize, f32)>,
    /// Whether the gradient was zero all along and still is.
    pub dead: bool,
}

/// A batch of runs under way.
pub struct Ascent<'a> {
    pub(super) network: &'a Network,
    device: Device,
    stop: CancelHandle,
    pub(super) plan: Plan,
    /// The runs with all their stages.
    asked: Vec<Run>,
    /// The runs with the settings of now.
    pub(super) runs: Vec<Running>,
    octaves: Vec<Octave>,
    machine: Machine,
    /// The device's side of the state, for the current octave.
    pub(super) state: DeviceLoop,
    octave: usize,
    step_in_octave: usize,
    step: usize,
    /// Whether the state before the last step is still on the device.
    pub(super) has_previous: bool,
}

impl<'a> Ascent<'a> {
    /// Prepares runs that share `objective`. Nothing is computed yet but the session.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the runs differ in a setting that shapes the step graph or the plan,
    /// [`Error::NoSuchUnit`] if one asks for what the network does not have, [`Error::NotDifferentiable`].
    pub fn new(
        network: &'a Network,
        objective: &Objective,
        runs: &[Run],
        device: Device,
        stop: &CancelHandle,
    ) -> Result<Self, Error> {
        agree(runs)?;
        let (plan, octaves) = prepare(network, objective, &after(runs, 0))?;
        let has_class = objective.kind.is_of_class() && network.activation() != Activation::None;
        let mut running: Vec<Running> = runs
            .iter()
            .map(|run| Running::new(run, has_class))
            .collect();
        let channels = network.size.channels().count();
        let start = canvas::start(&mut running, channels, octaves[0], plan.map.is_some());
        let machine = Machine::new(network, &plan, device, stop)?;
        let state = machine.start(&start)?;
        let mut ascent = Self {
            network,
            device,
            stop: stop.clone(),
            plan,
            asked: runs.to_vec(),
            runs: running,
            octaves,
            machine,
            state,
            octave: 0,
            step_in_octave: 0,
            step: 0,
            has_previous: false,
        };
        ascent.set_constants()?;
        Ok(ascent)
    }

    /// Prepares runs that go on from where [`Ascent::save`] found them. On the CPU they end in the same pictures, bit for
    /// bit, as if they had never been interrupted. Where a run's settings change after the last step that was taken, it may
    /// have been found by the run that had the former settings to the end.
    ///
    /// # Errors
    /// As [`Ascent::new`], and [`Error::Foreign`] if `saved` is none of these runs'.
    pub fn resume(
        network: &'a Network,
        objective: &Objective,
        runs: &[Run],
        device: Device,
        stop: &CancelHandle,
        saved: Saved,
    ) -> Result<Self, Error> {
        agree(runs)?;
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
            state = canvas::crossed(state, &before, &current, has_mask);
        }
        let machine = Machine::new(network, &plan, device, stop)?;
        let state = machine.start(&state)?;
        let running = at
            .runs
            .iter()
            .zip(&current)
            .map(|(at, run)| at.restore(run));
        let mut ascent = Self {
            network,
            device,
            stop: stop.clone(),
            plan,
            asked: runs.to_vec(),
            runs: running.collect(),
            octaves,
            machine,
            state,
            octave: at.octave,
            step_in_octave: at.step_in_octave,
            step: at.step,
            has_previous: false,
        };
        ascent.set_constants()?;
        Ok(ascent)
    }

    /// All that [`Ascent::resume`] needs to go on from here.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn save(&self) -> Result<Saved, Error> {
        let at = At {
            step: self.step,
            octave: self.octave,
            step_in_octave: self.step_in_octave,
            rescue: self.plan.terms.rescue,
            runs: self.runs.iter().map(RunAt::of).collect(),
        };
        Ok(Saved::new(at, self.read_state()?))
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.octaves.iter().map(|octave| octave.steps).sum()
    }

    /// Steps on each octave, coarse to fine.
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

    /// Whether each run surely gets the bytes that it gets alone: on the CPU, except for some networks.
    pub fn is_exact(&self) -> bool {
        self.machine.is_exact
    }

    /// Which provider gets which node of the step graph; opens a session of its own for that.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device cannot run it.
    pub fn placement(&self) -> Result<Vec<NodePlacement>, Error> {
        machine::placement(self.network, &self.plan, self.device)
    }

    /// How long the device was busy with steps since the session was opened.
    pub fn busy(&self) -> Duration {
        self.machine.session.busy()
    }

    /// Where it runs.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Takes one step; `None` once all are taken. If it fails or is stopped, the pictures are as before.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails, or was stopped (see [`Error::is_stop`]); [`Error::Diverged`].
    pub fn step(&mut self) -> Result<Option<Report>, Error> {
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
        if self.runs.iter().any(Running::is_rescued) {
            self.open_rectifiers()?;
        }
        // A step that fails must draw the same again.
        let mut drawn: Vec<Random> = self.runs.iter().map(|run| run.random.clone()).collect();
        // Noise asks for form. It begins once the class is recognised, which it would keep from ever being, and ends with
        // the run: detail needs a clear view.
        let left = 1.0 - self.step as f64 / self.steps() as f64;
        let draw = |(run, random): (&Running, &mut Random)| {
            let place = (self.frame(run.run.unit), self.network.size);
            let what = (left * run.recognition, self.machine.branches);
            Draw::random(&run.run.settings, place, what, random)
        };
        let draws: Vec<Draw> = self.runs.iter().zip(&mut drawn).map(draw).collect();
        let progress = self.step_in_octave as f64 / octave.steps as f64;
        // A step that is stopped may have written to where the old state was.
        self.has_previous = false;
        let rescued: Vec<bool> = self.runs.iter().map(Running::is_rescued).collect();
        let results = self.run_step(&draws, progress, &rescued)?;
        self.has_previous = true;
        for (run, random) in self.runs.iter_mut().zip(drawn) {
            run.random = random;
        }
        let rms = floats(&results[1]);
        self.check_finite("score", self.step + 1, &floats(&results[0]))?;
        self.check_finite("gradient", self.step + 1, &rms)?;
        for (run, rms) in self.runs.iter_mut().zip(rms) {
            if run.is_rescued() {
                // An opened rectifier's gradient says nothing of the true one.
                run.rescue_left -= 1;
                continue;
            }
            run.dead = rms < DEAD;
            run.moved |= !run.dead;
        }
        let classes = results.get(2).and_then(|logits| self.seen(logits));
        for (run, seen) in self.runs.iter_mut().zip(classes.iter().flatten()) {
            run.recognise(seen.probability);
        }
        self.step_in_octave += 1;
        self.step += 1;
        Ok(Some(Report {
            step: self.step,
            octave: self.octave,
            scores: floats(&results[0]),
            classes,
        }))
    }

    /// Judges the pictures as they are now, as a classifier sees them, without changing them.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the device fails.
    pub fn outcomes(&mut self) -> Result<Vec<Outcome>, Error> {
        let kept = self.read_state()?;
        self.has_previous = false;
        let whole = |run: &Running| Draw::still(self.frame(run.run.unit), self.machine.branches);
        let still: Vec<Draw> = self.runs.iter().map(whole).collect();
        // The true gradient says whether a run is dead, however open its rectifiers were.
        let results = self.run_step(&still, 1.0, &vec![false; self.runs.len()])?;
        self.state.reset(names::CANVAS, &kept.canvas)?;
        self.state.reset(names::VELOCITY, &kept.velocity)?;
        if let Some(mask) = &kept.mask {
            self.state.reset(names::MASK, mask)?;
        }
        let seen = results.get(2).and_then(|logits| self.seen(logits));
        let rms = floats(&results[1]);
        self.check_finite("score", self.step, &floats(&results[0]))?;
        let outcome = |(index, score): (usize, f32)| Outcome {
            score,
            probability: seen.as_ref().map(|all| all[index].probability),
            top: seen
                .as_ref()
                .map_or_else(Vec::new, |all| all[index].top.clone()),
            dead: !self.runs[index].moved && rms[index] < DEAD,
        };
        Ok(floats(&results[0])
            .into_iter()
            .enumerate()
            .map(outcome)
            .collect())
    }

    /// Whether a number per run is finite.
    ///
    /// # Errors
    /// [`Error::Diverged`], with the first layer that is not finite for the picture as it was before the step.
    fn check_finite(&self, what: &'static str, step: usize, numbers: &[f32]) -> Result<(), Error> {
        let Some(run) = numbers.iter().position(|number| !number.is_finite()) else {
            return Ok(());
        };
        let (network, value) = (self.network, &self.plan.objective.value);
        let picture = self.picture_before(run)?;
        let picture = network.preprocessing.tensor(&picture, network.size);
        let at = match probe::first_not_finite(network, &picture, value, self.device) {
            Some(layer) => format!("the first layer with a value that is not finite is {layer}"),
            None => "every layer is finite for the picture; a smaller step_size may help".into(),
        };
        Err(Error::Diverged {
            what,
            run,
            step,
            at,
        })
    }

    /// One run of the graph, with open rectifiers for the runs that are `rescued`: score, gradient rms, and logits where there are some.
    fn run_step(
        &mut self,
        draws: &[Draw],
        progress: f64,
        rescued: &[bool],
    ) -> Result<Vec<Tensor>, Error> {
        let drawn = draw::inputs(draws, self.network.size, self.plan.terms.noise);
        let step_size = constants::scalars(&self.runs, |run| {
            let settings = &run.run.settings;
            settings.step_size * (1.0 - (1.0 - settings.step_decay) * progress)
        });
        let mut inputs = vec![(names::STEP_SIZE, &step_size)];
        inputs.extend(drawn.iter().map(|(name, tensor)| (*name, tensor)));
        let redirect: Vec<f32> = rescued.iter().map(|&on| f32::from(u8::from(on))).collect();
        let redirect = constants::per_run(redirect);
        if self.machine.redirects {
            inputs.push((names::REDIRECT, &redirect));
        }
        let mut read = vec![names::SCORE, names::GRADIENT_RMS];
        if self.network.logits() == Some(&self.plan.objective.value) {
            read.push(names::LOGITS);
        }
        Ok(self.state.step(&mut self.machine.session, &inputs, &read)?)
    }

    /// The canvas and the network's input, for the views of a run.
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

    fn set_constants(&mut self) -> Result<(), Error> {
        let octave = self.octaves[self.octave];
        let (plan, runs) = (&self.plan, &self.runs);
        constants::set(
            self.network,
            plan,
            runs,
            octave,
            &self.machine,
            &mut self.state,
        )
    }

    /// Moves on to the next canvas.
    fn next_octave(&mut self) -> Result<(), Error> {
        let larger = canvas::enlarged(self.read_state()?, self.octaves[self.octave + 1]);
        self.state = self.machine.start(&larger)?;
        self.has_previous = false;
        self.octave += 1;
        self.step_in_octave = 0;
        self.set_constants()
    }

    /// Takes the settings of the next step, if they are others.
    fn next_stage(&mut self) -> Result<(), Error> {
        let is_same = |(run, running): (&Run, &Running)| {
            *run.settings_after(self.step) == running.run.settings
        };
        if self.asked.iter().zip(&self.runs).all(is_same) {
            return Ok(());
        }
        let next = after(&self.asked, self.step);
        let (mut plan, _) = prepare(self.network, &self.plan.objective, &next)?;
        plan.terms.rescue = self.plan.terms.rescue;
        let before: Vec<&Settings> = self.runs.iter().map(|run| &run.run.settings).collect();
        let state = canvas::crossed(self.read_state()?, &before, &next, plan.map.is_some());
        if plan != self.plan {
            self.machine = Machine::new(self.network, &plan, self.device, &self.stop)?;
            self.plan = plan;
        }
        self.state = self.machine.start(&state)?;
        self.has_previous = false;
        for (running, run) in self.runs.iter_mut().zip(next) {
            running.run = run;
        }
        self.set_constants()
    }

    /// Goes over to a step graph in which blocked rectifiers can be opened, run by run.
    fn open_rectifiers(&mut self) -> Result<(), Error> {
        if self.plan.terms.rescue {
            return Ok(());
        }
        let state = self.read_state()?;
        self.plan.terms.rescue = true;
        self.machine = Machine::new(self.network, &self.plan, self.device, &self.stop)?;
        self.state = self.machine.start(&state)?;
        self.has_previous = false;
        self.set_constants()
    }

    fn read_state(&self) -> Result<State, Error> {
        Ok(State {
            canvas: self.state.state(names::CANVAS)?,
            velocity: self.state.state(names::VELOCITY)?,
            mask: match self.plan.map {
                Some(_) => Some(self.state.state(names::MASK)?),
                None => None,
            },
        })
    }

    /// The probabilities of each run: of its own class, and the largest. `None` where scores have no probabilities.
    fn seen(&self, logits: &Tensor) -> Option<Vec<Seen>> {
        let all = logits.as_f32().into_iter().flat_map(|all| all.outer_iter());
        let activation = self.network.activation();
        let kind = self.plan.objective.kind;
        if activation == Activation::None || !kind.is_of_class() {
            return None;
        }
        let seen = |(run, scores): (&Running, ArrayViewD<f32>)| {
            let probabilities = activation.probabilities(scores.iter().copied());
            seen(kind, run.run.unit.index, &probabilities)
        };
        Some(self.runs.iter().zip(all).map(seen).collect())
    }
}

fn seen(kind: Kind, class: usize, probabilities: &[f32]) -> Seen {
    Seen {
        probability: match kind {
            Kind::NotClass => 1.0 - probabilities[class],
            _ => probabilities[class],
        },
        top: super::probe::largest(probabilities.iter().copied(), TOP),
    }
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor
        .as_f32()
        .map(|array| array.iter().copied().collect())
        .unwrap_or_default()
}

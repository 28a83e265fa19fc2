//! Transitions between steps: to the next octave, to other settings, and to a step graph with opened rectifiers. Each
//! reads the state from the device and starts again from it.

use super::Ascent;
use crate::ascent::canvas;
use crate::ascent::octave_inputs;
use crate::ascent::preparation::{after, prepare};
use crate::ascent::run::RunState;
use crate::ascent::step_graph::names;
use crate::ascent::step_session::{StateTensors, StepSession, not_captured};
use crate::ascent::{Error, Run, Settings};

impl Ascent<'_> {
    /// Binds the inputs that are constant within an octave.
    pub(super) fn bind_octave_inputs(&mut self) -> Result<(), Error> {
        let octave = self.octaves[self.octave];
        let (plan, runs) = (&self.plan, &self.runs);
        octave_inputs::bind_octave_inputs(
            self.network,
            plan,
            runs,
            octave,
            &self.step_session,
            &mut self.state,
        )
    }

    /// Continues on the canvas of the next octave.
    pub(super) fn next_octave(&mut self) -> Result<(), Error> {
        let larger = canvas::enlarged(self.read_state()?, self.octaves[self.octave + 1]);
        self.state = self.step_session.start(&larger)?;
        self.has_previous = false;
        self.octave += 1;
        self.step_in_octave = 0;
        self.bind_octave_inputs()
    }

    /// Applies the settings of the next step if they differ from the current ones.
    pub(super) fn next_stage(&mut self) -> Result<(), Error> {
        let is_same = |(run, current): (&Run, &RunState)| {
            *run.settings_after(self.step) == current.run.settings
        };
        if self.requested.iter().zip(&self.runs).all(is_same) {
            return Ok(());
        }
        let next = after(&self.requested, self.step);
        let (mut plan, _) = prepare(self.network, &self.plan.objective, &next)?;
        plan.terms.rescue = self.plan.terms.rescue;
        plan.graph_capture = self.plan.graph_capture;
        let before: Vec<&Settings> = self.runs.iter().map(|run| &run.run.settings).collect();
        let state =
            canvas::with_new_settings(self.read_state()?, &before, &next, plan.map.is_some());
        if plan != self.plan {
            self.step_session = StepSession::new(self.network, &plan, self.device, &self.stop)?;
            self.plan = plan;
        }
        self.state = self.step_session.start(&state)?;
        self.has_previous = false;
        for (current, run) in self.runs.iter_mut().zip(next) {
            current.run = run;
        }
        self.bind_octave_inputs()
    }

    /// Switches to a step graph in which blocked rectifiers can be opened per run.
    pub(super) fn open_rectifiers(&mut self) -> Result<(), Error> {
        if self.plan.terms.rescue {
            return Ok(());
        }
        self.plan.terms.rescue = true;
        self.reopen()
    }

    /// Goes on with steps that are not recorded, after one failed.
    pub(super) fn stop_graph_capture(&mut self, problem: &Error) -> Result<(), Error> {
        self.plan.graph_capture = false;
        self.reopen()?;
        self.step_session.notice = Some(not_captured(&problem.to_string()));
        Ok(())
    }

    /// Opens the session of the current plan, and continues there.
    fn reopen(&mut self) -> Result<(), Error> {
        let state = self.read_state()?;
        self.step_session = StepSession::new(self.network, &self.plan, self.device, &self.stop)?;
        self.state = self.step_session.start(&state)?;
        self.has_previous = false;
        self.bind_octave_inputs()
    }

    /// Copies the state from the device.
    pub(super) fn read_state(&self) -> Result<StateTensors, Error> {
        Ok(StateTensors {
            canvas: self.state.state(names::CANVAS)?,
            velocity: self.state.state(names::VELOCITY)?,
            mask: match self.plan.map {
                Some(_) => Some(self.state.state(names::MASK)?),
                None => None,
            },
        })
    }
}

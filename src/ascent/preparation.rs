//! Derives the step plan and the octaves from the settings of runs.

use super::cam_layer;
use super::octaves::{Octave, octaves};
use super::step_graph::Terms;
use super::step_session::StepPlan;
use super::unit::check_unit;
use super::{Error, Objective, Run, Settings};
use crate::model::Network;
use crate::runtime::capture;

/// The runs with the settings of the step after `taken` steps.
pub(super) fn after(runs: &[Run], taken: usize) -> Vec<Run> {
    runs.iter().map(|run| run.after(taken)).collect()
}

/// Checks runs, and returns their step plan and octaves.
pub(super) fn prepare(
    network: &Network,
    objective: &Objective,
    runs: &[Run],
) -> Result<(StepPlan, Vec<Octave>), Error> {
    let [first, ..] = runs else {
        return Err(Error::Mismatch("nothing: there are no runs"));
    };
    for run in runs {
        check_unit(network, objective, run.unit)?;
    }
    let any = |used: fn(&Settings) -> bool| runs.iter().any(|run| used(&run.settings));
    let map = if any(|settings| settings.mask > 0.0) {
        cam_layer::resolve(network, objective, first.settings.map())?
    } else {
        None
    };
    let plan = StepPlan {
        objective: objective.clone(),
        class_score: first.settings.objective,
        map,
        runs: runs.len(),
        terms: Terms {
            levels: first.settings.levels,
            noise: any(|settings| settings.view_noise > 0.0),
            decay: any(|settings| settings.decay > 0.0),
            damping: any(|settings| settings.damping > 0.0),
            variation: any(|settings| settings.total_variation > 0.0),
            contrast: any(|settings| settings.contrast > 0.0),
            stochastic_depth: any(|settings| settings.stochastic_depth > 0.0),
            rescue: false,
        },
        graph_capture: capture::is_wanted(),
    };
    let octaves = octaves(
        &first.settings,
        network.preprocessing.uncropped(network.size.height) as usize,
        network.preprocessing.uncropped(network.size.width) as usize,
    );
    Ok((plan, octaves))
}

//! `ziggurat history missing`: the runs that the history does not hold, for the next attempt.

use super::{Failure, output};
use crate::cli::model_options::ModelOptions;
use crate::cli::plan::Planner;
use crate::cli::preferences::Preferences;
use crate::cli::run_options::{self, RunOptions};
use clap::ArgGroup;
use serde::Serialize;
use std::collections::HashSet;
use ziggurat::home::Home;
use ziggurat::runs::batch::recorded_name;
use ziggurat::runs::history::{self, query};
use ziggurat::runs::target::{Target, TargetScope};
use ziggurat::runs::{Spec, target_list};

#[derive(clap::Args)]
#[command(group = ArgGroup::new(run_options::WHAT).args(run_options::NAMING).required(true).multiple(true))]
pub struct Arguments {
    #[command(flatten)]
    options: RunOptions,
    /// Print one JSON object per missing run
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    model_options: ModelOptions,
}

#[derive(Serialize)]
struct Line<'a> {
    id: String,
    model: &'a str,
    model_hash: &'a str,
    /// As a list of targets has it; `None` if its name cannot be part of a line.
    line: Option<String>,
    target: &'a str,
    kind: &'static str,
    seed: u64,
}

pub fn run(home: &Home, arguments: &Arguments) -> Result<(), Failure> {
    let options = &arguments.options;
    let keys = options.keys();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let preferences = Preferences::load(home, &keys);
    let providers = preferences
        .providers(options.provider.as_deref())?
        .providers()?;
    // `auto` may be any.
    let names: Option<Vec<String>> = providers.into_iter().map(recorded_name).collect();
    let models = options.models(home, &preferences, None)?;
    let planner = Planner::new(home, options, &arguments.model_options, &preferences, None)?;
    planner.resolve(&models)?;
    let is_held = |spec: &Spec| match &names {
        Some(names) => names
            .iter()
            .any(|name| history::find(home, spec, name).is_some()),
        None => history::find_by_any(home, spec).is_some(),
    };
    let (mut all, mut asked, mut missing, mut unlisted) = (0, 0, 0, 0);
    let mut printed = HashSet::new();
    for model in &models {
        let (plan, network) = planner.plan_one(*model, models.len() > 1)?;
        all += plan.all;
        asked += plan.specs.len();
        let layers = network.layers();
        let scope = TargetScope::new(&network, &layers);
        for spec in plan.specs.iter().filter(|spec| !is_held(spec)) {
            missing += 1;
            let line = target_list::line(&scope, &target(spec));
            match (arguments.json, line) {
                (true, line) => output::json(&object(spec, line))?,
                (false, None) => unlisted += 1,
                // The same target may be missing in several models.
                (false, Some(line)) => {
                    if printed.insert(line.clone()) {
                        output::line(&line)?;
                    }
                }
            }
        }
    }
    options.explain_count(all, asked);
    if asked > 0 {
        output::notice(&summary(missing, asked));
    }
    if unlisted > 0 {
        output::notice(&format!(
            "{} of them cannot be listed: a list has no line breaks or control characters; see --json",
            super::runs(unlisted)
        ));
    }
    Ok(())
}

fn summary(missing: usize, asked: usize) -> String {
    match missing {
        0 => format!("the history holds all of {}", super::runs(asked)),
        _ => format!("{missing} of {} missing", super::runs(asked)),
    }
}

fn target(spec: &Spec) -> Target {
    Target {
        objective: spec.objective.clone(),
        unit: spec.unit,
        title: spec.target.clone(),
        remark: None,
    }
}

fn object(spec: &Spec, line: Option<String>) -> Line<'_> {
    Line {
        id: spec.id(),
        model: &spec.model,
        model_hash: &spec.model_hash,
        line,
        target: &spec.target,
        kind: query::kind_name(spec.objective.kind),
        seed: spec.seed,
    }
}

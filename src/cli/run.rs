//! `ziggurat run`: make pictures, show them, keep them.
//!
//! - `plan`: which runs of which models are asked for
//! - `from`: the run that is to be repeated
//! - `session`: from the runs of a model to pictures
//! - `judges`: which other models judge the pictures
//! - `delivery`: what becomes of a picture

mod delivery;
mod from;
mod judges;
mod plan;
mod session;

use super::graphics::Graphics;
use super::ports::Ports;
use super::{Failure, opening, output};
use anyhow::anyhow;
use delivery::Delivery;
use from::From;
use plan::{Plan, Planner};
use session::{Made, Session, note};
use std::path::PathBuf;
use ziggurat::model::Network;
use ziggurat::runs::Spec;
use ziggurat::runs::queue::MOST_TOGETHER;
use ziggurat::runtime::device::PROVIDERS;
use ziggurat::runtime::{CancelHandle, Provider};

#[derive(clap::Args)]
pub struct Arguments {
    /// Classes by name or index, LAYER:CHANNEL, LAYER:CHANNEL:Y,X (one neuron), or LAYER
    #[arg(value_name = "TARGET", required_unless_present = "from")]
    targets: Vec<String>,
    /// Path or name of a model (repeatable: every target is run in each model)
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Random seed: the initial picture and the random views depend on it [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Total steps; short for --set steps=N
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Settings to start from: default, draft, fine, vivid
    #[arg(long)]
    preset: Option<String>,
    /// Override a setting (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Change settings at a step: branches the run there (repeatable, in the order of the steps)
    #[arg(
        long = "then",
        value_name = "STEP:KEY=VALUE,...",
        allow_hyphen_values = true
    )]
    thens: Vec<String>,
    /// Repeat the run with this id, or the one that made this picture; other options override its settings
    #[arg(long, value_name = "ID or PICTURE", conflicts_with_all = ["targets", "preset"])]
    from: Option<PathBuf>,
    #[arg(long, default_value = "auto", help = format!("Execution provider: {PROVIDERS}"))]
    provider: String,
    /// Write the picture and a JSON file beside it: NAME.png, or a folder (required for several targets or models)
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Protocol for the finished picture: auto, kitty, sixel, iterm2, blocks or none
    #[arg(long, value_name = "HOW", default_value = "auto")]
    graphics: Graphics,
    /// Print one JSON object per finished run
    #[arg(long)]
    json: bool,
    /// Classify the finished pictures with this other model, on the CPU (repeatable; `none` switches off the judges of
    /// config.toml). A model does not judge its own pictures
    #[arg(long = "judge", value_name = "MODEL")]
    judges: Vec<String>,
    /// Recompute runs that are already in the history
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    ports: Ports,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let provider: Provider = arguments.provider.parse().map_err(Failure::usage)?;
    let home = opening::home()?;
    let from = arguments.from.as_deref();
    let from = from.map(|from| From::read(&home, from)).transpose()?;
    let record = from.as_ref().and_then(|from| from.record.as_ref());
    let from = from.as_ref().map(|from| &from.spec);
    let settings = plan::settings(&arguments, from)?;
    let seed = arguments.seed.or(from.map(|spec| spec.seed)).unwrap_or(0);
    let models = models(&arguments, from)?;
    let several_models = models.len() > 1;
    let several = several_models || arguments.targets.len() > 1;
    plan::check_writable(arguments.out.as_deref(), several)?;
    // Asked now, not when the picture is finished: the user may type ahead until then.
    let screen = match arguments.json {
        true => None,
        false => arguments.graphics.screen(),
    };

    let planner = Planner {
        home: &home,
        arguments: &arguments,
        from,
        settings,
        thens: plan::thens(&arguments.thens)?,
        seed,
    };
    let judges = judges::asked(&home, &arguments.judges)?;
    let (plans, network) = planner.plan(&models)?;
    let (judges, origin) = judges::fetched(&home, judges);
    let stop = CancelHandle::default();
    ctrlc::set_handler({
        let stop = stop.clone();
        move || stop.stop()
    })?;
    let active = opening::provider(provider)?;
    let companions = match (record, plans.as_slice()) {
        (Some(record), [plan]) => from::companions(&home, record, &plan.specs, active.device),
        _ => Vec::new(),
    };
    let session = Session {
        home: &home,
        active,
        most_together: MOST_TOGETHER,
        stop,
        companions,
        arguments: &arguments,
        judges,
        origin,
        delivery: Delivery {
            out: arguments.out.as_deref(),
            screen,
            json: arguments.json,
            several,
            several_models,
        },
    };
    make_all(session, &planner, &plans, network)
}

/// The models that are asked for, each once; `None` is the default one.
fn models<'a>(
    arguments: &'a Arguments,
    from: Option<&'a Spec>,
) -> Result<Vec<Option<&'a str>>, Failure> {
    let mut models: Vec<Option<&str>> = Vec::new();
    for model in &arguments.models {
        if !models.contains(&Some(model.as_str())) {
            models.push(Some(model));
        }
    }
    match (models.len(), from) {
        (0, from) => Ok(vec![from.map(|spec| spec.model.as_str())]),
        (2.., Some(_)) => Err(Failure::usage(anyhow!(
            "--from repeats the run of one model: give --model once"
        ))),
        _ => Ok(models),
    }
}

/// Makes what is planned, model by model; `network` is that of the first. What fails in one model does not keep the others
/// from their pictures; all problems are said, the last one by the error.
fn make_all(
    mut session: Session,
    planner: &Planner,
    plans: &[Plan],
    network: Network,
) -> Result<(), Failure> {
    let mut failed: Option<anyhow::Error> = None;
    let mut network = Some(network);
    for plan in plans {
        let about = |problem: anyhow::Error| match &plan.model {
            Some(model) if plans.len() > 1 => anyhow!("{model}: {problem}"),
            _ => problem,
        };
        let opened = match network.take() {
            Some(network) => network,
            None => match planner.open_again(plan) {
                Ok(network) => network,
                Err(Failure::Usage(problem) | Failure::Failed(problem)) => {
                    note(&mut failed, about(problem));
                    continue;
                }
                Err(ended @ (Failure::Reported | Failure::Quiet)) => return Err(ended),
            },
        };
        match session.make(&opened, &plan.specs)? {
            Made::All | Made::Not => {}
            Made::Some(problem) => note(&mut failed, about(problem.into())),
            Made::Stopped => {
                if let Some(problem) = failed {
                    output::remark(&problem.to_string());
                }
                return Err(anyhow!("stopped; what there was is saved").into());
            }
        }
    }
    failed.map_or(Ok(()), |problem| Err(problem.into()))
}

//! `ziggurat run`: make pictures, show them, keep them.
//!
//! - `plan`: which runs of which models are asked for
//! - `session`: from the runs of a model to pictures
//! - `judges`: which other models judge the pictures
//! - `delivery`: what becomes of a picture

mod delivery;
mod judges;
mod plan;
mod session;

use super::graphics::Graphics;
use super::ports::Ports;
use super::{Failure, opening, output};
use anyhow::anyhow;
use delivery::Delivery;
use plan::{Plan, Planner};
use session::{Made, Session, note};
use std::path::PathBuf;
use ziggurat::model::Network;
use ziggurat::runs::queue::MOST_TOGETHER;
use ziggurat::runs::{Spec, export};
use ziggurat::runtime::{Provider, Stop};

#[derive(clap::Args)]
pub struct Arguments {
    /// Classes by name or index, LAYER:CHANNEL, LAYER:CHANNEL:Y,X (one neuron), or LAYER
    #[arg(value_name = "TARGET", required_unless_present = "from")]
    targets: Vec<String>,
    /// Model: a path, or a card's name; may be given several times: every target is made for each
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Decides the start and every random shift
    #[arg(long)]
    seed: Option<u64>,
    /// Steps in all; short for --set steps=N
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Settings to start from: default, draft, fine, vivid
    #[arg(long)]
    preset: Option<String>,
    /// Turns a knob; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Repeats the run that made a picture; other options change it
    #[arg(long, value_name = "PICTURE", conflicts_with_all = ["targets", "preset"])]
    from: Option<PathBuf>,
    /// auto, cpu, cuda[:N], webgpu; experimental: tensorrt[:N], plugin:PATH[,KEY=VALUE...]
    #[arg(long, default_value = "auto")]
    provider: String,
    /// Where to write the picture (and, beside it, a JSON file): NAME.png, or a folder, which several targets or models need
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// How to print the finished picture: auto, kitty, sixel, iterm2, blocks or none
    #[arg(long, value_name = "HOW", default_value = "auto")]
    graphics: Graphics,
    /// Print one line of JSON a finished run
    #[arg(long)]
    json: bool,
    /// A model that judges the finished pictures, on the CPU: a path, or a card's name; may be given several times. `none`
    /// switches off those of config.toml. A model does not judge its own pictures
    #[arg(long = "judge", value_name = "MODEL")]
    judges: Vec<String>,
    /// Compute again what history holds already
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    ports: Ports,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let provider: Provider = arguments.provider.parse().map_err(Failure::usage)?;
    let from = arguments
        .from
        .as_deref()
        .map(export::read_spec)
        .transpose()?;
    let settings = plan::settings(&arguments, from.as_ref())?;
    let seed = arguments
        .seed
        .or(from.as_ref().map(|spec| spec.seed))
        .unwrap_or(0);
    let models = models(&arguments, from.as_ref())?;
    let several_models = models.len() > 1;
    let several = several_models || arguments.targets.len() > 1;
    plan::check_writable(arguments.out.as_deref(), several)?;
    // Asked now, not when the picture is finished: the user may type ahead until then.
    let screen = match arguments.json {
        true => None,
        false => arguments.graphics.screen(),
    };

    let home = opening::home()?;
    let planner = Planner {
        home: &home,
        arguments: &arguments,
        from: from.as_ref(),
        settings,
        seed,
    };
    let judges = judges::asked(&home, &arguments.judges)?;
    let (plans, network) = planner.plan(&models)?;
    let judges = judges::fetched(&home, judges);
    let stop = Stop::default();
    ctrlc::set_handler({
        let stop = stop.clone();
        move || stop.stop()
    })?;
    let session = Session {
        home: &home,
        active: opening::provider(provider)?,
        most_together: MOST_TOGETHER,
        stop,
        arguments: &arguments,
        judges,
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
                Err(Failure::Quiet) => return Err(Failure::Quiet),
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

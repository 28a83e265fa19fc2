//! `ziggurat run`: makes pictures, shows and stores them.
//!
//! - `plan`: the runs of each model
//! - `from`: the run to repeat
//! - `session`: from the runs of a model to pictures
//! - `judges`: the models that judge the pictures
//! - `delivery`: writes, shows and reports a picture

mod delivery;
mod from;
mod judges;
mod plan;
mod session;

use super::graphics::Graphics;
use super::model_options::ModelOptions;
use super::preferences::Preferences;
use super::{Failure, output, startup};
use anyhow::anyhow;
use delivery::Delivery;
use from::From;
use plan::{Plan, Planner};
use session::{Outcome, Session, note};
use std::path::PathBuf;
use ziggurat::home::Home;
use ziggurat::model::Network;
use ziggurat::runs::Spec;
use ziggurat::runs::queue::MAX_TOGETHER;
use ziggurat::runtime::CancelHandle;
use ziggurat::runtime::device::PROVIDERS;

#[derive(clap::Args)]
pub struct Arguments {
    /// Classes by name or index, LAYER:CHANNEL, LAYER:CHANNEL:Y,X (one neuron), or LAYER
    #[arg(value_name = "TARGET", required_unless_present = "from")]
    targets: Vec<String>,
    /// Path or name of a model (repeatable: every target is run in each model) [default: that of config.toml, or
    /// efficientnet-lite0]
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// Random seed: the initial picture and the random views depend on it [default: 0]
    #[arg(long)]
    seed: Option<u64>,
    /// Total steps; short for --set steps=N
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Settings to start from: default, draft, fine, vivid, or a preset of config.toml
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
    #[arg(long, help = format!("Execution provider: {PROVIDERS} [default: that of config.toml, or auto]"))]
    provider: Option<String>,
    /// Write the picture and a JSON file beside it: NAME.png, or a folder (required for several targets or models)
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Protocol for the finished picture: auto, kitty, sixel, iterm2, blocks or none [default: that of config.toml, or
    /// auto]
    #[arg(long, value_name = "HOW")]
    graphics: Option<Graphics>,
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
    model_options: ModelOptions,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = startup::home()?;
    let preferences = preferences(&home, &arguments);
    let provider = preferences.provider(arguments.provider.as_deref())?;
    let graphics = preferences.graphics(arguments.graphics)?;
    let from = arguments.from.as_deref();
    let from = from.map(|from| From::read(&home, from)).transpose()?;
    let record = from.as_ref().and_then(|from| from.record.as_ref());
    let from = from.as_ref().map(|from| &from.spec);
    let settings = plan::settings(&arguments, &preferences, from)?;
    let seed = arguments.seed.or(from.map(|spec| spec.seed)).unwrap_or(0);
    let models = models(&home, &preferences, &arguments, from)?;
    let several_models = models.len() > 1;
    let several = several_models || arguments.targets.len() > 1;
    plan::check_writable(arguments.out.as_deref(), several)?;
    // The terminal is queried now, not when the picture is finished: the user may type ahead until then.
    let screen = match arguments.json {
        true => None,
        false => preferences.screen(graphics),
    };

    let planner = Planner {
        home: &home,
        arguments: &arguments,
        from,
        settings,
        thens: plan::thens(&arguments.thens)?,
        seed,
    };
    let judges = judges::asked(&home, &preferences, &arguments.judges)?;
    let (plans, network) = planner.plan(&models)?;
    let (judges, origin) = judges::fetched(&home, judges);
    let stop = CancelHandle::default();
    ctrlc::set_handler({
        let stop = stop.clone();
        move || stop.stop()
    })?;
    let active = startup::provider(provider)?;
    let companions = match (record, plans.as_slice()) {
        (Some(record), [plan]) => from::companions(&home, record, &plan.specs, active.device),
        _ => Vec::new(),
    };
    let session = Session {
        home: &home,
        active,
        most_together: MAX_TOGETHER,
        stop,
        companions,
        arguments: &arguments,
        judges,
        origin,
        has_saved_part: false,
        delivery: Delivery {
            out: arguments.out.as_deref(),
            screen,
            json: arguments.json,
            several,
            several_models,
        },
    };
    run_all(session, &planner, &plans, network)
}

/// The user's preferences, as far as the options leave them to `config.toml`.
fn preferences(home: &Home, arguments: &Arguments) -> Preferences {
    let preset = arguments.preset.as_ref();
    let preset = preset.map(|name| format!("presets.{name}"));
    let mut keys = vec!["model", "provider", "graphics", "blocks"];
    keys.extend(arguments.judges.is_empty().then_some("judge"));
    keys.extend(preset.as_deref());
    Preferences::load(home, &keys)
}

/// The models that are asked for, each once; `None` is the default one.
fn models<'a>(
    home: &Home,
    preferences: &'a Preferences,
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
        (0, Some(spec)) => Ok(vec![Some(&spec.model)]),
        (0, None) => Ok(vec![preferences.model(home, None)?]),
        (2.., Some(_)) => Err(Failure::usage(anyhow!(
            "--from repeats the run of one model: give --model once"
        ))),
        _ => Ok(models),
    }
}

/// Performs the planned runs, model by model; `network` is that of the first. A failure in one model does not stop
/// the others; all errors are printed, the last one as the error of the command.
fn run_all(
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
        match session.run(&opened, &plan.specs)? {
            Outcome::All | Outcome::Retry => {}
            Outcome::SomeFailed(problem) => note(&mut failed, about(problem.into())),
            Outcome::Interrupted => {
                if let Some(problem) = failed {
                    output::notice(&problem.to_string());
                }
                let saved = match session.has_saved_part {
                    true => "; unfinished runs are saved as they are",
                    false => "; the unfinished runs are not saved",
                };
                return Err(anyhow!("stopped{saved}").into());
            }
        }
    }
    failed.map_or(Ok(()), |problem| Err(problem.into()))
}

//! `ziggurat run`: makes pictures, shows and stores them.
//!
//! - `from`: the run to repeat
//! - `sharing`: from the runs of a model to pictures, on one or several devices; `open_runs`: what is still to be made;
//!   `device_worker`: makes it on one device, with the bar of `progress`; `context`: what all devices share
//! - `judges`: the models that judge the pictures
//! - `delivery`: writes, shows and reports a picture

mod context;
mod delivery;
mod device_worker;
mod from;
mod judges;
mod open_runs;
mod progress;
mod sharing;

use super::graphics::Graphics;
use super::inputs::Inputs;
use super::model_options::ModelOptions;
use super::plan::{Plan, Planner};
use super::preferences::Preferences;
use super::run_options::{self, RunOptions};
use super::{Failure, output, signals, startup};
use anyhow::anyhow;
use clap::ArgGroup;
use context::{Outcome, RunContext, note};
use delivery::Delivery;
use device_worker::DeviceWorker;
use from::From;
use indicatif::{MultiProgress, ProgressDrawTarget};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use ziggurat::home::Home;
use ziggurat::model::{ModelSource, Network};
use ziggurat::runs::Spec;
use ziggurat::runs::queue::MAX_TOGETHER;
use ziggurat::runtime::capture::share_devices;
use ziggurat::runtime::provider_list::MAX_DEVICES;
use ziggurat::runtime::session::{cores, share_cores};
use ziggurat::runtime::{CancelHandle, Device, Provider, ResolvedProvider};
use ziggurat::text::with_subject;
use ziggurat::variables;

#[derive(clap::Args)]
#[command(group = ArgGroup::new(run_options::WHAT).args(run_options::NAMING).arg("from").required(true).multiple(true))]
pub struct Arguments {
    #[command(flatten)]
    options: RunOptions,
    /// Repeat the run with this id, or the one that made this picture; other options override its settings
    #[arg(
        long,
        value_name = "ID or PICTURE",
        conflicts_with_all = run_options::NAMING,
        conflicts_with_all = ["preset", "shard"]
    )]
    from: Option<PathBuf>,
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
    let options = &arguments.options;
    let providers = preferences.providers(options.provider.as_deref())?;
    if let (true, Some(Graphics::Auto | Graphics::Only(_))) = (arguments.json, arguments.graphics) {
        return Err(Failure::usage(anyhow!(
            "--json prints no pictures: leave out --graphics, or --json"
        )));
    }
    let graphics = preferences.graphics(arguments.graphics)?;
    for switch in variables::SWITCHES {
        if let Err(why) = variables::switch(switch) {
            output::notice(&why);
        }
    }
    let from = arguments.from.as_deref();
    let from = from.map(|from| From::read(&home, from)).transpose()?;
    let record = from.as_ref().and_then(|from| from.record.as_ref());
    let from = from.as_ref().map(|from| &from.spec);
    let models = options.models(&home, &preferences, from)?;
    let several_models = models.len() > 1;
    let several = several_models || !options.names_one();
    let inputs = inputs(&home, &arguments, &models);
    // Removed again if nothing is written.
    let _folder = delivery::check_writable(arguments.out.as_deref(), several, &inputs)?;
    // The terminal is queried now, not when the picture is finished: the user may type ahead until then.
    let screen = if arguments.json {
        None
    } else {
        preferences.screen(graphics)
    };

    let model_options = &arguments.model_options;
    let planner = Planner::new(&home, options, model_options, &preferences, from)?;
    let judges = judges::asked(&home, &preferences, &arguments.judges)?;
    let (plans, network) = planner.plan(&models)?;
    let count = |number: fn(&Plan) -> usize| plans.iter().map(number).sum::<usize>();
    let asked = count(|plan| plan.specs.len());
    options.explain_count(count(|plan| plan.all), asked);
    if asked == 0 {
        return Ok(());
    }
    let (judges, origin) = judges::fetched(&home, judges);
    let devices = startup::providers(&providers)?;
    let companions = match (record, plans.as_slice()) {
        (Some(record), [plan]) => from::companions(&home, record, &plan.specs, devices[0].device),
        _ => Vec::new(),
    };
    let is_divisible = companions.is_empty() && providers.single() == Some(Provider::Auto);
    let most = plans.iter().map(|plan| plan.specs.len()).max();
    let (devices, is_divided) = divided(devices, most.filter(|_| is_divisible).unwrap_or(1));
    let mut workers = workers(devices, companions)?;
    let context = RunContext {
        is_divided,
        home: &home,
        arguments: &arguments,
        judges: Mutex::new(judges),
        origin,
        bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
        has_saved_part: AtomicBool::new(false),
        has_waited: AtomicBool::new(false),
        delivery: Delivery {
            out: arguments.out.as_deref(),
            inputs,
            screen,
            json: arguments.json,
            several,
            several_models,
        },
    };
    run_all(&context, &mut workers, &planner, &plans, network)
}

/// The devices, and whether they are cores of the CPU: if it is the only device, at most `most` of them. Sessions of
/// one thread make several runs faster than a session whose threads wait for each other.
fn divided(devices: Vec<ResolvedProvider>, most: usize) -> (Vec<ResolvedProvider>, bool) {
    match devices.as_slice() {
        [only] if only.device == Device::Cpu && most > 1 => {
            (vec![only.clone(); most.min(cores()).min(MAX_DEVICES)], true)
        }
        _ => (devices, false),
    }
}

/// One worker per device; the first one only, if `companions` must step along. Ctrl-C stops them all.
fn workers(
    mut devices: Vec<ResolvedProvider>,
    companions: Vec<Spec>,
) -> Result<Vec<DeviceWorker>, Failure> {
    if !companions.is_empty() {
        devices.truncate(1);
    }
    let on_cpu = |device: &&ResolvedProvider| device.device == Device::Cpu;
    let count = devices.iter().filter(on_cpu).count();
    share_cores(count);
    share_devices(devices.len() - count);
    let stops: Vec<CancelHandle> = devices.iter().map(|_| CancelHandle::default()).collect();
    signals::end_orderly({
        let stops = stops.clone();
        move |_| stops.iter().for_each(CancelHandle::stop)
    })?;
    let new = |(device, stop)| {
        DeviceWorker::new(device, MAX_TOGETHER, stop).with_companions(companions.clone())
    };
    Ok(devices.into_iter().zip(stops).map(new).collect())
}

/// The files that the command reads.
fn inputs(home: &Home, arguments: &Arguments, models: &[Option<&str>]) -> Inputs {
    let mut inputs = Inputs::default().with_history(home);
    let judges = arguments.judges.iter().map(|name| Some(name.as_str()));
    for model in models.iter().copied().chain(judges) {
        // One that cannot be found is reported when it is opened.
        if let Ok(source) = ModelSource::resolve(home, model) {
            inputs = inputs.with_model(home, &source);
        }
    }
    for list in &arguments.options.lists {
        inputs = inputs.with("the list of targets", list);
    }
    match &arguments.from {
        Some(picture) => inputs.with("the picture", picture),
        None => inputs,
    }
}

/// The user's preferences, as far as the options leave them to `config.toml`.
fn preferences(home: &Home, arguments: &Arguments) -> Preferences {
    let keys = arguments.options.keys();
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.extend(["graphics", "blocks"]);
    keys.extend(arguments.judges.is_empty().then_some("judge"));
    Preferences::load(home, &keys)
}

/// Performs the planned runs, model by model; `network` is that of the first. A failure in one model does not stop
/// the others; all errors are printed, the last one as the error of the command.
fn run_all(
    context: &RunContext,
    workers: &mut [DeviceWorker],
    planner: &Planner,
    plans: &[Plan],
    network: Network,
) -> Result<(), Failure> {
    let mut failed: Option<anyhow::Error> = None;
    let mut network = Some(network);
    for plan in plans {
        let named = |problem: anyhow::Error| match &plan.model {
            Some(model) if plans.len() > 1 => anyhow!(with_subject(model, &problem.to_string())),
            _ => problem,
        };
        let opened = match network.take() {
            Some(network) => network,
            None => match planner.open_again(plan) {
                Ok(network) => network,
                Err(Failure::Usage(problem) | Failure::Failed(problem)) => {
                    note(&mut failed, named(problem));
                    continue;
                }
                Err(ended @ (Failure::Reported | Failure::Quiet)) => return Err(ended),
            },
        };
        match sharing::share_out(context, workers, &opened, &plan.specs)? {
            Outcome::All => {}
            Outcome::SomeFailed(problem) => note(&mut failed, named(problem.into())),
            Outcome::Interrupted => {
                if let Some(problem) = failed {
                    output::notice(&problem.to_string());
                }
                let saved = if context.has_saved_part.load(Ordering::Relaxed) {
                    "; unfinished runs are saved as they are"
                } else {
                    "; the unfinished runs are not saved"
                };
                return Err(anyhow!("stopped{saved}").into());
            }
        }
    }
    failed.map_or(Ok(()), |problem| Err(problem.into()))
}

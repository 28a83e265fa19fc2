//! How most subcommands begin: they load ONNX Runtime, open a model and choose a provider, with progress on standard
//! error.

use super::Failure;
use super::model_options::ModelOptions;
use super::output::{notice, one_line};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use ziggurat::home::Home;
use ziggurat::model::{ModelFile, ModelSource, Network, layers};
use ziggurat::runs::target::{self, Target, TargetError};
use ziggurat::runtime::{
    Library, Provider, ProviderList, ResolvedProvider, ResolvedProviders, Stage,
};

/// Shows the stages of a download: a bar on a terminal, one line per stage elsewhere.
pub struct Fetching {
    bar: ProgressBar,
    last: Mutex<String>,
}

impl Fetching {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{msg} {wide_bar} {bytes}/{total_bytes}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self {
            bar,
            last: Mutex::default(),
        }
    }

    /// Shows a stage.
    pub fn show(&self, stage: &Stage) {
        let mut last = self
            .last
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if *last != stage.text {
            last.clone_from(&stage.text);
            if !std::io::stderr().is_terminal() {
                notice(&stage.text);
            }
            self.bar.set_message(one_line(&stage.text));
        }
        if let Some((so_far, total)) = stage.bytes {
            self.bar.set_length(total);
            self.bar.set_position(so_far);
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The user's folders.
pub fn home() -> Result<Home, Failure> {
    Ok(Home::locate()?)
}

/// Loads ONNX Runtime, downloaded if there is none.
pub fn library(home: &Home) -> Result<&'static Library, Failure> {
    let fetching = Fetching::new();
    Ok(Library::load(home, &|stage| fetching.show(stage))?)
}

/// Opens a model by path or by a card's name; `None` is the default model. Assumptions about it are printed.
pub fn network(
    home: &Home,
    model: Option<&str>,
    options: &ModelOptions,
) -> Result<Network, Failure> {
    let network = quiet_network(home, model, options)?;
    for assumption in network.assumptions() {
        notice(&assumption);
    }
    Ok(network)
}

/// As [`network`], without printing assumptions.
pub fn quiet_network(
    home: &Home,
    model: Option<&str>,
    options: &ModelOptions,
) -> Result<Network, Failure> {
    let overrides = options.read()?;
    let source = source(home, model)?;
    library(home)?;
    let mut file = model_file(home, source)?;
    overrides.apply_to(&mut file.card);
    Ok(Network::open(&file)?)
}

/// The source of a model, which may not be downloaded yet; `None` is the default model.
pub fn source(home: &Home, model: Option<&str>) -> Result<ModelSource, Failure> {
    ModelSource::resolve(home, model).map_err(unresolved)
}

/// The file of a model, downloaded if it is a published one that is not here.
pub fn model_file(home: &Home, source: ModelSource) -> Result<ModelFile, Failure> {
    let fetching = Fetching::new();
    Ok(source.open(home, &|stage| fetching.show(stage))?)
}

/// The error of a model that cannot be found. A card that does not exist is a usage error.
pub fn unresolved(problem: ziggurat::model::Error) -> Failure {
    match problem {
        unknown @ ziggurat::model::Error::UnknownModel { .. } => Failure::usage(unknown),
        other => other.into(),
    }
}

/// Reads a TARGET. One that does not exist is a usage error. Notices about it are printed.
pub fn target(network: &Network, text: &str) -> Result<Target, Failure> {
    let target = target::read(network, text).map_err(not_a_target)?;
    if let Some(note) = &target.remark {
        notice(note);
    }
    Ok(target)
}

/// The error of a text that is no target. One that does not exist is a usage error.
pub fn not_a_target(problem: TargetError) -> Failure {
    match problem {
        known @ TargetError::NotDifferentiable { .. } => known.into(),
        unknown => Failure::usage(unknown),
    }
}

/// The layer called `name` in the model. One that does not exist is a usage error.
pub fn layer(network: &Network, name: &str) -> Result<String, Failure> {
    let layers = network.layers();
    let found = layers::find(&layers, name).map_err(Failure::usage)?;
    Ok(found.name.clone())
}

/// Chooses the device. If `auto` takes the CPU although there is an NVIDIA device, the reason is printed.
pub fn provider(wanted: Provider) -> Result<ResolvedProvider, Failure> {
    let active = wanted.resolve()?;
    explain_provider(&active);
    Ok(active)
}

/// The device of each worker. GPUs of `cuda:all` that do not work are named.
pub fn providers(wanted: &ProviderList) -> Result<Vec<ResolvedProvider>, Failure> {
    let ResolvedProviders { devices, left_out } = wanted.resolve()?;
    for why in left_out {
        notice(&why);
    }
    devices.iter().for_each(explain_provider);
    Ok(devices)
}

/// As [`provider`], for short commands: `auto` is the CPU, because opening a GPU takes longer than they do.
pub fn provider_for_one_shot(wanted: Provider) -> Result<ResolvedProvider, Failure> {
    Ok(wanted.resolve_for_one_shot()?)
}

/// Prints why `auto` chose this device, if another one could be expected.
pub fn explain_provider(active: &ResolvedProvider) {
    if let Some(text) = active.explanation() {
        notice(&text);
    }
}

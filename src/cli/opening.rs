//! What nearly every subcommand begins with: load ONNX Runtime, open a model, start a provider; with progress on standard
//! error where there is something to wait for.

use super::Failure;
use super::output::{one_line, remark};
use super::ports::Ports;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use ziggurat::home::Home;
use ziggurat::model::{Network, Source, layers};
use ziggurat::runs::target::{self, Target, TargetError};
use ziggurat::runtime::{Library, Provider, ResolvedProvider, Stage};

/// Shows the stages of fetching: a bar on a terminal, a line a stage elsewhere.
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
                remark(&stage.text);
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

/// Loads ONNX Runtime, fetched if there is none.
pub fn library(home: &Home) -> Result<&'static Library, Failure> {
    let fetching = Fetching::new();
    Ok(Library::load(home, &|stage| fetching.show(stage))?)
}

/// Opens a model by path or by a card's name; `None` is the default model. What is assumed of it is said.
pub fn network(home: &Home, model: Option<&str>, ports: &Ports) -> Result<Network, Failure> {
    let network = quiet_network(home, model, ports)?;
    for assumption in network.assumptions() {
        remark(&assumption);
    }
    Ok(network)
}

/// As [`network`], but what is assumed of it is left to be said.
pub fn quiet_network(home: &Home, model: Option<&str>, ports: &Ports) -> Result<Network, Failure> {
    let ports = ports.read()?;
    let source = Source::resolve(home, model).map_err(unresolved)?;
    library(home)?;
    let mut file = {
        let fetching = Fetching::new();
        source.open(home, &|stage| fetching.show(stage))?
    };
    ports.tell(&mut file.card);
    Ok(Network::open(&file)?)
}

/// Why a model cannot be found. A card that does not exist is a mistake on the command line.
pub fn unresolved(problem: ziggurat::model::Error) -> Failure {
    match problem {
        unknown @ ziggurat::model::Error::UnknownModel { .. } => Failure::usage(unknown),
        other => other.into(),
    }
}

/// Reads a TARGET. One that does not exist is a mistake on the command line. How it was read is said.
pub fn target(network: &Network, text: &str) -> Result<Target, Failure> {
    let target = quiet_target(network, text)?;
    if let Some(note) = &target.remark {
        remark(note);
    }
    Ok(target)
}

/// As [`target`], but how it was read is left to be said.
pub fn quiet_target(network: &Network, text: &str) -> Result<Target, Failure> {
    target::read(network, text).map_err(|problem| match problem {
        known @ TargetError::NotDifferentiable { .. } => known.into(),
        unknown => Failure::usage(unknown),
    })
}

/// The layer called `name`, as the model has it. One that does not exist is a mistake on the command line.
pub fn layer(network: &Network, name: &str) -> Result<String, Failure> {
    let layers = network.layers();
    let found = layers::find(&layers, name).map_err(Failure::usage)?;
    Ok(found.name.clone())
}

/// Finds out where sessions run. Where `auto` takes the CPU although there is an NVIDIA device, the reason is said.
pub fn provider(wanted: Provider) -> Result<ResolvedProvider, Failure> {
    let active = wanted.resolve()?;
    on_the_cpu(&active);
    Ok(active)
}

/// As [`provider`], for a command that is done before a GPU were open: `auto` is the CPU.
pub fn provider_for_one_shot(wanted: Provider) -> Result<ResolvedProvider, Failure> {
    Ok(wanted.resolve_for_one_shot()?)
}

/// Says why the CPU was taken, if somebody could expect another device.
pub fn on_the_cpu(active: &ResolvedProvider) {
    if let Some(why) = &active.why {
        remark(&format!("running on the CPU: {why}"));
    }
}

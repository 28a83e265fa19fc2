//! Opens a model, on a thread of its own: downloading may take minutes, and runs continue meanwhile.

use super::{Mailbox, WorkerEvent};
use crate::home::Home;
use crate::model::{Classes, Layer, ModelOverrides, ModelSource, Network, ReceptiveField, open};
use crate::runs::target::TargetScope;
use crate::runtime::{Device, Library, Provider, ResolvedProvider, Stage};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The description of an open model.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    /// A card's name, or an absolute path: the name of the model in specs.
    pub model: String,
    /// Its display name.
    pub name: String,
    /// Content hash, 64 hexadecimal digits.
    pub hash: String,
    /// Size of its input: (channels, height, width).
    pub input: (usize, usize, usize),
    /// The layers to choose from, in graph order: activations, or every value.
    pub layers: Vec<Layer>,
    /// Every value, in graph order.
    pub values: Arc<[Layer]>,
    /// How much of the picture each value can depend on, by name.
    pub fields: Arc<HashMap<String, ReceptiveField>>,
    pub classes: Classes,
    /// Name of the class scores.
    pub logits: Option<String>,
    /// Assumptions about the model, one line each.
    pub assumptions: Vec<String>,
    /// Whether several runs can step together.
    pub batchable: bool,
    /// Number of parameters; shared ones count once per node.
    pub parameters: usize,
    /// The device of its runs: `cpu`, `cuda:0`, …
    pub provider: String,
    /// Why `auto` chose this device, if another one could be expected; one line.
    pub provider_note: Option<String>,
}

impl ModelInfo {
    /// The same with every value to choose from, or, if that is so, with what people would call layers again. `None` if
    /// these are the same.
    pub fn with_other_layers(&self) -> Option<Self> {
        let layers = if self.layers.len() == self.values.len() {
            activations(&self.values)
        } else {
            self.values.to_vec()
        };
        (layers.len() != self.layers.len()).then(|| Self {
            layers,
            ..self.clone()
        })
    }

    /// Whether this is what `asked` names: a card, or a path from the working directory.
    pub fn is(&self, asked: &str) -> bool {
        let path = || std::path::absolute(asked);
        self.model == asked || path().is_ok_and(|path| path == std::path::Path::new(&self.model))
    }

    /// Its possible targets.
    pub fn scope(&self) -> TargetScope<'_> {
        TargetScope {
            logits: self.logits.as_deref(),
            classes: &self.classes,
            layers: &self.layers,
        }
    }
}

/// An opened model and its network.
pub struct LoadedModel {
    /// The name or path that was requested.
    pub asked: String,
    pub network: Network,
    active: RwLock<ResolvedProvider>,
    pub opened: Arc<ModelInfo>,
}

impl LoadedModel {
    /// The device of its runs.
    pub fn device(&self) -> Device {
        let active = self.active.read();
        active.unwrap_or_else(PoisonError::into_inner).device
    }

    /// Runs it on another device from now on, if this one failed and the user left it to `auto`;
    /// one line about the change.
    pub fn go_on_after(&self, problem: &crate::runtime::Error) -> Option<String> {
        let mut active = self.active.write().unwrap_or_else(PoisonError::into_inner);
        *active = active.after(problem)?;
        active.explanation()
    }

    /// Whether `model` names it.
    pub fn is(&self, model: &str) -> bool {
        self.asked == model || self.opened.model == model
    }
}

/// Overrides of the card of one model.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// The model: a card's name or a path.
    pub model: String,
    pub ports: ModelOverrides,
}

impl OpenOptions {
    /// Whether `asked` names the same model.
    fn apply_to(&self, asked: &str) -> bool {
        let absolute = |path: &str| std::path::absolute(path).ok();
        self.model == asked
            || absolute(&self.model).is_some_and(|path| Some(path) == absolute(asked))
    }
}

/// The name of a model; `None` is the default one.
pub fn asked(model: Option<String>) -> String {
    model.unwrap_or_else(|| open::DEFAULT_MODEL.into())
}

/// Opens a model, downloaded if necessary, and chooses its device. The error is one line.
pub fn load(
    home: &Home,
    asked: &str,
    provider: Provider,
    options: &OpenOptions,
    mailbox: &Mailbox,
) -> Result<LoadedModel, String> {
    let tell = |stage: &Stage| {
        mailbox.post(WorkerEvent::Stage {
            model: asked.into(),
            text: stage.text.clone(),
            bytes: stage.bytes,
        });
    };
    let say = |problem: &dyn std::fmt::Display| problem.to_string();
    let source = ModelSource::resolve(home, Some(asked)).map_err(|problem| say(&problem))?;
    let model = match &source {
        // A path must mean the same to a process that starts elsewhere.
        ModelSource::File(_) => match std::path::absolute(asked) {
            Ok(path) if path.is_file() => path.display().to_string(),
            _ => asked.to_string(),
        },
        ModelSource::Published(_) => asked.to_string(),
    };
    Library::load(home, &tell).map_err(|problem| say(&problem))?;
    let active = provider.resolve().map_err(|problem| say(&problem))?;
    let mut file = source.open(home, &tell).map_err(|problem| say(&problem))?;
    if options.apply_to(asked) {
        options.ports.apply_to(&mut file.card);
    }
    tell(&Stage {
        text: format!("reading {}", file.name),
        bytes: None,
    });
    let network = Network::open(&file).map_err(|problem| say(&problem))?;
    let opened = Arc::new(describe(model, &network, &active));
    Ok(LoadedModel {
        asked: asked.into(),
        network,
        active: RwLock::new(active),
        opened,
    })
}

fn activations(values: &[Layer]) -> Vec<Layer> {
    let named = values.iter().filter(|layer| layer.is_activation);
    named.cloned().collect()
}

fn describe(model: String, network: &Network, active: &ResolvedProvider) -> ModelInfo {
    let size = network.size;
    let values: Arc<[Layer]> = network.layers().into();
    ModelInfo {
        model,
        name: network.name.clone(),
        hash: network.hash.clone(),
        input: (
            size.channels().count(),
            size.height as usize,
            size.width as usize,
        ),
        parameters: network.parameters(),
        layers: activations(&values),
        values,
        fields: network.receptive_fields().into(),
        classes: network.classes.clone(),
        logits: network.logits().map(str::to_string),
        assumptions: network.assumptions(),
        batchable: network.batchable,
        provider: active.device.to_string(),
        provider_note: active.explanation(),
    }
}

//! Opening a model, on a thread of its own: fetching may take minutes, and runs go on meanwhile.

use super::super::target::Parts;
use super::{Mailbox, Report};
use crate::home::Home;
use crate::model::{Classes, Layer, Network, Ports, ReceptiveField, Source, open};
use crate::runtime::{Device, Library, Provider, ResolvedProvider, Stage};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What is known about an open model.
#[derive(Debug, Clone)]
pub struct Opened {
    /// How to ask for it again: a card's name, or an absolute path. What its runs' specs call it.
    pub model: String,
    /// What people call it.
    pub name: String,
    /// Content hash, 64 hexadecimal digits.
    pub hash: String,
    /// The pictures it takes: (channels, height, width).
    pub input: (usize, usize, usize),
    /// What can be chosen from, in graph order: what people would call layers, or every value.
    pub layers: Vec<Layer>,
    /// Every value, in graph order.
    pub values: Arc<[Layer]>,
    /// How much of the picture each value can depend on, by name.
    pub fields: Arc<HashMap<String, ReceptiveField>>,
    pub classes: Classes,
    /// Name of the class scores.
    pub logits: Option<String>,
    /// What is assumed of it because nobody says it; a line each.
    pub assumptions: Vec<String>,
    /// Whether several runs can step together.
    pub batchable: bool,
    /// How many learned numbers it has, shared ones counted once a node.
    pub parameters: usize,
    /// Where its runs are made: `cpu`, `cuda:0`, …
    pub provider: String,
    /// Why `auto` fell back to the CPU.
    pub why_cpu: Option<String>,
}

impl Opened {
    /// The same with every value to choose from, or, if that is so, with what people would call layers again. `None` if
    /// these are the same.
    pub fn with_other_layers(&self) -> Option<Self> {
        let layers = match self.layers.len() == self.values.len() {
            true => activations(&self.values),
            false => self.values.to_vec(),
        };
        (layers.len() != self.layers.len()).then(|| Self {
            layers,
            ..self.clone()
        })
    }

    /// What it is made of, as far as targets go.
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            logits: self.logits.as_deref(),
            classes: &self.classes,
            layers: &self.layers,
        }
    }
}

/// An opened model and its network.
pub struct Loaded {
    /// What was asked for.
    pub asked: String,
    pub network: Network,
    active: RwLock<ResolvedProvider>,
    pub opened: Arc<Opened>,
}

impl Loaded {
    /// Where it runs.
    pub fn device(&self) -> Device {
        let active = self.active.read();
        active.unwrap_or_else(PoisonError::into_inner).device
    }

    /// Runs it on another device from now on, if this one failed and the user left it to `auto`; the reason if it does.
    pub fn go_on_after(&self, problem: &crate::runtime::Error) -> Option<String> {
        let mut active = self.active.write().unwrap_or_else(PoisonError::into_inner);
        *active = active.after(problem)?;
        active.why.clone()
    }

    /// Whether it is what `model` asks for.
    pub fn is(&self, model: &str) -> bool {
        self.asked == model || self.opened.model == model
    }
}

/// What is said of one model beside its card.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The model: a card's name or a path.
    pub model: String,
    pub ports: Ports,
}

impl Told {
    /// Whether `asked` asks for the same model.
    fn is_of(&self, asked: &str) -> bool {
        let whole = |path: &str| std::path::absolute(path).ok();
        self.model == asked || whole(&self.model).is_some_and(|path| Some(path) == whole(asked))
    }
}

/// What `None` asks for.
pub fn asked(model: Option<String>) -> String {
    model.unwrap_or_else(|| open::DEFAULT.into())
}

/// Opens a model, fetched if it has to be, and finds out where it runs. The error is one line.
pub fn load(
    home: &Home,
    asked: &str,
    provider: Provider,
    told: &Told,
    mailbox: &Mailbox,
) -> Result<Loaded, String> {
    let tell = |stage: &Stage| {
        mailbox.post(Report::Stage {
            text: stage.text.clone(),
            bytes: stage.bytes,
        });
    };
    let say = |problem: &dyn std::fmt::Display| problem.to_string();
    let source = Source::resolve(home, Some(asked)).map_err(|problem| say(&problem))?;
    let model = match &source {
        // A path must mean the same to a process that starts elsewhere.
        Source::File(_) => match std::path::absolute(asked) {
            Ok(path) if path.is_file() => path.display().to_string(),
            _ => asked.to_string(),
        },
        Source::Published(_) => asked.to_string(),
    };
    Library::load(home, &tell).map_err(|problem| say(&problem))?;
    let active = provider.resolve().map_err(|problem| say(&problem))?;
    let mut file = source.open(home, &tell).map_err(|problem| say(&problem))?;
    if told.is_of(asked) {
        told.ports.tell(&mut file.card);
    }
    tell(&Stage {
        text: format!("reading {}", file.name),
        bytes: None,
    });
    let network = Network::open(&file).map_err(|problem| say(&problem))?;
    let opened = Arc::new(describe(model, &network, &active));
    Ok(Loaded {
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

fn describe(model: String, network: &Network, active: &ResolvedProvider) -> Opened {
    let size = network.size;
    let values: Arc<[Layer]> = network.layers().into();
    Opened {
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
        why_cpu: active.why.clone(),
    }
}

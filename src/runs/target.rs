//! Targets of runs: a class by name or index, a channel or neuron of a layer, or an entire layer.
//!
//! The command line reads texts, the explorer chooses from lists; both need only the names in a [scope](TargetScope).

use crate::ascent::{Kind, Objective, Unit};
use crate::autodiff::differentiability::Differentiability;
use crate::model::{Classes, Error as ModelError, Layer, Network, layers};
use std::num::IntErrorKind;

/// Maximum length of a title in characters: a layer's name may be of any length.
const MAX_TITLE: usize = 200;

/// What may follow the name of a scope in the name of a layer in it.
const SCOPE_ENDS: [char; 2] = ['/', '.'];

/// How the title of a class's negative begins.
pub(super) const NOT: &str = "not ";

/// Maximum number of layers of a scope that a message lists.
const MAX_LISTED: usize = 24;

/// The target of a run, and its title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub objective: Objective,
    pub unit: Unit,
    /// `flamingo`, `not flamingo`, `LAYER:3`, `LAYER:3:5,7`, `LAYER`; without control characters.
    pub title: String,
    /// A notice of how a text was interpreted: one line.
    pub remark: Option<String>,
}

/// Which part of a layer is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerPart {
    /// All of it.
    Whole,
    Channel(usize),
    /// A channel, and (row, column).
    Neuron(usize, (usize, usize)),
}

/// The parts of a network that can be targets.
#[derive(Debug, Clone, Copy)]
pub struct TargetScope<'a> {
    /// Name of the class scores, if there are any.
    pub logits: Option<&'a str>,
    pub classes: &'a Classes,
    pub layers: &'a [Layer],
}

/// Why a text or a choice is no target: one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// No class, or several, have this name or index.
    #[error(transparent)]
    Class(ModelError),
    /// The model has no class scores.
    #[error(
        "the model has no class scores: say LAYER, LAYER:CHANNEL or LAYER:CHANNEL:Y,X (`ziggurat layers` lists them)"
    )]
    NoClasses,
    /// A class and a layer are called so.
    #[error(
        "{text:?} has two readings: the class {class} (say class:{text}) and the layer {layer} (say layer:{text})"
    )]
    TwoReadings {
        text: String,
        class: String,
        layer: String,
    },
    /// Layers' names begin so, but none is called so.
    #[error("{name} is a scope of {count} layers, not a layer; say one of them: {shown}")]
    Scope {
        name: String,
        count: usize,
        /// The first ones, and how many more there are.
        shown: String,
    },
    /// No layer has this name.
    #[error(transparent)]
    Layer(ModelError),
    /// What follows the layer is no channel and no neuron.
    #[error("{0:?} is no channel: say CHANNEL, or CHANNEL:Y,X for one neuron")]
    Unit(String),
    /// What follows the layer is a number that no machine can count to.
    #[error("there is no channel, row or column {0}: the number is too large")]
    TooLarge(String),
    /// The layer has more channels than one command takes.
    #[error(
        "{layer} has {count} channels, more than one command takes ({most}): name some of them"
    )]
    TooMany {
        layer: String,
        count: usize,
        most: usize,
    },
    /// A layer is expected, and this is a channel or a neuron of one.
    #[error("{part} is a part of a layer: say {layer}")]
    Part { part: String, layer: String },
    /// The layer has no such channel or neuron.
    #[error("{title}: there is no {what}; {layer} has {has}")]
    NoSuchUnit {
        title: String,
        what: &'static str,
        layer: String,
        has: String,
    },
    /// No gradient comes back from the layer to the picture.
    #[error("{title} cannot be visualised: {differentiability}")]
    NotDifferentiable {
        title: String,
        differentiability: Differentiability,
    },
}

/// Reads `text` for a network.
///
/// # Errors
/// As [`TargetScope::read`].
pub fn read(network: &Network, text: &str) -> Result<Target, TargetError> {
    TargetScope::new(network, &network.layers()).read(text)
}

impl<'a> TargetScope<'a> {
    /// The parts of `network`; `layers` are its layers, which take some time to find.
    pub fn new(network: &'a Network, layers: &'a [Layer]) -> Self {
        Self {
            logits: network.logits(),
            classes: &network.classes,
            layers,
        }
    }

    /// Reads `text`:
    ///
    /// | form | meaning |
    /// |---|---|
    /// | `X` | a class by name or index, or a layer as below; an error if both fit |
    /// | `class:X` | a class; `#5` in the place of `X` is an index, unless a class is called `#5` |
    /// | `not:X` | the negative of a class |
    /// | `layer:X` | a layer: `NAME`, `NAME:CHANNEL`, or `NAME:CHANNEL:ROW,COLUMN` |
    ///
    /// # Errors
    /// [`TargetError`], with names that come near if there are any.
    pub fn read(&self, text: &str) -> Result<Target, TargetError> {
        let as_layer = self.layer_unit(text);
        if let Some(target) = self.prefixed(text) {
            return match (target, as_layer) {
                // A layer may be called so.
                (Ok(target), Some(Ok(layer))) => Err(two_readings(text, &target, &layer)),
                (Err(_), Some(Ok(layer))) => Ok(layer),
                (target, _) => target,
            };
        }
        let as_class = self.class_named(text);
        match (as_class, as_layer) {
            (Ok(class), Some(Ok(layer))) => Err(two_readings(text, &class, &layer)),
            (Ok(class), _) => Ok(class),
            (Err(TargetError::Class(problem @ ModelError::AmbiguousClass { .. })), None) => {
                Err(TargetError::Class(problem))
            }
            (Err(_), Some(layer)) => layer,
            (Err(problem), None) => Err(self.neither(text, problem)),
        }
    }

    /// What a text that begins with `class:`, `not:` or `layer:` means.
    fn prefixed(&self, text: &str) -> Option<Result<Target, TargetError>> {
        let (prefix, rest) = text.split_once(':')?;
        match prefix {
            "class" => Some(self.class_named(rest)),
            "not" => Some(self.not_class(rest)),
            "layer" => Some(self.layer_named(rest)),
            _ => None,
        }
    }

    /// Why `text` is neither a class nor a layer.
    fn neither(&self, text: &str, problem: TargetError) -> TargetError {
        if let Some(scope) = self.scope(text) {
            return scope;
        }
        // What looks like a layer's unit is more likely a misspelt layer than a class.
        let looks_like_a_layer = text.contains(':') || text.contains('/');
        match (looks_like_a_layer, self.logits) {
            (true, _) => self.layer_named(text).err().unwrap_or(problem),
            (false, None) => TargetError::NoClasses,
            (false, Some(_)) => problem,
        }
    }

    /// `NAME`, `NAME:CHANNEL` or `NAME:CHANNEL:ROW,COLUMN` of a layer that exists; `None` if none has the name.
    fn layer_unit(&self, text: &str) -> Option<Result<Target, TargetError>> {
        if let Some(layer) = self.layer(text) {
            return Some(Target::of_layer(layer, LayerPart::Whole));
        }
        // Names of layers may hold colons themselves: the longest that exists wins.
        text.rmatch_indices(':').find_map(|(at, _)| {
            let layer = self.layer(&text[..at])?;
            let place = place(&text[at + 1..]);
            Some(place.and_then(|place| Target::of_layer(layer, place)))
        })
    }

    fn layer_named(&self, text: &str) -> Result<Target, TargetError> {
        self.layer_unit(text).unwrap_or_else(|| {
            if let Some(scope) = self.scope(text) {
                return Err(scope);
            }
            let name = text.split(':').next().unwrap_or(text);
            let layer = layers::find(self.layers, name).map_err(TargetError::Layer)?;
            Target::of_layer(layer, LayerPart::Whole)
        })
    }

    /// The error that `text` is a scope of layers, if it is one.
    fn scope(&self, text: &str) -> Option<TargetError> {
        let is_inside = |layer: &&Layer| {
            let rest = layer.name.strip_prefix(text);
            rest.is_some_and(|rest| !text.is_empty() && rest.starts_with(SCOPE_ENDS))
        };
        let mut inside: Vec<&Layer> = self.layers.iter().filter(is_inside).collect();
        // Those that `ziggurat layers` lists, if there are any.
        if inside.iter().any(|layer| layer.is_activation) {
            inside.retain(|layer| layer.is_activation);
        }
        let listed = inside.iter().take(MAX_LISTED);
        let mut shown: Vec<String> = listed.map(|layer| safe_title(&layer.name)).collect();
        let more = inside.len() - shown.len();
        shown.extend((more > 0).then(|| format!("and {more} more")));
        (!inside.is_empty()).then(|| TargetError::Scope {
            name: safe_title(text),
            count: inside.len(),
            shown: shown.join(", "),
        })
    }

    /// The class of this index.
    ///
    /// # Errors
    /// [`TargetError::Class`] if the model has fewer.
    pub fn class(&self, index: usize) -> Result<Target, TargetError> {
        let count = self.classes.len();
        let value = self.logits.ok_or(TargetError::NoClasses)?;
        let name = self.classes.name(index);
        let name = name.ok_or(TargetError::Class(ModelError::ClassOutOfRange {
            index: index.to_string(),
            count,
        }))?;
        let objective = Objective {
            kind: Kind::Class,
            value: value.into(),
        };
        let unit = Unit::new(index);
        let title = if name.is_empty() {
            index.to_string()
        } else {
            safe_title(name)
        };
        Ok(Target {
            objective,
            unit,
            title,
            remark: None,
        })
    }

    fn class_named(&self, name: &str) -> Result<Target, TargetError> {
        let index = self.classes.find(name).map_err(TargetError::Class)?;
        let target = self.class(index)?;
        let remark = match self.classes.by_index(name) {
            Some(other) if other != index => Some(format!(
                "`{}` is read as the name of class {index}; class:{} is the class of index {other}",
                safe_title(name),
                self.classes.index_text(other)
            )),
            _ => None,
        };
        Ok(Target { remark, ..target })
    }

    fn not_class(&self, name: &str) -> Result<Target, TargetError> {
        let name = name.strip_prefix("class:").unwrap_or(name);
        Ok(self.class_named(name)?.negated())
    }

    fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

impl Target {
    /// The negative of a class.
    #[must_use]
    pub fn negated(mut self) -> Self {
        self.objective.kind = Kind::NotClass;
        self.title = format!("{NOT}{}", self.title);
        self
    }

    /// A layer, or a part of it.
    ///
    /// # Errors
    /// [`TargetError::NotDifferentiable`], [`TargetError::NoSuchUnit`].
    pub fn of_layer(layer: &Layer, place: LayerPart) -> Result<Self, TargetError> {
        let name = safe_title(&layer.name);
        let (kind, unit, title) = match place {
            LayerPart::Whole => (Kind::Layer, Unit::default(), name.clone()),
            LayerPart::Channel(index) => {
                let position = (0, 0);
                let unit = Unit { index, position };
                (Kind::Channel, unit, format!("{name}:{index}"))
            }
            LayerPart::Neuron(index, position) => {
                let (row, column) = position;
                let title = format!("{name}:{index}:{row},{column}");
                (Kind::Neuron, Unit { index, position }, title)
            }
        };
        if layer.differentiability != Differentiability::Differentiable {
            let differentiability = layer.differentiability.clone();
            return Err(TargetError::NotDifferentiable {
                title,
                differentiability,
            });
        }
        let missing = |what, has| TargetError::NoSuchUnit {
            title: title.clone(),
            what,
            layer: name.clone(),
            has,
        };
        let channels = layer.channels();
        if kind != Kind::Layer && unit.index >= channels {
            let last = channels.saturating_sub(1);
            let has = format!("{channels} channels, 0 to {last}");
            return Err(missing("such channel", has));
        }
        if let LayerPart::Neuron(_, (row, column)) = place {
            let (rows, columns) = layer.plane().unwrap_or((0, 0));
            if row >= rows || column >= columns {
                let has = format!("channels of {rows} rows and {columns} columns");
                return Err(missing("such neuron", has));
            }
        }
        let value = layer.name.clone();
        let objective = Objective { kind, value };
        Ok(Self {
            objective,
            unit,
            title,
            remark: None,
        })
    }
}

fn two_readings(text: &str, class: &Target, layer: &Target) -> TargetError {
    TargetError::TwoReadings {
        text: safe_title(text),
        class: format!("{} ({})", class.unit.index, class.title),
        layer: layer.title.clone(),
    }
}

/// `CHANNEL` or `CHANNEL:Y,X`.
fn place(text: &str) -> Result<LayerPart, TargetError> {
    let wrong = || TargetError::Unit(text.chars().take(40).collect());
    let number = |text: &str| {
        let text = text.trim();
        text.parse::<usize>()
            .map_err(|problem| match problem.kind() {
                IntErrorKind::PosOverflow => TargetError::TooLarge(text.chars().take(40).collect()),
                _ => wrong(),
            })
    };
    let Some((channel, position)) = text.split_once(':') else {
        return Ok(LayerPart::Channel(number(text)?));
    };
    let (row, column) = position.split_once(',').ok_or_else(wrong)?;
    Ok(LayerPart::Neuron(
        number(channel)?,
        (number(row)?, number(column)?),
    ))
}

/// A name from a file, safe to show.
pub(super) fn safe_title(name: &str) -> String {
    crate::text::stripped(name, MAX_TITLE)
}

#[cfg(test)]
mod tests;

//! What a run climbs, said by people: a class by name or index, a layer's channel or neuron, or a whole layer.
//!
//! For the command line, which reads texts, and for the explorer, which points at things. Neither needs the network
//! itself for it, only what a network is [made of](Parts).

use crate::ascent::{Kind, Objective, Unit};
use crate::autodiff::reach::Reach;
use crate::model::{Classes, Error as ModelError, Layer, Network, layers};

/// Most characters of a title that are kept: a layer's name may be of any length.
const LONGEST_TITLE: usize = 200;

/// What is climbed, and how to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub objective: Objective,
    pub unit: Unit,
    /// `flamingo`, `LAYER:3`, `LAYER:3:5,7`, `LAYER`; without control characters.
    pub title: String,
}

/// Which part of a layer is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All of it.
    Whole,
    Channel(usize),
    /// A channel, and (row, column).
    Neuron(usize, (usize, usize)),
}

/// What a network is made of, as far as targets go.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Name of the class scores.
    pub logits: &'a str,
    pub classes: &'a Classes,
    pub layers: &'a [Layer],
}

/// Why a text or a choice is no target: one line.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No class, or several, have this name or index.
    #[error(transparent)]
    Class(ModelError),
    /// No layer has this name.
    #[error(transparent)]
    Layer(ModelError),
    /// What follows the layer is no channel and no neuron.
    #[error("{0:?} is no channel: say CHANNEL, or CHANNEL:Y,X for one neuron")]
    Unit(String),
    /// The layer has no such channel or neuron.
    #[error("{title}: there is no {what}; {layer} has {has}")]
    NoSuchUnit {
        title: String,
        what: &'static str,
        layer: String,
        has: String,
    },
    /// No gradient comes back from the layer to the picture.
    #[error("{title} cannot be visualised: {reach}")]
    NotDifferentiable { title: String, reach: Reach },
}

/// Reads `text` for a network.
///
/// # Errors
/// As [`Parts::read`].
pub fn read(network: &Network, text: &str) -> Result<Target, TargetError> {
    let layers = network.layers();
    let parts = Parts {
        logits: &network.logits,
        classes: &network.classes,
        layers: &layers,
    };
    parts.read(text)
}

impl Parts<'_> {
    /// Reads `text`. A layer wins over a class of the same name; `class:` in front says that a class is meant.
    ///
    /// # Errors
    /// [`TargetError`], with names that come near if there are any.
    pub fn read(&self, text: &str) -> Result<Target, TargetError> {
        if let Some(class) = text.strip_prefix("class:") {
            return self.class_named(class);
        }
        if let Some(layer) = self.layer(text) {
            return Target::of_layer(layer, Place::Whole);
        }
        // Names of layers may hold colons themselves: the longest that exists wins.
        for (at, _) in text.rmatch_indices(':') {
            if let Some(layer) = self.layer(&text[..at]) {
                return Target::of_layer(layer, place(&text[at + 1..])?);
            }
        }
        // What looks like a layer's unit is more likely a misspelt layer than a class.
        let looks_like_a_layer = text.contains(':') || text.contains('/');
        self.class_named(text).or_else(|problem| {
            if !looks_like_a_layer {
                return Err(problem);
            }
            let name = text.split(':').next().unwrap_or(text);
            let layer = layers::find(self.layers, name).map_err(TargetError::Layer)?;
            Target::of_layer(layer, Place::Whole)
        })
    }

    /// The class of this index.
    ///
    /// # Errors
    /// [`TargetError::Class`] if the model has fewer.
    pub fn class(&self, index: usize) -> Result<Target, TargetError> {
        let count = self.classes.len();
        let name = self.classes.name(index);
        let name = name.ok_or(TargetError::Class(ModelError::ClassOutOfRange {
            index,
            count,
        }))?;
        let objective = Objective {
            kind: Kind::Class,
            value: self.logits.into(),
        };
        let unit = Unit {
            index,
            position: (0, 0),
        };
        let title = match name.is_empty() {
            true => index.to_string(),
            false => readable(name),
        };
        Ok(Target {
            objective,
            unit,
            title,
        })
    }

    fn class_named(&self, name: &str) -> Result<Target, TargetError> {
        let index = self.classes.find(name).map_err(TargetError::Class)?;
        self.class(index)
    }

    fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

impl Target {
    /// A layer, or a part of it.
    ///
    /// # Errors
    /// [`TargetError::NotDifferentiable`], [`TargetError::NoSuchUnit`].
    pub fn of_layer(layer: &Layer, place: Place) -> Result<Self, TargetError> {
        let name = readable(&layer.name);
        let (kind, unit, title) = match place {
            Place::Whole => (Kind::Layer, Unit::default(), name.clone()),
            Place::Channel(index) => {
                let position = (0, 0);
                let unit = Unit { index, position };
                (Kind::Channel, unit, format!("{name}:{index}"))
            }
            Place::Neuron(index, position) => {
                let (row, column) = position;
                let title = format!("{name}:{index}:{row},{column}");
                (Kind::Neuron, Unit { index, position }, title)
            }
        };
        if layer.reach != Reach::Differentiable {
            let reach = layer.reach.clone();
            return Err(TargetError::NotDifferentiable { title, reach });
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
        if let Place::Neuron(_, (row, column)) = place {
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
        })
    }
}

/// `CHANNEL` or `CHANNEL:Y,X`.
fn place(text: &str) -> Result<Place, TargetError> {
    let wrong = || TargetError::Unit(text.chars().take(40).collect());
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
    let Some((channel, position)) = text.split_once(':') else {
        return Ok(Place::Channel(number(text)?));
    };
    let (row, column) = position.split_once(',').ok_or_else(wrong)?;
    Ok(Place::Neuron(
        number(channel)?,
        (number(row)?, number(column)?),
    ))
}

/// A name from a file, safe to show.
pub(super) fn readable(name: &str) -> String {
    let kept = name.chars().filter(|c| !c.is_control());
    kept.take(LONGEST_TITLE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Layout;

    fn layer(name: &str, dims: &[usize]) -> Layer {
        Layer {
            name: name.into(),
            op: "Conv".into(),
            dims: dims.into(),
            layout: Layout::channels_first(dims).unwrap(),
            parameters: 0,
            is_activation: true,
            reach: Reach::Differentiable,
        }
    }

    fn read(text: &str) -> Result<Target, TargetError> {
        let classes = Classes::new(["tench", "flamingo", "a/b"], "test").unwrap();
        let mut blocked = layer("blocked", &[1, 4]);
        blocked.reach = Reach::Blocked {
            node: "n".into(),
            op: "Foo".into(),
            why: None,
        };
        let layers = [
            layer("stem", &[1, 8, 4, 6]),
            layer("odd:name", &[1, 8, 4, 6]),
            layer("pool", &[1, 16]),
            blocked,
        ];
        let parts = Parts {
            logits: "logits",
            classes: &classes,
            layers: &layers,
        };
        parts.read(text)
    }

    fn meant(text: &str) -> (Kind, String, usize, (usize, usize)) {
        let target = read(text).unwrap();
        let Objective { kind, value } = target.objective;
        (kind, value, target.unit.index, target.unit.position)
    }

    #[test]
    fn every_form_of_target_is_read() {
        let class = |index| (Kind::Class, "logits".to_string(), index, (0, 0));
        assert_eq!(meant("flamingo"), class(1));
        assert_eq!(meant("class:0"), class(0));
        assert_eq!(meant("2"), class(2));
        assert_eq!(meant("a/b"), class(2));
        let of = |kind, layer: &str, index, at| (kind, layer.to_string(), index, at);
        assert_eq!(meant("stem"), of(Kind::Layer, "stem", 0, (0, 0)));
        assert_eq!(meant("stem:3"), of(Kind::Channel, "stem", 3, (0, 0)));
        assert_eq!(meant("stem:3:2,5"), of(Kind::Neuron, "stem", 3, (2, 5)));
        assert_eq!(
            meant("odd:name:7"),
            of(Kind::Channel, "odd:name", 7, (0, 0))
        );
        assert_eq!(meant("pool:15"), of(Kind::Channel, "pool", 15, (0, 0)));
    }

    #[test]
    fn what_is_no_target_says_what_would_be() {
        let cases = [
            ("flamigo", "flamingo"),
            ("class:9", "0 to 2"),
            ("stemm:1", "`stem`"),
            ("stem:x", "CHANNEL:Y,X"),
            ("stem:8", "8 channels, 0 to 7"),
            ("stem:0:4,0", "4 rows and 6 columns"),
            ("pool:0:0,0", "0 rows"),
            ("blocked:1", "no gradient rule"),
        ];
        for (text, word) in cases {
            let problem = read(text).unwrap_err().to_string();
            assert!(problem.contains(word), "{text}: {problem}");
        }
    }

    #[test]
    fn a_title_does_not_steer_the_terminal_and_the_objective_keeps_the_name() {
        let name = format!("\u{1b}[2J{}", "x".repeat(10_000));
        let target = Target::of_layer(&layer(&name, &[1, 8]), Place::Whole).unwrap();
        assert!(!target.title.contains('\u{1b}') && target.title.len() <= LONGEST_TITLE);
        assert_eq!(target.objective.value, name);
    }
}

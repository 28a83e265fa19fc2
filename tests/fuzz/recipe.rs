//! How a hostile model is made: few numbers, so that it can be made again elsewhere, or with less.

use crate::dice::Dice;
use crate::journey::Journey;
use crate::models;
use crate::mutation::{self, extremes};
use std::sync::OnceLock;
use ziggurat::onnx::proto::ModelProto;

/// How to make a hostile model: which model to begin with, and what is changed of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub journey: Journey,
    pub model: usize,
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// What dice of this seed say: once in eight times of the file's bytes, after all those of messages.
    Random(u64),
    /// The extreme of this number (see [`extremes`]).
    Extreme(usize),
}

/// The models to begin with, and what is known of all of them.
pub struct Corpus {
    pub models: Vec<ModelProto>,
    attributes: extremes::Attributes,
}

impl Corpus {
    /// The one that recipes are made from.
    pub fn get() -> &'static Self {
        static CORPUS: OnceLock<Corpus> = OnceLock::new();
        CORPUS.get_or_init(|| {
            let models = models::all();
            let attributes = extremes::attributes(&models);
            Self { models, attributes }
        })
    }

    /// Every extreme of every model.
    pub fn extremes(&self, journey: Journey) -> impl Iterator<Item = Recipe> {
        let counts = self.models.iter().enumerate();
        let counts = counts.map(|(model, proto)| (model, extremes::count(proto, &self.attributes)));
        counts.flat_map(move |(model, count)| {
            (0..count).map(move |index| Recipe {
                journey,
                model,
                changes: vec![Change::Extreme(index)],
            })
        })
    }
}

impl Recipe {
    pub fn random(journey: Journey, models: usize, dice: &mut Dice) -> Self {
        let model = dice.below(models);
        let changes = (0..1 + dice.below(5)).map(|_| Change::Random(dice.number()));
        Self {
            journey,
            model,
            changes: changes.collect(),
        }
    }

    pub fn line(&self) -> String {
        let changes = self.changes.iter().map(|change| match change {
            Change::Random(seed) => format!(" {seed}"),
            Change::Extreme(index) => format!(" extreme:{index}"),
        });
        format!(
            "{} {}{}",
            u8::from(self.journey == Journey::Whole),
            self.model,
            changes.collect::<String>()
        )
    }

    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let journey = match words.next()?.parse().ok()? {
            0u8 => Journey::Alone,
            _ => Journey::Whole,
        };
        let model = words.next()?.parse().ok()?;
        let change = |word: &str| match word.strip_prefix("extreme:") {
            Some(index) => Some(Change::Extreme(index.parse().ok()?)),
            None => Some(Change::Random(word.parse().ok()?)),
        };
        Some(Self {
            journey,
            model,
            changes: words.map(change).collect::<Option<_>>()?,
        })
    }

    /// The file.
    pub fn file(&self) -> Vec<u8> {
        let corpus = Corpus::get();
        let mut model = corpus.models[self.model].clone();
        let mut of_bytes = Vec::new();
        for change in &self.changes {
            match *change {
                Change::Random(seed) if seed % 8 == 0 => of_bytes.push(seed),
                Change::Random(seed) => {
                    mutation::change(&mut model, &corpus.models, &mut Dice::new(seed));
                }
                Change::Extreme(index) => extremes::put(&mut model, index, &corpus.attributes),
            }
        }
        let mut bytes = prost::Message::encode_to_vec(&model);
        for seed in of_bytes {
            mutation::change_bytes(&mut bytes, &mut Dice::new(seed));
        }
        bytes
    }
}

//! A hostile model as a few numbers, from which it can be built again elsewhere, or with fewer changes.

use crate::models;
use crate::mutation::{self, extremes};
use crate::pipeline::Pipeline;
use crate::rng::Rng;
use std::sync::OnceLock;
use ziggurat::onnx::proto::ModelProto;

/// A hostile model: the initial model, and the changes to it.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCase {
    pub pipeline: Pipeline,
    pub model: usize,
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Random changes of this seed: with probability 1/8 of the bytes of the file, otherwise of its messages.
    Random(u64),
    /// The extreme of this number (see [`extremes`]).
    Extreme(usize),
}

/// The initial models, and the attributes of all of them.
pub struct Corpus {
    pub models: Vec<ModelProto>,
    attributes: extremes::Attributes,
}

impl Corpus {
    /// The corpus of all test cases.
    pub fn get() -> &'static Self {
        static CORPUS: OnceLock<Corpus> = OnceLock::new();
        CORPUS.get_or_init(|| {
            let models = models::all();
            let attributes = extremes::attributes(&models);
            Self { models, attributes }
        })
    }

    /// Every extreme of every model.
    pub fn extremes(&self, pipeline: Pipeline) -> impl Iterator<Item = TestCase> {
        let counts = self.models.iter().enumerate();
        let counts = counts.map(|(model, proto)| (model, extremes::count(proto, &self.attributes)));
        counts.flat_map(move |(model, count)| {
            (0..count).map(move |index| TestCase {
                pipeline,
                model,
                changes: vec![Change::Extreme(index)],
            })
        })
    }
}

impl TestCase {
    pub fn random(pipeline: Pipeline, models: usize, rng: &mut Rng) -> Self {
        let model = rng.below(models);
        let changes = (0..1 + rng.below(5)).map(|_| Change::Random(rng.number()));
        Self {
            pipeline,
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
            u8::from(self.pipeline == Pipeline::EndToEnd),
            self.model,
            changes.collect::<String>()
        )
    }

    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let pipeline = match words.next()?.parse().ok()? {
            0u8 => Pipeline::Passes,
            _ => Pipeline::EndToEnd,
        };
        let model = words.next()?.parse().ok()?;
        let change = |word: &str| match word.strip_prefix("extreme:") {
            Some(index) => Some(Change::Extreme(index.parse().ok()?)),
            None => Some(Change::Random(word.parse().ok()?)),
        };
        Some(Self {
            pipeline,
            model,
            changes: words.map(change).collect::<Option<_>>()?,
        })
    }

    /// The file.
    pub fn file(&self) -> Vec<u8> {
        let corpus = Corpus::get();
        let mut model = corpus.models[self.model].clone();
        let mut byte_seeds = Vec::new();
        for change in &self.changes {
            match *change {
                Change::Random(seed) if seed % 8 == 0 => byte_seeds.push(seed),
                Change::Random(seed) => {
                    mutation::change(&mut model, &corpus.models, &mut Rng::new(seed));
                }
                Change::Extreme(index) => extremes::put(&mut model, index, &corpus.attributes),
            }
        }
        let mut bytes = prost::Message::encode_to_vec(&model);
        for seed in byte_seeds {
            mutation::change_bytes(&mut bytes, &mut Rng::new(seed));
        }
        bytes
    }
}

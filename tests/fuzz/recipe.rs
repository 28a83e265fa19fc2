//! How a hostile model is made: few numbers, so that it can be made again elsewhere, or with less.

use crate::dice::Dice;
use crate::journey::Journey;
use crate::mutation;
use ziggurat::onnx::proto::ModelProto;

/// How to make a hostile model: which model to begin with, and a seed a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub journey: Journey,
    pub model: usize,
    pub changes: Vec<u64>,
}

impl Recipe {
    pub fn random(journey: Journey, models: usize, dice: &mut Dice) -> Self {
        let model = dice.below(models);
        let changes = (0..1 + dice.below(5)).map(|_| dice.number()).collect();
        Self {
            journey,
            model,
            changes,
        }
    }

    pub fn line(&self) -> String {
        let changes: Vec<String> = self.changes.iter().map(u64::to_string).collect();
        format!(
            "{} {} {}",
            u8::from(self.journey == Journey::Whole),
            self.model,
            changes.join(" ")
        )
    }

    pub fn read(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let journey = match numbers.next()?.ok()? {
            0 => Journey::Alone,
            _ => Journey::Whole,
        };
        let model = numbers.next()?.ok()? as usize;
        Some(Self {
            journey,
            model,
            changes: numbers.collect::<Result<_, _>>().ok()?,
        })
    }

    /// The file: one in eight changes is of bytes, after all those of messages.
    pub fn file(&self, models: &[ModelProto]) -> Vec<u8> {
        let mut model = models[self.model].clone();
        let (of_bytes, of_messages): (Vec<u64>, Vec<u64>) =
            self.changes.iter().partition(|seed| *seed % 8 == 0);
        for seed in of_messages {
            mutation::change(&mut model, models, &mut Dice::new(seed));
        }
        let mut bytes = prost::Message::encode_to_vec(&model);
        for seed in of_bytes {
            mutation::change_bytes(&mut bytes, &mut Dice::new(seed));
        }
        bytes
    }
}

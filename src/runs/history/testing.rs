//! A history in a folder of a test's own, and runs to put into it.

use super::{EndReason, Record, save};
use crate::ascent::{Kind, Objective, Settings, Unit};
use crate::home::{Home, testing::temporary_home};
use crate::runs::Spec;
use image::{Rgb, RgbImage};

pub(crate) struct Fixture {
    pub folder: tempfile::TempDir,
    pub home: Home,
}

impl Fixture {
    pub fn new() -> Self {
        let (folder, home) = temporary_home();
        Self { folder, home }
    }

    /// Saves a run with a small picture, and returns its id.
    pub fn save(&self, record: &Record) -> String {
        save(&self.home, record, &picture(), &[]).unwrap();
        record.id.clone()
    }
}

/// A small picture with a gradient.
pub(crate) fn picture() -> RgbImage {
    RgbImage::from_fn(6, 4, |x, y| Rgb([40 * x as u8, 60 * y as u8, 90]))
}

/// A finished run of a class; runs of different seeds have different ids.
pub(crate) fn record(seed: u64) -> Record {
    let objective = Objective {
        kind: Kind::Class,
        value: "logits".into(),
    };
    let spec = Spec::new(
        ("m", "h"),
        ("flamingo", objective, Unit::new(130)),
        seed,
        Settings::default(),
    );
    Record {
        id: spec.id(),
        spec,
        provider: "cpu".into(),
        versions: ["0".into(), "1".into()],
        score: seed as f32,
        probability: Some(0.5),
        reached: Some(true),
        top: vec![(130, 0.5), (127, 0.2)],
        verdicts: Vec::new(),
        octaves: vec![2, 1],
        scores: vec![0.0, 1.0, 2.0],
        seconds: 1.5,
        batch: 1,
        together: None,
        companions: Vec::new(),
        ended: EndReason::Finished,
        time: 1_000_000 + seed,
    }
}

//! The history as a user meets it: `ziggurat history`, and what happens to it when programs are killed or the disk
//! fills. No model is needed: the runs are written through the library.

mod commands;
mod crashes;
mod figures;
#[path = "../common/records.rs"]
mod records;
#[path = "../common/sandbox.rs"]
mod sandbox;

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use sandbox::Sandbox;
use serde_json::Value;
use std::ops::Deref;
use std::path::Path;
use ziggurat::runs::{Record, history};

/// An empty history, and `ziggurat history` on it.
struct History {
    sandbox: Sandbox,
}

impl Deref for History {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl History {
    fn new() -> Self {
        let sandbox = Sandbox::empty();
        Self { sandbox }
    }

    fn save(&self, record: &Record) -> String {
        history::save(&self.home, record, &picture(record.spec.seed), &[]).unwrap();
        record.id.clone()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.sandbox.command(&[&["history"], arguments].concat())
    }

    /// What it prints if it succeeds.
    fn output(&self, arguments: &[&str]) -> String {
        self.sandbox.output(&[&["history"], arguments].concat())
    }

    fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        self.sandbox.objects(&[&["history"], arguments].concat())
    }

    /// Its error: one line, the last of standard error. What it printed before stays.
    fn complaint(&self, status: i32, arguments: &[&str]) -> String {
        let failed = self.command(arguments).assert().code(status);
        let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        text.lines().last().unwrap_or_default().to_string()
    }
}

fn picture(seed: u64) -> RgbImage {
    RgbImage::from_fn(24, 16, |x, y| Rgb([10 * x as u8, 15 * y as u8, seed as u8]))
}

/// A finished run of a class. The score is the seed; the time is the seed, in seconds since 1970.
fn record(target: &str, seed: u64) -> Record {
    let card = &ziggurat::model::card::published()[0].card;
    let classes = card.classes().unwrap().unwrap();
    let class = classes.find(target).unwrap_or(5000);
    Record {
        scores: (0..192).map(|step| step as f32 / 7.0).collect(),
        ..records::record(records::class_spec(target, class, seed), seed as f32)
    }
}

fn is_png(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG"))
}

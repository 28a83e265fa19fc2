//! The knobs of an ascent: one table says each one's key, unit, range, default and meaning. The command line, the files
//! on disk and the explorer all read it; no other room knows a setting by itself.

mod knob;

pub use knob::{Domain, Knob};

use super::MapChoice;
use super::cam::Method;
use crate::value::Value;
use knob::{Field, real, whole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! knobs {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $domain:expr;)*) => {
        /// Every knob, in the order in which people meet them.
        pub const KNOBS: &[Knob] = &[$(Knob {
            key: stringify!($name),
            help: concat!($($doc),*),
            domain: $domain,
        }),*];

        /// The values of all knobs, each within its range.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "BTreeMap<String, Value>", into = "BTreeMap<String, Value>")]
        pub struct Settings { $($(#[doc = $doc])* pub $name: $type,)* }

        impl Default for Settings {
            fn default() -> Self {
                let mut defaults = KNOBS.iter().map(|knob| knob.default());
                Self {
                    $($name: defaults.next().and_then(Field::of).expect("the table gives every knob a default of its type"),)*
                }
            }
        }

        impl Settings {
            /// The value of a knob; `None` for an unknown key.
            pub fn get(&self, key: &str) -> Option<Value> {
                match key { $(stringify!($name) => Some(self.$name.value()),)* _ => None }
            }

            fn put(&mut self, key: &str, value: Value) {
                match key { $(stringify!($name) => if let Some(value) = Field::of(value) { self.$name = value },)* _ => {} }
            }
        }
    };
}

knobs! {
    /// Steps in all, shared out over the octaves.
    steps: u32 = whole("steps", 256, 1..=100_000);
    /// Longest side of the finished picture; 0 is the size of which the network sees the middle without resizing.
    canvas: u32 = whole("px", 0, 0..=2048);
    /// How many canvas sizes the ascent climbs through, coarse to fine.
    octaves: u32 = whole("", 3, 1..=8);
    /// How much larger each octave's canvas is than the one before.
    octave_scale: f64 = real("×", 1.85, 1.05..=4.0);
    /// How far a step moves the picture, as a part of half the colour range.
    step_size: f64 = real("", 0.12, 0.0..=2.0);
    /// What is left of the step size at the end of each octave; it falls in a straight line.
    step_decay: f64 = real("", 0.1, 0.0..=1.0);
    /// How much of the velocity survives a step.
    momentum: f64 = real("", 0.9, 0.0..=0.999);
    /// How many bands the Laplacian pyramid of the gradient has.
    levels: u32 = whole("", 5, 1..=8);
    /// How much stronger each coarser band counts than the one before.
    boost: f64 = real("×", 1.8, 0.1..=10.0);
    /// How much of the colours' natural correlation shapes the gradient.
    decorrelation: f64 = real("", 1.0, 0.0..=1.0);
    /// Largest random shift before each step, in pixels of the network's input.
    jitter: u32 = whole("px", 16, 0..=256);
    /// Probability that a step leaves a residual branch of the network out, so that the picture depends on no single one.
    stochastic_depth: f64 = real("", 0.2, 0.0..=0.9);
    /// How strongly the class activation map leaves regions outside of it alone; 0 draws everywhere alike.
    mask: f64 = real("", 0.5, 0.0..=1.0);
    /// How the class activation map is made.
    mask_method: Method = Domain::Method;
    /// The layer where the class activation map is taken; without one, the last that still is a picture.
    mask_layer: String = Domain::Layer;
    /// How much of the class activation map survives a step.
    mask_memory: f64 = real("", 0.9, 0.0..=0.999);
    /// Standard deviation of the noise that the ascent starts from, as a part of half the colour range.
    noise: f64 = real("", 0.05, 0.0..=1.0);
    /// How much of the picture's contrast each step takes away.
    decay: f64 = real("", 0.01, 0.0..=1.0);
    /// How much of the picture's finest detail (what a Gaussian pyramid's first level loses) each step takes away.
    damping: f64 = real("", 0.0, 0.0..=1.0);
    /// Strength of the total-variation penalty, which flattens texture and keeps edges.
    total_variation: f64 = real("", 0.0, 0.0..=1.0);
    /// For how many steps blocked rectifiers may pass a gradient if without that nothing moves.
    rescue: u32 = whole("steps", 16, 0..=1000);
}

/// A setting that cannot be taken.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SettingError {
    #[error("no setting is called {key:?}; near: {near}")]
    Unknown { key: String, near: String },
    #[error("{key} = {value:?} is not a number")]
    NotANumber { key: &'static str, value: String },
    #[error("{key} = {value} is a number, not a name")]
    NotAName { key: &'static str, value: f64 },
    #[error("{key} = {value} is out of range: {allowed}")]
    OutOfRange {
        key: &'static str,
        value: f64,
        allowed: String,
    },
    #[error("{key}: {why}")]
    Name { key: &'static str, why: String },
    #[error("no preset is called {name:?}; there are: {known}")]
    UnknownPreset { name: String, known: String },
}

/// Named changes to the defaults.
pub const PRESETS: &[(&str, &[(&str, f64)])] = &[
    ("default", &[]),
    ("draft", &[("steps", 64.0), ("octaves", 2.0)]),
    (
        "fine",
        &[("steps", 512.0), ("octaves", 4.0), ("octave_scale", 1.6)],
    ),
];

/// The knob called `key`.
pub fn knob(key: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.key == key)
}

impl Settings {
    /// Where and how the class activation map is taken.
    pub fn map(&self) -> MapChoice<'_> {
        MapChoice {
            method: self.mask_method,
            layer: Some(self.mask_layer.as_str()).filter(|name| !name.is_empty()),
        }
    }

    /// The settings of a preset.
    ///
    /// # Errors
    /// [`SettingError::UnknownPreset`].
    pub fn preset(name: &str) -> Result<Self, SettingError> {
        let found = PRESETS.iter().find(|(preset, _)| *preset == name);
        let (_, changes) = found.ok_or_else(|| SettingError::UnknownPreset {
            name: name.into(),
            known: PRESETS
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        let mut settings = Self::default();
        for (key, value) in *changes {
            settings.set(key, (*value).into())?;
        }
        Ok(settings)
    }

    /// Turns a knob.
    ///
    /// # Errors
    /// [`SettingError`] if there is no such knob or it cannot be set to this.
    pub fn set(&mut self, key: &str, value: Value) -> Result<(), SettingError> {
        let knob = knob(key).ok_or_else(|| unknown(key))?;
        knob.check(&value)?;
        self.put(key, value);
        Ok(())
    }

    /// Turns a knob to a value given as text, as in `KEY=VALUE`.
    ///
    /// # Errors
    /// As [`Settings::set`], and if the text is no number where it must be one.
    pub fn set_text(&mut self, key: &str, text: &str) -> Result<(), SettingError> {
        let knob = knob(key).ok_or_else(|| unknown(key))?;
        self.set(key, knob.read(text)?)
    }
}

fn unknown(key: &str) -> SettingError {
    let mut keys: Vec<&str> = KNOBS.iter().map(|knob| knob.key).collect();
    let common = |other: &str| key.chars().filter(|c| other.contains(*c)).count();
    keys.sort_by_key(|other| {
        let start = key
            .chars()
            .zip(other.chars())
            .take_while(|(a, b)| a == b)
            .count();
        std::cmp::Reverse(3 * start + common(other))
    });
    SettingError::Unknown {
        key: key.chars().take(40).collect(),
        near: keys[..3].join(", "),
    }
}

impl From<Settings> for BTreeMap<String, Value> {
    /// All numbers, and the names that are not their knob's default: a run from before these could be chosen reads the same.
    fn from(settings: Settings) -> Self {
        let told = |knob: &'static Knob| {
            let value = settings.get(knob.key)?;
            let is_number = matches!(value, Value::Number(_));
            (is_number || value != knob.default()).then(|| (knob.key.into(), value))
        };
        KNOBS.iter().filter_map(told).collect()
    }
}

impl TryFrom<BTreeMap<String, Value>> for Settings {
    type Error = SettingError;

    /// Knobs that are not mentioned keep their default.
    fn try_from(values: BTreeMap<String, Value>) -> Result<Self, SettingError> {
        let mut settings = Self::default();
        for (key, value) in values {
            settings.set(&key, value)?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_allowed_and_every_knob_explained() {
        let defaults = Settings::default();
        let mut copy = Settings::default();
        for knob in KNOBS {
            let value = defaults.get(knob.key).unwrap();
            assert_eq!(value, knob.default());
            copy.set(knob.key, value).unwrap();
            assert!(
                !knob.help.is_empty() && knob.help.ends_with('.'),
                "{}",
                knob.key
            );
        }
        assert_eq!(copy, defaults);
    }

    #[test]
    fn presets_hold_only_what_is_allowed() {
        for (name, _) in PRESETS {
            Settings::preset(name).unwrap();
        }
        let problem = Settings::preset("fast").unwrap_err().to_string();
        assert!(problem.contains("draft"), "{problem}");
    }

    #[test]
    fn out_of_range_and_unknown_settings_are_named() {
        let mut settings = Settings::default();
        let problem = settings
            .set_text("momentum", "1.5")
            .unwrap_err()
            .to_string();
        assert_eq!(problem, "momentum = 1.5 is out of range: 0 to 0.999");
        let problem = settings.set_text("steps", "2.5").unwrap_err().to_string();
        assert!(problem.ends_with("whole numbers only"), "{problem}");
        let problem = settings.set_text("stepsize", "1").unwrap_err().to_string();
        assert!(problem.contains("step_size"), "{problem}");
        assert!(settings.set_text("steps", "many").is_err());
        assert!(settings.set_text("steps", "NaN").is_err());
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn settings_survive_json_and_hostile_json_is_refused() {
        let mut settings = Settings::preset("fine").unwrap();
        settings.set("noise", 0.01.into()).unwrap();
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        assert!(serde_json::from_str::<Settings>(r#"{"steps": 1e12}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"colour": 1}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"mask_method": "cat-scan"}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"mask_layer": 3}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"noise": "loud"}"#).is_err());
    }

    #[test]
    fn names_are_written_only_where_they_were_chosen() {
        let mut settings = Settings::default();
        let before = serde_json::to_string(&settings).unwrap();
        assert!(!before.contains("mask_method") && !before.contains("mask_layer"));
        settings.set_text("mask_method", "layer-cam").unwrap();
        settings.set_text("mask_layer", " stage/3 ").unwrap();
        assert_eq!(settings.mask_method, Method::LayerCam);
        let text = serde_json::to_string(&settings).unwrap();
        assert!(
            text.contains(r#""mask_layer":"stage/3","mask_memory""#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        let problem = settings
            .set_text("mask_method", "x")
            .unwrap_err()
            .to_string();
        assert!(problem.starts_with("mask_method: ") && problem.contains("hires-cam"));
    }
}

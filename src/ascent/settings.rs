//! The knobs of an ascent: one table says each one's key, unit, range, default and meaning. The command line, the files
//! on disk and the explorer all read it; no other room knows a setting by itself.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a knob is and what it may be set to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knob {
    /// Its name on the command line and in files.
    pub key: &'static str,
    /// The unit of its value; empty for a plain number.
    pub unit: &'static str,
    /// One line that says what turning it does.
    pub help: &'static str,
    pub default: f64,
    /// The smallest and the largest value allowed.
    pub range: (f64, f64),
    /// Whether only whole numbers make sense.
    pub whole: bool,
}

macro_rules! knobs {
    ($($(#[doc = $doc:literal])* $name:ident: $kind:ident, $unit:literal, $default:literal, $least:literal ..= $most:literal;)*) => {
        /// Every knob, in the order in which people meet them.
        pub const KNOBS: &[Knob] = &[$(Knob {
            key: stringify!($name),
            unit: $unit,
            help: concat!($($doc),*),
            default: $default as f64,
            range: ($least as f64, $most as f64),
            whole: knobs!(@whole $kind),
        }),*];

        /// The values of all knobs, each within its range.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "BTreeMap<String, f64>", into = "BTreeMap<String, f64>")]
        pub struct Settings { $($(#[doc = $doc])* pub $name: $kind,)* }

        impl Default for Settings {
            fn default() -> Self { Self { $($name: $default),* } }
        }

        impl Settings {
            /// The value of a knob; `None` for an unknown key.
            pub fn get(&self, key: &str) -> Option<f64> {
                match key { $(stringify!($name) => Some(self.$name as f64),)* _ => None }
            }

            fn put(&mut self, key: &str, value: f64) {
                match key { $(stringify!($name) => self.$name = value as $kind,)* _ => {} }
            }
        }
    };
    (@whole u32) => { true };
    (@whole f64) => { false };
}

knobs! {
    /// Steps in all, shared out over the octaves.
    steps: u32, "steps", 256, 1..=100_000;
    /// Longest side of the finished picture; 0 is the size of which the network sees the middle without resizing.
    canvas: u32, "px", 0, 0..=2048;
    /// How many canvas sizes the ascent climbs through, coarse to fine.
    octaves: u32, "", 3, 1..=8;
    /// How much larger each octave's canvas is than the one before.
    octave_scale: f64, "×", 1.85, 1.05..=4.0;
    /// How far a step moves the picture, as a part of half the colour range.
    step_size: f64, "", 0.12, 0.0..=2.0;
    /// What is left of the step size at the end of each octave; it falls in a straight line.
    step_decay: f64, "", 0.1, 0.0..=1.0;
    /// How much of the velocity survives a step.
    momentum: f64, "", 0.9, 0.0..=0.999;
    /// How many bands the Laplacian pyramid of the gradient has.
    levels: u32, "", 5, 1..=8;
    /// How much stronger each coarser band counts than the one before.
    boost: f64, "×", 1.8, 0.1..=10.0;
    /// How much of the colours' natural correlation shapes the gradient.
    decorrelation: f64, "", 1.0, 0.0..=1.0;
    /// Largest random shift before each step, in pixels of the network's input.
    jitter: u32, "px", 16, 0..=256;
    /// Probability that a step leaves a residual branch of the network out, so that the picture depends on no single one.
    stochastic_depth: f64, "", 0.2, 0.0..=0.9;
    /// How strongly the class activation map leaves regions outside of it alone; 0 draws everywhere alike.
    mask: f64, "", 0.5, 0.0..=1.0;
    /// How much of the class activation map survives a step.
    mask_memory: f64, "", 0.9, 0.0..=0.999;
    /// Standard deviation of the noise that the ascent starts from, as a part of half the colour range.
    noise: f64, "", 0.05, 0.0..=1.0;
    /// How much of the picture's contrast each step takes away.
    decay: f64, "", 0.01, 0.0..=1.0;
    /// How much of the picture's finest detail (what a Gaussian pyramid's first level loses) each step takes away.
    damping: f64, "", 0.0, 0.0..=1.0;
    /// Strength of the total-variation penalty, which flattens texture and keeps edges.
    total_variation: f64, "", 0.0, 0.0..=1.0;
    /// For how many steps blocked rectifiers may pass a gradient if without that nothing moves.
    rescue: u32, "steps", 16, 0..=1000;
}

/// A setting that cannot be taken.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SettingError {
    #[error("no setting is called {key:?}; near: {near}")]
    Unknown { key: String, near: String },
    #[error("{key} = {value:?} is not a number")]
    NotANumber { key: String, value: String },
    #[error("{key} = {value} is out of range: {least} to {most}{unit}{whole}")]
    OutOfRange {
        key: String,
        value: f64,
        least: f64,
        most: f64,
        unit: String,
        whole: &'static str,
    },
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
            settings.set(key, *value)?;
        }
        Ok(settings)
    }

    /// Turns a knob.
    ///
    /// # Errors
    /// [`SettingError`] if there is no such knob or the value is out of its range.
    pub fn set(&mut self, key: &str, value: f64) -> Result<(), SettingError> {
        let knob = knob(key).ok_or_else(|| unknown(key))?;
        let (least, most) = knob.range;
        if !(least..=most).contains(&value) || (knob.whole && value.fract() != 0.0) {
            return Err(SettingError::OutOfRange {
                key: key.into(),
                value,
                least,
                most,
                unit: if knob.unit.is_empty() {
                    String::new()
                } else {
                    format!(" {}", knob.unit)
                },
                whole: if knob.whole {
                    ", whole numbers only"
                } else {
                    ""
                },
            });
        }
        self.put(key, value);
        Ok(())
    }

    /// Turns a knob to a value given as text, as in `KEY=VALUE`.
    ///
    /// # Errors
    /// As [`Settings::set`], and if the text is no number.
    pub fn set_text(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        knob(key).ok_or_else(|| unknown(key))?;
        let number = value
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite());
        let number = number.ok_or_else(|| SettingError::NotANumber {
            key: key.into(),
            value: value.chars().take(40).collect(),
        })?;
        self.set(key, number)
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

impl From<Settings> for BTreeMap<String, f64> {
    fn from(settings: Settings) -> Self {
        KNOBS
            .iter()
            .filter_map(|knob| Some((knob.key.into(), settings.get(knob.key)?)))
            .collect()
    }
}

impl TryFrom<BTreeMap<String, f64>> for Settings {
    type Error = SettingError;

    /// Knobs that are not mentioned keep their default.
    fn try_from(values: BTreeMap<String, f64>) -> Result<Self, SettingError> {
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
            assert_eq!(value, knob.default);
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
        settings.set("noise", 0.01).unwrap();
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        assert!(serde_json::from_str::<Settings>(r#"{"steps": 1e12}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"colour": 1}"#).is_err());
    }
}

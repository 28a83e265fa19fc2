//! The settings of an ascent: one table with key, unit, range, default and meaning of each. The command line, the files
//! on disk and the explorer all read this table.

mod group;
mod knob;

pub use group::{GROUPS, Group, in_groups};
pub use knob::{Domain, Knob};

use super::CamOptions;
use super::cam::Method;
use super::objective::ClassScore;
use crate::setting_value::SettingValue;
use crate::suggest;
use knob::{Field, real, whole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! knobs {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $domain:expr;)*) => {
        /// Every setting, in the order of the documentation.
        pub const KNOBS: &[Knob] = &[$(Knob {
            key: stringify!($name),
            help: concat!($($doc),*),
            domain: $domain,
        }),*];

        /// The values of all settings, each within its range.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "BTreeMap<String, SettingValue>", into = "BTreeMap<String, SettingValue>")]
        pub struct Settings { $($(#[doc = $doc])* pub $name: $type,)* }

        impl Default for Settings {
            fn default() -> Self {
                let mut defaults = KNOBS.iter().map(|knob| knob.default());
                Self {
                    $($name: defaults.next().and_then(Field::from_value).expect("the table gives every knob a default of its type"),)*
                }
            }
        }

        impl Settings {
            /// The value of a setting; `None` for an unknown key.
            pub fn get(&self, key: &str) -> Option<SettingValue> {
                match key { $(stringify!($name) => Some(self.$name.value()),)* _ => None }
            }

            fn put(&mut self, key: &str, value: SettingValue) {
                match key { $(stringify!($name) => if let Some(value) = Field::from_value(value) { self.$name = value },)* _ => {} }
            }
        }
    };
}

knobs! {
    /// Total steps, divided among the octaves.
    steps: u32 = whole("steps", 176, 1..=100_000).by(16.0);
    /// Longest side of the finished picture; 0 = automatic: the size at which the network's crop needs no resizing.
    canvas: u32 = whole("px", 0, 0..=2048).by(32.0).or_automatic(256.0);
    /// Size of the finished picture relative to the automatic size, if `canvas` is 0; at most 2048 px.
    canvas_scale: f64 = real("×", 1.0, 0.25..=8.0).by(0.25);
    /// Number of canvas sizes, coarse to fine; a canvas larger than the network's input adds more.
    octaves: u32 = whole("", 3, 1..=8);
    /// Size of each octave's canvas relative to the previous one.
    octave_scale: f64 = real("×", 2.2, 1.05..=4.0);
    /// Steps of each octave relative to the next finer one; coarse octaves determine the composition.
    octave_share: f64 = real("×", 1.7, 0.1..=10.0).by(0.1);
    /// Objective of a class: its log-probability, which also suppresses rival classes, or its logit.
    objective: ClassScore = knob::CLASS_SCORE;
    /// Step length, relative to the contrast of photographs.
    step_size: f64 = real("", 0.2, 0.0..=2.0).by(0.01);
    /// Step size at the end of each octave, relative to its start (linear).
    step_decay: f64 = real("", 0.1, 0.0..=1.0);
    /// Fraction of the velocity that each step keeps.
    momentum: f64 = real("", 0.8, 0.0..=0.999);
    /// Side of the smallest random view, relative to the network's crop of the canvas.
    view_min: f64 = real("", 0.6, 0.05..=4.0);
    /// Side of the largest random view, relative to the network's crop; beyond the canvas a view is mid-grey.
    view_max: f64 = real("", 1.4, 0.05..=4.0);
    /// Maximum standard deviation of the Gaussian blur of a view, in pixels of the network's input.
    blur: f64 = real("px", 3.0, 0.0..=32.0).by(0.5);
    /// Fraction of views that are blurred.
    blur_share: f64 = real("", 0.5, 0.0..=1.0);
    /// Maximum standard deviation of the noise in a view (black 0, white 1); it rises with the class probability and
    /// falls with the remaining steps.
    view_noise: f64 = real("", 0.2, 0.0..=1.0);
    /// How far pixels may exceed black and white; beyond that they get no gradient.
    clip: f64 = real("", 0.1, 0.0..=10.0);
    /// Number of bands of the gradient's Laplacian pyramid.
    levels: u32 = whole("", 6, 1..=8);
    /// Gain of each coarser band of the gradient relative to the next finer one, on top of the spectrum of photographs.
    tilt: f64 = real("×", 1.15, 0.1..=10.0);
    /// Gain of the gradient's chroma, relative to photographs; 0 = grey.
    chroma: f64 = real("×", 1.5, 0.0..=10.0).by(0.1);
    /// Maximum contrast of each colour axis, relative to photographs; 0 = no limit.
    contrast: f64 = real("", 1.0, 0.0..=10.0).by(0.1);
    /// Probability that a step drops a residual branch, so that the picture depends on no single branch.
    stochastic_depth: f64 = real("", 0.2, 0.0..=0.9);
    /// How strongly the class activation map confines the ascent; 0 = everywhere equally.
    mask: f64 = real("", 0.4, 0.0..=1.0);
    /// Method of the class activation map.
    mask_method: Method = knob::METHOD;
    /// Layer of the class activation map; empty = the last layer with spatial dimensions.
    mask_layer: String = Domain::Layer;
    /// Fraction of the class activation map that each step keeps (running average).
    mask_memory: f64 = real("", 0.9, 0.0..=0.999);
    /// Contrast of the initial noise, relative to photographs.
    noise: f64 = real("", 0.1, 0.0..=1.0);
    /// Fraction of the picture's contrast that each step removes.
    decay: f64 = real("", 0.0, 0.0..=1.0).by(0.01);
    /// Fraction of the picture's finest detail that each step removes (the first band of its Laplacian pyramid).
    damping: f64 = real("", 0.0, 0.0..=1.0);
    /// Strength of the total-variation penalty, which smooths texture and keeps edges; 1 = the limit of stability.
    total_variation: f64 = real("", 0.0, 0.0..=1.0);
    /// Maximum number of steps during which dead ReLUs pass a gradient, if nothing would move otherwise.
    rescue: u32 = whole("steps", 16, 0..=1000).by(4.0);
}

/// Settings of earlier versions that were removed, and what replaces them.
const REMOVED: &[(&str, &str)] = &[
    ("jitter", "use view_min and view_max (random views)"),
    ("boost", "use tilt"),
    (
        "decorrelation",
        "the canvas always has decorrelated colours; use chroma",
    ),
];

/// Why a setting was rejected.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum SettingError {
    #[error("no setting is called {key:?}{suggestions}")]
    Unknown { key: String, suggestions: String },
    #[error("setting {key} was removed: {instead}")]
    Removed {
        key: &'static str,
        instead: &'static str,
    },
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
    #[error("no preset is called {name:?}; available: {known}")]
    UnknownPreset { name: String, known: String },
}

/// Named changes to the defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    /// One line about its purpose.
    pub help: &'static str,
    /// Changed settings, all numbers.
    pub changes: &'static [(&'static str, f64)],
}

/// Every preset, the default first.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "default",
        help: "the default settings",
        changes: &[],
    },
    Preset {
        name: "draft",
        help: "a recognizable picture in a third of the time",
        changes: &[
            ("steps", 80.0),
            ("octave_scale", 1.85),
            ("octave_share", 1.15),
            ("step_size", 0.3),
            ("momentum", 0.75),
        ],
    },
    Preset {
        name: "fine",
        help: "twice the size, with finer detail, in about three times the time",
        changes: &[("steps", 384.0), ("canvas_scale", 2.0), ("step_size", 0.15)],
    },
    Preset {
        name: "vivid",
        help: "stronger colours and contrast",
        changes: &[("chroma", 2.0), ("contrast", 1.4), ("step_size", 0.25)],
    },
];

/// The setting called `key`.
pub fn knob(key: &str) -> Option<&'static Knob> {
    KNOBS.iter().find(|knob| knob.key == key)
}

impl Settings {
    /// Where and how the class activation map is taken.
    pub fn map(&self) -> CamOptions<'_> {
        CamOptions {
            method: self.mask_method,
            layer: Some(self.mask_layer.as_str()).filter(|name| !name.is_empty()),
        }
    }

    /// The settings of a preset.
    ///
    /// # Errors
    /// [`SettingError::UnknownPreset`].
    pub fn preset(name: &str) -> Result<Self, SettingError> {
        let found = PRESETS.iter().find(|preset| preset.name == name);
        let preset = found.ok_or_else(|| SettingError::UnknownPreset {
            name: name.into(),
            known: PRESETS
                .iter()
                .map(|preset| preset.name)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        let mut settings = Self::default();
        for (key, value) in preset.changes {
            settings.set(key, (*value).into())?;
        }
        Ok(settings)
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// [`SettingError`] for an unknown key or a value out of range.
    pub fn set(&mut self, key: &str, value: SettingValue) -> Result<(), SettingError> {
        let knob = knob(key).ok_or_else(|| unknown(key))?;
        knob.check(&value)?;
        self.put(key, value);
        Ok(())
    }

    /// Changes a setting to a value given as text, as in `KEY=VALUE`.
    ///
    /// # Errors
    /// As [`Settings::set`], and if the text is not a number where one is required.
    pub fn set_text(&mut self, key: &str, text: &str) -> Result<(), SettingError> {
        let knob = knob(key).ok_or_else(|| unknown(key))?;
        self.set(key, knob.read(text)?)
    }
}

fn unknown(key: &str) -> SettingError {
    if let Some((key, instead)) = REMOVED.iter().find(|(removed, _)| *removed == key) {
        return SettingError::Removed { key, instead };
    }
    let nearest = suggest::suggestions(key, KNOBS.iter().map(|knob| knob.key));
    SettingError::Unknown {
        key: key.chars().take(40).collect(),
        suggestions: suggest::did_you_mean(&nearest),
    }
}

impl From<Settings> for BTreeMap<String, SettingValue> {
    /// All numbers, and the names that differ from their default, so that records from before these settings stay
    /// valid.
    fn from(settings: Settings) -> Self {
        let reported = |knob: &'static Knob| {
            let value = settings.get(knob.key)?;
            let is_number = matches!(value, SettingValue::Number(_));
            (is_number || value != knob.default()).then(|| (knob.key.into(), value))
        };
        KNOBS.iter().filter_map(reported).collect()
    }
}

impl TryFrom<BTreeMap<String, SettingValue>> for Settings {
    type Error = SettingError;

    /// Missing settings keep their default.
    fn try_from(values: BTreeMap<String, SettingValue>) -> Result<Self, SettingError> {
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

    const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    const BEGIN: &str = "<!-- settings -->\n";
    const END: &str = "<!-- end of settings -->\n";

    /// Presets and settings as the README lists them.
    fn document() -> String {
        let mut text = String::from("| preset | | differs in |\n|---|---|---|\n");
        for Preset {
            name,
            help,
            changes,
        } in PRESETS
        {
            let changes: Vec<String> = changes
                .iter()
                .map(|(key, value)| format!("`{key}={value}`"))
                .collect();
            text += &format!("| `{name}` | {help} | {} |\n", changes.join(" "));
        }
        text += "\n| setting | default | range | what it does |\n|---|---|---|---|\n";
        for knob in KNOBS {
            let (key, help) = (knob.key, knob.help);
            let default = format!("{} {}", knob.default(), knob.unit());
            text += &format!(
                "| `{key}` | {} | {} | {help} |\n",
                default.trim(),
                knob.allowed()
            );
        }
        text
    }

    #[test]
    fn the_readme_lists_every_preset_and_setting() {
        let readme = std::fs::read_to_string(README).unwrap();
        let (before, rest) = readme.split_once(BEGIN).unwrap();
        let (found, after) = rest.split_once(END).unwrap();
        if std::env::var_os("ZIGGURAT_WRITE_README").is_some() {
            let text = format!("{before}{BEGIN}{}{END}{after}", document());
            return std::fs::write(README, text).unwrap();
        }
        assert!(
            found == document(),
            "README.md is out of date: ZIGGURAT_WRITE_README=1 cargo test --lib the_readme_lists"
        );
    }

    #[test]
    fn what_was_removed_names_its_successor() {
        let mut settings = Settings::default();
        for (key, _) in REMOVED {
            let problem = settings.set_text(key, "1").unwrap_err().to_string();
            assert!(problem.starts_with(&format!("setting {key} was removed: ")));
            assert!(knob(key).is_none());
        }
    }

    #[test]
    fn presets_hold_only_what_is_allowed() {
        for preset in PRESETS {
            Settings::preset(preset.name).unwrap();
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

//! The knobs of an ascent: one table says each one's key, unit, range, default and meaning. The command line, the files
//! on disk and the explorer all read it; no other room knows a setting by itself.

mod group;
mod knob;

pub use group::{GROUPS, Group, in_groups};
pub use knob::{Domain, Knob};

use super::MapChoice;
use super::cam::Method;
use super::objective::ClassScore;
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
    steps: u32 = whole("steps", 176, 1..=100_000);
    /// Longest side of the finished picture; 0 is the size of which the network sees the middle without resizing.
    canvas: u32 = whole("px", 0, 0..=2048);
    /// How large the finished picture is where `canvas` is 0, as a multiple of that size; at most 2048 px.
    canvas_scale: f64 = real("×", 1.0, 0.25..=8.0);
    /// How many canvas sizes the ascent climbs through, coarse to fine; a larger canvas than the network needs adds more.
    octaves: u32 = whole("", 3, 1..=8);
    /// How much larger each octave's canvas is than the one before.
    octave_scale: f64 = real("×", 2.2, 1.05..=4.0);
    /// How many times as many steps each octave takes as the next finer one: coarse octaves decide the form.
    octave_share: f64 = real("×", 1.7, 0.1..=10.0);
    /// What of a class is climbed: the logarithm of its probability, which also pushes rival classes down, or its logit.
    objective: ClassScore = knob::CLASS_SCORE;
    /// How far a step moves the picture, as a share of the contrast of photographs.
    step_size: f64 = real("", 0.2, 0.0..=2.0);
    /// What is left of the step size at the end of each octave; it falls linearly.
    step_decay: f64 = real("", 0.1, 0.0..=1.0);
    /// How much of the velocity survives a step.
    momentum: f64 = real("", 0.8, 0.0..=0.999);
    /// Side of the smallest random view, as a share of what the network sees of every picture.
    view_min: f64 = real("", 0.6, 0.05..=4.0);
    /// Side of the largest random view, likewise; a view that reaches beyond the canvas sees mid grey there.
    view_max: f64 = real("", 1.4, 0.05..=4.0);
    /// Largest standard deviation of the Gaussian blur of a view, in pixels of the network's input.
    blur: f64 = real("px", 3.0, 0.0..=32.0);
    /// Share of the views that are blurred.
    blur_share: f64 = real("", 0.5, 0.0..=1.0);
    /// Largest standard deviation of the noise in a view, black being 0 and white 1; it grows as the class is recognised and falls with the steps left.
    view_noise: f64 = real("", 0.2, 0.0..=1.0);
    /// How far beyond black and white the network sees the picture; what is further out gets no gradient.
    clip: f64 = real("", 0.1, 0.0..=10.0);
    /// How many bands the Laplacian pyramid of the gradient has.
    levels: u32 = whole("", 6, 1..=8);
    /// How much stronger each coarser band of the gradient counts than the one before, beyond its strength in photographs.
    tilt: f64 = real("×", 1.15, 0.1..=10.0);
    /// How much stronger the gradient's chroma counts than in photographs; 0 draws in grey.
    chroma: f64 = real("×", 1.5, 0.0..=10.0);
    /// Largest contrast of each colour axis, as a share of that of photographs; 0 sets no limit.
    contrast: f64 = real("", 1.0, 0.0..=10.0);
    /// Probability that a step leaves a residual branch of the network out, so that the picture depends on no single one.
    stochastic_depth: f64 = real("", 0.2, 0.0..=0.9);
    /// How strongly regions outside the class activation map are left alone; 0 draws everywhere alike.
    mask: f64 = real("", 0.4, 0.0..=1.0);
    /// How the class activation map is made.
    mask_method: Method = knob::METHOD;
    /// The layer where the class activation map is taken; without one, the last that has the picture's rows and columns.
    mask_layer: String = Domain::Layer;
    /// How much of the class activation map survives a step.
    mask_memory: f64 = real("", 0.9, 0.0..=0.999);
    /// Contrast of the noise that the ascent starts from, as a share of the contrast of photographs.
    noise: f64 = real("", 0.1, 0.0..=1.0);
    /// How much of the picture's contrast each step takes away.
    decay: f64 = real("", 0.0, 0.0..=1.0);
    /// How much of the picture's finest detail (what a Gaussian pyramid's first level loses) each step takes away.
    damping: f64 = real("", 0.0, 0.0..=1.0);
    /// Strength of the total-variation penalty, which flattens texture and keeps edges; 1 is the most that is stable.
    total_variation: f64 = real("", 0.0, 0.0..=1.0);
    /// For how many steps blocked rectifiers may pass a gradient if without that nothing moves.
    rescue: u32 = whole("steps", 16, 0..=1000);
}

/// Settings of earlier versions that no longer exist, and what does their work now.
const REMOVED: &[(&str, &str)] = &[
    ("jitter", "random views do its work: view_min, view_max"),
    ("boost", "bands are as strong as in photographs, times tilt"),
    (
        "decorrelation",
        "the canvas has decorrelated colours, times chroma",
    ),
];

/// A setting that cannot be taken.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SettingError {
    #[error("no setting is called {key:?}; near: {near}")]
    Unknown { key: String, near: String },
    #[error("there is no setting {key} any more: {instead}")]
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
    #[error("no preset is called {name:?}; there are: {known}")]
    UnknownPreset { name: String, known: String },
}

/// Named changes to the defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    /// One line that says what it is for.
    pub help: &'static str,
    /// Keys of numbers, and their values.
    pub changes: &'static [(&'static str, f64)],
}

/// Every preset, the default first.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "default",
        help: "what a run starts from",
        changes: &[],
    },
    Preset {
        name: "draft",
        help: "a recognisable picture in a third of the time",
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
    if let Some((key, instead)) = REMOVED.iter().find(|(removed, _)| *removed == key) {
        return SettingError::Removed { key, instead };
    }
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
            assert!(problem.starts_with(&format!("there is no setting {key} any more: ")));
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

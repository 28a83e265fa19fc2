//! The settings of a run that differ from the defaults, and the preset that they are based on.

use super::{METHOD, has_known_settings};
use crate::ascent::Settings;
use crate::ascent::settings::{KNOBS, PRESETS};
use crate::runs::format;
use crate::setting_value::SettingValue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// The settings that differ from today's defaults, in the order of [`KNOBS`]: keys, and values that are safe to show.
/// Shown as `steps=80 blur=2`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes(Vec<(&'static str, String)>);

impl Changes {
    /// The recorded settings that differ. Those of methods with other settings are left out.
    pub(in crate::runs) fn new<'a>(
        method: u32,
        settings: impl Iterator<Item = (&'a str, &'a SettingValue)>,
    ) -> Self {
        if !has_known_settings(method) {
            return Self::default();
        }
        let changed = settings.filter_map(|(key, value)| {
            let place = KNOBS.iter().position(|knob| knob.key == key)?;
            let is_default = KNOBS[place].default() == *value;
            (!is_default).then(|| (place, format::value(value)))
        });
        let mut changed: Vec<(usize, String)> = changed.collect();
        changed.sort();
        let named = changed.into_iter();
        Self(
            named
                .map(|(place, value)| (KNOBS[place].key, value))
                .collect(),
        )
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// The value of a setting; `None` if it has its default.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut all = self.iter();
        all.find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// Whether every setting has its default.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The preset that they are based on, and the changes beyond it: of the presets all of whose settings are among
    /// them, the one with most settings; else the default.
    pub fn based(&self) -> (&'static str, Self) {
        let is_among = |preset: &Self| {
            preset
                .iter()
                .all(|(key, value)| self.get(key) == Some(value))
        };
        let presets = OF_PRESETS.iter();
        let fitting = presets.filter(|(_, preset)| is_among(preset));
        // Of several that have as many settings, the last would be taken: the default has none.
        let best = fitting.max_by_key(|(_, preset)| preset.0.len());
        let (name, preset) = best.cloned().unwrap_or_default();
        let beyond = self.0.iter().filter(|(key, _)| preset.get(key).is_none());
        (name, Self(beyond.cloned().collect()))
    }
}

/// What each built-in preset changes.
static OF_PRESETS: LazyLock<Vec<(&'static str, Changes)>> = LazyLock::new(|| {
    let of = |name: &'static str| {
        let settings = BTreeMap::from(Settings::preset(name).unwrap_or_default());
        let settings = settings.iter().map(|(key, value)| (key.as_str(), value));
        (name, Changes::new(METHOD, settings))
    };
    PRESETS.iter().map(|preset| of(preset.name)).collect()
});

/// The preset, unless it is the default, and what was changed beyond it: `draft steps=90`.
impl fmt::Display for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let (preset, beyond) = self.based();
        let preset = (preset != PRESETS[0].name).then(|| preset.to_string());
        let beyond = beyond.iter().map(|(key, value)| format!("{key}={value}"));
        let all: Vec<String> = preset.into_iter().chain(beyond).collect();
        formatter.write_str(&all.join(" "))
    }
}

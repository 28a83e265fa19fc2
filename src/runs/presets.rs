//! Presets by name: the built-in ones and the user's own, those of `config.toml`.

use crate::ascent::Settings;
use crate::ascent::settings::{PRESETS, SettingError};
use crate::setting_value::SettingValue;
use std::collections::BTreeMap;

/// The presets that can be chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Presets {
    /// The user's own: name → changes to the defaults. All of them are valid.
    own: BTreeMap<String, BTreeMap<String, SettingValue>>,
}

/// A preset of the user that is not valid.
#[derive(Debug, PartialEq)]
pub struct InvalidPreset {
    pub name: String,
    /// The setting that is not allowed.
    pub key: String,
    pub problem: SettingError,
}

impl InvalidPreset {
    /// The full key in `config.toml`, such as `presets.mine.steps`.
    pub fn place(&self) -> String {
        format!("presets.{}.{}", self.name, self.key)
    }
}

impl Presets {
    /// Adds presets of the user, which replace those of the same name. Invalid ones are left out; returns their errors.
    pub fn add(
        &mut self,
        presets: BTreeMap<String, BTreeMap<String, SettingValue>>,
    ) -> Vec<InvalidPreset> {
        let mut problems = Vec::new();
        for (name, changes) in presets {
            match invalid(&changes) {
                None => drop(self.own.insert(name, changes)),
                Some((key, problem)) => problems.push(InvalidPreset { name, key, problem }),
            }
        }
        problems
    }

    /// The names of all presets, the built-in ones first.
    pub fn names(&self) -> Vec<&str> {
        let is_built_in = |name: &&str| PRESETS.iter().any(|preset| preset.name == *name);
        let built_in = PRESETS.iter().map(|preset| preset.name);
        let own = self.own.keys().map(String::as_str);
        built_in
            .chain(own.filter(|name| !is_built_in(name)))
            .collect()
    }

    /// The settings of a preset. One of the user replaces a built-in one of the same name.
    ///
    /// # Errors
    /// [`SettingError::UnknownPreset`].
    pub fn settings(&self, name: &str) -> Result<Settings, SettingError> {
        let settings = match self.own.get(name) {
            Some(changes) => Settings::try_from(changes.clone()),
            None => Settings::preset(name),
        };
        settings.map_err(|problem| match problem {
            SettingError::UnknownPreset { name, .. } => SettingError::UnknownPreset {
                name,
                known: self.names().join(", "),
            },
            other => other,
        })
    }
}

/// The settings as `config.toml` stores them in a preset: those that differ from the defaults.
pub fn to_preset(settings: &Settings) -> BTreeMap<String, SettingValue> {
    let defaults = BTreeMap::from(Settings::default());
    let mut changes = BTreeMap::from(settings.clone());
    changes.retain(|key, value| defaults.get(key) != Some(value));
    changes
}

/// The first of the changes that is not allowed, and why.
fn invalid(changes: &BTreeMap<String, SettingValue>) -> Option<(String, SettingError)> {
    let mut settings = Settings::default();
    changes.iter().find_map(|(key, value)| {
        let problem = settings.set(key, value.clone()).err()?;
        Some((key.clone(), problem))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(key: &str, value: f64) -> BTreeMap<String, SettingValue> {
        BTreeMap::from([(key.to_string(), value.into())])
    }

    #[test]
    fn the_users_presets_come_after_the_built_in_ones_and_replace_those_of_the_same_name() {
        let mut presets = Presets::default();
        let own = BTreeMap::from([
            ("mine".to_string(), changes("steps", 10.0)),
            ("draft".to_string(), changes("steps", 20.0)),
        ]);
        assert!(presets.add(own).is_empty());
        assert_eq!(
            presets.names(),
            ["default", "draft", "fine", "vivid", "mine"]
        );
        assert_eq!(presets.settings("mine").unwrap().steps, 10);
        assert_eq!(presets.settings("draft").unwrap().steps, 20);
    }

    #[test]
    fn invalid_and_unknown_presets_are_errors() {
        let mut presets = Presets::default();
        let own = BTreeMap::from([
            ("good".to_string(), changes("steps", 10.0)),
            ("bad".to_string(), changes("steps", -1.0)),
        ]);
        let problems = presets.add(own);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place(), "presets.bad.steps");
        let problem = presets.settings("bad").unwrap_err().to_string();
        assert!(problem.ends_with("vivid, good"), "{problem}");
    }

    #[test]
    fn a_preset_holds_what_differs_from_the_defaults() {
        let mut presets = Presets::default();
        let mut settings = Settings::default();
        settings.set("momentum", 0.5.into()).unwrap();
        let preset = to_preset(&settings);
        assert_eq!(preset, changes("momentum", 0.5));
        presets.add(BTreeMap::from([("calm".to_string(), preset)]));
        assert_eq!(presets.settings("calm").unwrap(), settings);
    }
}

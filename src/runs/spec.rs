//! Everything that determines a picture. The same spec on the same kind of device gives the same picture.

mod branch;
mod changes;

pub use branch::{BranchError, BranchPoint, changed};
pub use changes::Changes;

use super::target::NOT;
use crate::ascent::{Kind, Objective, Settings, Stage, Unit};
use crate::setting_value::SettingValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Raised whenever the method itself changes, so that older pictures no longer answer for new requests.
const METHOD: u32 = 9;

/// The first method whose settings are those of [`Settings`]. Those of earlier ones had other meanings.
const FIRST_KNOWN: u32 = 4;

/// Settings that came later: key, the first method that has it, and the value that means what earlier methods did.
const ADDED: &[(&str, u32, f64)] = &[("view_noise", 6, 0.0)];

/// Most settings that an earlier method may have recorded, and the longest key of one.
const MAX_FORMER: (usize, usize) = (64, 40);

/// A run as it was requested, in canonical form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Spec {
    /// Which revision of the method makes the picture.
    pub method: u32,
    /// The model as it was asked for: a card's name, or a path.
    pub model: String,
    /// Content hash of the model.
    pub model_hash: String,
    /// The target's title, for people.
    pub target: String,
    pub objective: Objective,
    pub unit: Unit,
    pub seed: u64,
    /// The defaults where an earlier method recorded others, see [`Spec::former`].
    pub settings: Settings,
    /// The settings as an earlier method recorded them, whose meanings are not those of today.
    former: Option<BTreeMap<String, SettingValue>>,
    /// Other settings of its first steps, see [`Spec::branched`].
    earlier: Vec<Stage>,
}

/// A spec as it is written to files.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    method: u32,
    model: String,
    model_hash: String,
    target: String,
    objective: Objective,
    unit: Unit,
    seed: u64,
    settings: BTreeMap<String, SettingValue>,
    /// The runs that it was branched from, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    branched_from: Vec<branch::Written>,
}

impl TryFrom<Written> for Spec {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let (settings, former) = if has_known_settings(written.method) {
            (known(written.method, written.settings)?, None)
        } else {
            (Settings::default(), Some(former(written.settings)?))
        };
        let spec = Self {
            method: written.method,
            model: written.model,
            model_hash: written.model_hash,
            target: written.target,
            objective: written.objective,
            unit: written.unit,
            seed: written.seed,
            settings,
            former,
            earlier: Vec::new(),
        };
        spec.with_written(written.branched_from)
    }
}

/// The settings that a method recorded, where they are those of [`Settings`].
fn known(method: u32, mut recorded: BTreeMap<String, SettingValue>) -> Result<Settings, String> {
    for (key, _, without) in added_after(method) {
        recorded.insert((*key).into(), (*without).into());
    }
    Settings::try_from(recorded).map_err(|problem| problem.to_string())
}

/// The settings that came after a method.
fn added_after(method: u32) -> impl Iterator<Item = &'static (&'static str, u32, f64)> {
    ADDED.iter().filter(move |(_, since, _)| method < *since)
}

/// Whether the settings of a method are those of [`Settings`].
pub(super) fn has_known_settings(method: u32) -> bool {
    method >= FIRST_KNOWN
}

/// Whether a method is the present one.
pub(super) fn is_current(method: u32) -> bool {
    method == METHOD
}

/// Settings of an earlier method, as long as they may be settings at all.
fn former(
    settings: BTreeMap<String, SettingValue>,
) -> Result<BTreeMap<String, SettingValue>, String> {
    let (count, length) = MAX_FORMER;
    let is_key = |key: &String| {
        key.len() <= length && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    if settings.len() <= count && settings.keys().all(is_key) {
        Ok(settings)
    } else {
        Err("these are no settings of an earlier version".into())
    }
}

impl From<Spec> for Written {
    fn from(spec: Spec) -> Self {
        Self {
            settings: spec.recorded(),
            branched_from: spec.written_branches(),
            method: spec.method,
            model: spec.model,
            model_hash: spec.model_hash,
            target: spec.target,
            objective: spec.objective,
            unit: spec.unit,
            seed: spec.seed,
        }
    }
}

impl Spec {
    /// A spec of the present method. Settings without effect on the target become the defaults, so that they do not
    /// make another run.
    pub fn new(
        model: (&str, &str),
        target: (&str, Objective, Unit),
        seed: u64,
        mut settings: Settings,
    ) -> Self {
        keep_without_effect(&mut settings, target.1.kind, &Settings::default());
        Self {
            method: METHOD,
            model: model.0.into(),
            model_hash: model.1.into(),
            target: target.0.into(),
            objective: target.1,
            unit: target.2,
            seed,
            settings,
            former: None,
            earlier: Vec::new(),
        }
    }

    /// The settings that an earlier method recorded; `None` for the present method.
    pub fn former(&self) -> Option<&BTreeMap<String, SettingValue>> {
        self.former.as_ref()
    }

    /// The settings that differ from today's defaults.
    pub fn changes(&self) -> Changes {
        let recorded = self.recorded();
        let settings = recorded.iter().map(|(key, value)| (key.as_str(), value));
        Changes::new(self.method, settings)
    }

    /// The settings as they are written to files.
    fn recorded(&self) -> BTreeMap<String, SettingValue> {
        let settings = || self.recorded_of(&self.settings);
        self.former.clone().unwrap_or_else(settings)
    }

    /// Settings as its method writes them to files.
    fn recorded_of(&self, settings: &Settings) -> BTreeMap<String, SettingValue> {
        let mut settings: BTreeMap<String, SettingValue> = settings.clone().into();
        for (key, ..) in added_after(self.method) {
            settings.remove(*key);
        }
        settings
    }

    /// The same request of the present method with another seed. Settings of an earlier method become the defaults.
    pub fn with_seed(&self, seed: u64) -> Self {
        Self {
            method: METHOD,
            seed,
            former: None,
            ..self.clone()
        }
    }

    /// The name of the class that it is about; `None` for a layer, a channel or a neuron.
    pub fn class_name(&self) -> Option<&str> {
        match self.objective.kind {
            Kind::Class => Some(&self.target),
            Kind::NotClass => Some(self.target.strip_prefix(NOT).unwrap_or(&self.target)),
            Kind::Channel | Kind::Neuron | Kind::Layer => None,
        }
    }

    /// Whether this version of Ziggurat makes the picture in the same way.
    pub fn is_current(&self) -> bool {
        is_current(self.method)
    }

    /// The run's id: 16 hexadecimal digits of a hash of all that decides the picture. How the model is called and the
    /// target's title do not. That of a branch hangs on the id of the run it was branched from, and on the step.
    pub fn id(&self) -> String {
        let decisive = (
            self.method,
            &self.model_hash,
            &self.objective,
            &self.unit,
            self.seed,
            self.recorded(),
        );
        let text = match self.branched_from() {
            None => serde_json::to_string(&decisive),
            Some(parent) => serde_json::to_string(&(decisive, parent.id, parent.step)),
        };
        let text = text.expect("strings and finite numbers can always be written as JSON");
        blake3::hash(text.as_bytes()).to_hex()[..16].to_string()
    }
}

/// Leaves the settings without effect on such a target as they are in `before`.
fn keep_without_effect(settings: &mut Settings, kind: Kind, before: &Settings) {
    if !kind.is_of_class() {
        settings.objective = before.objective;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        let objective = Objective {
            kind: Kind::Class,
            value: "logits".into(),
        };
        let unit = Unit {
            index: 130,
            position: (0, 0),
        };
        Spec::new(
            ("lite0", "abc"),
            ("flamingo", objective, unit),
            1,
            Settings::default(),
        )
    }

    #[test]
    fn what_decides_the_picture_decides_the_id() {
        let base = spec();
        assert_eq!(base.id(), spec().id());
        let renamed = Spec {
            model: "other".into(),
            target: "130".into(),
            ..spec()
        };
        assert_eq!(base.id(), renamed.id());
        for other in [
            Spec { seed: 2, ..spec() },
            Spec {
                model_hash: "abd".into(),
                ..spec()
            },
            Spec {
                unit: Unit {
                    index: 131,
                    position: (0, 0),
                },
                ..spec()
            },
            Spec {
                settings: Settings {
                    momentum: 0.7,
                    ..Settings::default()
                },
                ..spec()
            },
        ] {
            assert_ne!(base.id(), other.id());
        }
    }

    #[test]
    fn a_setting_without_effect_on_the_target_makes_no_other_run() {
        let of = |kind, settings: &Settings| {
            let value = "value".into();
            let what = ("target", Objective { kind, value }, Unit::default());
            Spec::new(("lite0", "abc"), what, 1, settings.clone())
        };
        let (default, mut logit) = (Settings::default(), Settings::default());
        logit.set_text("objective", "logit").unwrap();
        for kind in [Kind::Channel, Kind::Neuron, Kind::Layer] {
            let run = of(kind, &default);
            assert_eq!(of(kind, &logit).id(), run.id(), "{kind:?}");
            let with_blur = Settings {
                blur: 1.0,
                ..logit.clone()
            };
            let branch = run.branched(3, &with_blur).unwrap();
            let changes = branch.changes_at_branch();
            assert_eq!(changes, [("blur", "3".into(), "1".into())], "{kind:?}");
        }
        for kind in [Kind::Class, Kind::NotClass] {
            assert_ne!(of(kind, &logit).id(), of(kind, &default).id(), "{kind:?}");
        }
    }

    /// A spec as version 0.1 wrote it with method 3.
    const OLD: &str = r#"{"method":3,"model":"lite0","model_hash":"abc","target":"flamingo",
        "objective":{"kind":"class","value":"logits"},"unit":{"index":130,"position":[0,0]},"seed":1,
        "settings":{"boost":1.8,"jitter":16.0,"momentum":0.9,"steps":256.0}}"#;

    #[test]
    fn settings_of_an_earlier_method_are_kept_as_they_were_recorded() {
        let old: Spec = serde_json::from_str(OLD).unwrap();
        assert!(!old.is_current());
        assert_eq!(old.settings, Settings::default());
        assert_eq!(old.former().unwrap()["jitter"], 16.0.into());
        let again: serde_json::Value = serde_json::to_value(&old).unwrap();
        assert_eq!(
            again,
            serde_json::from_str::<serde_json::Value>(OLD).unwrap()
        );
        let mut other = old.clone();
        other
            .former
            .as_mut()
            .unwrap()
            .insert("jitter".into(), 8.0.into());
        assert_ne!(other.id(), old.id());
    }

    #[test]
    fn a_setting_that_came_later_is_off_in_earlier_runs_and_not_written_for_them() {
        let text = r#"{"method":5,"model":"lite0","model_hash":"abc","target":"flamingo",
            "objective":{"kind":"class","value":"logits"},"unit":{"index":130,"position":[0,0]},"seed":1,
            "settings":{"momentum":0.9,"steps":176.0}}"#;
        let earlier: Spec = serde_json::from_str(text).unwrap();
        assert!(!earlier.is_current() && earlier.former().is_none());
        assert_eq!(
            (earlier.settings.momentum, earlier.settings.view_noise),
            (0.9, 0.0)
        );
        assert!(!earlier.recorded().contains_key("view_noise"));
        let again: Spec = serde_json::from_str(&serde_json::to_string(&earlier).unwrap()).unwrap();
        assert_eq!((again.id(), again), (earlier.id(), earlier.clone()));
        // Run again, it is the same request of the present method, which writes the setting.
        let now = earlier.with_seed(1);
        assert_eq!(now.settings.view_noise, 0.0);
        assert_eq!(now.recorded()["view_noise"], 0.0.into());
    }

    #[test]
    fn what_cannot_be_settings_of_an_earlier_method_is_refused() {
        let read = |text: &str| serde_json::from_str::<Spec>(text);
        assert!(read(&OLD.replace("jitter", "ji\\u202etter")).is_err());
        assert!(read(&OLD.replace("jitter", &"j".repeat(41))).is_err());
        let many: String = (0..80u8).fold(String::new(), |all, index| {
            let key = [b'a' + index / 26, b'a' + index % 26].map(char::from);
            format!("{all}\"{}{}\":1.0,", key[0], key[1])
        });
        assert!(read(&OLD.replace("\"boost\":1.8,", &many)).is_err());
        // The present method knows all of its settings.
        assert!(read(&OLD.replace("\"method\":3", "\"method\":5")).is_err());
    }

    #[test]
    fn settings_that_are_a_presets_bear_its_name() {
        let with = |settings| Spec { settings, ..spec() }.changes();
        let none = Changes::default();
        assert_eq!(with(Settings::default()).based(), ("default", none.clone()));
        let mut draft = Settings::preset("draft").unwrap();
        let changes = with(draft.clone());
        assert_eq!(
            (changes.get("steps"), changes.get("blur")),
            (Some("80"), None)
        );
        assert_eq!(changes.based(), ("draft", none));
        draft.set("blur", 2.0.into()).unwrap();
        let (preset, beyond) = with(draft.clone()).based();
        assert_eq!((preset, beyond.to_string().as_str()), ("draft", "blur=2"));
        draft.set("steps", 90.0.into()).unwrap();
        let (preset, beyond) = with(draft).based();
        assert_eq!((preset, beyond.get("steps")), ("default", Some("90")));
    }

    #[test]
    fn a_spec_survives_json() {
        let text = serde_json::to_string(&spec()).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec());
    }
}

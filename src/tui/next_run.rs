//! Settings, preset and seed of the next runs; and sweeps over one or two settings.

use crate::ascent::Settings;
use crate::ascent::settings::{Domain, KNOBS, Knob, PRESETS, SettingError, knob};
use crate::runs::format;
use crate::runs::presets::{InvalidPreset, Presets};
use crate::setting_value::SettingValue;
use std::collections::BTreeMap;

/// Settings of the next runs.
#[derive(Debug, Clone, PartialEq)]
pub struct NextRun {
    pub settings: Settings,
    pub seed: u64,
    /// The preset from which the settings started.
    preset: String,
    presets: Presets,
}

impl Default for NextRun {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            seed: 0,
            preset: PRESETS[0].name.into(),
            presets: Presets::default(),
        }
    }
}

impl NextRun {
    /// Adds the user's presets; returns the names and errors of invalid ones.
    pub fn add_presets(
        &mut self,
        presets: BTreeMap<String, BTreeMap<String, SettingValue>>,
    ) -> Vec<InvalidPreset> {
        self.presets.add(presets)
    }

    /// Names of all presets, the built-in ones first.
    pub fn presets(&self) -> Vec<&str> {
        self.presets.names()
    }

    /// The settings of a preset; the user's take precedence over built-in ones.
    pub fn settings_of(&self, name: &str) -> Option<Settings> {
        self.presets.settings(name).ok()
    }

    /// The name of the preset.
    pub fn preset(&self) -> &str {
        &self.preset
    }

    /// The preset's name, with a `*` if the settings differ.
    pub fn title(&self) -> String {
        let unchanged = self.settings_of(&self.preset).as_ref() == Some(&self.settings);
        format!("{}{}", self.preset, if unchanged { "" } else { "*" })
    }

    /// The settings that differ from the preset.
    pub fn changed(&self) -> BTreeMap<String, SettingValue> {
        let preset = self.settings_of(&self.preset).unwrap_or_default();
        let changed = |knob: &Knob| {
            let value = self.settings.get(knob.key)?;
            (preset.get(knob.key).as_ref() != Some(&value)).then(|| (knob.key.into(), value))
        };
        KNOBS.iter().filter_map(changed).collect()
    }

    /// The settings that differ from the preset, as `key = value`.
    pub fn changes(&self) -> Vec<String> {
        let changes = self.changed().into_iter();
        changes
            .map(|(key, value)| format!("{key} = {}", format::value(&value)))
            .collect()
    }

    /// Applies a preset, if it exists, and changes to it.
    ///
    /// # Errors
    /// An invalid change; nothing is then applied.
    pub fn take_changed(
        &mut self,
        preset: &str,
        changes: &BTreeMap<String, SettingValue>,
    ) -> Result<(), SettingError> {
        self.take_preset(preset);
        let mut settings = self.settings.clone();
        for (key, value) in changes {
            settings.set(key, value.clone())?;
        }
        self.settings = settings;
        Ok(())
    }

    /// Restores earlier settings, preset and seed.
    pub fn go_back_to(&mut self, before: Self) {
        let presets = std::mem::take(&mut self.presets);
        *self = Self { presets, ..before };
    }

    /// Applies the next preset.
    pub fn next_preset(&mut self) {
        let names = self.presets();
        let at = names.iter().position(|name| *name == self.preset);
        let next = names[at.map_or(0, |at| (at + 1) % names.len())].to_string();
        self.take_preset(&next);
    }

    /// Applies a preset, if it exists.
    pub fn take_preset(&mut self, name: &str) {
        if let Some(settings) = self.settings_of(name) {
            self.settings = settings;
            self.preset = name.into();
        }
    }

    /// Adds a preset that was saved. If the settings are still those, it is their preset from now on.
    pub fn add_saved_preset(&mut self, name: &str, changes: BTreeMap<String, SettingValue>) {
        self.presets.add(BTreeMap::from([(name.into(), changes)]));
        if self.settings_of(name).as_ref() == Some(&self.settings) {
            self.preset = name.into();
        }
    }

    /// Moves a setting to its next value. Returns whether there is one.
    pub fn adjust(&mut self, knob: &Knob, up: bool) -> bool {
        let value = self.settings.get(knob.key);
        let Some(moved) = value.and_then(|value| knob.turned(&value, up)) else {
            return false;
        };
        let set = self.settings.set(knob.key, moved);
        debug_assert!(set.is_ok(), "a knob changes within its range");
        true
    }
}

/// Maximum number of runs of a sweep.
pub const MAX_SWEEP: usize = 100;

/// Settings of a grid over one or two knobs, from text: `step_size=0.06,0.12 momentum=0.8,0.9`, or a range
/// `levels=3..6`, or with a number of values `tilt=1..1.3/4`.
///
/// # Errors
/// One line with the problem.
pub fn sweep(base: &Settings, text: &str) -> Result<Vec<Settings>, String> {
    let mut grid = vec![base.clone()];
    let axes: Vec<&str> = text.split_whitespace().collect();
    if !(1..=2).contains(&axes.len()) {
        return Err(
            "a sweep goes over one or two settings, for example tilt=1..1.3/4 or steps=80,176"
                .into(),
        );
    }
    let key_of = |axis: &&str| axis.split('=').next().map(str::to_string);
    if let [first, second] = axes[..]
        && key_of(&first) == key_of(&second)
    {
        return Err(format!(
            "{first} {second}: the two settings of a sweep must differ"
        ));
    }
    for axis in axes {
        let (key, values) = axis
            .split_once('=')
            .ok_or_else(|| format!("{axis}: write KEY=VALUE,VALUE,… or KEY=FROM..TO/COUNT"))?;
        let values = self::values(key, values)?;
        if grid.len() * values.len() > MAX_SWEEP {
            return Err(format!("a sweep has at most {MAX_SWEEP} runs"));
        }
        let turned =
            |settings: &Settings, value: &SettingValue| -> Result<Settings, SettingError> {
                let mut settings = settings.clone();
                settings.set(key, value.clone())?;
                Ok(settings)
            };
        grid = grid
            .iter()
            .flat_map(|settings| values.iter().map(move |value| turned(settings, value)))
            .collect::<Result<_, _>>()
            .map_err(|problem| problem.to_string())?;
    }
    Ok(grid)
}

/// The values of one axis.
fn values(key: &str, text: &str) -> Result<Vec<SettingValue>, String> {
    let knob = knob(key);
    let range = text.split_once("..");
    match (range, knob) {
        (
            Some((from, rest)),
            Some(Knob {
                domain: Domain::Number { whole, .. },
                ..
            }),
        ) => range_values(key, *whole, from, rest),
        (_, Some(knob)) => {
            let read = |text| knob.read(text).map_err(|problem| problem.to_string());
            text.split(',').map(read).collect()
        }
        // `set` reports an unknown setting.
        (_, None) => Ok(vec![text.into()]),
    }
}

/// The values of a range `from..to` or `from..to/count`.
fn range_values(
    key: &str,
    whole: bool,
    from: &str,
    rest: &str,
) -> Result<Vec<SettingValue>, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .ok_or_else(|| format!("{key}: {text:?} is not a number"))
    };
    let (to, count) = match rest.split_once('/') {
        Some((to, count)) => (number(to)?, Some(number(count)?)),
        None => (number(rest)?, None),
    };
    let from = number(from)?;
    let count = match count {
        Some(count) => count,
        None if whole => (to - from).abs() + 1.0,
        None => 5.0,
    };
    if !(2.0..=MAX_SWEEP as f64).contains(&count) || count.fract() != 0.0 {
        return Err(format!("{key}: a range has 2 to {MAX_SWEEP} values"));
    }
    let value = |index: usize| from + (to - from) * index as f64 / (count - 1.0);
    let round = |value: f64| {
        if whole {
            value.round()
        } else {
            (value * 1e6).round() / 1e6
        }
    };
    Ok((0..count as usize)
        .map(|index| round(value(index)).into())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::presets::to_preset;

    #[test]
    fn presets_go_round_and_changes_show() {
        let mut next = NextRun::default();
        let own = BTreeMap::from([("steps".to_string(), 10.0.into())]);
        let bad = BTreeMap::from([("steps".to_string(), (-1.0).into())]);
        let problems =
            next.add_presets(BTreeMap::from([("mine".into(), own), ("bad".into(), bad)]));
        assert_eq!(problems.len(), 1);
        assert_eq!(
            next.presets(),
            ["default", "draft", "fine", "vivid", "mine"]
        );
        assert_eq!(next.title(), "default");
        for _ in 0..4 {
            next.next_preset();
        }
        assert_eq!((next.title().as_str(), next.settings.steps), ("mine", 10));
        next.adjust(knob("steps").unwrap(), true);
        assert_eq!((next.title().as_str(), next.settings.steps), ("mine*", 16));
        next.next_preset();
        assert_eq!(next.settings, Settings::default());
    }

    #[test]
    fn every_number_turns_up_and_down_again_within_its_range() {
        for knob in KNOBS {
            let Domain::Number { default, range, .. } = knob.domain else {
                continue;
            };
            let mut next = NextRun::default();
            assert!(next.adjust(knob, true));
            let up = next.settings.get(knob.key).unwrap();
            let is_more = matches!(up, SettingValue::Number(up) if up > default);
            assert!(is_more || default == range.1, "{}", knob.key);
            for _ in 0..100_000 {
                next.adjust(knob, false);
            }
            assert_eq!(
                next.settings.get(knob.key),
                Some(range.0.into()),
                "{}",
                knob.key
            );
        }
    }

    #[test]
    fn a_step_goes_to_the_next_multiple_and_ends_are_reached_soon() {
        let mut next = NextRun::default();
        let mut adjust = |key: &str, up| {
            let knob = knob(key).unwrap();
            next.adjust(knob, up);
            next.settings.get(knob.key).unwrap()
        };
        assert_eq!(adjust("canvas", true), 256.0.into());
        assert_eq!(adjust("canvas", true), 288.0.into());
        assert_eq!(adjust("steps", true), 192.0.into());
        assert_eq!(adjust("momentum", true), 0.85.into());
        assert_eq!(adjust("step_size", false), 0.19.into());
        assert_eq!(adjust("octave_scale", true), 2.25.into());
        // Between two multiples, both are included.
        next.settings.set("canvas", 100.0.into()).unwrap();
        let canvas = knob("canvas").unwrap();
        let value = next.settings.get("canvas").unwrap();
        assert_eq!(canvas.turned(&value, true), Some(128.0.into()));
        assert_eq!(canvas.turned(&value, false), Some(96.0.into()));
        for knob in KNOBS {
            let Domain::Number {
                range, step, whole, ..
            } = knob.domain
            else {
                continue;
            };
            assert!(
                step > 0.0 && (!whole || step.fract() == 0.0),
                "{}",
                knob.key
            );
            // The number of steps is usually typed rather than increased to its maximum.
            let presses = (range.1 - range.0) / step;
            assert!(
                presses <= 250.0 || knob.key == "steps",
                "{}: {presses}",
                knob.key
            );
        }
    }

    #[test]
    fn methods_go_round_and_a_layer_has_no_next() {
        let mut next = NextRun::default();
        let method = knob("mask_method").unwrap();
        next.adjust(method, false);
        assert_eq!(next.settings.get("mask_method"), Some("cam".into()));
        next.adjust(method, true);
        assert_eq!(next.settings, Settings::default());
        assert!(!next.adjust(knob("mask_layer").unwrap(), true));
    }

    #[test]
    fn changes_of_a_preset_are_known_and_can_be_made_again() {
        let mut next = NextRun::default();
        next.take_preset("draft");
        next.settings.set("mask_method", "cam".into()).unwrap();
        next.settings.set("steps", 176.0.into()).unwrap();
        assert_eq!(next.changes(), ["mask_method = cam", "steps = 176"]);
        let mut again = NextRun::default();
        again.take_changed("draft", &next.changed()).unwrap();
        assert_eq!(again, next);
        let wrong = BTreeMap::from([
            ("blur".to_string(), 1.0.into()),
            ("steps".to_string(), (-1.0).into()),
        ]);
        assert!(again.take_changed("fine", &wrong).is_err());
        assert_eq!(again.title(), "fine");
    }

    #[test]
    fn a_saved_preset_is_that_of_the_settings_unless_they_changed_meanwhile() {
        let mut next = NextRun::default();
        next.settings.set("momentum", 0.5.into()).unwrap();
        let saved = to_preset(&next.settings);
        next.add_saved_preset("calm", saved.clone());
        assert_eq!(next.title(), "calm");
        next.take_preset("draft");
        next.add_saved_preset("calmer", saved);
        assert_eq!(next.title(), "draft");
        assert_eq!(next.presets()[4..], ["calm", "calmer"]);
    }

    #[test]
    fn a_sweep_is_a_grid() {
        let grid = sweep(&Settings::default(), "momentum=0.5,0.9 levels=3..5").unwrap();
        let values: Vec<_> = grid.iter().map(|one| (one.momentum, one.levels)).collect();
        assert_eq!(
            values,
            [(0.5, 3), (0.5, 4), (0.5, 5), (0.9, 3), (0.9, 4), (0.9, 5)]
        );
        let grid = sweep(&Settings::default(), "mask_method=grad-cam,layer-cam").unwrap();
        assert_eq!(grid.len(), 2);
        assert_eq!(grid[1].get("mask_method"), Some("layer-cam".into()));
        let grid = sweep(&Settings::default(), "tilt=1..2/3").unwrap();
        assert_eq!(
            grid.iter().map(|one| one.tilt).collect::<Vec<_>>(),
            [1.0, 1.5, 2.0]
        );
        for wrong in [
            "",
            "momentum",
            "momentum=7",
            "nothing=1,2",
            "steps=1..1e9",
            "a=1 b=2 c=3",
            "tilt=1..2/1e9",
            "mask_method=grad-cam,x-ray",
            "nothing=1..2",
        ] {
            let problem = sweep(&Settings::default(), wrong).unwrap_err();
            assert!(!problem.contains('\n') && !problem.is_empty());
        }
    }
}

//! Branches: runs that continue another run from one of its steps with other settings.
//!
//! A branch holds the settings of all its steps, so that it can be repeated from the first step, without the other run.

use super::{Spec, has_known_settings, keep_without_effect, known};
use crate::ascent::{Settings, Stage, fixed_difference, why_fixed};
use crate::runs::format;
use crate::setting_value::SettingValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Maximum number of changes of the settings within a run.
const MAX_STAGES: usize = 64;

/// Why a run cannot continue with other settings: one line.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BranchError {
    /// A setting that cannot change within a run.
    #[error("{key} cannot change from {from} to {to} within a run: {why}")]
    Fixed {
        key: &'static str,
        from: String,
        to: String,
        why: &'static str,
    },
    /// Not a step that has steps before and after it.
    #[error("step {step}: settings can change after step 1 to {last} of this run")]
    NoStep { step: usize, last: usize },
    /// An earlier step than that of a change of settings that the run already has.
    #[error("step {step}: the settings of this run change after step {before} already")]
    Earlier { step: usize, before: usize },
    /// More than `MAX_STAGES` changes.
    #[error("the settings of one run can change {MAX_STAGES} times at most")]
    TooMany,
    /// The run is of an earlier version, in which settings had another meaning.
    #[error("method {0} of an earlier version made this run: it cannot be branched")]
    Former(u32),
}

/// Where a branch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchPoint {
    /// The run that it was branched from.
    pub id: String,
    /// How many of that run's steps it has.
    pub step: usize,
}

/// `from 8835a6f0 at step 120`: the first digits of the id, which suffice to find the run.
impl fmt::Display for BranchPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let id: String = self.id.chars().take(8).collect();
        write!(formatter, "from {id} at step {}", self.step)
    }
}

/// A stage as it is written to files.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    id: String,
    step: usize,
    settings: BTreeMap<String, SettingValue>,
}

impl Spec {
    /// The run that continues this one after `step` steps with other settings. If this run is itself a branch that
    /// begins there, it has no step of its own, and the result is a branch of its parent.
    ///
    /// # Errors
    /// [`BranchError`].
    pub fn branched(&self, step: usize, settings: &Settings) -> Result<Self, BranchError> {
        if !self.is_current() {
            return Err(BranchError::Former(self.method));
        }
        let mut settings = settings.clone();
        keep_without_effect(&mut settings, self.objective.kind, &self.settings);
        let settings = &settings;
        if let Some(key) = fixed_difference(&self.settings, settings) {
            let text = |settings: &Settings| settings.get(key).map(|value| format::value(&value));
            return Err(BranchError::Fixed {
                key,
                from: text(&self.settings).unwrap_or_default(),
                to: text(settings).unwrap_or_default(),
                why: why_fixed(key).unwrap_or_default(),
            });
        }
        self.followed_by(step, settings)
    }

    /// As [`Self::branched`], for settings that may change and a run of any method with known settings.
    fn followed_by(&self, step: usize, settings: &Settings) -> Result<Self, BranchError> {
        let last = (self.settings.steps as usize).saturating_sub(1);
        if !(1..=last).contains(&step) {
            return Err(BranchError::NoStep { step, last });
        }
        let mut branch = self.clone();
        branch.settings = settings.clone();
        match self.earlier.last().map(|stage| stage.until) {
            Some(before) if step < before => return Err(BranchError::Earlier { step, before }),
            Some(before) if step == before => return Ok(branch),
            _ => {}
        }
        if branch.earlier.len() >= MAX_STAGES {
            return Err(BranchError::TooMany);
        }
        branch.earlier.push(Stage {
            until: step,
            settings: self.settings.clone(),
        });
        Ok(branch)
    }

    /// The stages before the branch, with their settings, in order; empty unless it is a branch.
    pub fn earlier(&self) -> &[Stage] {
        &self.earlier
    }

    /// The run that it was branched from; `None` if it is no branch.
    pub fn parent(&self) -> Option<Self> {
        let (last, before) = self.earlier.split_last()?;
        Some(Self {
            settings: last.settings.clone(),
            earlier: before.to_vec(),
            ..self.clone()
        })
    }

    /// Where it begins; `None` if it is no branch.
    pub fn branched_from(&self) -> Option<BranchPoint> {
        Some(BranchPoint {
            id: self.parent()?.id(),
            step: self.earlier.last()?.until,
        })
    }

    /// The settings that the branch changed: keys, values before and values since, safe to show.
    pub fn changes_at_branch(&self) -> Vec<(&'static str, String, String)> {
        let before = self.earlier.last().map(|stage| &stage.settings);
        before.map_or_else(Vec::new, |before| changed(before, &self.settings))
    }

    /// This run as the last stage of another one: with its earlier stages.
    ///
    /// # Errors
    /// [`BranchError`].
    pub fn with_earlier_of(self, other: &Self) -> Result<Self, BranchError> {
        let Some((first, rest)) = other.earlier.split_first() else {
            return Ok(self);
        };
        let settings = self.settings.clone();
        let root = Self {
            settings: first.settings.clone(),
            earlier: Vec::new(),
            ..self
        };
        let ends = other.earlier.iter().map(|stage| stage.until);
        let nexts = rest.iter().map(|stage| &stage.settings).chain([&settings]);
        ends.zip(nexts)
            .try_fold(root, |spec, (step, settings)| spec.branched(step, settings))
    }

    pub(super) fn written_branches(&self) -> Vec<Written> {
        let mut all = Vec::new();
        let mut spec = self.clone();
        while let (Some(parent), Some(from)) = (spec.parent(), spec.branched_from()) {
            all.push(Written {
                id: from.id,
                step: from.step,
                settings: self.recorded_of(&parent.settings),
            });
            spec = parent;
        }
        all.reverse();
        all
    }

    /// The run with stages from a file.
    pub(super) fn with_written(mut self, stages: Vec<Written>) -> Result<Self, String> {
        if stages.is_empty() {
            return Ok(self);
        }
        if !has_known_settings(self.method) || stages.len() > MAX_STAGES {
            return Err("branched_from: this run cannot be a branch".into());
        }
        let last = std::mem::take(&mut self.settings);
        let mut ends = Vec::new();
        for Written { id, step, settings } in stages {
            let settings = known(self.method, settings)?;
            ends.push((id, step));
            self = match ends.len() {
                1 => Self { settings, ..self },
                _ => self.next(&ends[ends.len() - 2], &settings)?,
            };
        }
        let (id, step) = ends.pop().unwrap_or_default();
        self.next(&(id, step), &last)
    }

    /// The branch of this run, which a file calls `id`, after `step` steps.
    fn next(&self, (id, step): &(String, usize), settings: &Settings) -> Result<Self, String> {
        if self.id() != *id {
            return Err("branched_from: the id does not belong to these settings".into());
        }
        if let Some(key) = fixed_difference(&self.settings, settings) {
            return Err(format!("branched_from: {key} differs"));
        }
        let branch = self.followed_by(*step, settings);
        let branch = branch.map_err(|problem| format!("branched_from: {problem}"))?;
        if branch.earlier.len() > self.earlier.len() {
            Ok(branch)
        } else {
            Err("branched_from: the steps do not follow one another".into())
        }
    }
}

/// The settings that differ: keys, values before and values since, safe to show.
pub fn changed(before: &Settings, since: &Settings) -> Vec<(&'static str, String, String)> {
    let knobs = crate::ascent::settings::KNOBS.iter();
    let pairs = knobs.filter_map(|knob| {
        let (before, since) = (before.get(knob.key)?, since.get(knob.key)?);
        let is_other = before != since;
        is_other.then(|| (knob.key, format::value(&before), format::value(&since)))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::record;

    fn spec() -> Spec {
        record(7).spec
    }

    fn with(changes: &[(&str, f64)]) -> Settings {
        let mut settings = spec().settings;
        for (key, value) in changes {
            settings.set(key, (*value).into()).unwrap();
        }
        settings
    }

    #[test]
    fn a_branch_has_an_id_of_its_own_by_run_and_step() {
        let plain = Spec {
            settings: with(&[("blur", 1.0)]),
            ..spec()
        };
        let branch = |step| spec().branched(step, &plain.settings).unwrap();
        let ids = [
            spec().id(),
            plain.id(),
            branch(5).id(),
            branch(6).id(),
            plain.branched(5, &spec().settings).unwrap().id(),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{at}");
        }
        let from = branch(5).branched_from().unwrap();
        assert_eq!((from.id, from.step), (spec().id(), 5));
        assert_eq!(branch(5).parent(), Some(spec()));
        assert_eq!(
            branch(5).changes_at_branch(),
            [("blur", "3".to_string(), "1".to_string())]
        );
    }

    #[test]
    fn a_branch_of_a_branch_is_written_and_read_and_believed_only_with_its_ids() {
        let first = spec().branched(5, &with(&[("blur", 1.0)])).unwrap();
        let second = first.branched(9, &with(&[("tilt", 1.5)])).unwrap();
        let text = serde_json::to_string(&second).unwrap();
        let read: Spec = serde_json::from_str(&text).unwrap();
        assert_eq!((read.id(), &read), (second.id(), &second));
        assert_eq!(second.parent(), Some(first.clone()));
        assert!(!serde_json::to_string(&spec()).unwrap().contains("branched"));
        let other = second.clone();
        assert_eq!(other.with_earlier_of(&second), Ok(second.clone()));
        let id = first.id();
        for (from, to) in [
            (id.as_str(), "0123456789abcdef"),
            ("\"step\":9", "\"step\":4"),
            ("\"step\":9", "\"step\":5"),
            ("\"step\":9", "\"step\":100000"),
            ("\"blur\":1.0", "\"blur\":1.1"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert!(serde_json::from_str::<Spec>(&changed).is_err(), "{to}");
        }
    }

    #[test]
    fn a_branch_that_took_no_step_is_no_stage() {
        let blur = with(&[("blur", 1.0)]);
        let tilt = with(&[("tilt", 1.5)]);
        let direct = spec().branched(5, &tilt).unwrap();
        let over = spec().branched(5, &blur).unwrap();
        assert_eq!(over.branched(5, &tilt), Ok(direct));
    }

    #[test]
    fn what_cannot_change_is_named_with_the_reason() {
        let refused = |step, changes: &[(&str, f64)]| {
            let refused = spec().branched(step, &with(changes)).unwrap_err();
            refused.to_string()
        };
        let why = refused(5, &[("canvas", 512.0), ("blur", 1.0)]);
        assert_eq!(
            why,
            "canvas cannot change from 0 to 512 within a run: it sets the size of the canvas"
        );
        for change in [
            ("steps", 9.0),
            ("octaves", 2.0),
            ("noise", 0.3),
            ("rescue", 3.0),
            ("levels", 3.0),
        ] {
            let why = refused(5, &[change]);
            assert!(why.starts_with(change.0) && why.contains("cannot change"));
        }
        assert!(refused(0, &[("blur", 1.0)]).contains("after step 1 to "));
        let branch = spec().branched(5, &with(&[("blur", 1.0)])).unwrap();
        let why = branch.branched(4, &spec().settings).unwrap_err();
        assert!(why.to_string().contains("after step 5 already"), "{why}");
    }
}

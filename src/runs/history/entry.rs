//! The summary of a run, as lists of thousands need it.

use super::{EndReason, Record};
use crate::ascent::{Kind, Objective, Unit};
use crate::runs::judging::{self, MAX_SHOWN_VERDICTS, Verdict};
use crate::runs::spec::{self, BranchPoint, Changes};
use crate::setting_value::SettingValue;
use crate::text::safe;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The summary of a run. Its texts are safe to show: control characters are escaped and long ones end in `…`.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    pub id: String,
    /// The model as it was asked for: a card's name, or a path.
    pub model: String,
    pub model_hash: String,
    /// The target's title.
    pub target: String,
    /// The objective. Its name is that of the model, so that layers can be marked; it is not safe to show.
    pub objective: Objective,
    pub unit: Unit,
    pub seed: u64,
    /// Which revision of the method made the picture.
    pub method: u32,
    /// The settings that differ from the defaults.
    pub changes: Changes,
    /// Where it begins, if it is a branch.
    pub branched_from: Option<BranchPoint>,
    /// The objective of the finished picture.
    pub score: f32,
    /// The probability of the class; only for classes.
    pub probability: Option<f32>,
    /// The verdicts of other models; at most [`MAX_SHOWN_VERDICTS`].
    pub verdicts: Vec<Verdict>,
    /// How many steps were taken.
    pub steps: usize,
    /// Seconds that the steps took. Runs of one batch share them.
    pub seconds: f64,
    pub provider: String,
    /// Seconds since 1970 at the end.
    pub time: u64,
    pub ended: EndReason,
    pub favourite: bool,
}

impl HistoryEntry {
    /// The entry of a record.
    pub fn from_record(record: &Record, favourite: bool) -> Self {
        let spec = &record.spec;
        Self {
            id: record.id.clone(),
            model: safe(&spec.model),
            model_hash: safe(&spec.model_hash),
            target: safe(&spec.target),
            objective: spec.objective.clone(),
            unit: spec.unit,
            seed: spec.seed,
            method: spec.method,
            changes: spec.changes(),
            branched_from: spec.branched_from(),
            score: record.score,
            probability: record.probability,
            verdicts: cleaned(record.verdicts.clone()),
            steps: record.scores.len(),
            seconds: record.seconds,
            provider: safe(&record.provider),
            time: record.time,
            ended: record.ended,
            favourite,
        }
    }

    /// Reads only what an entry needs of a `run.json`. `None` if it is no record, or that of another run.
    pub(super) fn parse(json: &[u8], id: &str, favourite: bool) -> Option<Self> {
        let brief: Brief = serde_json::from_slice(json).ok()?;
        let spec = brief.spec;
        let settings = spec.settings.iter();
        let settings = settings.map(|(key, value)| (key.as_ref(), value));
        (brief.id == id).then(|| Self {
            id: id.into(),
            model: safe(&spec.model),
            model_hash: safe(&spec.model_hash),
            target: safe(&spec.target),
            objective: spec.objective,
            unit: spec.unit,
            seed: spec.seed,
            method: spec.method,
            changes: Changes::new(spec.method, settings),
            branched_from: spec.branched_from.0,
            score: brief.score,
            probability: brief.probability,
            verdicts: cleaned(brief.verdicts),
            steps: brief.scores.0,
            seconds: brief.seconds,
            provider: safe(&brief.provider),
            time: brief.time,
            ended: brief.ended,
            favourite,
        })
    }

    pub fn kind(&self) -> Kind {
        self.objective.kind
    }

    /// The mean probability that the models that judged the picture give to its target, 0 to 1.
    pub fn judged(&self) -> Option<f32> {
        judging::mean(&self.verdicts)
    }

    /// Whether this version of Ziggurat makes the picture in the same way.
    pub fn is_current(&self) -> bool {
        spec::is_current(self.method)
    }

    /// Whether its settings have the meaning of today's; those of earlier methods have not.
    pub fn has_known_settings(&self) -> bool {
        spec::has_known_settings(self.method)
    }
}

/// As many verdicts as are shown, safe to show. Those that no judge can have given are left out.
fn cleaned(verdicts: Vec<Verdict>) -> Vec<Verdict> {
    let sound = verdicts.into_iter().filter(Verdict::is_sound);
    sound
        .take(MAX_SHOWN_VERDICTS)
        .map(Verdict::cleaned)
        .collect()
}

/// The parts of a record that an entry needs.
#[derive(Deserialize)]
struct Brief<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    spec: BriefSpec<'a>,
    #[serde(borrow)]
    provider: Cow<'a, str>,
    score: f32,
    probability: Option<f32>,
    #[serde(default)]
    verdicts: Vec<Verdict>,
    scores: Count,
    seconds: f64,
    ended: EndReason,
    time: u64,
}

#[derive(Deserialize)]
struct BriefSpec<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    model_hash: Cow<'a, str>,
    #[serde(borrow)]
    target: Cow<'a, str>,
    objective: Objective,
    unit: Unit,
    seed: u64,
    method: u32,
    #[serde(borrow)]
    settings: BTreeMap<Cow<'a, str>, SettingValue>,
    #[serde(default)]
    branched_from: Last,
}

/// The last branch point of a run. It is validated where the entire record is read.
#[derive(Default)]
struct Last(Option<BranchPoint>);

impl<'de> Deserialize<'de> for Last {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Point {
            id: String,
            step: usize,
        }
        let last = Vec::<Point>::deserialize(deserializer)?.pop();
        Ok(Self(last.map(|Point { id, step }| BranchPoint {
            id: safe(&id),
            step,
        })))
    }
}

/// How many elements a list has.
struct Count(usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Count;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }
        deserializer.deserialize_seq(Counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::record;
    use crate::runs::judging::testing::verdict;

    #[test]
    fn an_entry_is_the_same_from_a_record_and_from_its_json() {
        let mut record = record(3);
        record.spec.settings.set("blur", 2.0.into()).unwrap();
        record.spec.settings.set("steps", 80.0.into()).unwrap();
        record.verdicts = vec![verdict("lite\u{1b}", Some(0.25)); MAX_SHOWN_VERDICTS + 1];
        record.spec = {
            let mut later = record.spec.settings.clone();
            later.set("blur", 1.0.into()).unwrap();
            record.spec.branched(9, &later).unwrap()
        };
        record.id = record.spec.id();
        let json = serde_json::to_vec_pretty(&record).unwrap();
        let entry = HistoryEntry::parse(&json, &record.id, true).unwrap();
        assert_eq!(entry, HistoryEntry::from_record(&record, true));
        assert_eq!((entry.steps, entry.target.as_str()), (3, "flamingo"));
        assert_eq!(entry.changes.to_string(), "steps=80 blur=1");
        assert_eq!(entry.branched_from.as_ref().unwrap().step, 9);
        assert_eq!(entry.verdicts.len(), MAX_SHOWN_VERDICTS);
        assert_eq!(entry.verdicts[0].model, "lite\\u{1b}");
        assert_eq!(entry.judged(), Some(0.25));
        assert!(HistoryEntry::parse(&json, "0000000000000000", true).is_none());
        assert!(HistoryEntry::parse(&json[..json.len() - 2], &record.id, true).is_none());
    }

    #[test]
    fn no_text_of_an_entry_steers_a_terminal() {
        let mut record = record(3);
        record.spec.target = "a\u{1b}[2J\u{202e}\u{9b}31m\nb".into();
        let json = serde_json::to_vec(&record).unwrap();
        let entry = HistoryEntry::parse(&json, &record.id, false).unwrap();
        assert_eq!(entry.target, "a\\u{1b}[2J\\u{202e}\\u{9b}31m\\nb");
    }
}

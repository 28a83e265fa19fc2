//! Which runs to show, and in which order: one pure description that the command line and the explorer share.

use super::HistoryEntry;
use crate::ascent::Kind;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The kinds of targets and what they are called.
pub const KINDS: &[(Kind, &str)] = &[
    (Kind::Class, "class"),
    (Kind::NotClass, "not"),
    (Kind::Channel, "channel"),
    (Kind::Neuron, "neuron"),
    (Kind::Layer, "layer"),
];

/// What a kind of target is called.
pub fn kind_name(kind: Kind) -> &'static str {
    let found = KINDS.iter().find(|(known, _)| *known == kind);
    found.map_or("", |(_, name)| name)
}

/// The names of all kinds of targets.
pub fn kind_names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(_, name)| *name)
}

/// The kind of target that is called `name`.
///
/// # Errors
/// [`Unknown`].
pub fn kind(name: &str) -> Result<Kind, Unknown> {
    look_up(KINDS, "kind of target", name)
}

/// Which runs to show: those that pass every part. The default passes all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Part of the model's name, or the beginning of its hash; whatever the case of its letters.
    pub model: Option<String>,
    /// Part of the target or model; if no run has it, letters of them in this order. Empty passes all.
    pub text: String,
    pub kind: Option<Kind>,
    /// Favourites only.
    pub favourites: bool,
    /// Only runs whose target other models give at least, and at most, this mean probability, 0 to 1.
    pub judge: [Option<f32>; 2],
}

/// What runs are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortKey {
    #[default]
    Time,
    Target,
    Score,
    Probability,
    /// The mean probability that other models give to the target.
    Judge,
    Model,
}

const SORT_KEYS: &[(SortKey, &str)] = &[
    (SortKey::Time, "time"),
    (SortKey::Target, "target"),
    (SortKey::Score, "score"),
    (SortKey::Probability, "probability"),
    (SortKey::Judge, "judge"),
    (SortKey::Model, "model"),
];

impl SortKey {
    /// All keys, in the order in which the explorer goes through them.
    pub fn all() -> impl Iterator<Item = Self> {
        SORT_KEYS.iter().map(|(key, _)| *key)
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let found = SORT_KEYS.iter().find(|(key, _)| key == self);
        formatter.write_str(found.map_or("", |(_, name)| name))
    }
}

impl FromStr for SortKey {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        look_up(SORT_KEYS, "sort key", name)
    }
}

/// An order of runs. As it is, what one looks for comes first: the newest, the best, or A before Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SortOrder {
    pub key: SortKey,
    pub reversed: bool,
}

/// A name that means nothing here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no {what} is called {name:?}; available: {known}")]
pub struct Unknown {
    what: &'static str,
    name: String,
    known: String,
}

fn look_up<T: Copy>(table: &[(T, &str)], what: &'static str, name: &str) -> Result<T, Unknown> {
    let found = table.iter().find(|(_, known)| *known == name);
    found.map(|(value, _)| *value).ok_or_else(|| Unknown {
        what,
        name: name.chars().take(40).collect(),
        known: table
            .iter()
            .map(|(_, known)| *known)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// The indices of the entries that pass `filter`, in `order`.
pub fn select(entries: &[HistoryEntry], filter: &Filter, order: SortOrder) -> Vec<usize> {
    let model = filter.model.as_deref().map(str::to_lowercase);
    let passing = (0..entries.len()).filter(|&index| {
        let entry = &entries[index];
        (!filter.favourites || entry.favourite)
            && filter.kind.is_none_or(|kind| kind == entry.kind())
            && model.as_deref().is_none_or(|model| is_of(entry, model))
            && is_judged(entry, filter.judge)
    });
    let mut found: Vec<usize> = passing.collect();
    if !filter.text.is_empty() {
        found = containing(entries, found, &filter.text);
    }
    // Runs that are alike in what they are ordered by keep the newest first: the second sort is stable.
    found.sort_by(|&a, &b| newest_first(&entries[a], &entries[b]));
    match order.key {
        SortKey::Time => {}
        // Keys that are made once cost less than lower-case copies at every comparison.
        SortKey::Target => found.sort_by_cached_key(|&index| entries[index].target.to_lowercase()),
        SortKey::Model => found.sort_by_cached_key(|&index| entries[index].model.to_lowercase()),
        SortKey::Score => found.sort_by(|&a, &b| entries[b].score.total_cmp(&entries[a].score)),
        SortKey::Probability => {
            let value = |index: usize| entries[index].probability.unwrap_or(-1.0);
            found.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        }
        SortKey::Judge => {
            let value = |index: usize| entries[index].judged().unwrap_or(-1.0);
            found.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        }
    }
    if order.reversed {
        found.reverse();
    }
    found
}

fn is_of(entry: &HistoryEntry, model: &str) -> bool {
    entry.model.to_lowercase().contains(model) || entry.model_hash.starts_with(model)
}

/// Whether the verdicts of other models on a run are within these bounds.
fn is_judged(entry: &HistoryEntry, [least, most]: [Option<f32>; 2]) -> bool {
    if least.or(most).is_none() {
        return true;
    }
    let found = entry.judged();
    found.is_some_and(|mean| {
        least.is_none_or(|least| mean >= least) && most.is_none_or(|most| mean <= most)
    })
}

fn newest_first(a: &HistoryEntry, b: &HistoryEntry) -> Ordering {
    b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id))
}

/// Those of `among` whose target or model contains `text`; if there are none, those that match it loosely.
fn containing(entries: &[HistoryEntry], among: Vec<usize>, text: &str) -> Vec<usize> {
    let key = text.to_lowercase();
    let has = |&index: &usize| {
        let entry = &entries[index];
        entry.target.to_lowercase().contains(&key)
            || entry.model.to_lowercase().contains(&key)
            || entry.id.starts_with(&key)
    };
    let exact: Vec<usize> = among.iter().copied().filter(has).collect();
    if !exact.is_empty() {
        return exact;
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut likes = |index: &usize| {
        let line = format!("{} {}", entries[*index].target, entries[*index].model);
        let text = Utf32Str::new(&line, &mut buffer);
        pattern.score(text, &mut matcher).is_some()
    };
    among.into_iter().filter(|index| likes(index)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::record;
    use crate::runs::judging::testing::verdict;

    /// Runs of seeds 0, 1, …; the score of each is its seed, and it ended `seed` seconds after the first.
    fn entries(targets: &[&str]) -> Vec<HistoryEntry> {
        let runs = targets.iter().enumerate().map(|(seed, target)| {
            let mut entry = HistoryEntry::from_record(&record(seed as u64), false);
            entry.target = (*target).into();
            entry
        });
        runs.collect()
    }

    fn targets(entries: &[HistoryEntry], filter: &Filter, order: SortOrder) -> Vec<String> {
        let found = select(entries, filter, order);
        found.iter().map(|&at| entries[at].target.clone()).collect()
    }

    fn text(text: &str) -> Filter {
        Filter {
            text: text.into(),
            ..Filter::default()
        }
    }

    #[test]
    fn a_part_of_a_target_wins_over_a_similar_one() {
        let all = entries(&["Tiger Shark", "hammerhead", "shower cap rack"]);
        let newest = SortOrder::default();
        assert_eq!(targets(&all, &text("shark"), newest), ["Tiger Shark"]);
        assert_eq!(targets(&all, &text("hmrhd"), newest), ["hammerhead"]);
        assert_eq!(targets(&all, &text(""), newest).len(), 3);
        assert!(targets(&all, &text("zzz"), newest).is_empty());
        assert_eq!(
            targets(&all, &text(&all[1].id[..6]), newest),
            ["hammerhead"]
        );
    }

    #[test]
    fn every_part_of_a_filter_counts() {
        let mut all = entries(&["a", "b", "c"]);
        all[1].favourite = true;
        all[2].model = "ResNet-50".into();
        all[2].objective.kind = Kind::Channel;
        let favourites = Filter {
            favourites: true,
            ..Filter::default()
        };
        let model = Filter {
            model: Some("resnet".into()),
            ..Filter::default()
        };
        let channels = Filter {
            kind: Some(Kind::Channel),
            ..Filter::default()
        };
        all[0].verdicts = vec![verdict("j", Some(0.3))];
        all[1].verdicts = vec![verdict("j", Some(0.6))];
        let judge = |judge| Filter {
            judge,
            ..Filter::default()
        };
        let none = Filter {
            favourites: true,
            ..model.clone()
        };
        for (filter, expected) in [
            (favourites, vec!["b"]),
            (model, vec!["c"]),
            (channels, vec!["c"]),
            (judge([Some(0.5), None]), vec!["b"]),
            (judge([None, Some(0.5)]), vec!["a"]),
            (judge([Some(0.0), Some(1.0)]), vec!["b", "a"]),
            (none, vec![]),
        ] {
            assert_eq!(targets(&all, &filter, SortOrder::default()), expected);
        }
    }

    #[test]
    fn what_one_looks_for_comes_first() {
        let mut all = entries(&["b", "A", "c"]);
        all[0].probability = Some(0.9);
        all[1].probability = None;
        all[2].model = "a".into();
        all[0].verdicts = vec![verdict("j", Some(0.9)), verdict("k", Some(0.5))];
        all[1].verdicts = vec![verdict("j", None)];
        all[2].verdicts = vec![verdict("j", Some(0.6))];
        for (key, expected) in [
            (SortKey::Time, ["c", "A", "b"]),
            (SortKey::Target, ["A", "b", "c"]),
            (SortKey::Score, ["c", "A", "b"]),
            (SortKey::Probability, ["b", "c", "A"]),
            (SortKey::Judge, ["b", "c", "A"]),
            (SortKey::Model, ["c", "A", "b"]),
        ] {
            let order = SortOrder {
                key,
                reversed: false,
            };
            let forward = targets(&all, &Filter::default(), order);
            assert_eq!(forward, expected, "{key}");
            let order = SortOrder {
                key,
                reversed: true,
            };
            let mut backward = targets(&all, &Filter::default(), order);
            backward.reverse();
            assert_eq!(backward, forward, "{key}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for key in SortKey::all() {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for (value, name) in KINDS {
            assert_eq!((kind(name), kind_name(*value)), (Ok(*value), *name));
        }
        let problem = "size".parse::<SortKey>().unwrap_err().to_string();
        assert!(problem.contains("probability"), "{problem}");
        assert!(kind("clas").is_err());
    }
}

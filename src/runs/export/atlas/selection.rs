//! Which run of a history shows which channel of a layer.

use crate::ascent::Kind;
use crate::runs::history::{EndReason, HistoryEntry};
use crate::runs::{Error, format};
use crate::suggest;
use crate::text::{counted, safe};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Maximum number of models that an error names.
const MAX_NAMED: usize = 6;

/// The runs of an atlas: one per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct AtlasRuns {
    /// The name of the layer.
    pub layer: String,
    /// The run of each channel that has one.
    pub of_channels: BTreeMap<usize, HistoryEntry>,
    /// The number of runs with the seed and the settings that most channels have.
    pub alike: usize,
    /// The number of finished runs of the layer's channels that are not shown: others show their channels.
    pub left_out: usize,
}

/// Seed, settings and branch of a run. Runs that agree in it are comparable.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Clone)]
struct Variant {
    seed: u64,
    method: u32,
    changes: String,
    branch: Option<(String, usize)>,
}

impl Variant {
    fn from_entry(entry: &HistoryEntry) -> Self {
        let branch = entry.branched_from.as_ref();
        Self {
            seed: entry.seed,
            method: entry.method,
            changes: entry.changes.to_string(),
            branch: branch.map(|from| (from.id.clone(), from.step)),
        }
    }
}

impl AtlasRuns {
    /// Chooses among finished runs of the channels of `layer`: those with the seed and the settings that most channels
    /// have; for channels that have none of these, the newest. With `seed`, only runs of this seed.
    ///
    /// # Errors
    /// [`Error::Export`] if there are none, or if they are of several models.
    pub fn choose(entries: &[HistoryEntry], layer: &str, seed: Option<u64>) -> Result<Self, Error> {
        let is_channel = |entry: &&HistoryEntry| {
            entry.kind() == Kind::Channel && entry.ended == EndReason::Finished
        };
        let channels: Vec<&HistoryEntry> = entries.iter().filter(is_channel).collect();
        let of_layer = channels.iter().copied().filter(|entry| {
            entry.objective.value == layer && seed.is_none_or(|seed| entry.seed == seed)
        });
        let mut runs: Vec<&HistoryEntry> = of_layer.collect();
        if runs.is_empty() {
            return Err(nothing(&channels, layer, seed));
        }
        one_model(&runs)?;
        // The newest first.
        runs.sort_by_key(|entry| Reverse(entry.time));
        let main = most_frequent(&runs);
        let count = runs.len();
        let mut of_channels: BTreeMap<usize, HistoryEntry> = BTreeMap::new();
        let (main_runs, other_runs): (Vec<_>, Vec<_>) = runs
            .into_iter()
            .partition(|entry| Some(Variant::from_entry(entry)) == main);
        let mut take = |runs: Vec<&HistoryEntry>| {
            for entry in runs {
                let channel = of_channels.entry(entry.unit.index);
                channel.or_insert_with(|| entry.clone());
            }
            of_channels.len()
        };
        let alike = take(main_runs);
        let shown = take(other_runs);
        Ok(Self {
            layer: layer.into(),
            of_channels,
            alike,
            left_out: count - shown,
        })
    }

    /// A run with the seed and the settings that most channels have.
    pub fn typical(&self) -> Option<&HistoryEntry> {
        let runs: Vec<&HistoryEntry> = self.of_channels.values().collect();
        let main = most_frequent(&runs)?;
        runs.into_iter()
            .find(|entry| Variant::from_entry(entry) == main)
    }

    /// The number of channels that the layer has at least.
    pub fn least_channels(&self) -> usize {
        let last = self.of_channels.keys().next_back();
        last.map_or(0, |last| last.saturating_add(1))
    }
}

/// The variant of most channels; of several, that of the newest run.
fn most_frequent(runs: &[&HistoryEntry]) -> Option<Variant> {
    let mut channels: HashMap<Variant, (BTreeSet<usize>, u64)> = HashMap::new();
    for entry in runs {
        let (known, newest) = channels.entry(Variant::from_entry(entry)).or_default();
        known.insert(entry.unit.index);
        *newest = entry.time.max(*newest);
    }
    let rank = |(variant, (known, newest)): &(Variant, (BTreeSet<usize>, u64))| {
        (known.len(), *newest, Reverse(variant.clone()))
    };
    let most = channels.into_iter().max_by_key(rank);
    most.map(|(variant, _)| variant)
}

/// The error of a layer without runs.
fn nothing(channels: &[&HistoryEntry], layer: &str, seed: Option<u64>) -> Error {
    let name = safe(layer);
    let layers: BTreeSet<&str> = channels
        .iter()
        .map(|entry| entry.objective.value.as_str())
        .collect();
    if let Some(seed) = seed.filter(|_| layers.contains(layer)) {
        let why = format!("no channel of {name} has a finished run with seed {seed}");
        return Error::Export(why);
    }
    let near = suggest::suggestions(layer, layers.into_iter());
    let advice = if near.is_empty() {
        "; `ziggurat run --all LAYER` makes them".into()
    } else {
        suggest::did_you_mean(&near)
    };
    let why = format!("no channel of {name} has a finished run among those selected{advice}");
    Error::Export(why)
}

/// Refuses runs of several models.
fn one_model(runs: &[&HistoryEntry]) -> Result<(), Error> {
    let models: BTreeMap<&str, &str> = runs
        .iter()
        .map(|entry| (entry.model_hash.as_str(), entry.model.as_str()))
        .collect();
    if models.len() < 2 {
        return Ok(());
    }
    let named = models.iter().take(MAX_NAMED);
    let named: Vec<String> = named
        .map(|(hash, model)| format!("{} ({})", format::model(model), safe(hash)))
        .collect();
    let why = format!(
        "these channels have runs of {}: choose one with --model NAME or --model HASH: {}",
        counted(models.len(), "model"),
        named.join(", ")
    );
    Err(Error::Export(why))
}

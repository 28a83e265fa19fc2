//! Compares finished runs: what they have in common, and how they differ.
//!
//! Numbers have enough digits to distinguish them, see [`format::scores`].

use super::format;
use super::history::{EndReason, HistoryEntry};
use super::judging::Verdict;
use super::spec::Changes;
use crate::ascent::settings::{KNOBS, Knob};

/// The comparison of runs. All texts are safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// What all runs have in common: target, model, settings, …
    pub common: Vec<String>,
    /// The names of the inputs that differ: `seed`, `tilt`, …
    pub differing: Vec<&'static str>,
    /// The differences of each run, in the order given.
    pub captions: Vec<Caption>,
}

/// What distinguishes a run from the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caption {
    /// Inputs: `seed 3`, `draft`, `tilt=1.2`, …
    pub asked: Vec<String>,
    /// Results: `score 2.13`, `97.5 %`, …
    pub results: Vec<String>,
}

/// One property of all runs.
struct Aspect {
    /// Its name where runs differ in it; empty for results.
    name: &'static str,
    /// Its text for each run; may be empty.
    texts: Vec<String>,
    /// Whether it is listed where all runs have it in common.
    is_listed_in_common: bool,
}

impl Comparison {
    /// Compares runs.
    pub fn new(runs: &[&HistoryEntry]) -> Self {
        let mut comparison = Self {
            captions: vec![Caption::default(); runs.len()],
            ..Self::default()
        };
        for aspect in [targets(runs), models(runs), methods(runs), branches(runs)] {
            comparison.add(aspect);
        }
        comparison.add_settings(runs);
        for aspect in [
            seeds(runs),
            providers(runs),
            endings(runs),
            scores(runs),
            probabilities(runs),
        ] {
            comparison.add(aspect);
        }
        for judge in judges(runs) {
            comparison.add(verdicts(runs, judge));
        }
        comparison
    }

    /// In one line: `goldfish · efficientnet-lite0 · default; different: seed, tilt`.
    pub fn summary(&self) -> String {
        let common = self.common.join(" · ");
        let gap = if common.is_empty() { "" } else { "; " };
        if self.differing.is_empty() {
            common
        } else {
            format!("{common}{gap}different: {}", self.differing.join(", "))
        }
    }

    fn add(&mut self, aspect: Aspect) {
        let Some(first) = aspect.texts.first() else {
            return;
        };
        if aspect.texts.iter().all(|text| text == first) {
            if aspect.is_listed_in_common && !first.is_empty() {
                self.common.push(first.clone());
            }
            return;
        }
        let is_asked = !aspect.name.is_empty();
        if is_asked {
            self.differing.push(aspect.name);
        }
        for (caption, text) in self.captions.iter_mut().zip(aspect.texts) {
            let texts = if is_asked {
                &mut caption.asked
            } else {
                &mut caption.results
            };
            if !text.is_empty() {
                texts.push(text);
            }
        }
    }

    /// The presets that the runs began from, and the settings that were changed beyond them: each one that differs with
    /// its values, the others together.
    fn add_settings(&mut self, runs: &[&HistoryEntry]) {
        if runs.is_empty() || runs.iter().any(|run| !run.has_known_settings()) {
            return;
        }
        let based: Vec<(&str, Changes)> = runs.iter().map(|run| run.changes.based()).collect();
        self.add(Aspect {
            name: "preset",
            texts: based.iter().map(|(preset, _)| preset.to_string()).collect(),
            is_listed_in_common: true,
        });
        for knob in KNOBS {
            self.add(setting(knob, runs, &based));
        }
    }
}

/// A setting that some run changed beyond its preset; empty for runs whose preset determines it.
fn setting(knob: &'static Knob, runs: &[&HistoryEntry], based: &[(&str, Changes)]) -> Aspect {
    let key = knob.key;
    let is_named = based.iter().any(|(_, beyond)| beyond.get(key).is_some());
    let text = |(run, (_, beyond)): (&&HistoryEntry, &(&str, Changes))| {
        let is_decided = run.changes.get(key).is_some() && beyond.get(key).is_none();
        match run.changes.get(key) {
            _ if !is_named || is_decided => String::new(),
            Some(value) => format!("{key}={value}"),
            None => format!("{key}={}", format::value(&knob.default())),
        }
    };
    Aspect {
        name: key,
        texts: runs.iter().zip(based).map(text).collect(),
        is_listed_in_common: true,
    }
}

/// The branch points of branches.
fn branches(runs: &[&HistoryEntry]) -> Aspect {
    let text = |run: &&HistoryEntry| {
        let from = run.branched_from.as_ref();
        from.map_or_else(String::new, ToString::to_string)
    };
    Aspect {
        name: "branch",
        texts: runs.iter().map(text).collect(),
        is_listed_in_common: true,
    }
}

/// The targets; with their indices where two classes of a model have the same name.
fn targets(runs: &[&HistoryEntry]) -> Aspect {
    let has_namesake = |run: &HistoryEntry| {
        runs.iter().any(|other| {
            (&other.target, &other.model_hash) == (&run.target, &run.model_hash)
                && other.unit.index != run.unit.index
        })
    };
    let text = |run: &&HistoryEntry| {
        if run.kind().is_of_class() && has_namesake(run) {
            format!("{} ({})", run.target, run.unit.index)
        } else {
            run.target.clone()
        }
    };
    Aspect {
        name: "target",
        texts: runs.iter().map(text).collect(),
        is_listed_in_common: true,
    }
}

/// The models; with their hashes where two have the same name.
fn models(runs: &[&HistoryEntry]) -> Aspect {
    let name = |run: &HistoryEntry| format::model(&run.model).to_string();
    // A model may have been asked for by several names.
    let named = |run: &&HistoryEntry| {
        let same = runs.iter().find(|other| other.model_hash == run.model_hash);
        same.map_or_else(|| name(run), |first| name(first))
    };
    let text = |run: &&HistoryEntry| {
        let own = named(run);
        let has_namesake = runs
            .iter()
            .any(|other| named(other) == own && other.model_hash != run.model_hash);
        if has_namesake {
            format!(
                "{own} ({})",
                run.model_hash.chars().take(6).collect::<String>()
            )
        } else {
            own
        }
    };
    Aspect {
        name: "model",
        texts: runs.iter().map(text).collect(),
        is_listed_in_common: true,
    }
}

/// The methods, where not all runs were made by today's.
fn methods(runs: &[&HistoryEntry]) -> Aspect {
    let all_current = runs.iter().all(|run| run.is_current());
    let text = |run: &&HistoryEntry| {
        if all_current {
            String::new()
        } else {
            format!("method {}", run.method)
        }
    };
    Aspect {
        name: "method",
        texts: runs.iter().map(text).collect(),
        is_listed_in_common: true,
    }
}

fn seeds(runs: &[&HistoryEntry]) -> Aspect {
    let text = |run: &&HistoryEntry| format!("seed {}", run.seed);
    Aspect {
        name: "seed",
        texts: runs.iter().map(text).collect(),
        is_listed_in_common: true,
    }
}

fn providers(runs: &[&HistoryEntry]) -> Aspect {
    Aspect {
        name: "provider",
        texts: runs.iter().map(|run| run.provider.clone()).collect(),
        is_listed_in_common: false,
    }
}

/// Where runs were stopped.
fn endings(runs: &[&HistoryEntry]) -> Aspect {
    let text = |run: &&HistoryEntry| match run.ended {
        EndReason::Finished => String::new(),
        EndReason::Stopped => format!("stopped after {} steps", run.steps),
    };
    Aspect {
        name: "",
        texts: runs.iter().map(text).collect(),
        is_listed_in_common: true,
    }
}

fn scores(runs: &[&HistoryEntry]) -> Aspect {
    let scores: Vec<f32> = runs.iter().map(|run| run.score).collect();
    let texts = format::scores(&scores).into_iter();
    Aspect {
        name: "",
        texts: texts.map(|text| format!("score {text}")).collect(),
        is_listed_in_common: true,
    }
}

/// The probabilities; runs of channels, neurons and layers have none.
fn probabilities(runs: &[&HistoryEntry]) -> Aspect {
    let known: Vec<f32> = runs.iter().filter_map(|run| run.probability).collect();
    let mut texts = format::percents(&known).into_iter();
    let text = |run: &&HistoryEntry| match run.probability {
        Some(_) => texts.next().unwrap_or_default(),
        None => String::new(),
    };
    Aspect {
        name: "",
        texts: runs.iter().map(text).collect(),
        is_listed_in_common: true,
    }
}

/// The judges of any of the runs, by their hashes.
fn judges<'a>(runs: &[&'a HistoryEntry]) -> Vec<&'a str> {
    let mut judges: Vec<&str> = Vec::new();
    for verdict in runs.iter().flat_map(|run| &run.verdicts) {
        if !judges.contains(&verdict.model_hash.as_str()) {
            judges.push(&verdict.model_hash);
        }
    }
    judges
}

/// The verdicts of a judge: the probability of the target, or else the most probable class.
fn verdicts(runs: &[&HistoryEntry], judge: &str) -> Aspect {
    let of = |run: &&HistoryEntry| -> Option<Verdict> {
        let mut all = run.verdicts.iter();
        all.find(|verdict| verdict.model_hash == judge).cloned()
    };
    let found: Vec<Option<Verdict>> = runs.iter().map(of).collect();
    let known = found.iter().flatten();
    let known: Vec<f32> = known.filter_map(|one| one.target_probability).collect();
    let mut percents = format::percents(&known).into_iter();
    let text = |verdict: &Option<Verdict>| {
        let Some(verdict) = verdict else {
            return String::new();
        };
        let seen = match verdict.target_probability {
            Some(_) => percents.next().unwrap_or_default(),
            None => verdict.class.clone(),
        };
        format!("judge {} {seen}", verdict.judge())
    };
    Aspect {
        name: "",
        texts: found.iter().map(text).collect(),
        is_listed_in_common: true,
    }
}

#[cfg(test)]
mod tests;

//! Verdicts of other models: how each of them classifies a finished picture.
//!
//! A judge classifies a picture as it classifies a photo: with its own preprocessing, on the CPU. Classes of two models
//! are the same if they have the same name.

use super::Spec;
use super::format::percent;
use crate::ascent::Kind;
use crate::ascent::evaluate::{Classifier, largest};
use crate::home::Home;
use crate::model::{Activation, ModelSource, Network};
use crate::runtime::Device;
use crate::text::safe;
use image::RgbImage;
use serde::{Deserialize, Deserializer, Serialize};

/// Maximum number of verdicts of a run that are shown.
pub const MAX_SHOWN_VERDICTS: usize = 8;

/// Maximum number of parameters of the judges that stay open between pictures: 256 MiB.
const KEPT_OPEN: usize = 64 << 20;

/// The verdict of a judge on a finished picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The judge as it was asked for: a card's name, or a path.
    #[serde(deserialize_with = "bounded")]
    pub model: String,
    /// Content hash of the judge.
    #[serde(deserialize_with = "bounded")]
    pub model_hash: String,
    /// The class that it finds most probable.
    #[serde(deserialize_with = "bounded")]
    pub class: String,
    /// The probability of that class, 0 to 1.
    pub probability: f32,
    /// The probability of the target of the run: of its class, or of all others if the target is its negative.
    /// `None` for runs of layers and their parts, and if the judge has no class of the name.
    #[serde(default)]
    pub target_probability: Option<f32>,
}

/// Maximum length of a text of a verdict, in characters: as long as a path may be.
const MAX_LENGTH: usize = 4096;

/// A text of a verdict; of one that is too long the beginning.
fn bounded<'de, D: Deserializer<'de>>(source: D) -> Result<String, D::Error> {
    let text = String::deserialize(source)?;
    Ok(if text.len() <= MAX_LENGTH {
        text
    } else {
        text.chars().take(MAX_LENGTH).collect()
    })
}

impl Verdict {
    /// The verdict on a run in a few words: `flamingo 97.3 %`, or `crane 60.2 %, flamingo 12.0 %`. Safe to show.
    pub fn text(&self, kind: Kind, target: &str) -> String {
        let (class, target) = (safe(&self.class), safe(target));
        let top = format!("{class} {}", percent(self.probability));
        match self.target_probability {
            _ if !kind.is_of_class() => top,
            Some(same) if kind == Kind::Class && same == self.probability => top,
            Some(other) => format!("{top}, {target} {}", percent(other)),
            None => format!("{top}, has no such class"),
        }
    }

    /// The judge's name: a card's, or the last part of a path. Safe to show.
    pub fn judge(&self) -> String {
        safe(super::format::model(&self.model))
    }

    /// Whether its numbers are probabilities, as a judge's are. Those of a file need not be.
    pub fn is_sound(&self) -> bool {
        let numbers = [Some(self.probability), self.target_probability];
        let mut numbers = numbers.into_iter().flatten();
        numbers.all(|number| (0.0..=1.0).contains(&number))
    }

    /// The same with texts that are safe to show.
    pub(super) fn cleaned(self) -> Self {
        Self {
            model: safe(&self.model),
            model_hash: safe(&self.model_hash),
            class: safe(&self.class),
            ..self
        }
    }
}

/// The mean probability of the target of a run; `None` if no judge has the class.
pub fn mean(verdicts: &[Verdict]) -> Option<f32> {
    let known = verdicts.iter().filter_map(|one| one.target_probability);
    let known: Vec<f32> = known.collect();
    (!known.is_empty()).then(|| known.iter().sum::<f32>() / known.len() as f32)
}

/// A finished run to be judged.
pub struct Case<'a> {
    pub spec: &'a Spec,
    pub picture: &'a RgbImage,
    /// What is known already; new verdicts are added.
    pub verdicts: &'a mut Vec<Verdict>,
}

/// The models that judge finished pictures.
#[derive(Default)]
pub struct Judges {
    judges: Vec<Judge>,
}

/// One of them.
struct Judge {
    /// A card's name or a path.
    model: String,
    /// Its content hash, once it was open.
    hash: Option<String>,
    state: State,
}

enum State {
    Closed,
    Open(Box<Classifier<Network>>),
    /// It cannot be opened; that was reported.
    Unfit,
}

impl Judges {
    /// The judges of these names: cards or paths, each once.
    pub fn new(models: impl IntoIterator<Item = String>) -> Self {
        let mut judges: Vec<Judge> = Vec::new();
        for model in models {
            if judges.iter().all(|judge| judge.model != model) {
                judges.push(Judge {
                    model,
                    hash: None,
                    state: State::Closed,
                });
            }
        }
        Self { judges }
    }

    /// Whether there are no judges.
    pub fn is_empty(&self) -> bool {
        self.judges.is_empty()
    }

    /// Whether a verdict of a judge is missing.
    pub fn is_wanted(&self, spec: &Spec, verdicts: &[Verdict]) -> bool {
        let mut judges = self.judges.iter();
        judges.any(|judge| judge.is_wanted(spec, verdicts))
    }

    /// Lets each judge, one after another, classify the pictures without a verdict of its own. A model does not judge
    /// its own pictures. `goes_on` is called before every picture; false ends the work. `warn` gets one line for each
    /// judge that cannot be opened, once.
    pub fn judge(
        &mut self,
        home: &Home,
        cases: &mut [Case<'_>],
        goes_on: &mut dyn FnMut() -> bool,
        warn: &mut dyn FnMut(String),
    ) {
        let mut kept_open = 0;
        for judge in &mut self.judges {
            let model = judge.model.clone();
            let mut cases: Vec<&mut Case> = cases
                .iter_mut()
                .filter(|case| judge.is_wanted(case.spec, case.verdicts))
                .collect();
            if !cases.is_empty()
                && goes_on()
                && let Some(classifier) = judge.open(home, warn)
            {
                for case in &mut cases {
                    if !goes_on() {
                        break;
                    }
                    match verdict(&model, classifier, case) {
                        Ok(found) => case.verdicts.extend(found),
                        Err(problem) => {
                            let target = safe(&case.spec.target);
                            warn(format!("{model} does not judge {target}: {problem}"));
                        }
                    }
                }
            }
            kept_open += judge.close_beyond(KEPT_OPEN.saturating_sub(kept_open));
        }
    }
}

impl Judge {
    fn is_wanted(&self, spec: &Spec, verdicts: &[Verdict]) -> bool {
        let is_unfit = matches!(self.state, State::Unfit);
        let is_own = self.hash.as_ref() == Some(&spec.model_hash);
        let mut known = verdicts.iter();
        !is_unfit && !is_own && known.all(|verdict| verdict.model != self.model)
    }

    /// The judge, opened if necessary; `None` if it cannot be opened, which is reported the first time.
    fn open(
        &mut self,
        home: &Home,
        warn: &mut dyn FnMut(String),
    ) -> Option<&mut Classifier<Network>> {
        if let State::Closed = self.state {
            self.state = match open(home, &self.model) {
                Ok(classifier) => {
                    self.hash = Some(classifier.network().hash.clone());
                    State::Open(Box::new(classifier))
                }
                Err(why) => {
                    warn(format!("{} cannot judge: {why}", self.model));
                    State::Unfit
                }
            };
        }
        match &mut self.state {
            State::Open(classifier) => Some(classifier),
            State::Closed | State::Unfit => None,
        }
    }

    /// Closes it if it has more parameters than this; returns how many stay in memory.
    fn close_beyond(&mut self, most: usize) -> usize {
        let State::Open(classifier) = &self.state else {
            return 0;
        };
        let size = classifier.network().parameters();
        if size <= most {
            return size;
        }
        self.state = State::Closed;
        0
    }
}

fn open(home: &Home, model: &str) -> Result<Classifier<Network>, String> {
    let say = |problem: &dyn std::fmt::Display| problem.to_string();
    let source = ModelSource::resolve(home, Some(model)).map_err(|problem| say(&problem))?;
    if !source.is_here(home) {
        return Err(format!("`ziggurat setup {model}` fetches it first"));
    }
    let file = source.open(home, &crate::runtime::package::quiet);
    let file = file.map_err(|problem| say(&problem))?;
    let network = Network::open(&file).map_err(|problem| say(&problem))?;
    if network.activation() == Activation::None {
        return Err("its scores are no probabilities".into());
    }
    Classifier::open(network, Device::Cpu).map_err(|problem| say(&problem))
}

/// The verdict of a judge on a picture; `None` for one of its own.
fn verdict(
    model: &str,
    classifier: &mut Classifier<Network>,
    case: &Case,
) -> Result<Option<Verdict>, crate::ascent::Error> {
    let network = classifier.network();
    if network.hash == case.spec.model_hash {
        return Ok(None);
    }
    let input = network.preprocessing.tensor(case.picture, network.size);
    let probabilities = classifier.probabilities(input)?;
    let classes = &classifier.network().classes;
    let spec = case.spec;
    let counterpart = spec.class_name().and_then(|name| {
        let found = classes.counterpart(name, spec.unit.index).ok()?;
        probabilities.get(found).copied()
    });
    let target_probability = counterpart.map(|found| match spec.objective.kind {
        Kind::NotClass => 1.0 - found,
        _ => found,
    });
    let top = largest(probabilities.iter().copied(), 1);
    Ok(top.first().map(|(index, probability)| Verdict {
        model: model.into(),
        model_hash: classifier.network().hash.clone(),
        class: match classes.name(*index).unwrap_or_default() {
            "" => index.to_string(),
            name => name.into(),
        },
        probability: *probability,
        target_probability,
    }))
}

#[cfg(test)]
pub(super) mod testing {
    use super::Verdict;

    /// The verdict of a judge that gives the target this probability.
    pub fn verdict(model: &str, target_probability: Option<f32>) -> Verdict {
        Verdict {
            model: model.into(),
            model_hash: "j".into(),
            class: "crane".into(),
            probability: 0.6,
            target_probability,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::verdict;
    use super::*;
    use crate::runs::history::testing::{Fixture, picture, record};

    #[test]
    fn a_verdict_names_the_top_class_and_the_target_if_that_is_another() {
        let agreed = Verdict {
            class: "flamingo".into(),
            ..verdict("a", Some(0.6))
        };
        assert_eq!(agreed.text(Kind::Class, "flamingo"), "flamingo 60.0 %");
        let other = verdict("a", Some(0.12));
        let text = other.text(Kind::Class, "flamingo");
        assert_eq!(text, "crane 60.0 %, flamingo 12.0 %");
        let text = other.text(Kind::NotClass, "not flamingo");
        assert_eq!(text, "crane 60.0 %, not flamingo 12.0 %");
        let unknown = verdict("a", None);
        let text = unknown.text(Kind::Class, "flamingo");
        assert_eq!(text, "crane 60.0 %, has no such class");
        assert_eq!(unknown.text(Kind::Channel, "stem:3"), "crane 60.0 %");
        let hostile = Verdict {
            model: "/a/\u{1b}[2J".into(),
            class: "\u{202e}x".into(),
            ..unknown
        };
        assert_eq!(hostile.judge(), "\\u{1b}[2J");
        assert!(hostile.text(Kind::Channel, "").starts_with("\\u{202e}x"));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_when_it_is_read() {
        let long = Verdict {
            class: "ß".repeat(4 << 20),
            ..verdict("a", None)
        };
        let text = serde_json::to_string(&long).unwrap();
        let read: Verdict = serde_json::from_str(&text).unwrap();
        assert_eq!(read.class, "ß".repeat(MAX_LENGTH));
        assert_eq!((read.model, read.model_hash), (long.model, long.model_hash));
    }

    #[test]
    fn the_mean_is_of_those_that_know_the_target() {
        let of = |targets: &[Option<f32>]| {
            let verdicts: Vec<Verdict> = targets.iter().map(|one| verdict("a", *one)).collect();
            mean(&verdicts)
        };
        assert_eq!(of(&[Some(0.25), None, Some(0.75)]), Some(0.5));
        assert_eq!((of(&[None]), of(&[])), (None, None));
    }

    #[test]
    fn a_judge_that_cannot_be_opened_is_named_once_and_costs_nothing_else() {
        let fixture = Fixture::new();
        let models = ["none.onnx", "efficientnet-lite1", "none.onnx"].map(String::from);
        let mut judges = Judges::new(models);
        let (record, picture) = (record(1), picture());
        let mut warnings = Vec::new();
        for _ in 0..2 {
            let mut verdicts = Vec::new();
            let mut cases = [Case {
                spec: &record.spec,
                picture: &picture,
                verdicts: &mut verdicts,
            }];
            let mut warn = |text| warnings.push(text);
            judges.judge(&fixture.home, &mut cases, &mut || true, &mut warn);
            assert!(verdicts.is_empty());
        }
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(
            warnings[0].starts_with("none.onnx cannot judge: "),
            "{warnings:?}"
        );
        assert_eq!(
            warnings[1],
            "efficientnet-lite1 cannot judge: `ziggurat setup efficientnet-lite1` fetches it first"
        );
        assert!(!judges.is_wanted(&record.spec, &[]));
    }
}

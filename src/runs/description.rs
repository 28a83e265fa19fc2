//! Descriptions of a run: facts, settings, and the command that repeats it. One source for the command line,
//! the explorer and the pages that are exported.

use super::format;
use super::judging::{MAX_SHOWN_VERDICTS, Verdict};
use super::{EndReason, Record, Spec};
use crate::ascent::settings::{KNOBS, Knob};
use crate::ascent::{ClassScore, Kind};
use crate::setting_value::SettingValue;
use crate::text::safe;

/// The facts of a run, except its settings: labels and values. Safe to show.
pub fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let spec = &record.spec;
    let steps = record.scores.len();
    let speed = if record.seconds > 0.0 {
        format!(", {:.1} per second", steps as f64 / record.seconds)
    } else {
        String::new()
    };
    let ended = match record.ended {
        EndReason::Finished => "finished",
        EndReason::Stopped => "stopped by the user",
    };
    let [version, runtime] = &record.versions;
    let batch = match record.batch {
        0 | 1 => String::new(),
        several => format!(", {several} runs together"),
    };
    let mut facts = vec![
        ("target", safe(&spec.target)),
        ("objective", objective(spec)),
        ("model", safe(&spec.model)),
        ("score", format::score(record.score)),
    ];
    let probability = record.probability.map(format::percent);
    facts.extend(probability.map(|text| ("probability", text)));
    let verdicts = record.verdicts.iter().take(MAX_SHOWN_VERDICTS);
    facts.extend(verdicts.map(|verdict| ("judge", judged(spec, verdict))));
    if record.reached == Some(false) {
        let text = "no: try another seed, stochastic_depth=0 or more steps";
        facts.push(("reached", text.into()));
    }
    facts.extend([
        ("seed", spec.seed.to_string()),
        (
            "steps",
            format!("{steps} in {:.1} s{speed}{batch}", record.seconds),
        ),
        ("ended", format!("{ended}, {}", format::date(record.time))),
    ]);
    facts.extend(branched(spec).map(|text| ("branched", text)));
    facts.extend(record.together.map(|runs| ("together", together(runs))));
    facts.extend([
        ("provider", safe(&record.provider)),
        (
            "versions",
            safe(&format!("Ziggurat {version}, ONNX Runtime {runtime}")),
        ),
        ("model hash", safe(&spec.model_hash)),
        ("id", safe(&record.id)),
    ]);
    if !spec.is_current() {
        let note = format!("{}, an earlier one than today's", spec.method);
        facts.push(("method", note));
    }
    facts
}

/// The verdict of a judge: `efficientnet-lite1: flamingo 97.3 %`. Safe to show.
pub fn judged(spec: &Spec, verdict: &Verdict) -> String {
    let says = verdict.text(spec.objective.kind, &spec.target);
    format!("{}: {says}", verdict.judge())
}

/// How a picture may depend on the number of runs that stepped together.
pub fn together(runs: usize) -> String {
    format!("{runs} runs; made alone, the picture may look different")
}

/// The parent of a branch and the changed settings: `from 8835a6f0 at step 120: blur 3 → 1`. Safe to show.
fn branched(spec: &Spec) -> Option<String> {
    let from = spec.branched_from()?;
    let changes = changes(&spec.changes_at_branch());
    Some(format!("{from}: {changes}"))
}

/// Settings that changed: `blur 3 → 1, tilt 1.15 → 1.3`.
pub fn changes(changed: &[(&'static str, String, String)]) -> String {
    let change = |(key, before, since): &(_, String, String)| format!("{key} {before} → {since}");
    match changed {
        [] => "no setting changed".into(),
        all => all.iter().map(change).collect::<Vec<_>>().join(", "),
    }
}

/// The name of a score, long and short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreName {
    pub long: &'static str,
    pub short: &'static str,
}

/// The name of the score of a run; `None` for runs of earlier methods.
pub fn score_name(spec: &Spec) -> Option<ScoreName> {
    let (long, short) = match (spec.objective.kind, spec.settings.objective) {
        (Kind::Class, ClassScore::LogProbability) => ("log-probability", "log p"),
        (Kind::Class, ClassScore::Logit) => ("logit", "logit"),
        (Kind::NotClass, ClassScore::LogProbability) => {
            ("log-probability of the other classes", "log (1 - p)")
        }
        (Kind::NotClass, ClassScore::Logit) => ("minus the logit", "-logit"),
        (Kind::Channel, _) => ("mean activation", "mean activation"),
        (Kind::Neuron, _) => ("activation", "activation"),
        (Kind::Layer, _) => ("mean square activation", "mean square"),
    };
    spec.is_current().then_some(ScoreName { long, short })
}

/// The objective in words.
fn objective(spec: &Spec) -> String {
    let value = safe(&spec.objective.value);
    let (index, (row, column)) = (spec.unit.index, spec.unit.position);
    match spec.objective.kind {
        Kind::Class => format!("class {index} of {value}"),
        Kind::NotClass => format!("not class {index} of {value}"),
        Kind::Channel => format!("channel {index} of {value}"),
        Kind::Neuron => format!("channel {index} of {value} at row {row}, column {column}"),
        Kind::Layer => format!("all of {value}"),
    }
}

/// A setting of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub key: String,
    pub value: SettingValue,
    /// Its description; `None` for settings of earlier methods.
    pub knob: Option<&'static Knob>,
}

impl Setting {
    /// Its default, if it is set to something else.
    pub fn default_if_changed(&self) -> Option<SettingValue> {
        let default = self.knob?.default();
        (self.value != default).then_some(default)
    }

    /// Its value with its unit. Safe to show.
    pub fn text(&self) -> String {
        if let Some(word) = self.knob.and_then(|knob| knob.shown(&self.value)) {
            return word.into();
        }
        let unit = self.knob.map_or("", Knob::unit);
        format!("{} {unit}", format::value(&self.value))
            .trim_end()
            .into()
    }
}

/// All settings of a run, those that differ from their default first.
pub fn settings(spec: &Spec) -> Vec<Setting> {
    let setting = |knob: Option<&'static Knob>, key: &str, value| Setting {
        key: key.into(),
        value,
        knob,
    };
    if let Some(former) = spec.former() {
        let all = former.iter();
        return all
            .map(|(key, value)| setting(None, key, value.clone()))
            .collect();
    }
    let of =
        |knob: &'static Knob| Some(setting(Some(knob), knob.key, spec.settings.get(knob.key)?));
    let mut all: Vec<Setting> = KNOBS.iter().filter_map(of).collect();
    all.sort_by_key(|setting| setting.default_if_changed().is_none());
    all
}

/// The command that repeats a run, quoted for a shell; a branch from its first step. The settings of an earlier method
/// are left out: the command then makes another picture of the same target.
pub fn command(spec: &Spec) -> String {
    let target = match spec.objective.kind {
        // A name may fit several classes of another version of the model; its index is what counts.
        Kind::Class => format!("class:{}", spec.unit.index),
        Kind::NotClass => format!("not:{}", spec.unit.index),
        _ => spec.target.clone(),
    };
    let mut words = vec!["ziggurat run".to_string(), quoted(&target)];
    words.push(format!("--model {}", quoted(&spec.model)));
    words.push(format!("--seed {}", spec.seed));
    let mut line: Vec<Spec> = std::iter::successors(Some(spec.clone()), Spec::parent).collect();
    line.reverse();
    let changed = settings(&line[0])
        .into_iter()
        .filter(|setting| setting.default_if_changed().is_some());
    words.extend(changed.map(|setting| {
        let set = format!("{}={}", setting.key, setting.value);
        format!("--set {}", quoted(&set))
    }));
    words.extend(line[1..].iter().map(|branch| {
        let step = branch.earlier().last().map_or(0, |stage| stage.until);
        let changes = branch.changes_at_branch().into_iter();
        let changes: Vec<String> = changes
            .map(|(key, _, now)| format!("{key}={now}"))
            .collect();
        let then = format!("{step}:{}", changes.join(","));
        format!("--then {}", quoted(&then))
    }));
    words.join(" ")
}

/// Text as one word of a shell, with nothing in it that steers a terminal.
fn quoted(text: &str) -> String {
    let text = safe(text);
    let plain = |c: char| c.is_alphanumeric() || "-_./:,=+@%".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::history::testing::record;
    use crate::runs::judging::testing::verdict;

    #[test]
    fn settings_that_were_changed_come_first() {
        let mut changed = record(7).spec;
        changed.settings.set("noise", 0.2.into()).unwrap();
        changed.settings.set("steps", 64.0.into()).unwrap();
        let all = settings(&changed);
        let keys: Vec<&str> = all.iter().map(|setting| setting.key.as_str()).collect();
        assert_eq!(keys[..3], ["steps", "noise", "canvas"]);
        let is_changed = |setting: &&Setting| setting.default_if_changed().is_some();
        assert_eq!(all.iter().filter(is_changed).count(), 2);
        assert_eq!(all.len(), KNOBS.len());
    }

    #[test]
    fn a_command_has_all_settings_that_differ() {
        let mut spec = record(7).spec;
        assert_eq!(command(&spec), "ziggurat run class:130 --model m --seed 7");
        spec.objective.kind = Kind::Channel;
        spec.target = "it's a layer:3".into();
        spec.settings.set("step_size", 0.3.into()).unwrap();
        spec.settings.set_text("mask_layer", "it's").unwrap();
        assert_eq!(
            command(&spec),
            r"ziggurat run 'it'\''s a layer:3' --model m --seed 7 --set step_size=0.3 --set 'mask_layer=it'\''s'"
        );
        spec.target = "$(reboot)\u{1b}".into();
        assert!(command(&spec).starts_with(r"ziggurat run '$(reboot)\u{1b}' "));
    }

    #[test]
    fn the_command_of_a_branch_has_the_changes_and_their_steps() {
        let mut spec = record(7).spec;
        spec.settings.set("blur", 2.0.into()).unwrap();
        for (step, key, value) in [(5, "tilt", 1.5), (9, "blur", 1.0)] {
            let mut settings = spec.settings.clone();
            settings.set(key, value.into()).unwrap();
            spec = spec.branched(step, &settings).unwrap();
        }
        assert_eq!(
            command(&spec),
            "ziggurat run class:130 --model m --seed 7 --set blur=2 --then 5:tilt=1.5 --then 9:blur=1"
        );
        let mut record = record(7);
        record.spec = spec;
        let facts = facts(&record);
        let branched = facts.iter().find(|(label, _)| *label == "branched");
        let text = &branched.unwrap().1;
        assert!(text.ends_with(" at step 9: blur 2 → 1"), "{text}");
    }

    #[test]
    fn the_facts_have_the_objective_and_the_results() {
        let mut record = record(7);
        record.spec.model = "a\u{1b}b".into();
        let fact = |record: &Record, label: &str| {
            let all = facts(record);
            let found = all.into_iter().find(|(known, _)| *known == label);
            found.map(|(_, text)| text)
        };
        assert_eq!(fact(&record, "objective").unwrap(), "class 130 of logits");
        assert_eq!(
            fact(&record, "steps").unwrap(),
            "3 in 1.5 s, 2.0 per second"
        );
        assert_eq!(fact(&record, "probability").unwrap(), "50.0 %");
        assert!(!fact(&record, "model").unwrap().contains('\u{1b}'));
        record.verdicts = vec![verdict("/models/lite1.onnx", Some(0.12))];
        let judge = fact(&record, "judge").unwrap();
        assert_eq!(judge, "lite1.onnx: crane 60.0 %, flamingo 12.0 %");
        record.probability = None;
        assert!(fact(&record, "probability").is_none());
        assert!(fact(&record, "together").is_none());
        record.together = Some(8);
        assert!(fact(&record, "together").unwrap().starts_with("8 runs"));
    }
}

use super::*;
use crate::runs::history::testing::record;
use crate::runs::judging::testing::verdict;

/// Runs of one target with other seeds, as they are after `change`.
fn runs<const N: usize>(change: impl Fn(usize, &mut HistoryEntry)) -> [HistoryEntry; N] {
    std::array::from_fn(|index| {
        let mut entry = HistoryEntry::from_record(&record(index as u64), false);
        entry.score = 1.0;
        change(index, &mut entry);
        entry
    })
}

fn compared(runs: &[HistoryEntry]) -> Comparison {
    Comparison::new(&runs.iter().collect::<Vec<_>>())
}

fn caption(comparison: &Comparison, run: usize) -> String {
    let Caption { asked, results } = &comparison.captions[run];
    format!("{} | {}", asked.join(" · "), results.join(" · "))
}

fn with(settings: &[(&str, f64)]) -> HistoryEntry {
    let mut record = record(0);
    for (key, value) in settings {
        record.spec.settings.set(key, (*value).into()).unwrap();
    }
    HistoryEntry::from_record(&record, false)
}

#[test]
fn runs_that_differ_in_their_seed_have_common_inputs_and_own_results() {
    let found = compared(&runs::<2>(|index, entry| {
        entry.score = [2.13, 2.1][index];
        entry.probability = Some([0.975, 0.9751][index]);
    }));
    assert_eq!(found.summary(), "flamingo · m · default; different: seed");
    assert_eq!(caption(&found, 0), "seed 0 | score 2.13 · 97.50 %");
    assert_eq!(caption(&found, 1), "seed 1 | score 2.10 · 97.51 %");
}

#[test]
fn a_branch_says_where_it_begins() {
    let plain = record(0);
    let mut branch = plain.clone();
    let mut settings = plain.spec.settings.clone();
    settings.set("blur", 1.0.into()).unwrap();
    branch.spec = plain.spec.branched(9, &settings).unwrap();
    let runs = [&plain, &branch].map(|record| HistoryEntry::from_record(record, false));
    let found = compared(&runs);
    assert!(found.differing.contains(&"branch"));
    let from = format!("from {} at step 9", &plain.spec.id()[..8]);
    assert!(found.captions[1].asked.contains(&from), "{found:?}");
}

#[test]
fn each_setting_that_differs_is_named_with_its_value_and_the_others_once() {
    let found = compared(&[
        with(&[("steps", 80.0), ("tilt", 1.3)]),
        with(&[("steps", 80.0), ("blur", 2.0)]),
    ]);
    assert_eq!(
        found.summary(),
        "flamingo · m · default · steps=80 · seed 0 · score 0.00 · 50.0 %; different: blur, tilt"
    );
    assert_eq!(caption(&found, 0), "blur=3 · tilt=1.3 | ");
    assert_eq!(caption(&found, 1), "blur=2 · tilt=1.15 | ");
    let same = compared(&[with(&[("tilt", 1.0)]), with(&[("tilt", 1.2)])]);
    assert!(same.summary().starts_with("flamingo · m · default · "));
}

#[test]
fn presets_are_named_and_only_what_goes_beyond_them_is_listed() {
    let vivid = [("chroma", 2.0), ("contrast", 1.4), ("step_size", 0.25)];
    let same = compared(&[with(&vivid), with(&vivid)]);
    assert!(same.summary().starts_with("flamingo · m · vivid · "));
    let sharper = [&vivid[..], &[("tilt", 1.3)]].concat();
    let other = [("step_size", 0.1), ("blur", 2.0)];
    let found = compared(&[with(&vivid), with(&sharper), with(&other)]);
    assert_eq!(found.differing, ["preset", "step_size", "blur", "tilt"]);
    assert_eq!(caption(&found, 0), "vivid · blur=3 · tilt=1.15 | ");
    assert_eq!(caption(&found, 1), "vivid · blur=3 · tilt=1.3 | ");
    let last = "default · step_size=0.1 · blur=2 · tilt=1.15 | ";
    assert_eq!(caption(&found, 2), last);
}

#[test]
fn models_differ_by_their_hashes_whatever_their_names() {
    let found = compared(&runs::<3>(|index, entry| {
        entry.seed = 0;
        entry.model = ["/models/lite.onnx", "lite0", "lite0"][index].into();
        entry.model_hash = ["aaaa1111", "bbbb2222", "aaaa1111"][index].into();
    }));
    assert_eq!(found.differing, ["model"]);
    let models: Vec<&str> = found
        .captions
        .iter()
        .map(|all| all.asked[0].as_str())
        .collect();
    assert_eq!(models, ["lite.onnx", "lite0", "lite.onnx"]);
    let found = compared(&runs::<2>(|index, entry| {
        entry.model_hash = ["aaaa1111", "bbbb2222"][index].into();
    }));
    assert_eq!(found.captions[0].asked[0], "m (aaaa11)");
}

#[test]
fn classes_of_one_name_are_distinguished_by_their_index() {
    let found = compared(&runs::<2>(|index, entry| {
        entry.target = "crane".into();
        entry.unit.index = [134, 517][index];
    }));
    assert_eq!(found.captions[0].asked[0], "crane (134)");
    assert_eq!(found.differing, ["target", "seed"]);
}

#[test]
fn properties_of_some_runs_are_in_their_captions() {
    let found = compared(&runs::<2>(|index, entry| {
        entry.probability = [Some(0.25), None][index];
        entry.method = [6, 3][index];
        entry.ended = [EndReason::Stopped, EndReason::Finished][index];
    }));
    let first = "method 6 · seed 0 | stopped after 3 steps · 25.0 %";
    assert_eq!(caption(&found, 0), first);
    assert_eq!(caption(&found, 1), "method 3 · seed 1 | ");
    // Settings with another meaning today are not compared.
    assert_eq!(
        found.summary(),
        "flamingo · m · score 1.00; different: method, seed"
    );
}

#[test]
fn verdicts_stand_beside_each_other() {
    let found = compared(&runs::<3>(|index, entry| {
        let first = verdict("/a/lite1", [Some(0.91), Some(0.912), None][index]);
        entry.verdicts = vec![first];
        if index == 0 {
            let second = verdict("lite2", Some(0.5));
            entry.verdicts.push(Verdict {
                model_hash: "other".into(),
                ..second
            });
        }
    }));
    let last = |run: usize| found.captions[run].results.join(" · ");
    assert_eq!(last(0), "judge lite1 91.0 % · judge lite2 50.0 %");
    assert_eq!(last(1), "judge lite1 91.2 %");
    assert_eq!(last(2), "judge lite1 crane");
}

#[test]
fn no_run_and_one_run_are_no_fault() {
    assert_eq!(Comparison::new(&[]), Comparison::default());
    let one = compared(&runs::<1>(|_, _| {}));
    assert_eq!(
        one.summary(),
        "flamingo · m · default · seed 0 · score 1.00 · 50.0 %"
    );
}

//! Tests of atlases: which run shows a channel, and what the page holds.

use super::*;
use crate::ascent::Kind;
use crate::runs::EndReason;
use crate::runs::history::HistoryEntry;
use crate::runs::history::testing::{Fixture, picture, record};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const LAYER: &str = "blocks.1/relu6";

/// A finished run of a channel of [`LAYER`].
fn run(channel: usize, seed: u64) -> Record {
    let mut run = record(seed);
    run.spec.objective.kind = Kind::Channel;
    run.spec.objective.value = LAYER.into();
    run.spec.unit.index = channel;
    run.spec.target = format!("{LAYER}:{channel}");
    run.id = run.spec.id();
    run.score = channel as f32 + 0.25;
    run.time = 1000 * seed + channel as u64;
    run
}

fn choose(runs: &[Record], seed: Option<u64>) -> Result<AtlasRuns, Error> {
    let entry = |run: &Record| HistoryEntry::from_record(run, false);
    let entries: Vec<HistoryEntry> = runs.iter().map(entry).collect();
    AtlasRuns::choose(&entries, LAYER, seed)
}

fn seeds(runs: &AtlasRuns) -> Vec<(usize, u64)> {
    let channels = runs.of_channels.iter();
    channels
        .map(|(channel, run)| (*channel, run.seed))
        .collect()
}

fn page(runs: &[Record], channels: usize) -> Atlas {
    let fixture = Fixture::new();
    runs.iter().for_each(|run| drop(fixture.save(run)));
    document(&fixture.home, &choose(runs, None).unwrap(), channels).unwrap()
}

/// A block of JSON in the page.
fn block(html: &str, id: &str) -> serde_json::Value {
    let start = format!("<script type=\"application/json\" id=\"{id}\">");
    let text = html.split_once(&start).unwrap().1;
    serde_json::from_str(text.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn the_settings_of_most_channels_win_and_others_fill_the_gaps() {
    let most = [0, 1, 2, 3].map(|channel| run(channel, 1));
    let newer = [2, 3, 4].map(|channel| run(channel, 2));
    let all = [&most[..], &newer[..]].concat();
    let chosen = choose(&all, None).unwrap();
    assert_eq!(seeds(&chosen), [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2)]);
    assert_eq!((chosen.alike, chosen.left_out), (4, 2));
    assert_eq!(chosen.typical().unwrap().seed, 1);
    let second = choose(&all, Some(2)).unwrap();
    assert_eq!(seeds(&second), [(2, 2), (3, 2), (4, 2)]);
    assert_eq!((second.alike, second.left_out), (3, 0));
    // Of as many channels, the newest.
    assert_eq!(seeds(&choose(&all[2..5], None).unwrap()), [(2, 1), (3, 1)]);
    assert_eq!(
        seeds(&choose(&[run(0, 1), run(0, 2)], None).unwrap()),
        [(0, 2)]
    );
}

#[test]
fn only_finished_runs_of_one_model_and_this_layer_count() {
    let mut stopped = run(1, 1);
    stopped.ended = EndReason::Stopped;
    let mut other = run(2, 1);
    other.spec.objective.value = "blocks.2/relu6".into();
    let mut neuron = run(3, 1);
    neuron.spec.objective.kind = Kind::Neuron;
    let chosen = choose(&[stopped, other.clone(), neuron, run(0, 1)], None).unwrap();
    assert_eq!(seeds(&chosen), [(0, 1)]);
    let problem = |runs: &[Record], seed| choose(runs, seed).unwrap_err().to_string();
    assert!(problem(&[other], None).ends_with("did you mean `blocks.2/relu6`?"));
    assert!(problem(&[], None).contains("ziggurat run --all LAYER"));
    assert!(problem(&[run(0, 1)], Some(7)).ends_with("with seed 7"));
    let mut second = run(1, 1);
    (second.spec.model, second.spec.model_hash) = ("/x/other.onnx".into(), "abc".into());
    let several = problem(&[run(0, 1), second], None);
    assert!(
        several.contains("2 models") && several.ends_with("other.onnx (abc), m (h)"),
        "{several}"
    );
}

#[test]
fn the_page_has_every_channel_with_its_picture_score_and_settings() {
    let mut changed = run(2, 1);
    changed.spec.settings.set("noise", 0.25.into()).unwrap();
    changed.id = changed.spec.id();
    let atlas = page(&[run(0, 1), run(1, 1), changed], 5);
    assert_eq!((atlas.channels, atlas.shown, atlas.unreadable), (5, 3, 0));
    let html = &atlas.html;
    assert!(
        html.contains(
            "3 of 5 channels \u{b7} seed 1 \u{b7} 1 with another seed or other settings<"
        )
    );
    let (data, pictures) = (block(html, "data"), block(html, "pictures"));
    for channel in 0..5 {
        let shown = &data["channels"][channel];
        let (run, command) = (&shown["run"], shown["command"].as_str().unwrap());
        assert!(
            command.contains(&format!("{LAYER}:{channel} --model m --seed 1")),
            "{command}"
        );
        assert_eq!(run.is_null(), channel > 2);
        assert_eq!(pictures[channel].is_null(), channel > 2);
        if channel > 2 {
            continue;
        }
        assert_eq!(run["score"], channel as f64 + 0.25);
        assert_eq!(run["facts"][0][1], format!("{LAYER}:{channel}"));
        assert_eq!(run["curve"], serde_json::json!([0.0, 0.5, 1.0]));
        let settings = data["settings"][run["settings"].as_u64().unwrap() as usize].as_array();
        let is_changed = |one: &&serde_json::Value| one["is_changed"] == true;
        assert_eq!(
            settings.unwrap().iter().filter(is_changed).count(),
            usize::from(channel == 2)
        );
        let jpeg = STANDARD
            .decode(pictures[channel].as_str().unwrap())
            .unwrap();
        let read = image::load_from_memory(&jpeg).unwrap();
        assert_eq!((read.width(), read.height()), picture().dimensions());
    }
}

#[test]
fn nothing_from_a_run_becomes_markup_and_nothing_is_loaded() {
    let mut hostile = run(0, 1);
    hostile.spec.target = "</script><script>alert(1)</script>".into();
    hostile.spec.model = "a'b\"><img src=//evil onerror=x>".into();
    hostile.provider = "<!--\u{202e}\u{1b}".into();
    let html = page(&[hostile], 1).html;
    // The elements of the page itself.
    assert_eq!(
        (
            html.matches("<script").count(),
            html.matches("</script").count()
        ),
        (3, 3)
    );
    assert_eq!(html.matches("<img").count(), 1);
    assert!(!html.contains("<!--") && !html.contains('\u{202e}') && !html.contains('\u{1b}'));
    assert!(html.contains("a&#39;b&quot;&gt;&lt;img src=") || html.contains("evil onerror=x&gt;"));
    for outside in ["http://", "https://", "<link", "@import", "url(", "fetch("] {
        assert!(!html.contains(outside), "{outside}");
    }
    // The policy names the script that is there.
    let script = html.rsplit_once("<script>").unwrap().1;
    let script = script.split_once("</script>").unwrap().0;
    let hash = STANDARD.encode(Sha256::digest(script.as_bytes()));
    assert!(html.contains(&format!("script-src 'sha256-{hash}'\"")));
}

#[test]
fn damaged_runs_are_shown_as_missing() {
    let fixture = Fixture::new();
    let runs = [0, 1, 2].map(|channel| run(channel, 1));
    let ids = runs.clone().map(|run| fixture.save(&run));
    std::fs::write(
        history::image_path(&fixture.home, &ids[1]).unwrap(),
        "no picture",
    )
    .unwrap();
    let chosen = choose(&runs, None).unwrap();
    let atlas = document(&fixture.home, &chosen, 3).unwrap();
    assert_eq!((atlas.shown, atlas.unreadable), (2, 1));
    assert!(block(&atlas.html, "data")["channels"][1]["run"].is_null());
    for id in ids {
        std::fs::remove_dir_all(fixture.home.history().join(id)).unwrap();
    }
    assert!(document(&fixture.home, &chosen, 3).is_err());
}

#[test]
fn the_number_of_channels_is_bounded() {
    let fixture = Fixture::new();
    let far = run(1 << 40, 1);
    fixture.save(&far);
    let chosen = choose(&[far], None).unwrap();
    let problem = document(&fixture.home, &chosen, 1).unwrap_err().to_string();
    assert!(problem.contains("up to 10000 channels"), "{problem}");
}

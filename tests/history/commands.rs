//! Every subcommand, and what it says to bad input.

use super::{History, is_png, picture, record};
use image::AnimationDecoder;
use std::fs;
use std::path::Path;
use ziggurat::ascent::Kind;
use ziggurat::runs::{history, picture_file};

#[test]
fn an_empty_history_says_how_to_fill_it() {
    let saved = History::new();
    assert_eq!(saved.output(&["list"]), "");
    assert_eq!(saved.output(&[]), "");
    let done = saved.command(&["list"]).assert().success();
    let message = String::from_utf8_lossy(&done.get_output().stderr).to_string();
    assert!(message.contains("ziggurat run"), "{message}");
    assert_eq!(saved.output(&["verify"]), "0 runs checked, all intact\n");
    let nothing = saved.complaint(1, &["remove", "--undo"]);
    assert!(nothing.contains("nothing is removed"), "{nothing}");
}

#[test]
fn lists_are_filtered_and_sorted() {
    let saved = History::new();
    let shark = saved.save(&record("tiger shark", 2));
    let goose = saved.save(&record("goose", 1));
    let mut channel = record("blocks.3/conv:7", 3);
    channel.spec.objective.kind = Kind::Channel;
    channel.spec.model = "/models/resnet50.onnx".into();
    channel.id = channel.spec.id();
    let channel = saved.save(&channel);
    history::set_favourite(&saved.home, &goose, true).unwrap();
    let ids = |arguments: &[&str]| -> Vec<String> {
        let arguments = [&["list", "--json"], arguments].concat();
        let lines = saved.objects(&arguments);
        lines
            .iter()
            .map(|line| line["id"].as_str().unwrap().to_string())
            .collect()
    };
    let all = [&channel, &shark, &goose].map(String::clone);
    assert_eq!(ids(&["--sort", "score"]), all);
    let bare = saved.objects(&["--json", "--limit", "1"]);
    assert_eq!(bare[0]["id"].as_str(), Some(all[0].as_str()));
    assert_eq!(
        ids(&["--sort", "target"]),
        [&channel, &goose, &shark].map(String::clone)
    );
    assert_eq!(ids(&["--limit", "1"]), all[..1]);
    assert_eq!(ids(&["--limit", "0"]).len(), 3);
    for (filter, expected) in [
        (vec!["--text", "shark"], &shark),
        (vec!["--text", "tgshk"], &shark),
        (vec!["--model", "ResNet"], &channel),
        (vec!["--kind", "channel"], &channel),
        (vec!["--favourites"], &goose),
    ] {
        assert_eq!(ids(&filter), std::slice::from_ref(expected), "{filter:?}");
    }
    let line = saved.objects(&["list", "--json", "--favourites"]).remove(0);
    assert_eq!(line["favourite"], true);
    assert_eq!(line["steps"], 192);
    assert_eq!(line["kind"], "class");
    assert!(is_png(Path::new(line["image"].as_str().unwrap())));
    assert!(
        saved
            .complaint(2, &["list", "--sort", "size"])
            .contains("probability")
    );
    assert!(
        saved
            .complaint(2, &["list", "--kind", "x"])
            .contains("neuron")
    );
}

#[test]
fn the_table_is_aligned_and_harmless() {
    let saved = History::new();
    saved.save(&record("flamingo", 1));
    saved.save(&record("evil\u{1b}[2J\u{9b}name", 2));
    let text = saved.output(&["list"]);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{9b}'));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].contains("TARGET") && lines[0].contains("SCORE"));
    assert!(lines[1].contains("efficientnet-lite0"));
    let column = |line: &str| line.find("efficientnet");
    assert_eq!(column(lines[1]), column(lines[2]));
}

/// Runs that version 0.1 made before method 4: they are listed, shown with the settings that they recorded, and whole.
#[test]
fn runs_of_an_earlier_method_stay_readable() {
    let saved = History::new();
    let mut run = record("flamingo", 7);
    let mut spec = serde_json::to_value(&run.spec).unwrap();
    spec["method"] = 3.into();
    spec["settings"] = serde_json::json!({"boost": 1.8, "jitter": 16.0, "steps": 256.0});
    run.spec = serde_json::from_value(spec).unwrap();
    run.id = run.spec.id();
    let id = saved.save(&run);
    assert_eq!(saved.objects(&["list", "--json"])[0]["id"], *id);
    assert_eq!(saved.output(&["verify"]), "1 run checked, all intact\n");
    let text = saved.output(&["show", &id]);
    assert!(
        text.contains("method       3, an earlier one than today's"),
        "{text}"
    );
    assert!(text.contains("  jitter           16"), "{text}");
    // Nothing that it did not record.
    assert!(
        !text.contains("view_min") && !text.contains("--set"),
        "{text}"
    );
    assert_eq!(
        saved.objects(&["show", "--json", &id])[0]["spec"]["settings"]["boost"],
        1.8
    );
    saved.output(&["export", &id, "--out", &saved.path("page.html")]);
    let page = fs::read_to_string(saved.path("page.html")).unwrap();
    assert!(page.contains(">jitter</th>") && !page.contains(">view_min</th>"));
}

#[test]
fn show_prints_all_settings_changed_ones_first() {
    let saved = History::new();
    let mut run = record("flamingo", 7);
    run.spec.settings.set("noise", 0.25.into()).unwrap();
    run.id = run.spec.id();
    let id = saved.save(&run);
    let text = saved.output(&["show", &id[..8]]);
    let settings = text.split("\n\n").nth(1).unwrap();
    let first = settings.lines().next().unwrap();
    assert!(
        first.starts_with("* noise") && first.contains("default 0.1"),
        "{text}"
    );
    assert_eq!(settings.matches('*').count(), 1);
    assert!(
        text.contains(
            "ziggurat run class:130 --model efficientnet-lite0 --seed 7 --set noise=0.25"
        )
    );
    assert!(text.contains(&id) && text.contains("1970-01-01 00:00 UTC"));
    assert_eq!(
        saved.objects(&["show", "--json", &id])[0]["spec"]["seed"],
        7
    );
}

#[test]
fn an_unknown_or_ambiguous_id_is_an_error() {
    let saved = History::new();
    let ids: Vec<String> = (0..40)
        .map(|seed| saved.save(&record("goose", seed)))
        .collect();
    let twice = ids.iter().find(|id| {
        let like = |other: &&String| other[..1] == id[..1];
        ids.iter().filter(like).count() > 1
    });
    let twice = twice.unwrap();
    let ambiguous = saved.complaint(2, &["show", &twice[..1]]);
    assert!(ambiguous.contains(twice.as_str()), "{ambiguous}");
    assert!(
        saved
            .complaint(2, &["show", "00000000"])
            .contains("history list")
    );
    let escape = saved.complaint(2, &["show", "../../../etc/passwd"]);
    assert!(escape.contains("hexadecimal"), "{escape}");
    assert!(
        saved
            .complaint(2, &["remove", "a\u{1b}[2J"])
            .contains("\\u{1b}")
    );
}

#[test]
fn removed_runs_come_back_until_they_are_purged() {
    let saved = History::new();
    let ids: Vec<String> = (0..3)
        .map(|seed| saved.save(&record("goose", seed)))
        .collect();
    assert!(
        saved
            .output(&["remove", &ids[0], &ids[1]])
            .contains("2 runs removed")
    );
    assert_eq!(saved.objects(&["list", "--json"]).len(), 1);
    assert!(saved.output(&["verify"]).contains("2 removed"));
    assert!(saved.output(&["remove", "--undo"]).contains(&ids[1]));
    assert_eq!(saved.objects(&["list", "--json"]).len(), 3);
    // If one of several does not exist, none is removed.
    saved.complaint(2, &["remove", &ids[0], "0000000000000000"]);
    assert_eq!(saved.objects(&["list", "--json"]).len(), 3);
    saved.output(&["remove", &ids[0]]);
    assert!(
        saved
            .output(&["remove", "--purge"])
            .contains("1 run permanently deleted")
    );
    saved.complaint(1, &["remove", "--undo"]);
    saved.complaint(2, &["remove"]);
}

#[test]
fn one_run_exports_as_its_picture_and_several_as_a_sheet_or_a_page() {
    let saved = History::new();
    let ids: Vec<String> = (0..3)
        .map(|seed| saved.save(&record("goose", seed)))
        .collect();
    let (one, sheet, page) = (
        saved.path("one.png"),
        saved.path("sheet.png"),
        saved.path("page.html"),
    );
    saved.output(&["export", &ids[0], "--out", &one]);
    assert_eq!(picture_file::read_spec(Path::new(&one)).unwrap().seed, 0);
    saved.output(&["export", &ids[0], &ids[1], &ids[2], "--out", &sheet]);
    let sheet = image::open(&sheet).unwrap();
    assert!(sheet.width() > 3 * 224 && sheet.height() > 224);
    saved.output(&[
        "export", "--text", "goose", "--sort", "score", "--out", &page,
    ]);
    let text = fs::read_to_string(&page).unwrap();
    assert_eq!(text.matches("<article>").count(), 3);
}

/// A name with control characters is the same text in JSON as in the record; nothing is escaped twice.
#[test]
fn names_in_json_are_those_of_the_record() {
    let saved = History::new();
    let name = "a\u{1b}[2J\u{202e}\\n\nb";
    let mut odd = record(name, 1);
    odd.spec.objective.kind = Kind::Layer;
    odd.spec.model = "mod\tel.onnx".into();
    odd.id = odd.spec.id();
    saved.save(&odd);
    let lines = saved.objects(&["list", "--json"]);
    assert_eq!(lines[0]["target"].as_str(), Some(name));
    assert_eq!(lines[0]["model"].as_str(), Some("mod\tel.onnx"));
    let shown = saved.output(&["list"]);
    assert!(shown.contains("a\\u{1b}[2J\\u{202e}"), "{shown}");
}

#[test]
fn an_animation_is_made_of_the_stored_frames() {
    let saved = History::new();
    let still = saved.save(&record("goose", 1));
    let moving = record("goose", 2);
    let frames: Vec<_> = (0..5).map(|seed| picture(40 * seed)).collect();
    history::save(&saved.home, &moving, &picture(2), &frames).unwrap();
    let (gif, apng) = (saved.path("a.gif"), saved.path("a.apng"));
    saved.output(&["export", &moving.id, "--out", &gif]);
    assert!(fs::read(&gif).unwrap().starts_with(b"GIF89a"));
    saved.output(&["export", &moving.id, "--out", &apng, "--delay", "200"]);
    let kept = history::frames_path(&saved.home, &moving.id).unwrap();
    let kept = ziggurat::runs::frames::read(&kept).unwrap();
    assert_eq!(kept.len(), frames.len());
    let reader = std::io::BufReader::new(fs::File::open(&apng).unwrap());
    let decoder = image::codecs::png::PngDecoder::new(reader).unwrap();
    let exported = decoder.apng().unwrap().into_frames();
    let exported = exported.map(|frame| image::DynamicImage::from(frame.unwrap().into_buffer()));
    assert!(exported.map(image::DynamicImage::into_rgb8).eq(kept));
    let none = saved.complaint(1, &["export", &still, "--out", &saved.path("none.gif")]);
    assert!(none.contains("no frames"), "{none}");
    assert!(!Path::new(&saved.path("none.gif")).exists());
    let several = saved.complaint(2, &["export", &still, &moving.id, "--out", &gif]);
    assert!(several.contains("one run"), "{several}");
}

#[test]
fn an_impossible_export_is_an_error_of_one_line() {
    let saved = History::new();
    let id = saved.save(&record("goose", 1));
    for (status, arguments, word) in [
        (2, vec!["export", &id, "--out", "a.jpg"], ".html"),
        (
            2,
            vec!["export", "--out", "a.png"],
            "no runs selected: give IDs, or a filter such as --favourites",
        ),
        (
            2,
            vec!["export", &id, "--favourites", "--out", "a.png"],
            "not both",
        ),
        (
            2,
            vec!["export", &id, "--sort", "score", "--out", "a.png"],
            "leave out --sort and --reverse",
        ),
        (
            2,
            vec!["export", &id, "--reverse", "--out", "a.png"],
            "leave out --sort and --reverse",
        ),
        (
            2,
            vec!["export", &id, "--delay", "50", "--out", "a.png"],
            "--delay is for animations",
        ),
        (
            2,
            vec!["export", "--favourites", "--delay", "50", "--out", "a.html"],
            "--delay is for animations",
        ),
        (
            2,
            vec![
                "export", "--atlas", "stem", "--sort", "score", "--out", "a.html",
            ],
            "leave out --sort and --reverse",
        ),
        (
            2,
            vec!["export", "--atlas", "stem", "--reverse", "--out", "a.html"],
            "leave out --sort and --reverse",
        ),
        (
            2,
            vec!["export", &id, "--seed", "1", "--out", "a.png"],
            "cannot be used with '--seed <SEED>'; leave out one of them",
        ),
        (
            2,
            vec!["export", "--favourites", "--seed", "1", "--out", "a.png"],
            "--atlas <LAYER>",
        ),
        (
            2,
            vec!["list", "--sort", "size"],
            "no sort key is called \"size\"",
        ),
        (
            1,
            vec!["export", "--favourites", "--out", "a.png"],
            "no run matches the filters",
        ),
        (
            1,
            vec!["export", &id, "--out", "/nonexistent/a.png"],
            "/nonexistent",
        ),
    ] {
        let message = saved.complaint(status, &arguments);
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn damaged_runs_are_skipped_reported_and_removable() {
    let saved = History::new();
    let (good, bad) = (
        saved.save(&record("goose", 1)),
        saved.save(&record("goose", 2)),
    );
    let image = history::image_path(&saved.home, &bad).unwrap();
    let bytes = fs::read(&image).unwrap();
    fs::write(&image, &bytes[..bytes.len() / 2]).unwrap();
    let message = saved.complaint(1, &["verify"]);
    assert!(
        message.contains("1 of 2 runs damaged") && message.contains("remove"),
        "{message}"
    );
    fs::write(image.with_file_name("run.json"), "{").unwrap();
    let done = saved.command(&["list", "--json"]).assert().success();
    assert_eq!(
        String::from_utf8_lossy(&done.get_output().stdout)
            .lines()
            .count(),
        1
    );
    assert!(String::from_utf8_lossy(&done.get_output().stderr).contains("1 run cannot be read"));
    let shown = saved.complaint(1, &["show", &bad]);
    assert!(shown.contains("run.json"), "{shown}");
    saved.output(&["remove", &bad]);
    assert!(
        saved
            .output(&["verify"])
            .ends_with("1 run checked, all intact\n")
    );
    assert_eq!(saved.objects(&["list", "--json"])[0]["id"], good.as_str());
}

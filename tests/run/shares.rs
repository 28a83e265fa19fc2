//! Many targets, divided among processes that share a history.

use super::*;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// Number of channels of most tests.
const CHANNELS: usize = 40;

/// A sandbox with a classifier of one layer of many channels and four classes.
struct Wide {
    sandbox: Sandbox,
    channels: usize,
    model: String,
    layer: String,
}

impl Wide {
    fn new() -> Self {
        Self::with_channels(CHANNELS)
    }

    fn with_channels(channels: usize) -> Self {
        let sandbox = Sandbox::with_runtime();
        let model = sandbox.path("wide.onnx");
        classifier_of(&model, 7, false, channels as i64);
        let names = ["flamingo", "goldfish", "tench", "crane"];
        fs::write(sandbox.path("labels.txt"), names.join("\n")).unwrap();
        let layers = sandbox.objects(&["layers", &model, "--json"]);
        let layer = layers[0]["name"].as_str().unwrap().to_string();
        assert_eq!(layers[0]["channels"], channels);
        Self {
            sandbox,
            channels,
            model,
            layer,
        }
    }

    /// The words of `run` with these options and few steps.
    fn words<'a>(&'a self, options: &[&'a str]) -> Vec<&'a str> {
        [&["run", "--model", &self.model], &SHORT[..], options].concat()
    }

    fn run(&self, options: &[&str]) -> Vec<Value> {
        self.sandbox.objects(&self.words(options))
    }

    /// The words of `history missing` with the settings of [`Wide::words`].
    fn missing_words<'a>(&'a self, options: &[&'a str]) -> Vec<&'a str> {
        // Of whichever provider.
        let short = &SHORT[..4];
        [
            &["history", "missing", "--model", &self.model],
            short,
            options,
        ]
        .concat()
    }

    /// The lines of `history missing`, and what it reports.
    fn missing(&self, options: &[&str]) -> (Vec<String>, String) {
        let (lines, report) = self.sandbox.printed(&self.missing_words(options));
        (lines.lines().map(str::to_string).collect(), report)
    }

    /// `run` as a process of its own, with pipes.
    fn spawn(&self, options: &[&str]) -> Child {
        std::process::Command::new(env!("CARGO_BIN_EXE_ziggurat"))
            .env("ZIGGURAT_HOME", self.sandbox.root())
            .args(self.words(options))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn channels(&self) -> Vec<String> {
        let name = |channel| format!("{}:{channel}", self.layer);
        (0..self.channels).map(name).collect()
    }
}

fn targets(lines: &[Value]) -> Vec<String> {
    let target = |line: &Value| line["target"].as_str().unwrap().to_string();
    lines.iter().map(target).collect()
}

fn ids(lines: &[Value]) -> BTreeSet<String> {
    let id = |line: &Value| line["id"].as_str().unwrap().to_string();
    lines.iter().map(id).collect()
}

#[test]
fn targets_come_from_words_lists_layers_and_all_classes() {
    let wide = Wide::new();
    let layer = &wide.layer;
    let list = format!("# some targets\n\n  crane \nnot:tench\n{layer}:3:2,5\n");
    let list = wide.sandbox.put("list.txt", list);
    let options = [
        "goldfish",
        "--targets",
        &list,
        "--all",
        layer,
        "--all-classes",
    ];
    let made = wide.run(&options);
    let expected: BTreeSet<String> = ["goldfish", "crane", "not tench", "flamingo", "tench"]
        .map(str::to_string)
        .into_iter()
        .chain([format!("{layer}:3:2,5")])
        .chain(wide.channels())
        .collect();
    assert_eq!(made.len(), expected.len());
    assert_eq!(
        targets(&made).into_iter().collect::<BTreeSet<_>>(),
        expected
    );
    // A list from standard input names the same runs.
    let words = wide.words(&["--targets", "-"]);
    let mut command = wide.sandbox.command(&words);
    let done = command
        .write_stdin("\u{feff}flamingo\r\nclass:#1\r\n")
        .assert();
    let output = String::from_utf8(done.success().get_output().stdout.clone()).unwrap();
    let lines: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(targets(&lines), ["flamingo", "goldfish"]);
    assert!(lines.iter().all(|line| line["from_history"] == true));
}

#[test]
fn an_empty_list_is_no_failure() {
    let wide = Wide::new();
    let list = wide.sandbox.put("none.txt", "# nothing\n");
    let (output, report) = wide.sandbox.printed(&wide.words(&["--targets", &list]));
    assert_eq!(output, "");
    assert!(report.contains("there is nothing to run"), "{report}");
    assert_eq!(wide.missing(&["--targets", &list]).0, [] as [String; 0]);
}

#[test]
fn mistakes_in_lists_and_shards_are_named() {
    let wide = Wide::new();
    let layer = wide.layer.as_str();
    let part = format!("{layer}:1");
    let put = |name: &str, bytes: &[u8]| wide.sandbox.put(name, bytes);
    let wrong = put("wrong.txt", b"crane\n\n# next\ncrnae\n");
    let binary = put("binary.txt", b"crane\n\xff\xfe\n");
    let none = wide.sandbox.path("none.txt");
    let folder = wide.sandbox.path("");
    let place = format!("--targets {wrong}:4: ");
    let cases: [(&[&str], i32, &str); 11] = [
        (&["--targets", &wrong], 2, &place),
        (&["--targets", &wrong], 2, "did you mean `crane`"),
        (
            &["--targets", &binary],
            1,
            "binary.txt: line 2 is not UTF-8 text",
        ),
        (&["--targets", &none], 1, "none.txt: there is no such file"),
        (&["--targets", &folder], 1, "--targets "),
        (
            &["--targets", "-", "--targets", "-"],
            2,
            "standard input can be read once",
        ),
        (&["--all", &part], 2, "is a part of a layer: say "),
        (&["--all", "stem"], 2, "--all: "),
        (&["crane", "--shard", "5/4"], 2, "expected M/N"),
        (
            &["--from", "00", "--shard", "1/4"],
            2,
            "cannot be used with",
        ),
        (&[], 2, "required"),
    ];
    for (options, status, word) in cases {
        let complaint = wide.sandbox.complaint(status, &wide.words(options));
        assert!(complaint.contains(word), "{complaint}");
    }
    let complaint = wide.sandbox.complaint(2, &wide.missing_words(&[]));
    assert!(complaint.contains("required"), "{complaint}");
    let folder = wide.sandbox.path("one.png");
    let complaint = wide
        .sandbox
        .complaint(2, &wide.words(&["--all-classes", "--out", &folder]));
    assert!(complaint.contains("need a folder"), "{complaint}");
}

#[test]
fn shards_are_disjoint_and_make_the_whole() {
    let wide = Wide::new();
    let whole = ids(&wide
        .sandbox
        .objects(&wide.missing_words(&["--all", &wide.layer, "--json"])));
    assert_eq!(whole.len(), CHANNELS);
    let mut made = BTreeSet::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let words = wide.words(&["--all", &wide.layer, "--shard", shard]);
        let (output, report) = wide.sandbox.printed(&words);
        let lines: Vec<Value> = output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let message = format!("shard {shard}: {} of {CHANNELS} runs", lines.len());
        assert!(report.contains(&message), "{report}");
        assert!((1..CHANNELS).contains(&lines.len()));
        for id in ids(&lines) {
            assert!(made.insert(id), "a run is in two shards");
        }
        // What a shard lacks is asked with the same options.
        let options = ["--all", &wide.layer, "--shard", shard];
        assert_eq!(wide.missing(&options).0, [] as [String; 0]);
    }
    assert_eq!(made, whole);
    // More shards than runs: most of them are empty, which is no failure.
    let shards = (1..=50).map(|number| format!("{number}/5000"));
    let empty = |shard: String| {
        let words = wide.words(&["--all", &wide.layer, "--shard", &shard]);
        wide.sandbox
            .notices(&words)
            .contains(&format!("0 of {CHANNELS} runs"))
    };
    assert!(shards.take(3).any(empty));
}

#[test]
fn missing_lists_what_a_second_pass_makes() {
    let wide = Wide::new();
    let list = wide.sandbox.put("list.txt", "not:crane\ngoldfish");
    let options = ["--all", &wide.layer, "--targets", &list, "flamingo"];
    let (lines, report) = wide.missing(&options);
    assert_eq!(lines[..3], ["flamingo", "not:crane", "goldfish"]);
    assert_eq!(lines[3..], wide.channels());
    assert!(report.contains("43 of 43 runs missing"), "{report}");
    let made = wide.run(&["flamingo", &format!("{}:2", wide.layer)]);
    let (lines, report) = wide.missing(&options);
    assert!(report.contains("41 of 43 runs missing"), "{report}");
    assert!(!lines.contains(&"flamingo".into()));
    let objects = wide
        .sandbox
        .objects(&[&wide.missing_words(&options)[..], &["--json"]].concat());
    assert_eq!(objects.len(), 41);
    assert!(ids(&objects).is_disjoint(&ids(&made)));
    assert_eq!(
        (&objects[0]["line"], &objects[0]["kind"]),
        (&"not:crane".into(), &"not".into())
    );
    // Another seed or another provider: other runs.
    for other in [["--seed", "5"], ["--provider", "cuda"]] {
        let report = wide.missing(&[&options[..], &other].concat()).1;
        assert!(report.contains("43 of 43 runs missing"), "{report}");
    }
    let words = wide.words(&["--targets", "-"]);
    let mut second = wide.sandbox.command(&words);
    let done = second.write_stdin(lines.join("\n")).assert().success();
    let output = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert_eq!(output.matches("\"from_history\":false").count(), 41);
    let (lines, report) = wide.missing(&options);
    assert_eq!(lines, [] as [String; 0]);
    assert!(
        report.contains("the history holds all of 43 runs"),
        "{report}"
    );
}

#[test]
fn killed_processes_leave_a_history_that_a_second_pass_completes() {
    // Several batches per shard.
    let count = 96;
    let wide = Wide::with_channels(count);
    let all = ["--all", &wide.layer];
    let mut processes: Vec<Child> = ["1/4", "2/4", "3/4", "4/4"]
        .iter()
        .map(|shard| wide.spawn(&[all[0], all[1], "--shard", shard, "--set", "steps=100"]))
        .collect();
    // Two are killed when they have delivered their first run; a batch or two of each remain.
    for process in &mut processes[..2] {
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(
            lines
                .next()
                .unwrap()
                .unwrap()
                .contains("\"from_history\":false")
        );
        process.kill().unwrap();
    }
    for (number, process) in processes.iter_mut().enumerate() {
        assert_eq!(process.wait().unwrap().success(), number > 1);
    }
    let options = [all[0], all[1], "--set", "steps=100"];
    let (lines, _) = wide.missing(&options);
    let channels = wide.channels();
    assert!((4..count).contains(&lines.len()), "{}", lines.len());
    assert!(lines.iter().all(|line| channels.contains(line)));
    let text = lines.join("\n");
    let words = wide.words(&["--targets", "-", "--set", "steps=100"]);
    let mut second = wide.sandbox.command(&words);
    second.write_stdin(text).assert().success();
    assert_eq!(wide.missing(&options).0, [] as [String; 0]);
    let verified = wide.sandbox.output(&["history", "verify"]);
    assert!(
        verified.ends_with("96 runs checked, all intact\n"),
        "{verified}"
    );
    assert!(!verified.contains("not a file of Ziggurat"), "{verified}");
    // The page shows all of them.
    let page = wide.sandbox.path("atlas.html");
    let export = ["history", "export", "--atlas", &wide.layer, "--out", &page];
    let (output, report) = wide.sandbox.printed(&export);
    assert!(output.contains("96 of 96 channels"), "{output}");
    assert_eq!(report, "");
    let html = fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("\"score_text\":").count(), count);
    assert!(!html.contains("\"run\":null"));
}

#[test]
fn processes_with_the_same_targets_share_them() {
    let wide = Wide::new();
    let options = ["--all", &wide.layer, "--set", "steps=60"];
    let processes: Vec<Child> = (0..3).map(|_| wide.spawn(&options)).collect();
    let mut made = Vec::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        let output = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> = output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        // Each delivers all, whichever process made them.
        assert_eq!(ids(&lines).len(), CHANNELS);
        let own = lines
            .into_iter()
            .filter(|line| line["from_history"] == false);
        made.extend(own.map(|line| line["id"].as_str().unwrap().to_string()));
    }
    assert_eq!(made.len(), CHANNELS, "a run was made twice");
    let verified = wide.sandbox.output(&["history", "verify"]);
    assert_eq!(verified, "40 runs checked, all intact\n");
    let claims = wide.sandbox.home.history().join(".claims");
    assert_eq!(fs::read_dir(claims).unwrap().count(), 0);
}

#[test]
fn an_atlas_shows_missing_channels_and_needs_a_page() {
    let wide = Wide::new();
    let layer = wide.layer.as_str();
    let page = wide.sandbox.path("atlas.html");
    let export = |out: &str| {
        let words = ["history", "export", "--atlas", layer, "--out", out];
        words.map(str::to_string).to_vec()
    };
    let words = export(&page);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let complaint = wide.sandbox.complaint(1, &words);
    assert!(complaint.contains("no channel of"), "{complaint}");
    wide.run(&[&format!("{layer}:1"), &format!("{layer}:3")]);
    assert!(wide.sandbox.output(&words).contains("2 of 40 channels"));
    assert_eq!(
        fs::read_to_string(&page)
            .unwrap()
            .matches("\"run\":null")
            .count(),
        38
    );
    // Without the model, its channels are not known.
    fs::remove_file(&wide.model).unwrap();
    let (output, report) = wide.sandbox.printed(&words);
    assert!(output.contains("2 of 4 channels"), "{output}");
    assert!(report.contains("those after 3 are not shown"), "{report}");
    let picture = wide.sandbox.path("atlas.png");
    let words = export(&picture);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let complaint = wide.sandbox.complaint(2, &words);
    assert!(
        complaint.contains("ends in .html") || complaint.contains("end in .html"),
        "{complaint}"
    );
}

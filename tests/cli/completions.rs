//! Completions as a shell requests them, and the manual.

use super::*;

/// The completions of the last word, with descriptions, as fish requests them.
fn completions(sandbox: &Sandbox, words: &[&str]) -> String {
    let request = [&["--", "ziggurat"], words].concat();
    let mut command = sandbox.command(&request);
    let answer = command.env("ZIGGURAT_COMPLETE", "fish").assert().success();
    String::from_utf8(answer.get_output().stdout.clone()).unwrap()
}

fn names(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let lines = completions(sandbox, words);
    let name = |line: &str| line.split('\t').next().unwrap_or_default().to_string();
    lines.lines().map(name).collect()
}

#[test]
fn targets_are_classes_and_layers_of_the_model() {
    let sandbox = Sandbox::with_shared_home();
    assert_eq!(names(&sandbox, &["run", "flam"]), ["flamingo"]);
    let layers = names(&sandbox, &["run", "blocks.0/depth"]);
    assert!(
        layers.contains(&"blocks.0/depthwise/conv".into()),
        "{layers:?}"
    );
    let layers = names(&sandbox, &["cam", MODEL, "--layer", "blocks.0/depth"]);
    assert!(
        layers.contains(&"blocks.0/depthwise/conv".into()),
        "{layers:?}"
    );
    let of_none = names(&sandbox, &["run", "--model", "nowhere.onnx", "flam"]);
    assert!(of_none.is_empty(), "{of_none:?}");
}

#[test]
fn targets_have_prefixes_and_layers_have_channels() {
    let sandbox = Sandbox::with_shared_home();
    assert_eq!(names(&sandbox, &["run", "not:flam"]), ["not:flamingo"]);
    assert_eq!(names(&sandbox, &["run", "class:flam"]), ["class:flamingo"]);
    assert!(names(&sandbox, &["run", "no"]).contains(&"not:".into()));
    let channels = names(&sandbox, &["run", "stem/conv:"]);
    assert_eq!(channels.len(), 32, "{channels:?}");
    assert_eq!(
        (&*channels[0], &*channels[31]),
        ("stem/conv:0", "stem/conv:31")
    );
    let some = names(&sandbox, &["run", "layer:stem/conv:3"]);
    assert_eq!(
        some,
        [
            "layer:stem/conv:3",
            "layer:stem/conv:30",
            "layer:stem/conv:31"
        ]
    );
    // An option for a layer takes no channel.
    assert!(names(&sandbox, &["cam", MODEL, "--layer", "stem/conv:"]).is_empty());
}

#[test]
fn classes_are_also_those_in_the_models_own_file() {
    let sandbox = Sandbox::with_shared_home();
    testing::library();
    let mut model = file::read(&model_file().path).unwrap();
    let mut property = |key: &str, value: &str| {
        model
            .metadata_props
            .push(ziggurat::onnx::proto::StringStringEntryProto {
                key: key.into(),
                value: value.into(),
            });
    };
    let names_of_classes: Vec<String> = (0..1000).map(|n| format!("zebra finch {n}")).collect();
    property("names", &serde_json::to_string(&names_of_classes).unwrap());
    let path = sandbox.path("own.onnx");
    file::write(model, Path::new(&path), None).unwrap();
    let found = names(&sandbox, &["run", "--model", &path, "not:zebra finch 99"]);
    assert_eq!(found.len(), 11, "{found:?}");
    assert_eq!(found[0], "not:zebra finch 99");
}

#[test]
fn a_pipe_is_no_model_and_does_not_hang() {
    let sandbox = Sandbox::with_shared_home();
    let pipe = sandbox.path("pipe.onnx");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let began = std::time::Instant::now();
    for words in [
        &["run", "--model", &pipe, "flam"][..],
        &["run", "--model", &pipe, "not:"],
        &["cam", &pipe, "--layer", ""],
        &["classes", &pipe, "fl"],
    ] {
        assert!(names(&sandbox, words).is_empty(), "{words:?}");
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn paths_that_no_shell_reads_back_are_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::empty();
    for name in [
        &b"good.png"[..],
        b"new\nline.png",
        b"ta\tb.png",
        b"\xff.png",
        b"esc\x1b.png",
    ] {
        let name = std::ffi::OsStr::from_bytes(name);
        fs::write(Path::new(&sandbox.path("")).join(name), "").unwrap();
    }
    let start = sandbox.path("");
    let places = [
        &["run", "1", "--out", &start][..],
        &["run", "--targets", &start],
        &["layers", "--photo", &start],
        &["gradient", MODEL, "--input", &start],
        &["cam", MODEL, "--export", &start],
        &["run", "--from", &start],
        &["classify", &start],
    ];
    for shell in ["bash", "elvish", "fish", "nushell", "powershell", "zsh"] {
        for words in places {
            let request = [&["--", "ziggurat"], words].concat();
            let mut command = sandbox.command(&request);
            let index = (request.len() - 2).to_string();
            let command = command.env("ZIGGURAT_COMPLETE", shell);
            let answer = command
                .env("_CLAP_COMPLETE_INDEX", index)
                .assert()
                .success();
            let answer = String::from_utf8(answer.get_output().stdout.clone()).unwrap();
            assert!(answer.contains("good.png"), "{shell} {words:?}: {answer:?}");
            let count = answer.matches(".png").count();
            assert_eq!(count, 1, "{shell} {words:?}: {answer:?}");
        }
    }
}

#[test]
fn models_are_cards_and_files() {
    let sandbox = Sandbox::with_shared_home();
    fs::write(sandbox.path("my.onnx"), "").unwrap();
    fs::write(sandbox.path("my.txt"), "").unwrap();
    assert!(names(&sandbox, &["run", "--model", "efficientnet-lite"]).contains(&MODEL.into()));
    let start = sandbox.path("my");
    let files = names(&sandbox, &["run", "--model", &start]);
    assert_eq!(files, [sandbox.path("my.onnx")]);
}

#[test]
fn commands_options_settings_and_presets_have_descriptions() {
    let sandbox = Sandbox::with_shared_home();
    assert!(completions(&sandbox, &["hist"]).starts_with("history\tManage saved runs"));
    assert!(completions(&sandbox, &["run", "--ste"]).starts_with("--steps\tTotal steps"));
    assert!(completions(&sandbox, &["run", "--set", "step"]).contains("steps=\tTotal steps"));
    assert_eq!(names(&sandbox, &["run", "--preset", "dr"]), ["draft"]);
}

#[test]
fn without_runtime_and_models_completions_are_fewer_but_quiet() {
    let sandbox = Sandbox::empty();
    assert_eq!(names(&sandbox, &["run", "flam"]), ["flamingo"]);
    assert!(names(&sandbox, &["run", "blocks.0/"]).is_empty());
    assert!(names(&sandbox, &["history", "show", "a"]).is_empty());
    assert!(!sandbox.home.runtime().exists(), "nothing is downloaded");
}

/// What the printed script replies to Bash, which divides `line` into words as it does itself, the
/// last one being `last`.
fn bash_replies(line: &str, words: &[&str], last: &str) -> Vec<String> {
    let sandbox = Sandbox::with_shared_home();
    let program = Path::new(env!("CARGO_BIN_EXE_ziggurat"));
    let script = sandbox.output(&["completions", "bash"]);
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let test = format!(
        "PATH={}:$PATH\n{script}\ncompopt() {{ :; }}\nCOMP_LINE='{line}'\nCOMP_POINT=${{#COMP_LINE}}\n\
         COMP_WORDS=({})\nCOMP_CWORD={}\n_complete_ziggurat ziggurat '{last}' x\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        program.parent().unwrap().display(),
        words.join(" "),
        words.len() - 1
    );
    let mut bash = Command::new("bash");
    let bash = bash.args(["--norc", "-c", &test]);
    let answer = bash.env("ZIGGURAT_HOME", sandbox.root()).assert().success();
    let replies = String::from_utf8(answer.get_output().stdout.clone()).unwrap();
    replies.lines().map(str::to_string).collect()
}

#[test]
fn bash_completes_with_the_printed_script() {
    let replies = bash_replies("ziggurat run great", &["ziggurat", "run", "great"], "great");
    assert_eq!(replies, ["great\\ white\\ shark", "great\\ grey\\ owl"]);
    let words = ["ziggurat", "run", "\"great w"];
    let replies = bash_replies("ziggurat run \"great w", &words, "great w");
    assert_eq!(replies, ["great white shark"]);
}

#[test]
fn bash_divides_words_at_equals_signs_and_colons() {
    let words = ["ziggurat", "run", "--set", "mask_method", "=", "grad"];
    let replies = bash_replies("ziggurat run --set mask_method=grad", &words, "grad");
    assert_eq!(replies, ["grad-cam", "grad-cam++"]);
    let words = ["ziggurat", "run", "--preset", "="];
    let replies = bash_replies("ziggurat run --preset=", &words, "");
    assert!(replies.contains(&"draft".into()), "{replies:?}");
    let words = ["ziggurat", "run", "not", ":", "flam"];
    let replies = bash_replies("ziggurat run not:flam", &words, "flam");
    assert_eq!(replies, ["flamingo"]);
    let words = ["ziggurat", "run", "nothing", ":"];
    let replies = bash_replies("ziggurat run nothing:", &words, "");
    assert_eq!(replies, [""], "no targets out of place");
}

#[test]
fn every_shell_has_a_script_and_others_are_named() {
    for shell in ["bash", "elvish", "fish", "nushell", "powershell", "zsh"] {
        assert!(
            output(&["completions", shell]).contains("ziggurat"),
            "{shell}"
        );
    }
    let message = complaint(2, &["completions", "tcsh"]);
    assert!(message.contains("tcsh"), "{message}");
}

#[test]
fn a_request_of_an_unknown_shell_is_an_error() {
    let sandbox = Sandbox::empty();
    for name in ["nonsense", "\u{1b}[2J"] {
        let mut command = sandbox.command(&["--", "ziggurat", "run", "x"]);
        let answer = command.env("ZIGGURAT_COMPLETE", name).assert().code(1);
        let output = answer.get_output();
        let why = std::str::from_utf8(&output.stderr).unwrap();
        assert!(output.stdout.is_empty() && why.lines().count() == 1);
        assert!(
            why.starts_with("ziggurat: ZIGGURAT_COMPLETE: \"")
                && why.ends_with(
                    "set it to bash, elvish, fish, nushell, powershell or zsh, or unset it\n"
                )
                && !why.contains('\u{1b}'),
            "{why}"
        );
    }
}

#[test]
fn the_manual_has_a_page_per_command() {
    let page = output(&["man"]);
    assert!(page.contains(".TH ziggurat 1"), "{page}");
    let sandbox = Sandbox::with_shared_home();
    let folder = sandbox.path("man/man1");
    sandbox.output(&["man", "--dir", &folder]);
    for page in ["ziggurat.1", "ziggurat-run.1", "ziggurat-history-export.1"] {
        assert!(Path::new(&folder).join(page).is_file(), "{page}");
    }
}

#[test]
fn the_schemas_are_json() {
    for file in ["config", "card"] {
        let schema: Value = serde_json::from_str(&output(&["schema", file])).unwrap();
        assert_eq!(schema["additionalProperties"], false, "{file}");
    }
}

//! What is wrong on the command line, or no model.

use super::*;

#[test]
fn options_for_a_models_inputs_and_outputs_are_checked() {
    for (more, expected) in [
        (&["--feed", "scale"][..], "expected NAME=NUMBER"),
        (&["--feed", "scale=1"], "no further input called"),
        (&["--image-input", "picture"], "none of its inputs"),
        (
            &["--scores-output", "scores"],
            "\"scores\" is not an output; outputs: \"logits\"",
        ),
    ] {
        let status = if expected.starts_with("expected") {
            2
        } else {
            1
        };
        let why = complaint(status, &[&["layers", MODEL], more].concat());
        assert!(why.contains(expected), "{why}");
    }
    output(&["layers", MODEL, "--scores-output", "logits"]);
}

#[test]
fn files_that_are_no_model_are_named() {
    let sandbox = with_picture();
    let [missing, text, half, no_image, pointer] = [
        "missing.onnx",
        "text.onnx",
        "half.onnx",
        "tokens.onnx",
        "pointer.onnx",
    ]
    .map(|name| sandbox.path(name));
    fs::write(&text, "this is a text\n").unwrap();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4b\nsize 102442450\n";
    fs::write(&pointer, lfs).unwrap();
    let whole = fs::read(model_file().path).unwrap();
    fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let mut builder = Builder::empty(18, "t/");
    builder
        .input("tokens", ElementType::I64, &fixed_dims(&[1, 8]))
        .unwrap();
    let scores = builder.emit("Cast", &["tokens"], &[("to", 1i64.into())]);
    let model = builder.graph().to_model(&[untyped_value(&scores)]).unwrap();
    file::write(model, Path::new(&no_image), None).unwrap();

    let (picture, out) = (sandbox.path("picture.png"), sandbox.path("out.png"));
    let input = sandbox.path("x.npy");
    write_npy(&input, &inputs()).unwrap();
    let array = sandbox.path("out.npy");
    for (model, why) in [
        (&missing, "no such model file"),
        (&text, "but a text file"),
        (&pointer, "but a Git LFS pointer: git lfs pull"),
        (
            &sandbox.path(""),
            "is not an ONNX model but a folder: name the file in it, \"",
        ),
        (&half, "half.onnx"),
        (&no_image, "no image input"),
    ] {
        for arguments in [
            &["layers", model][..],
            &["classes", model],
            &["classify", model, &picture],
            &["cam", model, &picture, "--target", "1", "--out", &out],
            &[
                "gradient", model, "--target", "1", "--input", &input, "--output", &array,
            ],
        ] {
            let message = complaint(1, arguments);
            assert!(
                message.contains(why) && message.contains(model),
                "{arguments:?}: {message}"
            );
        }
    }
    assert_eq!(sandbox.files().len(), 6);
}

#[test]
fn names_that_do_not_exist_are_usage_mistakes() {
    let sandbox = with_picture();
    let (picture, out) = (sandbox.path("picture.png"), sandbox.path("out.png"));
    let cam = |target: &str| {
        complaint(
            2,
            &["cam", MODEL, &picture, "--target", target, "--out", &out],
        )
    };
    assert!(cam("flamigo").contains("did you mean `flamingo`"));
    assert!(cam("1000").contains("1000 classes, 0 to 999"));
    assert!(cam("stem/cnv:3").contains("did you mean `stem/conv`"));
    assert!(cam("stem/conv:32").contains("32 channels"));
    assert!(cam("stem/conv:x").contains("is no channel"));
    assert!(complaint(2, &["layers", "efficientnet-lit0"]).contains("did you mean"));
    assert!(complaint(2, &["classes", MODEL, "flamigoo"]).contains("flamingo"));
    assert!(
        complaint(2, &["classify", MODEL, &picture, "--provider", "gpu"])
            .contains("unknown provider")
    );
    assert!(
        complaint(2, &["run", "1", "--provider", "gpu"])
            .contains("several share the runs: cuda:0,cuda:1 or cuda:all")
    );
    assert!(
        complaint(2, &["classify", MODEL, &picture, "--top", "0"])
            .contains("invalid value '0' for '--top <N>': expected a whole number from 1; ")
    );
    assert!(complaint(2, &["classify", MODEL]).contains("expected MODEL IMAGE"));
    let script = sandbox.path("shot.sh");
    fs::write(&script, "#!/bin/sh").unwrap();
    assert!(
        complaint(2, &["classify", &script]).contains("shot.sh is not a PNG, JPEG or WebP file")
    );
    fs::remove_file(script).unwrap();
    assert_eq!(sandbox.files().len(), 1);
}

/// An option that has no effect beside the others is refused, not ignored.
#[test]
fn options_of_an_export_need_the_export() {
    let sandbox = with_picture();
    let (picture, out) = (sandbox.path("picture.png"), sandbox.path("out.png"));
    let cam = ["cam", MODEL, &picture, "--target", "1", "--out", &out];
    let (input, gradient) = (sandbox.path("x.npy"), sandbox.path("g.npy"));
    let numbers = [
        "gradient", MODEL, "--target", "1", "--input", &input, "--output", &gradient,
    ];
    let options = [
        (&cam[..], &["--batch", "2"][..]),
        (&cam, &["--require-class"]),
        (&numbers, &["--of", "logits"]),
        (&numbers, &["--wrt", "image"]),
        (&numbers, &["--seed-input"]),
        (&numbers, &["--batch", "2"]),
        (&numbers, &["--dim", "N=2"]),
        // The other way round.
        (&cam, &["--export", "m.onnx"]),
        (&numbers, &["--export", "m.onnx"]),
    ];
    for (command, option) in options {
        let message = complaint(2, &[command, option].concat());
        assert!(
            message.contains(option[0]) && message.contains("leave out one of them"),
            "{message}"
        );
    }
    for arguments in [
        &["cam", MODEL, "--require-class"][..],
        &["cam", MODEL, "--batch", "2"],
        &["gradient", MODEL, "--batch", "2"],
        &["gradient", MODEL, "--seed-input"],
    ] {
        let message = complaint(2, arguments);
        let expected = "arguments were not provided: --export <";
        assert!(
            message.contains(expected) && !message.contains("--target"),
            "{message}"
        );
    }
    let message = complaint(2, &["gradient", MODEL, "--batch", "2", "--feed", "a=1"]);
    assert!(message.contains("--feed"), "{message}");
    let message = complaint(2, &["run", "1", "--json", "--graphics", "kitty"]);
    assert!(message.contains("leave out --graphics"), "{message}");
    assert_eq!(sandbox.files().len(), 1);
}

#[test]
fn numbers_that_are_too_large_are_named() {
    let sandbox = with_picture();
    let out = sandbox.path("m.onnx");
    let huge = "99999999999999999999999";
    let unit = format!("stem/conv:{huge}");
    let neuron = format!("stem/conv:1:{huge},0");
    let dim = format!("N={huge}");
    for (arguments, expected) in [
        (
            &["run", huge][..],
            "class 99999999999999999999999 does not exist: the model has 1000",
        ),
        (
            &["run", "#99999999999999999999999"],
            "class 99999999999999999999999 does not exist",
        ),
        (
            &["run", &unit],
            "no channel, row or column 99999999999999999999999",
        ),
        (
            &["run", &neuron],
            "no channel, row or column 99999999999999999999999",
        ),
        (&["run", "1", "--seed", huge], "the number is too large"),
        (
            &["run", "1", "--shard", "1/4294967296"],
            "N at most 4294967295",
        ),
        (
            &["cam", MODEL, "--export", &out, "--batch", "99999999999"],
            "from 1 to 1048576",
        ),
        (
            &["cam", MODEL, "--export", &out, "--batch", "0"],
            "from 1 to 1048576",
        ),
        (
            &["gradient", MODEL, "--export", &out, "--batch", huge],
            "from 1 to 1048576",
        ),
        (
            &["gradient", MODEL, "--export", &out, "--dim", &dim],
            "from 1 to 1048576",
        ),
    ] {
        let message = complaint(2, arguments);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_list_that_cannot_be_read_is_named_with_what_to_give() {
    let sandbox = with_picture();
    for (list, why) in [
        (
            sandbox.path("none.txt"),
            "there is no such file; give a text file",
        ),
        (sandbox.path(""), "it is a folder; give a text file"),
        (sandbox.path("picture.png"), "is not UTF-8 text"),
    ] {
        let message = complaint(1, &["run", "--targets", &list]);
        assert!(
            message.contains(&list) && message.contains(why),
            "{message}"
        );
    }
}

#[test]
fn a_mistake_leaves_no_folder_behind() {
    let sandbox = with_picture();
    let (folder, picture) = (sandbox.path("new/inner/"), sandbox.path("picture.png"));
    complaint(2, &["run", "flamigo", "--out", &folder]);
    complaint(2, &["run", "1", "2", "--set", "steps=-1", "--out", &folder]);
    complaint(
        2,
        &[
            "cam", MODEL, &picture, "--target", "flamigo", "--out", &folder,
        ],
    );
    assert_eq!(sandbox.files().len(), 1);
}

#[test]
fn an_unknown_value_of_an_environment_variable_is_reported() {
    let sandbox = with_picture();
    for name in ["ZIGGURAT_TF32", "ZIGGURAT_GRAPH_CAPTURE"] {
        let mut command = ziggurat(&["run", "flamigo", "--out", &sandbox.path("a.png")]);
        let message = command.env(name, "banana").assert().code(2);
        let message = String::from_utf8_lossy(&message.get_output().stderr).to_string();
        assert!(
            message.contains(&format!("{name}: \"banana\" is neither 1 nor 0")),
            "{message}"
        );
    }
    let help = output(&["--help"]);
    for name in [
        "ZIGGURAT_HOME",
        "ZIGGURAT_LOG",
        "ZIGGURAT_BLOCKS",
        "ZIGGURAT_TF32",
        "ZIGGURAT_GRAPH_CAPTURE",
    ] {
        assert!(help.contains(name), "{help}");
    }
    assert!(
        help.lines().all(|line| line.chars().count() <= 100),
        "{help}"
    );
}

#[test]
fn an_invalid_preset_is_named_with_its_setting_and_line() {
    let sandbox = Sandbox::empty();
    sandbox.configure("[presets.mine]\nsteps = 10\nmomentum = 7\n");
    let message = sandbox.complaint(2, &["run", "flamingo", "--preset", "mine"]);
    assert!(
        message.contains("config.toml:3: presets.mine.momentum: "),
        "{message}"
    );
}

#[test]
fn what_is_no_plugin_is_named_with_what_to_give() {
    let sandbox = with_picture();
    let (text, missing) = (sandbox.put("text.so", "a text"), sandbox.path("none.so"));
    for (path, why) in [
        (&text, "it is no shared library"),
        (&missing, "no such file"),
    ] {
        let provider = format!("plugin:{path}");
        let message = complaint(1, &["run", "1", "--provider", &provider]);
        assert!(
            message.contains(why) && message.contains("--provider plugin:PATH expects"),
            "{message}"
        );
    }
}

#[test]
fn the_first_word_is_a_command_or_a_model() {
    assert!(output(&[]).contains("ziggurat run flamingo"));
    for words in [
        &["histroy", "list"][..],
        &["histroy"],
        &["histroy", "--json"],
    ] {
        let message = complaint(2, words);
        let expected = "unknown command or model `histroy`; did you mean `history`?";
        assert!(message.ends_with(expected), "{message}");
    }
    assert!(complaint(2, &["efficientnet-lit0"]).contains("did you mean `efficientnet-lite0`"));
    let message = complaint(2, &["xyzzy"]);
    assert!(
        message.contains("unknown command or model `xyzzy`; see --help"),
        "{message}"
    );
    let message = complaint(2, &[MODEL, "list"]);
    assert!(!message.contains("unknown command"), "{message}");
}

#[test]
fn the_explorer_says_what_is_wrong_before_it_asks_for_a_terminal() {
    let sandbox = with_picture();
    for (option, why) in [
        ("--theme", "unknown theme `pink`; available: "),
        (
            "--graphics",
            "unknown graphics protocol \"pink\"; available: kitty",
        ),
        ("--provider", "unknown provider `pink`"),
    ] {
        let message = complaint(2, &[option, "pink"]);
        assert!(message.contains(why), "{message}");
    }
    assert!(complaint(1, &[&sandbox.path("gone.onnx")]).contains("no such model file"));
    for fine in [&[MODEL][..], &["--theme", "dark"]] {
        assert!(complaint(1, fine).contains("the explorer needs a terminal"));
    }
}

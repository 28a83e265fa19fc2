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
            let said = complaint(1, arguments);
            assert!(
                said.contains(why) && said.contains(model),
                "{arguments:?}: {said}"
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
    assert!(complaint(2, &["classify", MODEL]).contains("expected MODEL IMAGE"));
    let script = sandbox.path("shot.sh");
    fs::write(&script, "#!/bin/sh").unwrap();
    assert!(
        complaint(2, &["classify", &script]).contains("shot.sh is not a PNG, JPEG or WebP file")
    );
    fs::remove_file(script).unwrap();
    assert_eq!(sandbox.files().len(), 1);
}

#[test]
fn the_first_word_is_a_command_or_a_model() {
    assert!(output(&[]).contains("ziggurat run flamingo"));
    for words in [
        &["histroy", "list"][..],
        &["histroy"],
        &["histroy", "--json"],
    ] {
        let told = complaint(2, words);
        let expected = "unknown command or model `histroy`; did you mean `history`?";
        assert!(told.ends_with(expected), "{told}");
    }
    assert!(complaint(2, &["efficientnet-lit0"]).contains("did you mean `efficientnet-lite0`"));
    let told = complaint(2, &["xyzzy"]);
    assert!(
        told.contains("unknown command or model `xyzzy`; see --help"),
        "{told}"
    );
    let told = complaint(2, &[MODEL, "list"]);
    assert!(!told.contains("unknown command"), "{told}");
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
        let told = complaint(2, &[option, "pink"]);
        assert!(told.contains(why), "{told}");
    }
    assert!(complaint(1, &[&sandbox.path("gone.onnx")]).contains("no such model file"));
    for fine in [&[MODEL][..], &["--theme", "dark"]] {
        assert!(complaint(1, fine).contains("the explorer needs a terminal"));
    }
}

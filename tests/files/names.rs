//! Names of files, and files that are none.

use super::*;

#[test]
fn cuda_is_not_mentioned_where_there_is_no_device_for_it() {
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(&sandbox, &[("Image.NominalPixelRange", "Normalized_0_1")]);
    let photo = save_photo(&sandbox, "photo.png", &solid([1, 2, 3]));
    let remarks = printed(&["classify", &model, &photo]).remarks;
    let is_free =
        !remarks.to_lowercase().contains("cuda") && !remarks.contains("running on the CPU");
    assert!(
        is_free || ziggurat::runtime::nvidia::is_expected(),
        "{remarks}"
    );
    assert!(printed(&["doctor"]).result.contains("cuda:0"));
}

/// The last line on standard error of a command that fails.
fn complaint(arguments: &[&str]) -> String {
    let failed = ziggurat(arguments).timeout(PATIENCE).assert().failure();
    let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    text.lines().last().unwrap_or_default().into()
}

/// How long a command may take that has nothing to do.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
#[cfg(unix)]
fn what_is_no_regular_file_is_named_and_not_waited_for() {
    let sandbox = Sandbox::with_shared_home();
    let (model, pipe) = (write_model(&sandbox, &[]), sandbox.path("pipe.png"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let [out, array] = ["out.png", "out.npy"].map(|name| sandbox.path(name));
    for arguments in [
        &["classify", &model, &pipe][..],
        &["layers", &model, "--photo", &pipe],
        &["cam", &model, &pipe, "--target", "0", "--out", &out],
        &[
            "gradient", &model, "--target", "0", "--input", &pipe, "--output", &array,
        ],
        &["layers", &pipe],
    ] {
        let message = complaint(arguments);
        assert!(
            message.contains("a pipe, not a regular file") && message.contains(&pipe),
            "{message}"
        );
    }
    let message = complaint(&["classify", &model, "/dev/zero"]);
    assert!(
        message.contains("/dev/zero: a device, not a regular file"),
        "{message}"
    );
}

#[test]
#[cfg(unix)]
fn no_file_name_controls_the_terminal_and_every_file_is_found() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(&sandbox, &[]);
    let red = solid([255, 0, 0]);
    let path = save_photo(&sandbox, "a\u{202e}b\u{2066}\u{1b}[2J\n.png", &red);
    let out = sandbox.path("out.png");
    let harmless = |text: &str| {
        let shown = text.contains("a\\u{202e}b\\u{2066}\\u{1b}[2J");
        shown && !text.contains(['\u{202e}', '\u{2066}', '\u{1b}'])
    };
    for arguments in [
        &["classify", &model, &path][..],
        &["layers", &model, "--photo", &path],
    ] {
        let text = printed(arguments).result;
        assert!(harmless(&text), "{text}");
    }
    let json = printed(&["classify", &model, &path, "--json"]).result;
    assert!(
        json.contains("\\u202e") && !json.contains('\u{202e}'),
        "{json}"
    );
    let line: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(line["image"], path.as_str());
    printed(&["cam", &model, &path, "--target", "0", "--out", &out]);
    fs::remove_file(&path).unwrap();
    let message = complaint(&["classify", &model, &path]);
    assert!(
        harmless(&message) && message.contains("No such file"),
        "{message}"
    );

    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.png");
    let path = Path::new(&sandbox.path("")).join(name);
    red.save(&path).unwrap();
    let done = ziggurat(&["classify", &model])
        .arg(&path)
        .assert()
        .success();
    let text = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(text.contains("caf\u{fffd}.png"), "{text}");
}

#[test]
fn what_is_empty_or_slightly_wrong_on_the_command_line_is_named() {
    let sandbox = Sandbox::with_shared_home();
    let model = write_model(&sandbox, &[]);
    let photo = save_photo(&sandbox, "photo.png", &solid([1, 2, 3]));
    let layer = complaint(&["layers", &model, "--photo", &photo, "--layer", "relu:3"]);
    assert!(
        layer.ends_with("lists them; did you mean `relu`?"),
        "{layer}"
    );
    for arguments in [
        &["layers", &model, "--photo", ""][..],
        &["layers", ""],
        &["layers", &model, "--photo", &photo, "--layer", ""],
        &["classify", "", &photo],
        &["cam", &model, &photo, "--target", "", "--out", &photo],
    ] {
        let message = complaint(arguments);
        assert!(
            message.contains("a value is required for"),
            "{arguments:?}: {message}"
        );
    }
}

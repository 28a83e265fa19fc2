//! Tests of the completion of values.

use super::*;
use std::os::unix::ffi::OsStrExt;

fn values(candidates: &[CompletionCandidate]) -> Vec<&str> {
    let values = candidates.iter();
    values
        .filter_map(|candidate| candidate.get_value().to_str())
        .collect()
}

#[test]
fn settings_complete_their_keys_and_named_values() {
    assert_eq!(
        values(&settings("oct")),
        ["octaves=", "octave_scale=", "octave_share="]
    );
    assert!(values(&settings("mask_method=grad")).contains(&"mask_method=grad-cam++"));
    assert!(settings("steps=").is_empty() && settings("nothing=").is_empty());
}

#[test]
fn the_last_model_option_counts() {
    let words = |line: &str| line.split(' ').map(str::to_string).collect::<Vec<_>>();
    assert_eq!(
        named_model(&words("run --model a --model=b flam")),
        Some("b")
    );
    assert_eq!(named_model(&words("run flam --model")), None);
}

#[test]
fn a_class_that_would_be_read_as_something_else_has_a_prefix() {
    for (name, target) in [
        ("cat", "cat"),
        ("not:x", "class:not:x"),
        ("layer:x", "class:layer:x"),
        ("class:x", "class:class:x"),
        ("-dash", "class:-dash"),
        ("a-dash: x", "a-dash: x"),
    ] {
        assert_eq!(bare_class(name.into()), target);
    }
}

#[test]
fn slow_work_is_abandoned() {
    let slow = || {
        std::thread::sleep(Duration::from_secs(60));
        Some(())
    };
    assert_eq!(within(Duration::from_millis(10), slow), None);
}

#[test]
fn names_that_could_steer_the_terminal_are_omitted() {
    assert!(matching("", ["a\u{202e}b", "a\u{1b}[2J"].into_iter()).is_empty());
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "a\u{1b}[31m.onnx",
        "a\tb.onnx",
        "a\nb.onnx",
        "a\u{202e}.onnx",
        "b.onnx",
    ] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let not_text = OsStr::from_bytes(b"a\xff.onnx");
    std::fs::write(folder.path().join(not_text), "").unwrap();
    let start = format!("{}/", folder.path().display());
    assert_eq!(values(&paths(&start, is_model)), [start.clone() + "b.onnx"]);
    let all = any_path().complete(OsStr::new(&start));
    assert_eq!(values(&all), [start.clone() + "b.onnx"]);
    assert!(any_path().complete(not_text).is_empty());
}

#[test]
fn named_values_are_valid() {
    use ziggurat::runtime::{Provider, ProviderList};
    assert!(
        PROVIDERS
            .iter()
            .all(|name| name.parse::<Provider>().is_ok())
    );
    let lists = ["", "c", "cpu,", "cpu,cuda:0,w"].map(provider_lists);
    for candidate in lists.iter().flatten() {
        let list = candidate.get_value().to_string_lossy();
        assert!(list.parse::<ProviderList>().is_ok(), "{list}");
    }
    assert_eq!(lists.map(|list| list.len()), [6, 3, 4, 1]);
    assert!(Graphics::names().all(|name| name.parse::<Graphics>().is_ok()));
}

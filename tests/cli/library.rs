//! ONNX Runtime libraries in environments that cannot be used: each is passed over with its reason.

use super::*;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command as System;
use std::time::Duration;

/// A virtual environment whose ONNX Runtime is to be put at the returned path.
fn environment(sandbox: &Sandbox, name: &str) -> (String, PathBuf) {
    let prefix = sandbox.path(name);
    let folder = Path::new(&prefix).join("lib/python3.12/site-packages/onnxruntime/capi");
    fs::create_dir_all(&folder).unwrap();
    (prefix, folder.join("libonnxruntime.so.1.32.0"))
}

/// Compiles a library; `false` without a compiler.
fn compiled(source: &str, library: &Path) -> bool {
    let file = library.with_extension("c");
    fs::write(&file, source).unwrap();
    let mut cc = System::new("cc");
    let cc = cc.args(["-shared", "-fPIC", "-o"]).arg(library).arg(&file);
    cc.output().is_ok_and(|done| done.status.success())
}

/// A library that is none, with a part of the reason.
type Fake = (&'static str, fn(&Path), &'static str);

const FAKES: [Fake; 5] = [
    (
        "truncated",
        |path| {
            fs::copy(&testing::library().found().path, path).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(5_000_000).unwrap();
        },
        "it is cut off or damaged",
    ),
    (
        "text",
        |path| fs::write(path, "fake\n").unwrap(),
        "it is no shared library (no ELF file)",
    ),
    (
        "pipe",
        |path| {
            let made = System::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        },
        "a pipe, not a regular file",
    ),
    (
        "device",
        |path| symlink("/dev/zero", path).unwrap(),
        "a device, not a regular file",
    ),
    (
        "loop",
        |path| symlink(path, path).unwrap(),
        "Too many levels of symbolic links",
    ),
];

/// C sources of libraries that export the function of ONNX Runtime, with a part of the reason.
const SOURCES: [(&str, &str, &str); 6] = [
    ("null", "void *OrtGetApiBase(void) { return 0; }", "returns nothing"),
    ("variable", "long OrtGetApiBase = 1;", "it has no function OrtGetApiBase"),
    ("empty", "void *base[2]; void *OrtGetApiBase(void) { return base; }", "it is another library"),
    (
        "nameless",
        "static void *g(unsigned v) { return 0; } static const char *v(void) { return 0; }
         void *base[2] = {g, v}; void *OrtGetApiBase(void) { return base; }",
        "it states no version",
    ),
    (
        "older",
        "static void *g(unsigned v) { return 0; } static const char *v(void) { return \"1.10.0\"; }
         void *base[2] = {g, v}; void *OrtGetApiBase(void) { return base; }",
        "it is version 1.10.0, and 1.",
    ),
    (
        "hollow",
        "static void *g(unsigned v) { return 0; } static const char *v(void) { return \"1.99.0\\n\\033[31m\"; }
         void *base[2] = {g, v}; void *OrtGetApiBase(void) { return base; }",
        "of the programming interface",
    ),
];

/// What `doctor` prints in this environment.
fn doctor(variable: &str, prefix: &str) -> String {
    let mut command = ziggurat(&["doctor"]);
    let command = command
        .env(variable, prefix)
        .timeout(Duration::from_secs(60));
    let done = command.assert().success();
    String::from_utf8(done.get_output().stdout.clone()).unwrap()
}

/// The error if the variable names this library.
fn refused(library: &Path) -> String {
    let mut command = ziggurat(&["layers", MODEL]);
    let command = command
        .env("ORT_DYLIB_PATH", library)
        .timeout(Duration::from_secs(60));
    let failed = command.assert().code(1);
    String::from_utf8(failed.get_output().stderr.clone()).unwrap()
}

#[test]
fn a_library_that_cannot_be_used_is_passed_over_with_its_reason() {
    let sandbox = Sandbox::with_shared_home();
    output(&["setup"]);
    let mut cases = Vec::new();
    for (name, make, why) in FAKES {
        let (prefix, library) = environment(&sandbox, name);
        make(&library);
        cases.push((prefix, library, why));
    }
    for (name, source, why) in SOURCES {
        let (prefix, library) = environment(&sandbox, name);
        if compiled(source, &library) {
            cases.push((prefix, library, why));
        } else {
            println!("skipped: {name} needs `cc`");
        }
    }
    for (prefix, library, why) in cases {
        let shown = library.display().to_string();
        let report = doctor("VIRTUAL_ENV", &prefix);
        assert!(report.contains(", downloaded by Ziggurat: "), "{report}");
        let skipped = report
            .lines()
            .find(|line| line.contains("skipped "))
            .unwrap();
        assert!(
            skipped.starts_with(&format!("  skipped {shown}: ")),
            "{skipped}"
        );
        assert!(skipped.contains(why), "{skipped}");
        assert_eq!(skipped.matches(&shown).count(), 1, "{skipped}");

        let error = refused(&library);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(why) && error.contains("unset it"), "{error}");
        assert_eq!(error.matches(&shown).count(), 1, "{error}");
    }
}

#[test]
fn a_variable_that_names_no_environment_is_reported() {
    let sandbox = Sandbox::with_shared_home();
    output(&["setup"]);
    let file = sandbox.put("file", "");
    let gone = sandbox.path("gone");
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        for (value, why) in [
            ("venv", "is a relative path"),
            (&gone, "does not exist"),
            (&file, "is no folder"),
        ] {
            let report = doctor(variable, value);
            let expected = format!("  ignored {variable}: {value} {why}");
            assert!(report.lines().any(|line| line == expected), "{report}");
        }
        assert!(!doctor(variable, "").contains("ignored"));
    }
}

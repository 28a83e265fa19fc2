//! Tests of the runtime with several processes: those that start together download once, and one that dies
//! leaves nothing that disturbs the next.

#![cfg(unix)]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::Digest;
use ziggurat::runtime::Package;
use ziggurat::runtime::package::{Pip, quiet};

/// Names the bench to the processes that fetch.
const BENCH: &str = "ZIGGURAT_TEST_BENCH";

/// A folder with a wheel and a script that plays pip: it counts its calls, takes its time, and copies the wheel.
fn bench() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut zip = zip::ZipWriter::new(File::create(wheel(folder.path())).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("thing/data.bin", options).unwrap();
    zip.write_all(b"content").unwrap();
    zip.finish().unwrap();

    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\ncd {}\necho x >> calls\n\
         while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n\
         sleep $(cat delay)\ncp *.whl $dest/\n",
        folder.path().display()
    );
    let pip = folder.path().join("pip");
    fs::write(&pip, script).unwrap();
    fs::set_permissions(&pip, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn wheel(bench: &Path) -> PathBuf {
    bench.join("thing-1.0-py3-none-any.whl")
}

fn fetch(bench: &Path) -> PathBuf {
    let bytes = fs::read(wheel(bench)).unwrap();
    let digest = sha2::Sha256::digest(&bytes);
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let package = Package {
        name: "thing",
        version: "1.0",
        sha256: hash.leak(),
        bytes: bytes.len() as u64,
        platform: None,
    };
    let want = |entry: &str| entry.strip_prefix("thing/").map(PathBuf::from);
    package
        .fetch_with(
            &Pip::program(&bench.join("pip")),
            &bench.join("data/thing-1.0"),
            &want,
            &quiet,
        )
        .unwrap()
}

/// This test program again, as a process that only fetches.
fn process(bench: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_that_fetches"])
        .env(BENCH, bench)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn calls(bench: &Path) -> usize {
    fs::read_to_string(bench.join("calls")).map_or(0, |calls| calls.lines().count())
}

/// The child process that [`process`] starts, no test of its own. Started otherwise, it has no bench and nothing to do.
#[test]
fn a_process_that_fetches() {
    if let Some(bench) = std::env::var_os(BENCH) {
        fetch(Path::new(&bench));
    }
}

#[test]
fn processes_that_start_together_fetch_once() {
    let bench = bench();
    fs::write(bench.path().join("delay"), "0.5").unwrap();
    let all: Vec<Child> = (0..3).map(|_| process(bench.path())).collect();
    for mut one in all {
        assert!(one.wait().unwrap().success());
    }
    assert_eq!(calls(bench.path()), 1);
    let installed = bench.path().join("data/thing-1.0/data.bin");
    assert_eq!(fs::read(installed).unwrap(), b"content");
}

#[test]
fn a_process_that_is_killed_leaves_nothing_half_installed_and_the_next_fetches() {
    let bench = bench();
    fs::write(bench.path().join("delay"), "2").unwrap();
    let mut first = process(bench.path());
    let start = Instant::now();
    while calls(bench.path()) == 0 {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "pip was not called"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(!bench.path().join("data/thing-1.0").exists());

    fs::write(bench.path().join("delay"), "0").unwrap();
    let folder = fetch(bench.path());
    assert_eq!(fs::read(folder.join("data.bin")).unwrap(), b"content");
    let mut left: Vec<_> = fs::read_dir(bench.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, [".thing-1.0.lock", "thing-1.0"]);
}

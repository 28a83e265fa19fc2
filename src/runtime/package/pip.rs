//! The user's `pip`: which one it is, how it is asked for a wheel, and what its messages mean.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Package, Progress, Stage};
use crate::runtime::Error;
use crate::runtime::error::one_line;

/// How often the folder that pip fills is looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// The ways in which `pip` may be called here, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pip {
    candidates: Vec<Vec<String>>,
}

impl Pip {
    /// Python's own module first: it belongs to the Python that the user runs; the scripts may be of another.
    pub fn of_this_machine() -> Self {
        let ways: [&[&str]; 4] = [
            &["python3", "-m", "pip"],
            &["pip3"],
            &["pip"],
            &["python", "-m", "pip"],
        ];
        Self {
            candidates: ways
                .iter()
                .map(|words| words.iter().map(|word| word.to_string()).collect())
                .collect(),
        }
    }

    /// One program, for tests and odd installations.
    pub fn program(path: &Path) -> Self {
        Self {
            candidates: vec![vec![path.to_string_lossy().into_owned()]],
        }
    }

    /// The first candidate that answers.
    fn command(&self, package: &Package) -> Result<Command, Error> {
        let answers = |words: &&Vec<String>| {
            command(words)
                .arg("--version")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        let found = self.candidates.iter().find(answers);
        found.map(|words| command(words)).ok_or_else(|| {
            let tried: Vec<_> = self.candidates.iter().map(|way| way.join(" ")).collect();
            Error::NoPip {
                package: package.to_string(),
                tried: tried.join(", "),
            }
        })
    }

    /// Lets pip download the wheel of `package` below the folder `part`, and says where it lies.
    pub(super) fn download(
        &self,
        package: &Package,
        part: &Path,
        progress: &Progress<'_>,
    ) -> Result<PathBuf, Error> {
        let (wheels, temporary) = (part.join("wheel"), part.join("pip"));
        for folder in [&wheels, &temporary] {
            fs::create_dir(folder).map_err(Error::file("create", folder))?;
        }
        let messages = part.join("messages");
        let log = File::create(&messages).map_err(Error::file("write", &messages))?;

        let mut command = self.command(package)?;
        command
            .args(["download", "--no-deps", "--only-binary=:all:"])
            .args(["--no-input", "--disable-pip-version-check", "--quiet"]);
        if let Some(platform) = package.platform {
            command
                .args(["--python-version", "3.11", "--implementation", "cp"])
                .args(["--platform", platform]);
        }
        command.arg("--dest").arg(&wheels).arg(package.to_string());
        // pip fills its temporary folder first: ours, so that its growth is seen and nothing outlives a failure.
        command.env("TMPDIR", &temporary).env("NO_COLOR", "1");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = command.spawn().map_err(|error| Error::Pip {
            package: package.to_string(),
            reason: error.to_string(),
        })?;

        let text = format!("fetching {} {}", package.name, package.version);
        let status = loop {
            // Taken from the wheel's and pip's folder alike: pip moves the file from one to the other at the end.
            let bytes = size_of(&wheels).max(size_of(&temporary)).min(package.bytes);
            progress(&Stage {
                text: text.clone(),
                bytes: Some((bytes, package.bytes)),
            });
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => std::thread::sleep(GLANCE),
                Err(error) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(Error::Pip {
                        package: package.to_string(),
                        reason: error.to_string(),
                    });
                }
            }
        };
        if !status.success() {
            let said = fs::read(&messages).unwrap_or_default();
            return Err(explain(package, part, &String::from_utf8_lossy(&said)));
        }
        only_wheel(&wheels).ok_or_else(|| Error::Pip {
            package: package.to_string(),
            reason: "it succeeded, but delivered no wheel".into(),
        })
    }
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// The wheel that pip left.
fn only_wheel(folder: &Path) -> Option<PathBuf> {
    let mut wheels = fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "whl"));
    let first = wheels.next()?;
    wheels.next().is_none().then_some(first)
}

/// Bytes in all files below a folder; what vanishes meanwhile does not count.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size_of(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

/// pip's failure as an error. Its last line is rarely the reason: when the index cannot be reached, it complains at the
/// end of a package that does not exist, and the reason stands in the warnings before.
fn explain(package: &Package, part: &Path, said: &str) -> Error {
    let package = package.to_string();
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    if let Some(full) = lines().find(|line| line.contains("No space left on device")) {
        return Error::File {
            doing: "write to",
            path: part.parent().unwrap_or(part).to_path_buf(),
            source: std::io::Error::new(std::io::ErrorKind::StorageFull, one_line(full)),
        };
    }
    let unreachable = ["connection broken by", "Max retries exceeded", "timed out"];
    if let Some(line) = lines()
        .rev()
        .find(|line| unreachable.iter().any(|words| line.contains(words)))
    {
        return Error::NoIndex {
            package,
            reason: innermost(line),
        };
    }
    let errors = || lines().filter_map(|line| line.strip_prefix("ERROR: "));
    let reason = errors()
        .rev()
        .find(|line| !line.starts_with("No matching distribution"))
        .or(errors().next_back())
        .or(lines().next_back())
        .unwrap_or("nothing at all");
    Error::Pip {
        package,
        reason: one_line(reason),
    }
}

/// The last quoted message of a nested exception: `Retrying (...) after connection broken by 'NewConnectionError('...:
/// Failed to establish a new connection: [Errno 111] Connection refused')': /simple/x/` gives its last part.
fn innermost(line: &str) -> String {
    let inner = line
        .rsplit_once("')'")
        .or(line.rsplit_once("\")'"))
        .map_or(line, |(before, _)| before);
    let start = ["Failed to ", "Name or ", "Connection ", "Read timed"]
        .iter()
        .filter_map(|words| inner.find(words))
        .min();
    one_line(start.map_or(line, |start| &inner[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: Package = Package {
        name: "thing",
        version: "1.0",
        sha256: "",
        bytes: 0,
        platform: None,
    };

    fn explained(said: &str) -> String {
        explain(&PACKAGE, Path::new("/home/a/data/.x"), said).to_string()
    }

    #[test]
    fn an_index_that_cannot_be_reached_is_named_though_pip_ends_with_another_complaint() {
        let said = "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by \
            'NewConnectionError('<pip._vendor.HTTPSConnection object at 0x7f>: Failed to establish a new connection: \
            [Errno 111] Connection refused')': /simple/thing/\n\
            ERROR: Could not find a version that satisfies the requirement thing==1.0 (from versions: none)\n\
            ERROR: No matching distribution found for thing==1.0\n";
        assert_eq!(
            explained(said),
            "thing==1.0 cannot be fetched: the package index does not answer (Failed to establish a new connection: \
             [Errno 111] Connection refused); check the network, or the index and proxy that `pip config list` shows"
        );
    }

    #[test]
    fn a_missing_version_is_told_in_pips_words() {
        let said = "ERROR: Could not find a version that satisfies the requirement thing==1.0 (from versions: 2.0)\n\
            ERROR: No matching distribution found for thing==1.0\n";
        assert!(explained(said).contains("pip says: Could not find a version that satisfies"));
    }

    #[test]
    fn a_full_disk_names_the_folder_and_the_remedy() {
        let said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n";
        let told = explained(said);
        assert!(told.starts_with("cannot write to /home/a/data: "), "{told}");
        assert!(told.contains("free some space"), "{told}");
    }
}

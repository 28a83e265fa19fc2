//! Reading and atomic writing of files, used by every module with files.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Writes a file atomically. A replaced file keeps its permissions.
///
/// # Errors
/// The system's error; an existing file is then unchanged.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".ziggurat-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    match fs::metadata(path) {
        Ok(old) => file.as_file().set_permissions(old.permissions())?,
        Err(_) => make_readable(file.as_file())?,
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|problem| problem.error)?;
    Ok(())
}

/// Opens a regular file for reading. All files are opened with this function, because opening a pipe could block.
///
/// # Errors
/// The system's error, or that the path is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let found = fs::metadata(path)?;
    if found.is_file() {
        File::open(path)
    } else {
        let why = format!("{}, not a regular file", kind(&found));
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }
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

/// Temporary files are private; finished files get the usual permissions.
pub(crate) fn make_readable(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(Permissions::from_mode(0o644))?;
    }
    Ok(())
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
    fn a_new_file_is_readable_and_a_replaced_one_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        write(&path, b"1").unwrap();
        assert_eq!(mode(), 0o644);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        write(&path, b"2").unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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

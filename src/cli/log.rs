//! The log file: details for finding the cause of a problem later.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;
use ziggurat::home::Home;

/// A file of this size is rotated at the next start; one older file is kept.
const MAX_BYTES: u64 = 1 << 20;

/// The default of `ZIGGURAT_LOG`.
const LEVEL: &str = "warn";

/// Logs to the file from now on. If it cannot be opened, nothing is logged.
pub fn start(home: &Home) {
    let Ok(file) = open(&home.log()) else { return };
    let level = std::env::var("ZIGGURAT_LOG").unwrap_or_else(|_| LEVEL.into());
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new(LEVEL));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .finish();
    // Set once per process; a second start changes nothing.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let is_full = |file: &Path| file.metadata().is_ok_and(|about| about.len() > MAX_BYTES);
    if is_full(path) {
        std::fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/ziggurat.log");
        open(&path).unwrap();
        std::fs::write(&path, vec![b'x'; MAX_BYTES as usize + 1]).unwrap();
        open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 0);
        let old = folder.path().join("state/ziggurat.log.old");
        assert_eq!(old.metadata().unwrap().len(), MAX_BYTES + 1);
    }
}

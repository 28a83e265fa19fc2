//! The log file: details for finding the cause of a problem later.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;
use ziggurat::home::Home;
use ziggurat::text::quoted;
use ziggurat::variables;

/// A file of this size is rotated at the next start; one older file is kept.
const MAX_BYTES: u64 = 1 << 20;

/// The default of `ZIGGURAT_LOG`.
const LEVEL: &str = "warn";

/// The levels by name.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Logs to the file from now on. If it cannot be opened, nothing is logged. Returns the error of a level that is not
/// known, for which the default is taken.
pub fn start(home: &Home) -> Option<String> {
    let level = std::env::var_os(variables::LOG).unwrap_or_default();
    let (filter, problem) = match filter(&level.to_string_lossy()) {
        Ok(filter) => (filter, None),
        Err(why) => (EnvFilter::new(LEVEL), Some(why)),
    };
    let Ok(file) = open(&home.log()) else {
        return problem;
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        // A full disk must not write to the screen of the explorer.
        .log_internal_errors(false)
        .finish();
    // Set once per process; a second start changes nothing.
    let _ = tracing::subscriber::set_global_default(subscriber);
    problem
}

/// The filter of a value of the variable. A single word is a level; longer values are directives, as
/// `ziggurat::tui=debug`.
fn filter(value: &str) -> Result<EnvFilter, String> {
    let is_word = value.chars().all(char::is_alphanumeric);
    let is_known = |level: &&str| level.eq_ignore_ascii_case(value);
    let filter = match value {
        "" => Some(EnvFilter::new(LEVEL)),
        // Any other word would be the name of a module, about which alone is logged.
        _ if is_word && !LEVELS.iter().any(is_known) => None,
        directives => EnvFilter::try_new(directives).ok(),
    };
    filter.ok_or_else(|| {
        format!(
            "{}: {} is no level; use {}; {LEVEL} is used",
            variables::LOG,
            quoted(value),
            LEVELS.join(", ")
        )
    })
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
    fn an_unknown_level_is_an_error() {
        for known in ["", "debug", "TRACE", "off", "ziggurat::tui=debug,warn"] {
            assert!(filter(known).is_ok(), "{known}");
        }
        for unknown in ["banana", "a=b=c", "verbose"] {
            let why = filter(unknown).unwrap_err();
            assert!(
                why.starts_with("ZIGGURAT_LOG: ") && why.contains("debug"),
                "{why}"
            );
        }
    }

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

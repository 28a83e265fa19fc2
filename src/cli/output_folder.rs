//! A folder for results, created before any work and removed again if nothing is written into it.

use anyhow::anyhow;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder for results. It is created early, so that a path that cannot be created is reported
/// before any work; what is still empty when this value is dropped is removed.
pub struct OutputFolder {
    /// The folders that did not exist, the innermost first.
    new: Vec<PathBuf>,
}

impl OutputFolder {
    /// The folder at `path`, with its parents.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let new = path.ancestors().take_while(|folder| {
            let is_current = folder.as_os_str().is_empty();
            !is_current && !folder.exists()
        });
        let folder = Self {
            new: new.map(Path::to_path_buf).collect(),
        };
        fs::create_dir_all(path).map_err(|problem| {
            anyhow!(
                "--out {}: the folder cannot be created: {problem}",
                path.display()
            )
        })?;
        Ok(folder)
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        for folder in &self.new {
            // The system refuses to remove one that is not empty, which is to stay.
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_and_empty_folders_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let (old, inner) = (root.path().join("old"), root.path().join("old/a/b"));
        fs::create_dir(&old).unwrap();
        drop(OutputFolder::create(&inner).unwrap());
        assert!(old.is_dir() && !old.join("a").exists());
        drop(OutputFolder::create(&old).unwrap());
        assert!(old.is_dir(), "it was there before");

        let folder = OutputFolder::create(&inner).unwrap();
        fs::write(old.join("a/kept"), "").unwrap();
        drop(folder);
        assert!(!inner.exists() && old.join("a/kept").exists());
        assert!(OutputFolder::create(&old.join("a/kept/c")).is_err());
        assert!(old.join("a/kept").exists());
    }
}

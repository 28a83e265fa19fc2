//! A folder that disappears again if nothing is written into it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The folders of this process that may have to disappear.
static NEW: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A folder that is created with its parents. Those that did not exist and are still empty when this is dropped are
/// removed.
#[derive(Debug)]
pub struct NewFolder {
    /// The folders that did not exist, the innermost first.
    new: Vec<PathBuf>,
}

impl NewFolder {
    /// The folder at `path`.
    ///
    /// # Errors
    /// The system's error if it cannot be created, or that something else has its name.
    pub fn create(path: &Path) -> io::Result<Self> {
        let new = path.ancestors().take_while(|folder| {
            let is_current = folder.as_os_str().is_empty();
            !is_current && !folder.exists()
        });
        let new: Vec<PathBuf> = new.map(Path::to_path_buf).collect();
        // A program that ends meanwhile waits until they are known, so that none can be missed.
        let mut known = known();
        known.extend(new.iter().cloned());
        let created = fs::create_dir_all(path);
        drop(known);
        let folder = Self { new };
        created.map_err(|problem| folder.explained(problem))?;
        Ok(folder)
    }

    /// For the system, a dangling link exists.
    fn explained(&self, problem: io::Error) -> io::Error {
        let link = self.new.iter().find_map(|folder| {
            // A separator at the end would follow the link.
            let name: PathBuf = folder.components().collect();
            Some((fs::read_link(&name).ok()?, name))
        });
        match link {
            Some((target, name)) => io::Error::new(
                problem.kind(),
                format!(
                    "{} is a link to {}, which does not exist",
                    name.display(),
                    target.display()
                ),
            ),
            None => problem,
        }
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        let mut known = known();
        for folder in &self.new {
            // The system refuses to remove one that is not empty, which is to stay.
            let _ = fs::remove_dir(folder);
            known.remove(folder);
        }
    }
}

/// Removes the new folders of this process that are empty, and lets no thread create another one.
pub(super) fn remove_empty() {
    let known = known();
    // A path comes after those of its parents.
    for folder in known.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
    // A thread that creates a folder from now on waits for the end.
    std::mem::forget(known);
}

fn known() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    NEW.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_and_empty_folders_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let (old, inner) = (root.path().join("old"), root.path().join("old/a/b"));
        fs::create_dir(&old).unwrap();
        drop(NewFolder::create(&inner).unwrap());
        assert!(old.is_dir() && !old.join("a").exists());
        drop(NewFolder::create(&old).unwrap());
        assert!(old.is_dir(), "it was there before");

        let folder = NewFolder::create(&inner).unwrap();
        fs::write(old.join("a/kept"), "").unwrap();
        drop(folder);
        assert!(!inner.exists() && old.join("a/kept").exists());
        assert!(NewFolder::create(&old.join("a/kept/c")).is_err());
        assert!(old.join("a/kept").exists());
    }

    #[test]
    #[cfg(unix)]
    fn a_dangling_link_is_no_folder() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("link")).unwrap();
        for path in ["link/", "link", "link/a/b"] {
            let why = NewFolder::create(&root.path().join(path)).unwrap_err();
            let why = why.to_string();
            assert!(
                why.ends_with("link is a link to nowhere, which does not exist"),
                "{path}: {why}"
            );
        }
        assert!(root.path().join("link").is_symlink());
    }
}

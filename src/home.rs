//! Paths of Ziggurat's files and folders, used by every module that reads or writes them.

use crate::variables;
use std::path::{Path, PathBuf};

/// The folders of Ziggurat: data, configuration and state, and one of the user's for favourites. Nothing is
/// created before the first write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    data: PathBuf,
    config: PathBuf,
    state: PathBuf,
    favourites: PathBuf,
}

/// Neither `ZIGGURAT_HOME` is set nor is the user's home folder known.
#[derive(Debug, thiserror::Error)]
#[error(
    "no home folder is known for this user: set ZIGGURAT_HOME to a folder that Ziggurat may write to"
)]
pub struct NoHome;

impl Home {
    /// The folders of this user: below `ZIGGURAT_HOME` if that is set and not empty, otherwise the platform's
    /// standard folders.
    ///
    /// # Errors
    /// [`NoHome`] if the variable is not set and the platform reports no home folder.
    pub fn locate() -> Result<Self, NoHome> {
        if let Some(root) = std::env::var_os(variables::HOME).filter(|root| !root.is_empty()) {
            return Ok(Self::at(Path::new(&root)));
        }
        let own = directories::ProjectDirs::from("", "", "ziggurat").ok_or(NoHome)?;
        Ok(Self {
            favourites: pictures(own.data_dir()),
            data: own.data_dir().into(),
            config: own.config_dir().into(),
            state: own.state_dir().unwrap_or(own.data_local_dir()).into(),
        })
    }

    /// All folders below one root, as for `ZIGGURAT_HOME`.
    pub fn at(root: &Path) -> Self {
        Self {
            data: root.join("data"),
            config: root.join("config"),
            state: root.join("state"),
            favourites: root.join("data/favourites"),
        }
    }

    /// ONNX Runtime libraries, one folder per build.
    pub fn runtime(&self) -> PathBuf {
        self.data.join("runtime")
    }

    /// Downloaded and converted models.
    pub fn models(&self) -> PathBuf {
        self.data.join("models")
    }

    /// Finished runs, one folder per run.
    pub fn history(&self) -> PathBuf {
        self.data.join("history")
    }

    /// Favourites, unless the settings name another folder: `Ziggurat` in the user's pictures folder.
    pub fn favourites(&self) -> PathBuf {
        self.favourites.clone()
    }

    /// The user's settings.
    pub fn settings(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The user's own model cards.
    pub fn cards(&self) -> PathBuf {
        self.config.join("models")
    }

    /// Queued runs, one file per process.
    pub fn queues(&self) -> PathBuf {
        self.state.join("queue")
    }

    /// Unfinished runs, from which they resume.
    pub fn checkpoints(&self) -> PathBuf {
        self.state.join("checkpoints")
    }

    /// The saved view state of each model.
    pub fn explorer(&self) -> PathBuf {
        self.state.join("explorer.json")
    }

    /// The user's own themes.
    pub fn themes(&self) -> PathBuf {
        self.config.join("themes")
    }

    /// The log file.
    pub fn log(&self) -> PathBuf {
        self.state.join("ziggurat.log")
    }
}

/// The user's home folder, if the platform knows it.
pub fn user_folder() -> Option<PathBuf> {
    Some(directories::BaseDirs::new()?.home_dir().into())
}

/// A typed path; `~/` at its beginning is `user`, the user's home folder, if that is known.
pub fn expand_tilde(text: &str, user: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), user) {
        (Some(below), Some(user)) => user.join(below),
        _ => text.into(),
    }
}

/// `Ziggurat` in the user's pictures folder, or in `Pictures` where none is configured, as on many servers.
fn pictures(data: &Path) -> PathBuf {
    let Some(user) = directories::UserDirs::new() else {
        return data.join("favourites");
    };
    let named = user.picture_dir().map(Path::to_path_buf);
    let pictures = named.unwrap_or_else(|| user.home_dir().join("Pictures"));
    pictures.join("Ziggurat")
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Home;

    /// Empty folders of a test's own; they are removed with the first value.
    pub(crate) fn temporary_home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        (folder, home)
    }

    /// As [`temporary_home`], with this text in `config.toml`.
    pub(crate) fn home_with_settings(text: &str) -> (tempfile::TempDir, Home) {
        let (folder, home) = temporary_home();
        std::fs::create_dir_all(home.settings().parent().unwrap()).unwrap();
        std::fs::write(home.settings(), text).unwrap();
        (folder, home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_expanded_where_the_home_folder_is_known() {
        let user = Some(Path::new("/home/ada"));
        assert_eq!(expand_tilde("~/a.png", user), Path::new("/home/ada/a.png"));
        assert_eq!(expand_tilde("~ada/a.png", user), Path::new("~ada/a.png"));
        assert_eq!(expand_tilde("a/~/b", user), Path::new("a/~/b"));
        assert_eq!(expand_tilde("~/a.png", None), Path::new("~/a.png"));
    }

    #[test]
    fn all_folders_are_distinct_and_below_the_root() {
        let home = Home::at(Path::new("/z"));
        let folders = [
            home.runtime(),
            home.models(),
            home.history(),
            home.favourites(),
            home.settings(),
            home.cards(),
            home.queues(),
            home.checkpoints(),
            home.explorer(),
            home.themes(),
            home.log(),
        ];
        assert!(folders.iter().all(|folder| folder.starts_with("/z")));
        assert_ne!(home.models(), home.cards());
    }
}

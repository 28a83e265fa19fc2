//! What the explorer knows of the user and the system; it does not change while the explorer runs.

use super::theme::Themes;
use crate::home;
use crate::terminal::Terminal;
use std::path::PathBuf;

/// The terminal, the themes, and the folders that paths begin at.
#[derive(Debug, Clone)]
pub struct Environment {
    pub terminal: Terminal,
    pub themes: Themes,
    /// Folder for favourites and exports.
    pub favourites: PathBuf,
    /// Folder of the finished runs.
    pub history: PathBuf,
    /// The initial folder of the model picker.
    pub folder: PathBuf,
    /// The user's home folder, for typed paths that begin with `~/`.
    pub user_folder: Option<PathBuf>,
}

impl Environment {
    /// The path that the user typed.
    pub fn typed_path(&self, text: &str) -> PathBuf {
        home::expand_tilde(text, self.user_folder.as_deref())
    }
}

//! The explorer's input and output: [`Action`]s change the state; [`Effect`]s are requests of the state to the
//! disk, the worker and the terminal.

use super::browser::ListId;
use super::completion::Name;
use super::keys::Chord;
use super::picture_cache;
use super::popup::Choice;
use super::saved::SavedModel;
use crate::runs::Record;
use crate::runs::history::HistoryEntry;
use crate::runs::queue::{Job, JobId, Queue};
use crate::runs::worker::{WorkerCommand, WorkerEvent};
use crate::setting_value::SettingValue;
use crate::terminal::QueueProgress;
use image::RgbImage;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// An event that changes the state.
#[derive(Debug, Clone)]
pub enum Action {
    Key(Chord),
    /// A zero-width character, such as a combining accent: only a prompt accepts it.
    Letter(char),
    Paste(String),
    /// A mouse click on a cell: column, row.
    Click(u16, u16),
    /// The mouse wheel over a cell: column, row, and whether it turned up.
    Wheel(u16, u16, bool),
    Resize(u16, u16),
    /// The terminal window got the focus.
    Focus,
    /// The terminal window lost the focus.
    FocusLost,
    /// A timer tick.
    Tick,
    /// An event from the worker.
    Report(WorkerEvent),
    /// A response from the disk.
    Disk(DiskResponse),
    /// The program must end: a signal, or the terminal is closed.
    Terminate,
}

/// A response from the disk.
#[derive(Debug, Clone)]
pub enum DiskResponse {
    /// Finished runs, in several batches.
    Runs(Vec<HistoryEntry>),
    /// All finished runs were sent; `damaged` is the number of unreadable folders.
    RunsEnd {
        damaged: usize,
    },
    Picture {
        id: String,
        size: picture_cache::Size,
        picture: Arc<RgbImage>,
    },
    Record(Box<Record>),
    /// A record could not be read.
    NoRecord {
        id: String,
        why: String,
    },
    /// The frames of a run's picture.
    Frames {
        id: String,
        frames: Vec<Arc<RgbImage>>,
    },
    /// Items of a list, ordered by similarity of their pictures.
    Similarity(ListId, Vec<usize>),
    Folder {
        folder: PathBuf,
        choices: Result<Vec<Choice>, String>,
    },
    /// Completions of a path that is being typed.
    Names {
        /// The path as it was typed.
        text: String,
        names: Result<Vec<Name>, String>,
    },
    /// The photos of a path, up to the maximum of the list, and their total number.
    Photos {
        path: PathBuf,
        found: Result<(Vec<PathBuf>, usize), String>,
    },
    /// Runs removed by another process.
    Gone(Vec<String>),
    /// Queued runs of processes that ended.
    Orphans(Vec<Job>),
    Removed(Vec<String>),
    /// Runs could not be removed; `entries` are those that still exist.
    NotRemoved {
        ids: Vec<String>,
        entries: Vec<HistoryEntry>,
        why: String,
    },
    Restored(Vec<String>),
    /// Runs that could not be restored now, but maybe later.
    NotRestored(Vec<String>),
    Favourite {
        id: String,
        on: bool,
        saved: Option<PathBuf>,
    },
    /// The written file: the requested one, or one with a number if that existed.
    Exported(PathBuf),
    /// Runs could not be exported to a path.
    NotExported {
        ids: Vec<String>,
        path: PathBuf,
        why: String,
    },
    PresetSaved(String, BTreeMap<String, SettingValue>),
    /// What failed, and why.
    Failed(String),
}

/// A request for work outside of the state.
#[derive(Debug, Clone)]
pub enum Effect {
    Worker(WorkerCommand),
    Disk(DiskRequest),
    Screen(ScreenRequest),
    Quit,
}

/// Work on files, answered by [`DiskResponse`].
#[derive(Debug, Clone)]
pub enum DiskRequest {
    /// Save the queue on disk.
    SaveQueue(Queue),
    LoadPicture(String, picture_cache::Size),
    LoadRecord(String),
    /// Load the frames of a run's animation.
    LoadFrames(String),
    /// Order items of a list by similarity of their runs' pictures: item and id of each, starting with the
    /// first.
    OrderBySimilarity(ListId, Vec<(usize, String)>),
    /// Move runs to the trash; they can be restored.
    Remove(Vec<String>),
    Restore(Vec<String>),
    SetFavourite(String, bool),
    Export(Vec<String>, PathBuf),
    SavePreset(String, BTreeMap<String, SettingValue>),
    /// Save the theme in `config.toml`.
    SaveTheme(String),
    /// Save the view state of a model.
    SaveView(Box<SavedModel>),
    Look(Lookup),
}

/// A question about the user's files. It does not wait for other work on the disk.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// List a folder's models.
    Folder(PathBuf),
    /// List the completions of a path that is being typed, and the folder to which it is relative.
    Names(String, PathBuf),
    /// Find the photos of a path: those in a folder, or the file itself.
    Photos(PathBuf),
}

/// Work of the terminal.
#[derive(Debug, Clone)]
pub enum ScreenRequest {
    /// Copy a text to the terminal's clipboard.
    Copy(String),
    /// Show the progress of the queue outside of the text, or remove it.
    QueueProgress(Option<QueueProgress>),
    /// Notify the user, even without the focus.
    Notify(String),
    /// Draw the complete screen again.
    Redraw,
    Suspend,
}

impl Effect {
    /// The jobs that are sent to the worker.
    pub fn started(&self) -> Option<Vec<JobId>> {
        match self {
            Self::Worker(WorkerCommand::Run(jobs)) => Some(jobs.iter().map(|job| job.id).collect()),
            _ => None,
        }
    }
}

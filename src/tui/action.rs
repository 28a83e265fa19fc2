//! What comes in and what goes out: [`Action`]s change the state, [`Effect`]s are what the state asks of the world.

use super::browser::Place;
use super::completion::Name;
use super::gallery;
use super::keys::Chord;
use super::popup::Choice;
use super::saved::SavedModel;
use crate::runs::Record;
use crate::runs::history::HistoryEntry;
use crate::runs::queue::{Job, JobId, Queue};
use crate::runs::worker::{WorkerCommand, WorkerEvent};
use crate::setting_value::SettingValue;
use crate::terminal::Progress;
use image::RgbImage;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Action {
    Key(Chord),
    /// A zero-width character, such as a combining accent: only a prompt accepts it.
    Letter(char),
    Paste(String),
    /// A click on a cell: column, row.
    Click(u16, u16),
    /// The wheel turned over a cell; up or down.
    Wheel(u16, u16, bool),
    Resize(u16, u16),
    /// The terminal has the focus again.
    Focus,
    /// Another window has it.
    FocusLost,
    /// Nothing but time has passed.
    Tick,
    /// The worker reports.
    Report(WorkerEvent),
    /// What was asked of the disk is there.
    Answer(Answer),
    /// The program is to end: a signal, or the terminal is gone.
    Terminate,
}

/// What the disk said.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Finished runs; several of these come.
    Runs(Vec<HistoryEntry>),
    /// All finished runs have come; how many folders could not be read.
    RunsEnd {
        damaged: usize,
    },
    Picture {
        id: String,
        size: gallery::Size,
        picture: Arc<RgbImage>,
    },
    Record(Box<Record>),
    /// A record could not be read.
    NoRecord {
        id: String,
        why: String,
    },
    /// How a run's picture grew.
    Frames {
        id: String,
        frames: Vec<Arc<RgbImage>>,
    },
    /// Items of a list in the order in which their pictures look alike.
    Likeness(Place, Vec<usize>),
    Folder {
        folder: PathBuf,
        choices: Result<Vec<Choice>, String>,
    },
    /// The names in the folder of a path that is being typed that begin as its end does.
    Names {
        /// The path as it was typed then.
        text: String,
        names: Result<Vec<Name>, String>,
    },
    /// The photos of a path, no more than are listed, and how many there are in all.
    Photos {
        path: PathBuf,
        found: Result<(Vec<PathBuf>, usize), String>,
    },
    /// Runs that another program has removed.
    Gone(Vec<String>),
    /// Runs that processes left waiting that are gone.
    Orphans(Vec<Job>),
    Removed(Vec<String>),
    /// Runs could not be removed; `entries` are those that are still there.
    NotRemoved {
        ids: Vec<String>,
        entries: Vec<HistoryEntry>,
        why: String,
    },
    Restored(Vec<String>),
    Favourite {
        id: String,
        on: bool,
        saved: Option<PathBuf>,
    },
    /// The file that was written: the one that was asked for, or one with a number if that was there already.
    Exported(PathBuf),
    /// Runs could not be exported to a path.
    NotExported {
        ids: Vec<String>,
        path: PathBuf,
        why: String,
    },
    PresetSaved(String),
    /// What could not be done, and why.
    Failed(String),
}

/// Something to be done outside of the state.
#[derive(Debug, Clone)]
pub enum Effect {
    Worker(WorkerCommand),
    /// Keep the queue on disk.
    SaveQueue(Queue),
    LoadPicture(String, gallery::Size),
    LoadRecord(String),
    /// Load the frames of a run's animation.
    LoadFrames(String),
    /// Order items of a list by how alike the pictures of their runs look: item and id of each, first the one to begin with.
    OrderByLikeness(Place, Vec<(usize, String)>),
    /// Lay runs aside; they can be restored.
    Remove(Vec<String>),
    Restore(Vec<String>),
    SetFavourite(String, bool),
    Export(Vec<String>, PathBuf),
    SavePreset(String, BTreeMap<String, SettingValue>),
    /// Keep the name of the theme in `config.toml`.
    SaveTheme(String),
    /// Keep where the user is in a model.
    SaveView(Box<SavedModel>),
    /// Put a text into the clipboard of the terminal.
    Copy(String),
    /// Show how far the queue is beside the window's title, or take that away.
    Progress(Option<Progress>),
    /// Tell the user something, whatever they look at.
    Notify(String),
    /// List a folder's models.
    ListFolder(PathBuf),
    /// List the names that a path that is being typed can go on with, and the folder to which it is relative.
    ListNames(String, PathBuf),
    /// Find the photos of a path: those in a folder, or the file itself.
    FindPhotos(PathBuf),
    /// Draw everything anew.
    Redraw,
    Suspend,
    Quit,
}

impl Effect {
    /// The jobs that the worker is asked to run.
    pub fn started(&self) -> Option<Vec<JobId>> {
        match self {
            Self::Worker(WorkerCommand::Run(jobs)) => Some(jobs.iter().map(|job| job.id).collect()),
            _ => None,
        }
    }
}

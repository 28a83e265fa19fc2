//! The explorer's whole state. It is changed by [`mod@super::update`] alone and drawn by [`super::view`]; neither touches a
//! file, a thread or the terminal, so all of it can be driven without any of them.

use super::browser::{Browser, Tab};
use super::command::Command;
use super::gallery::Gallery;
use super::keys::{Chord, Keymap};
use super::library::Library;
use super::messages::Messages;
use super::plan::Plan;
use super::popup::Popup;
use super::prompt::Prompt;
use super::theme::{Theme, Themes};
use super::tree::Row;
use super::update::AfterRecord;
use super::view::layout::{Layout, QueuePanel, layout};
use crate::ascent::Overlay;
use crate::runs::Record;
use crate::runs::history::Entry;
use crate::runs::queue::{JobId, Queue};
use crate::runs::target::{Place, Target};
use crate::runs::worker::Opened;
use crate::terminal::Terminal;
use ratatui::layout::Size;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the network stands.
#[derive(Debug, Clone)]
pub enum Model {
    /// Being fetched or read.
    Opening {
        name: String,
        stage: String,
        bytes: Option<(u64, u64)>,
        /// The one that was open before, which stays if this one cannot be opened.
        before: Option<Arc<Opened>>,
    },
    Open(Arc<Opened>),
    Failed {
        name: String,
        why: String,
    },
}

impl Model {
    /// The network, if it is open.
    pub fn opened(&self) -> Option<&Arc<Opened>> {
        match self {
            Self::Open(opened) => Some(opened),
            _ => None,
        }
    }
}

/// A run that is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    pub job: JobId,
    /// The objective before a step, for the steps that were told of: (step, score).
    pub curve: Vec<(f64, f64)>,
    /// The probability of its class; only for classes.
    pub probability: Option<f32>,
    /// The classes that the network sees most in the picture as it is, with their probabilities.
    pub top: Vec<(usize, f32)>,
    pub step: usize,
    pub steps: usize,
    /// Steps on each octave, coarse to fine; empty until it has started.
    pub octaves: Vec<usize>,
    pub octave: usize,
    pub steps_per_second: f64,
}

/// Which picture the picture panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Shown {
    #[default]
    Nothing,
    /// A run under way.
    Live(JobId),
    /// A finished run, by its id.
    Finished(String),
}

/// What is selected in the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    tab: Tab,
    /// The layer whose channels are listed.
    layer: Option<usize>,
    item: Option<usize>,
    /// The finished run, where finished runs are listed.
    run: Option<String>,
}

/// A panel that can have the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    Browser,
    Queue,
}

/// What the user has configured, and where the program runs.
#[derive(Debug, Clone)]
pub struct Environment {
    pub terminal: Terminal,
    pub themes: Themes,
    /// Folder for favourites and exports.
    pub favourites: PathBuf,
    /// Folder of the finished runs.
    pub history: PathBuf,
    /// Where the model picker starts.
    pub folder: PathBuf,
}

/// The state.
#[derive(Debug)]
pub struct App {
    pub environment: Environment,
    pub keymap: Keymap,
    pub theme: Theme,
    pub theme_name: String,
    pub size: Size,
    /// Time since the start, as of the last action.
    pub now: Duration,

    pub model: Model,
    pub browser: Browser,
    /// Finished runs.
    pub library: Library,
    /// Their pictures, as far as they are in memory.
    pub gallery: Gallery,
    pub plan: Plan,

    pub queue: Queue,
    /// The row of the queue that is selected.
    pub queue_cursor: usize,
    /// The runs that step together now.
    pub running: Vec<Live>,
    pub paused: bool,
    /// Runs that another process left waiting are queued, but nothing starts before the user says so.
    pub held: bool,
    /// The newest picture of the run that is watched.
    pub snapshot: Option<Snapshot>,
    /// Which picture the picture panel shows.
    pub shown: Shown,
    /// The record of the finished run that is shown, once it is read.
    pub record: Option<Box<Record>>,
    /// What was selected when [`Self::shown`] last followed the selection.
    pub followed: Option<Selected>,
    pub overlay: Overlay,
    pub zoomed: bool,

    pub focus: Panel,
    /// What is laid over the panels, the topmost last.
    pub popups: Vec<Popup>,
    /// The line that is being typed.
    pub prompt: Option<Prompt>,
    /// Chords of a key sequence that is not complete.
    pub pending: Vec<Chord>,
    pub messages: Messages,
    /// Deletions that can be undone, the latest last.
    pub removed: VecDeque<Vec<String>>,
    /// A record that was asked for, and what it is for.
    pub awaited: Option<(String, AfterRecord)>,
    /// The photos that were opened, in that order.
    pub photos: Vec<PathBuf>,
    pub quitting: bool,
}

/// A picture of a run under way.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub job: JobId,
    pub step: usize,
    pub overlay: Overlay,
    pub picture: Arc<image::RgbImage>,
}

impl App {
    /// The state at the start, while `model` is being opened.
    pub fn new(environment: Environment, keymap: Keymap, theme_name: &str, model: String) -> Self {
        let theme = environment
            .themes
            .get(theme_name)
            .unwrap_or_else(|| environment.themes.first())
            .for_depth(environment.terminal.colours);
        Self {
            environment,
            keymap,
            theme,
            theme_name: theme_name.into(),
            size: Size::new(80, 24),
            now: Duration::ZERO,
            model: Model::Opening {
                name: model,
                stage: "opening".into(),
                bytes: None,
                before: None,
            },
            browser: Browser::default(),
            library: Library::default(),
            gallery: Gallery::default(),
            plan: Plan::default(),
            queue: Queue::default(),
            queue_cursor: 0,
            running: Vec::new(),
            paused: false,
            held: false,
            snapshot: None,
            shown: Shown::Nothing,
            record: None,
            followed: None,
            overlay: Overlay::Plain,
            zoomed: false,
            focus: Panel::Browser,
            popups: Vec::new(),
            prompt: None,
            pending: Vec::new(),
            messages: Messages::default(),
            removed: VecDeque::new(),
            awaited: None,
            photos: Vec::new(),
            quitting: false,
        }
    }

    /// Where everything is on the screen.
    pub fn layout(&self) -> Layout {
        let queue = match (self.queue.jobs().is_empty(), self.focus) {
            (true, _) => QueuePanel::Empty,
            (false, Panel::Browser) => QueuePanel::Beside,
            (false, Panel::Queue) => QueuePanel::Focused,
        };
        layout(self.size, self.zoomed, queue)
    }

    /// The run under way that the picture panel shows.
    pub fn watched(&self) -> Option<&Live> {
        let Shown::Live(job) = self.shown else {
            return None;
        };
        self.running.iter().find(|live| live.job == job)
    }

    /// Whether a list of finished runs has the focus.
    pub fn in_history(&self) -> bool {
        matches!(self.browser.tab, Tab::History | Tab::Favourites)
    }

    /// The finished run under the cursor, where finished runs are listed.
    pub fn selected_entry(&self) -> Option<&Entry> {
        let index = self.browser.list().selected()?;
        self.in_history().then(|| self.library.get(index))
    }

    /// The main key of a command for messages; its name if it has no key.
    pub fn key(&self, command: Command) -> String {
        let hint = self.keymap.hint(command);
        hint.unwrap_or_else(|| command.entry().name.into())
    }

    /// Whether a run is of another model than the open one.
    pub fn is_of_other_model(&self, hash: &str) -> bool {
        let opened = self.model.opened();
        opened.is_some_and(|opened| opened.hash != hash)
    }

    /// The record of the finished run that is shown, if it is the run `id` and has been read.
    pub fn record_of(&self, id: &str) -> Option<&Record> {
        let record = self.record.as_deref();
        record.filter(|record| record.id == id)
    }

    /// What is selected in the browser.
    pub fn selected(&self) -> Selected {
        let browser = &self.browser;
        let channels = browser.channels.as_ref();
        Selected {
            tab: browser.tab,
            layer: channels.map(|channels| channels.layer),
            item: browser.list().selected(),
            run: self.selected_entry().map(|entry| entry.id.clone()),
        }
    }

    /// The latest run of the class, layer or channel under the cursor.
    pub fn entry_of_selection(&self) -> Option<&Entry> {
        let opened = self.model.opened()?;
        self.library
            .of_target(&opened.hash, &self.selected_target()?)
    }

    /// The class, layer or channel under the cursor.
    pub fn selected_target(&self) -> Option<Target> {
        let opened = self.model.opened()?;
        let item = self.browser.list().selected()?;
        let parts = opened.parts();
        let target = match (self.browser.tab, &self.browser.channels) {
            (Tab::Classes, _) => parts.class(item),
            (Tab::Layers, Some(channels)) => {
                Target::of_layer(&opened.layers[channels.layer], Place::Channel(item))
            }
            (Tab::Layers, None) => match self.browser.tree.row(item) {
                Row::Layer(layer) => Target::of_layer(&opened.layers[layer], Place::Whole),
                Row::Scope(_) => return None,
            },
            (Tab::History | Tab::Favourites, _) => return None,
        };
        target.ok()
    }

    /// Whether something on the screen changes by itself with time.
    pub fn is_animated(&self) -> bool {
        let waits = matches!(self.model, Model::Opening { .. });
        let blinks = matches!(self.popups.last(), Some(Popup::Compare(compare)) if compare.blink);
        waits || blinks || self.messages.current(self.now).is_some()
    }
}

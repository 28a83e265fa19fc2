//! The explorer's whole state. It is changed by [`mod@super::update`] alone and drawn by [`super::view`]; neither touches a
//! file, a thread or the terminal, so all of it can be driven without any of them.

use super::album::Album;
use super::browser::{Browser, Tab};
use super::busy::Busy;
use super::command::Command;
use super::gallery::{self, Gallery};
use super::keys::{Chord, Keymap};
use super::layout::{CellSize, Layout, QueuePanel, Room, SETTINGS_WIDTH, layout};
use super::lens::{Lens, Magnified};
use super::library::Library;
use super::listing::Listing;
use super::messages::Messages;
use super::opening::Model;
use super::pace::Live;
use super::plan::Plan;
use super::popup::Popup;
use super::prompt::Prompt;
use super::replay::Replay;
use super::saved::{PAUSE, Saved, SavedModel};
use super::shown::{Heat, Shown, Snapshot};
use super::theme::{Theme, Themes};
use super::tree::Row;
use super::undoable::{MAX_UNDOABLE, Undoable};
use crate::ascent::Overlay;
use crate::model::Classes;
use crate::runs::Record;
use crate::runs::history::HistoryEntry;
use crate::runs::queue::{Job, JobId, JobState, Queue};
use crate::runs::target::{LayerPart, Target};
use crate::runs::worker::{ModelInfo, Watched};
use crate::terminal::{Progress, Terminal};
use image::RgbImage;
use ratatui::layout::Size;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the screen changes during an animation.
const TICK: Duration = Duration::from_millis(100);

/// How long after the first key of a sequence it is shown what can follow.
const HESITATION: Duration = Duration::from_millis(300);

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

/// What a record is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRecord {
    RunAgain,
    EditSettings,
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
    /// The classes of every model that was open, by its hash.
    classes: HashMap<String, Classes>,
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
    /// The newest picture of each run that is watched.
    pub snapshots: Vec<Snapshot>,
    /// What the worker was asked to send pictures of.
    pub watching: Option<(Watched, Overlay)>,
    /// Which picture the picture panel shows.
    pub shown: Shown,
    /// The record of the finished run that is shown, once it is read.
    pub record: Option<Box<Record>>,
    /// The run whose record was requested last.
    pub record_requested: Option<String>,
    /// What was selected when [`Self::shown`] last followed the selection.
    pub followed: Option<Selected>,
    /// How the shown picture grew, while that is shown.
    pub replay: Option<Replay>,
    /// The class activation map over the finished picture, while that is shown.
    pub heat: Option<Heat>,
    pub overlay: Overlay,
    /// Whether the picture has the whole screen.
    pub zoomed: bool,
    /// What part of it is seen then.
    pub lens: Lens,
    /// That part, where it is not the whole picture.
    pub magnified: Option<Magnified>,
    /// Whether lists of what can have a picture are shown as grids that have the whole screen.
    pub tiled: bool,
    /// The size of the cells of such a grid.
    pub cell: CellSize,

    pub focus: Panel,
    /// What is laid over the panels, the topmost last.
    pub popups: Vec<Popup>,
    /// The line that is being typed.
    pub prompt: Option<Prompt>,
    /// Chords of a key sequence that is not complete.
    pub pending: Vec<Chord>,
    /// When the first of these was pressed.
    pub pending_since: Duration,
    pub messages: Messages,
    /// What can be undone, the latest last.
    pub undoable: VecDeque<Undoable>,
    /// A record that was asked for, and what it is for.
    pub awaited: Option<(String, AfterRecord)>,
    /// The photos that were opened.
    pub photos: Album,
    pub quitting: bool,

    /// The runs that follow one another now.
    pub busy: Option<Busy>,
    /// How far they are, as it was told last.
    pub progress: Option<Progress>,
    /// Whether the terminal has the focus, as far as it says.
    pub is_looked_at: bool,

    /// Where the user was in each model.
    pub saved: Saved,
    /// When that was written last.
    pub saved_at: Duration,
    /// Whether something has happened since that may have changed it.
    pub unsaved: bool,
    /// What of a model that was opened again waits for the finished runs to be known.
    pub returning: Option<Box<SavedModel>>,
    /// The tab and the settings when the opening of a model began.
    pub at_opening: Option<(Tab, Box<Plan>)>,
    /// Runs whose removal is not over yet.
    pub removing: HashSet<String>,
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
            classes: HashMap::new(),
            browser: Browser::default(),
            library: Library::default(),
            gallery: Gallery::default(),
            plan: Plan::default(),
            queue: Queue::default(),
            queue_cursor: 0,
            running: Vec::new(),
            paused: false,
            held: false,
            snapshots: Vec::new(),
            watching: None,
            shown: Shown::Nothing,
            record: None,
            record_requested: None,
            followed: None,
            replay: None,
            heat: None,
            overlay: Overlay::Plain,
            zoomed: false,
            lens: Lens::default(),
            magnified: None,
            tiled: false,
            cell: CellSize::Medium,
            focus: Panel::Browser,
            popups: Vec::new(),
            prompt: None,
            pending: Vec::new(),
            pending_since: Duration::ZERO,
            messages: Messages::default(),
            undoable: VecDeque::new(),
            awaited: None,
            photos: Album::default(),
            quitting: false,
            busy: None,
            progress: None,
            is_looked_at: true,
            saved: Saved::default(),
            saved_at: Duration::ZERO,
            unsaved: false,
            returning: None,
            at_opening: None,
            removing: HashSet::new(),
        }
    }

    /// Where everything is on the screen.
    pub fn layout(&self) -> Layout {
        let queue = match (self.queue.jobs().is_empty(), self.focus) {
            (true, _) => QueuePanel::Empty,
            (false, Panel::Browser) => QueuePanel::Beside,
            (false, Panel::Queue) => QueuePanel::Focused,
        };
        let room = match (self.zoomed, self.is_grid()) {
            (true, _) => Room::Picture,
            (false, true) => Room::Grid(self.cell),
            (false, false) => Room::Panels,
        };
        let has_settings = |popup: &Popup| matches!(popup, Popup::Settings(_));
        let least_left = match self.popups.iter().any(has_settings) {
            true => SETTINGS_WIDTH,
            false => 0,
        };
        layout(self.size, room, queue, least_left)
    }

    /// The rows of the queue, of which `height` are seen.
    pub fn queue_rows(&self, height: u16) -> Listing {
        let mut rows = Listing::of(self.queue.jobs().len());
        rows.go_to_row(self.queue_cursor);
        rows.fit(usize::from(height), 1);
        rows
    }

    /// Whether the list that is shown is a grid that has the whole screen. The tree of layers never is.
    pub fn is_grid(&self) -> bool {
        self.tiled && (self.browser.tab != Tab::Layers || self.browser.channels.is_some())
    }

    /// The run under way that the picture panel shows.
    pub fn watched(&self) -> Option<&Live> {
        let Shown::Live(job) = self.shown else {
            return None;
        };
        self.running.iter().find(|live| live.job == job)
    }

    /// The picture of the picture panel, if it shows one and has it: of now, of a moment of its growth, or finished.
    pub fn shown_picture(&self) -> Option<&Arc<RgbImage>> {
        match &self.shown {
            Shown::Live(job) => self.snapshot(*job).map(|snapshot| &snapshot.picture),
            Shown::Finished(id) => {
                let replay = self.replay.as_ref();
                let frame = replay.and_then(|replay| replay.frame(self.now));
                let heat = self.heat.as_ref().and_then(|heat| heat.picture.as_ref());
                let whole = || self.gallery.get(id, gallery::Size::Full);
                frame.or(heat).or_else(whole)
            }
            Shown::Nothing | Shown::Batch(_) => None,
        }
    }

    /// The job that runs a target of the open model: the one under way, or else one that waits or failed.
    pub fn job_of(&self, target: &Target) -> Option<&Job> {
        let jobs = self.queue.jobs().iter().filter(|job| {
            let spec = &job.spec;
            spec.unit == target.unit
                && spec.objective == target.objective
                && !self.is_of_other_model(&spec.model_hash)
        });
        jobs.min_by_key(|job| job.state != JobState::Running)
    }

    /// The run under way of a target of the open model.
    pub fn live_of(&self, target: &Target) -> Option<&Live> {
        let job = self.job_of(target)?.id;
        self.running.iter().find(|live| live.job == job)
    }

    /// The newest picture of a run under way.
    pub fn snapshot(&self, job: JobId) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.job == job)
    }

    /// Whether a list of finished runs has the focus.
    pub fn in_history(&self) -> bool {
        matches!(self.browser.tab, Tab::History | Tab::Favourites)
    }

    /// The finished run under the cursor, where finished runs are listed.
    pub fn selected_entry(&self) -> Option<&HistoryEntry> {
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

    /// Remembers what the classes of a model are called, for runs of it while another is open.
    pub fn remember_classes(&mut self, opened: &ModelInfo) {
        let (hash, classes) = (opened.hash.clone(), opened.classes.clone());
        self.classes.insert(hash, classes);
    }

    /// What a class of a model is called, if the model was open.
    pub fn class_name(&self, model_hash: &str, class: usize) -> Option<&str> {
        self.classes.get(model_hash)?.name(class)
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
    pub fn entry_of_selection(&self) -> Option<&HistoryEntry> {
        match self.in_history() {
            true => None,
            false => self.entry_of(self.browser.list().selected()?),
        }
    }

    /// The class, layer or channel under the cursor.
    pub fn selected_target(&self) -> Option<Target> {
        self.target_of(self.browser.list().selected()?)
    }

    /// The finished run of an item of the list that is shown: the run itself, or the latest one of the item.
    pub fn entry_of(&self, item: usize) -> Option<&HistoryEntry> {
        if self.in_history() {
            return Some(self.library.get(item));
        }
        let opened = self.model.opened()?;
        self.library.of_target(&opened.hash, &self.target_of(item)?)
    }

    /// The class, layer or channel that is an item of the list that is shown.
    pub fn target_of(&self, item: usize) -> Option<Target> {
        let opened = self.model.opened()?;
        let parts = opened.scope();
        let target = match (self.browser.tab, &self.browser.channels) {
            (Tab::Classes, _) => parts.class(item),
            (Tab::Layers, Some(channels)) => {
                Target::of_layer(&opened.layers[channels.layer], LayerPart::Channel(item))
            }
            (Tab::Layers, None) => match self.browser.tree.row(item) {
                Row::Layer(layer) => Target::of_layer(&opened.layers[layer], LayerPart::Whole),
                Row::Scope(_) => return None,
            },
            (Tab::History | Tab::Favourites, _) => return None,
        };
        target.ok()
    }

    /// Whether something on the screen is animated.
    pub fn is_animated(&self) -> bool {
        let waits = matches!(self.model, Model::Opening { .. });
        let blinks = matches!(self.popups.last(), Some(Popup::Compare(compare)) if compare.blink);
        waits || blinks || self.replay.is_some() || self.messages.current(self.now).is_some()
    }

    /// Whether a key sequence was begun and not gone on with for a while: what can follow is shown then.
    pub fn hesitates(&self) -> bool {
        !self.pending.is_empty() && self.now >= self.pending_since + HESITATION
    }

    /// When there is something to keep of where the user is, if nothing happens.
    fn due(&self) -> Option<Duration> {
        let is_open = self.model.opened().is_some();
        (self.unsaved && is_open).then(|| self.saved_at + PAUSE)
    }

    /// Remembers something, so that it can be undone.
    pub fn remember(&mut self, undoable: Undoable) {
        self.undoable.push_back(undoable);
        if self.undoable.len() > MAX_UNDOABLE {
            self.undoable.pop_front();
        }
    }

    /// How long until time alone changes something; `None` if it never does.
    pub fn next_tick(&self) -> Option<Duration> {
        let animated = self.is_animated().then(|| self.now + TICK);
        let hesitated = (!self.pending.is_empty() && !self.hesitates())
            .then(|| self.pending_since + HESITATION);
        let next = [animated, hesitated, self.due()];
        let next = next.into_iter().flatten();
        next.min().map(|at| at.saturating_sub(self.now))
    }
}
